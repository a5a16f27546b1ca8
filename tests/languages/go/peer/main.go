// The part of Go in an exchange by socket helpers; see exchange.py.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/pebbe/zmq4"

	"conformance/everything"
	"conformance/feed"
	"zmqsocket"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func bound(kind zmq4.Type) *zmq4.Socket {
	socket := must(zmq4.NewSocket(kind))
	must(0, socket.SetLinger(-1))
	must(0, socket.Bind("tcp://127.0.0.1:*"))
	return socket
}

// heard prints what a subscriber told us.
func heard(xpub *zmq4.Socket) *feed.Tick {
	subscribe, topic, err := zmqsocket.ReceiveSubscription(xpub, feed.ParseSubscription, 0)
	tick := must(topic, err).(*feed.Tick)
	fmt.Println(map[bool]string{true: "subscribe", false: "unsubscribe"}[subscribe], tick.MessageName(), tick.Topic)
	return tick
}

func main() {
	router, xpub := bound(zmq4.ROUTER), bound(zmq4.XPUB)
	if _, err := zmqsocket.Receive(router, everything.Decode, zmq4.DONTWAIT); err == nil {
		log.Fatal("there is no message yet")
	}
	fmt.Println(must(router.GetLastEndpoint()), must(xpub.GetLastEndpoint()))

	var last everything.Message
	for left := must(strconv.Atoi(os.Args[1])); left > 0; left-- {
		message, identity, err := zmqsocket.ReceiveFrom(router, everything.Decode, 0)
		last = must(message, err)
		must(0, zmqsocket.SendTo(router, identity, message))
	}
	_, identity, err := zmqsocket.ReceiveFrom(router, everything.Decode, 0)
	fmt.Printf("refused %v from %x\n", err, identity)
	if err := zmqsocket.Send(router, last); !errors.Is(err, zmqsocket.ErrNoIdentity) {
		log.Fatal("a ROUTER can't send without an identity: ", err)
	}
	must(0, zmqsocket.SendTo(router, identity, last))

	topic := heard(xpub).Topic
	must(0, zmqsocket.Send(xpub, &feed.Halt{Topic: topic}))
	must(0, zmqsocket.Send(xpub, &feed.Tick{Topic: topic + "ce", Price: 1 << 63, Symbol: "ZMQ"}))
	heard(xpub)
	must(0, router.Close())
	must(0, xpub.Close())
	must(0, zmq4.Term())
	fmt.Println("done")
}
