// Package recorded has event logs that an older version of the product left, on both buses, with cases that have ended in
// every way and some still under way, and what that version said of them. Tests hold the program to it: each event is read,
// each case stands where it stood, and what was under way goes on.
package recorded

import (
	"compress/gzip"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"reprotect.example/events/bus"
)

//go:embed *.gz
var files embed.FS

// The buses from which a log was taken.
const (
	NATS       = "nats"
	ServiceBus = "servicebus"
)

// Buses lists them.
func Buses() []string { return []string{NATS, ServiceBus} }

// Recording is all that was taken from one bus when the product had stopped.
type Recording struct {
	Log     []bus.Received            // the event log in its order: commands, facts, notifications
	WakeUps []Message                 // NATS: what else stood on the bus, by stream
	List    []map[string]any          // list -o json
	Ready   []map[string]any          // list --ready -o json
	Show    map[string]map[string]any // show -o json of each case, without the wording of its history
}

// Message is one message of a stream, as it stood there.
type Message struct {
	Stream   string            `json:"stream"`
	Sequence uint64            `json:"sequence"`
	Subject  string            `json:"subject"`
	ID       string            `json:"id"`
	Headers  map[string]string `json:"headers"`
	Time     time.Time         `json:"time"`
	Data     string            `json:"data"`
}

const logStream = "REPROTECT"

// Load reads what was taken from a bus.
func Load(t testing.TB, from string) Recording {
	t.Helper()
	var r Recording
	open(t, "recorded-"+from+".jsonl.gz", func(dec *json.Decoder) error {
		var m Message
		if err := dec.Decode(&m); err != nil {
			return err
		}
		if m.Stream != logStream {
			r.WakeUps = append(r.WakeUps, m)
			return nil
		}
		r.Log = append(r.Log, bus.Received{
			Message:  bus.Message{Subject: m.Subject, ID: m.ID, Headers: m.Headers, Data: []byte(m.Data)},
			Sequence: m.Sequence, Published: m.Time, Attempt: 1,
		})
		return nil
	})
	open(t, "answers-"+from+".json.gz", func(dec *json.Decoder) error {
		return dec.Decode(&struct {
			List, Ready *[]map[string]any
			Show        *map[string]map[string]any
		}{&r.List, &r.Ready, &r.Show})
	})
	return r
}

// open hands a file to each until it is read.
func open(t testing.TB, name string, each func(*json.Decoder) error) {
	t.Helper()
	f, err := files.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(unpacked)
	for err == nil {
		err = each(dec)
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("%s: %v", name, err)
	}
}
