package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vector is a case of protocol/vectors: frames and what they mean, or values that can't be encoded.
type vector struct {
	Name, Model   string
	Frames        []string
	Message, Dump string // with Refused
	Refused       string
	Expect        struct {
		Message, Dump string
		Error         []any
	}
}

// vectors reads the files of $VECTORS that match.
func vectors(t testing.TB, pattern string) []vector {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(os.Getenv("VECTORS"), pattern))
	var all []vector
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []vector
		if err := json.Unmarshal(text, &some); err != nil {
			t.Fatal(file, err)
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		t.Fatal("VECTORS must name the folder protocol/vectors")
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t, "conformance_*.json") {
		got := answer([]string{"decode", v.Model, strings.Join(v.Frames, ",")})
		want := fmt.Sprintf("ok %s %s ", v.Expect.Message, v.Expect.Dump)
		if e := v.Expect.Error; e != nil {
			if e[2] == nil {
				e[2] = "-"
			}
			want = fmt.Sprintf("error %s %.0f %s", e[0], e[1], e[2])
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s %s\n got %s\nwant %s", v.Model, v.Name, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, v := range vectors(t, "refusals_*.json") {
		got := answer([]string{"encode", v.Model, v.Message, v.Dump})
		if got != "refused "+v.Refused {
			t.Errorf("%s %s: %s", v.Model, v.Name, got)
		}
	}
}

// FuzzDecode looks for frames that are neither a message nor a DecodeError, or that are another message when encoded.
func FuzzDecode(f *testing.F) {
	for i, v := range vectors(f, "conformance_*.json") {
		if i%20 == 0 {
			frames := unhexAll(strings.Join(v.Frames, ","))
			f.Add(frames[0], len(frames)-1)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, more int) {
		frames := [][]byte{frame}
		for ; more > 0 && len(frames) < 4; more-- {
			frames = append(frames, frame)
		}
		for name := range codecs {
			got := answer([]string{"decode", name, hexAll(frames)})
			if !strings.HasPrefix(got, "ok ") && !strings.HasPrefix(got, "error ") {
				t.Error(name, got)
			}
		}
	})
}
