package servicebus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
)

// Around its limits a message is taken, or refused as too large: never left to what looks like a failure of the moment.
func TestSizes(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sbpeer.Peer, c *servicebus.Conn) {
		subject := events.FactSubject("tokyo", strings.Repeat("c", 60), events.StepRequest, "accepted")
		taken, refused := 0, 0
		try := func(data, header int) {
			t.Helper()
			m := bus.Message{ID: strings.Repeat("i", 200), Subject: subject, Headers: map[string]string{"h": strings.Repeat("x", header)}, Data: make([]byte, data)}
			wake := bus.Message{ID: m.ID, Headers: m.Headers, Data: m.Data}
			for _, err := range []error{c.Publish(t.Context(), m), c.Wake(t.Context(), "validator", strings.Repeat("k", 100), time.Now(), wake)} {
				switch {
				case err == nil:
					taken++
				case errors.Is(err, bus.ErrTooLarge):
					refused++
				default:
					t.Errorf("%d bytes with a header of %d: %v", data, header, err)
				}
			}
		}
		for over := -6 << 10; over < 2<<10; over += 100 {
			try(255<<10+over, 1)
			try(1, 32<<10+over)
			try(250<<10+over, 4<<10)
		}
		if taken < 100 || refused < 50 {
			t.Errorf("%d taken, %d refused", taken, refused)
		}
		if err := c.Ready(); err != nil {
			t.Errorf("what is too large counts as trouble of the bus: %v", err)
		}
	})
}
