// Sends ten records to a collector, by the endpoint of its live link.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/pebbe/zmq4"

	"records/wire/zrelogmsg"
	"zmqsocket"
)

var severities = []uint8{zrelogmsg.SeverityInfo, zrelogmsg.SeverityWarn, zrelogmsg.SeverityError}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: run tcp://HOST:PORT")
	}
	if err := send(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent 10 records")
}

func send(endpoint string) error {
	live, err := connect(endpoint)
	if err != nil {
		return err
	}
	var node zrelogmsg.UUID
	if _, err := rand.Read(node[:]); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	epoch := uint64(time.Now().UnixNano())
	sequences := map[uint8]uint64{} // for each range of severities

	for number := 1; number <= 10; number++ {
		severity := severities[number%len(severities)]
		first := severity - (severity-1)%4 // of its range
		sequences[first]++
		record := &zrelogmsg.Record{
			Severity: severity,
			Node:     node,
			Epoch:    epoch,
			Sequence: sequences[first],
			Time:     uint64(time.Now().UnixNano()),
			Host:     host,
			Name:     "go",
			Logger:   "example.go",
			Text:     fmt.Sprintf("motor %d is at %d °C", number, 20+number),
			Fields:   map[string]string{"motor": fmt.Sprint(number)},
		}
		if err := zmqsocket.Send(live, record); err != nil {
			return err
		}
	}
	if err := live.Close(); err != nil {
		return err
	}
	return zmq4.Term() // when all is sent
}

// connect waits until the collector is ready: then it has subscribed to AA A2 FF and its UUID, after all else.
func connect(endpoint string) (*zmq4.Socket, error) {
	live, err := zmq4.NewSocket(zmq4.XPUB)
	if err != nil {
		return nil, err
	}
	for _, set := range []func() error{
		func() error { return live.SetImmediate(true) },
		func() error { return live.SetXpubNodrop(true) },
		func() error { return live.SetLinger(5 * time.Second) }, // at the end: time to send what is still queued
		func() error { return live.SetRcvtimeo(10 * time.Second) },
		func() error { return live.Connect(endpoint) },
	} {
		if err := set(); err != nil {
			return nil, err
		}
	}
	for {
		heard, err := live.RecvBytes(0)
		if err != nil {
			return nil, fmt.Errorf("no collector at %s within 10 seconds: %w", endpoint, err)
		}
		if len(heard) == 20 && bytes.HasPrefix(heard, []byte("\x01"+zrelogmsg.Signature+"\xff")) {
			return live, nil
		}
	}
}
