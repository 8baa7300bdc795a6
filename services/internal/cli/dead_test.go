package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

// deadLetters is a bus of which only the dead letters can be read.
type deadLetters struct {
	Bus
	all []bus.Received
}

func (d deadLetters) Read(_ context.Context, _ Reading, each func(bus.Received) error) error {
	for _, r := range d.all {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// On Service Bus the numbers are in no order.
func TestFindLetter(t *testing.T) {
	var b deadLetters
	for _, n := range []uint64{9, 2, 5} {
		raw, err := events.Encode(events.Event[events.Dead]{
			Header: events.Header{ID: "validator/1/1", Source: "/reprotect/validator", Type: events.TypeDead.CloudType(), DataSchema: events.TypeDead.Schema(), Time: time.Now()},
			Data:   events.Dead{Service: "validator", Reason: "rejected", Error: "no", Subject: "reprotect.command.request", Original: []byte("{}"), Sequence: n},
		})
		if err != nil {
			t.Fatal(err)
		}
		b.all = append(b.all, bus.Received{Message: bus.Message{Data: raw}, Sequence: n})
	}
	for number, found := range map[string]bool{"9": true, "5": true, "2": true, "3": false, "0": false, "x": false} {
		l, err := findLetter(t.Context(), b, number)
		if (err == nil) != found || found && l.Number != l.Sequence {
			t.Errorf("%s: letter %d of message %d, %v", number, l.Number, l.Sequence, err)
		}
	}
}

// over is a bus on which every case has ended.
type over struct{ Bus }

func (over) Case(context.Context, string) (cases.Case, bool, error) {
	return cases.Case{ID: "r7--web01", End: true, State: "completed"}, true, nil
}

func TestRequeueable(t *testing.T) {
	const command, fact = "reprotect.command.request", "reprotect.event.tokyo.r7--web01.submission.started"
	for _, tt := range []struct {
		service, subject string
		original         int // bytes
		want             bool
	}{
		{"executor", fact, 2, false},
		{"validator", command, 2, false},
		{"journal", command, 2, true},
		{"journal-tokyo", fact, 2, true},
		{"notifier", fact, 2, true},
		{"guard", fact, 2, true},
		{"journal", fact, events.MaxSize / 2, false},
	} {
		err := requeueable(t.Context(), over{}, letter{Number: 7, Dead: events.Dead{Service: tt.service, Subject: tt.subject, Original: make([]byte, tt.original)}})
		if (err == nil) != tt.want {
			t.Errorf("%s, %s, %d bytes: %v", tt.service, tt.subject, tt.original, err)
		}
	}
}

// nats-N8: no word of a dead letter, whoever sent it, steers a terminal or turns the direction of reading.
func TestADeadLetterIsText(t *testing.T) {
	const hostile = "a\x1b[31mb\ac\u202ed\ne\rf\u2028g"
	for name, l := range map[string]letter{
		"no JSON": {Number: 1, Dead: events.Dead{Service: hostile, Reason: hostile, Error: hostile, Subject: hostile, Original: []byte(hostile)}},
		"JSON":    {Number: 1, Dead: events.Dead{Service: hostile, Reason: hostile, Error: hostile, Subject: hostile, Original: []byte(`{"` + `reason":"a\u001b[31mb` + "\u202e" + `d"}`)}},
	} {
		var shown strings.Builder
		l.write(&shown)
		for _, text := range append(l.row(), shown.String()) {
			if i := strings.IndexAny(text, "\x1b\a\r\u202e\u2028"); i >= 0 {
				t.Errorf("%s: %q", name, text)
			}
		}
		for _, cell := range l.row() {
			if strings.Contains(cell, "\n") {
				t.Errorf("%s: a cell of two lines: %q", name, cell)
			}
		}
	}
}
