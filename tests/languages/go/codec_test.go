package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"conformance/everything"
	"conformance/feed"
	"conformance/grown"
	"conformance/zrelogmsg"
)

func record() *zrelogmsg.Record {
	return &zrelogmsg.Record{
		Severity: zrelogmsg.SeverityError, Epoch: 1 << 63, Host: "rover-2", Text: "12.5 °C",
		Fields: map[string]string{"b": "2", "a": "1"},
	}
}

func TestRoundTrip(t *testing.T) {
	frame, err := record().Encode()
	if err != nil {
		t.Fatal(err)
	}
	message, err := zrelogmsg.Decode(frame)
	if err != nil || !message.Equal(record()) || !record().Equal(message) {
		t.Fatal(message, err)
	}
	if got := message.(*zrelogmsg.Record); !reflect.DeepEqual(got, record()) {
		t.Error(got)
	}
	if message.MessageID() != 2 || message.MessageName() != "RECORD" {
		t.Error(message.MessageID(), message.MessageName())
	}
}

func TestTheSameValuesAreTheSameOctets(t *testing.T) {
	first, _ := record().Encode()
	for i := 0; i < 20; i++ {
		if again, _ := record().Encode(); string(again) != string(first) {
			t.Fatal("the order of the fields differs")
		}
	}
}

func TestAppendEncodeKeepsWhatIsThere(t *testing.T) {
	octets, err := (&zrelogmsg.Ping{Clock: 1}).AppendEncode([]byte("before"))
	if err != nil || string(octets) != "before\xaa\xa2\x0c\x00\x00\x00\x00\x00\x00\x00\x01" {
		t.Errorf("%q %v", octets, err)
	}
}

func TestErrors(t *testing.T) {
	_, err := zrelogmsg.Decode([]byte("\xaa\xa2\x02\x11"))
	var decodeError *zrelogmsg.DecodeError
	if !errors.As(err, &decodeError) {
		t.Fatal(err)
	}
	want := zrelogmsg.DecodeError{Reason: zrelogmsg.ReasonTruncated, Offset: 3, Message: "RECORD"}
	if *decodeError != want || err.Error() != "RECORD: truncated at offset 3" {
		t.Error(err)
	}
	if _, err := zrelogmsg.Decode(nil); err == nil || err.Error() != "frame: truncated at offset 0" {
		t.Error(err)
	}
	for text, problem := range map[string]string{
		strings.Repeat("é", 128): "256 octets are more than 255",
		"\xed\xa0\x80":           "is not UTF-8",
	} {
		message := &everything.Clients{Client: everything.Person{Forename: text}}
		octets, err := message.Encode()
		var encodeError *everything.EncodeError
		if octets != nil || !errors.As(err, &encodeError) {
			t.Fatal(octets, err)
		}
		if *encodeError != (everything.EncodeError{Message: "CLIENTS", Field: "client.forename", Problem: problem}) {
			t.Error(err)
		}
		if _, err := message.Frames(); err == nil || err.Error() != "CLIENTS.client.forename: "+problem {
			t.Error(err)
		}
	}
}

func TestEqual(t *testing.T) {
	if record().Equal(&zrelogmsg.Ping{}) || (&zrelogmsg.Ping{}).Equal(record()) {
		t.Error("messages of other kinds are equal")
	}
	other := record()
	other.Fields["c"] = "3"
	if record().Equal(other) {
		t.Error("messages with other values are equal")
	}
	if !(&zrelogmsg.Record{}).Equal(&zrelogmsg.Record{Fields: map[string]string{}}) {
		t.Error("no fields are not equal to no fields")
	}
	a, b := &everything.Blobs{Content: [][]byte{{1}, nil}}, &everything.Blobs{Content: [][]byte{{1}, {}}}
	if !a.Equal(b) {
		t.Error("empty frames are not equal")
	}
	b.Content[1] = []byte{2}
	if a.Equal(b) {
		t.Error("frames with other octets are equal")
	}
}

func TestString(t *testing.T) {
	blobs := &everything.Blobs{ID: everything.UUID{15: 1}, Flags: [4]byte{0xff}, Content: [][]byte{{1}, {2}}}
	want := "Blobs{Sequence: 0, Flags: ff000000, Key: 000000, Body: , Remark: , ID: 00000000-0000-0000-0000-000000000001, " +
		"Address: , After: 0, Label: , Content: [01 02]}"
	if got := blobs.String(); got != want {
		t.Error(got)
	}
	clients := &everything.Clients{Client: everything.Person{Forename: "Ada"}}
	if got := clients.String(); !strings.HasPrefix(got, `Clients{Sequence: 0, Client: Person{Forename: "Ada", Born: 0, Home: Place{`) {
		t.Error(got)
	}
}

func TestFrames(t *testing.T) {
	message := &everything.Blobs{Address: []byte("a"), Label: []byte("l"), Content: [][]byte{[]byte("1"), nil, []byte("3")}}
	frames, err := message.Frames()
	if err != nil || len(frames) != 6 || string(frames[1])+string(frames[5]) != "a3" {
		t.Fatal(frames, err)
	}
	again, err := everything.Decode(frames[0], frames[1:]...)
	if err != nil || !again.Equal(message) {
		t.Fatal(again, err)
	}
	_, err = everything.Decode(frames[0], frames[1])
	if err == nil || err.Error() != "BLOBS: frames at offset 39" {
		t.Error(err)
	}
}

func TestAMessageKeepsNothingOfTheFirstFrame(t *testing.T) {
	frame, _ := (&everything.Blobs{Body: []byte("body")}).Encode()
	message, err := everything.Decode(frame, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(frame)
	if got := message.(*everything.Blobs).Body; string(got) != "body" {
		t.Errorf("%q", got)
	}
}

func TestDecodeLossy(t *testing.T) {
	frame, _ := (&zrelogmsg.Log{Data: "12.5 °"}).Encode()
	frame[17]-- // historic senders cut text anywhere
	if _, err := zrelogmsg.Decode(frame); err == nil || err.Error() != "LOG: utf8 at offset 23" {
		t.Error(err)
	}
	message, err := zrelogmsg.DecodeLossy(frame)
	if err != nil || message.(*zrelogmsg.Log).Data != "12.5 \uFFFD" {
		t.Error(message, err)
	}
}

func TestMessagesOfEarlierVersions(t *testing.T) {
	message, err := grown.Decode([]byte("\xaa\xa0\x01\x01a"), []byte("page"))
	if err != nil || !message.Equal(&grown.Grown{First: "a", Pages: [][]byte{[]byte("page")}}) {
		t.Error(message, err)
	}
}

func TestUUID(t *testing.T) {
	const text = "3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e"
	for _, written := range []string{text, strings.ReplaceAll(text, "-", ""), strings.ToUpper(text)} {
		u, err := zrelogmsg.ParseUUID(written)
		if err != nil || u.String() != text {
			t.Error(u, err)
		}
	}
	for _, wrong := range []string{"", "x", text[1:], text + "00"} {
		if _, err := zrelogmsg.ParseUUID(wrong); err == nil {
			t.Error(wrong)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	octets, err := (&feed.Tick{Topic: "Z"}).Subscription()
	if err != nil || string(octets) != "\x01Z" {
		t.Fatalf("%q %v", octets, err)
	}
	if _, err := (&feed.Tick{Topic: "a\x00b"}).Subscription(); err == nil || err.Error() != "TICK.topic: must not contain a zero" {
		t.Error(err)
	}
	subscribe, message, err := feed.ParseSubscription([]byte("\x01\x01Z"))
	if err != nil || !subscribe || !message.Equal(&feed.Tick{Topic: "Z"}) {
		t.Error(subscribe, message, err)
	}
	for frame, problem := range map[string]string{
		"\x01":          "frame: truncated at offset 1",
		"\x02\x01Z":     "frame: id at offset 1",
		"\x01\x63Z":     "frame: id at offset 1",
		"\x00\x01Z\xff": "TICK: utf8 at offset 3",
	} {
		if _, message, err := feed.ParseSubscription([]byte(frame)); message != nil || err == nil || err.Error() != problem {
			t.Error(message, err)
		}
	}
}

func TestNew(t *testing.T) {
	if message := zrelogmsg.New(12); !message.Equal(&zrelogmsg.Ping{}) {
		t.Error(message)
	}
	if message := zrelogmsg.New(0); message != nil {
		t.Error(message)
	}
}
