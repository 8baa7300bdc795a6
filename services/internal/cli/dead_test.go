package cli

import (
	"context"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
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
