// One ZRE peer driven over stdin and stdout: github.com/go-zeromq/zyre.
// The line protocol is in tests/interop/README.md.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-zeromq/zyre"
)

type command struct {
	Do        string
	Name      string
	Headers   map[string]string
	Groups    []string
	Interface string
	Port      int
	Group     string
	Peer      string
	Frames    []string
	First     int
	Last      int
}

var output sync.Mutex

func emit(event string, values map[string]any) {
	values["event"] = event
	line, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(line))
}

var flooded int

// countFlood reports a number that is out of its turn, and the end of a flood; the thousands between are only counted.
func countFlood(number, last int) {
	if number != flooded+1 {
		emit("FLOOD GAP", map[string]any{"expected": flooded + 1, "got": number})
	}
	flooded = number
	if number == last {
		emit("FLOODED", map[string]any{"through": number})
	}
}

func report(event *zyre.Event) {
	values := map[string]any{"peer": strings.ToLower(event.PeerUUID), "name": event.PeerName}
	switch event.Type {
	case "ENTER":
		values["headers"] = event.Headers
		values["address"] = event.PeerAddr
	case "JOIN", "LEAVE":
		values["group"] = event.Group
	case "WHISPER":
		var number, last int
		if n, _ := fmt.Sscanf(string(event.Msg), "flood %d %d", &number, &last); n == 2 {
			countFlood(number, last)
			return
		}
		values["frames"] = []string{hex.EncodeToString(event.Msg)}
	case "SHOUT":
		values["group"] = event.Group
		values["frames"] = []string{hex.EncodeToString(event.Msg)}
	}
	emit(event.Type, values)
}

func payload(c command) []byte {
	content, err := hex.DecodeString(c.Frames[0])
	if err != nil {
		panic(err)
	}
	return content
}

func obey(node *zyre.Zyre, c command) {
	peer := strings.ToUpper(c.Peer) // the key of its table of peers
	switch c.Do {
	case "start":
		// At stop it waits one interval for the last beacon: without an interval that beacon is a matter of luck.
		node.SetName(c.Name).SetInterface(c.Interface).SetPort(c.Port).SetInterval(200 * time.Millisecond)
		for key, value := range c.Headers {
			node.SetHeader(key, "%s", value)
		}
		for _, group := range c.Groups {
			node.Join(group)
		}
		if err := node.Start(); err != nil {
			panic(err)
		}
		// No uuid: Zyre.UUID() of v0.1.3 panics (a byte slice taken for a string).
		emit("STARTED", map[string]any{"uuid": nil, "name": node.Name()})
	case "join":
		node.Join(c.Group)
	case "leave":
		node.Leave(c.Group)
	case "whisper":
		node.Whisper(peer, payload(c))
	case "shout":
		node.Shout(c.Group, payload(c))
	case "flood":
		for number := c.First; number <= c.Last; number++ {
			node.Whispers(peer, "flood %d %d", number, c.Last)
		}
	case "stop":
		node.Stop()
		os.Exit(0)
	default:
		panic("unknown command " + c.Do)
	}
}

func main() {
	node := zyre.NewZyre(context.Background())
	go func() {
		for event := range node.Events() {
			report(event)
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<23)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		obey(node, c)
	}
	os.Exit(2)
}
