package bustest

import (
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
)

// Memory is the bus in memory under the suite, in virtual time.
func Memory() Harness {
	return Harness{
		Bubble:  synctest.Test,
		AckWait: 30 * time.Second,
		Cannot: map[string]string{
			"never lets two processes hold a service when the holder's network is cut": "there is no network to this bus",
		},
		New: func(t *testing.T, consumers ...bus.Consumer) Bus {
			b := memory.New(memory.Faults{})
			return Bus{
				Connect: func(t *testing.T) (bus.Broker, func()) {
					c := b.Connect()
					t.Cleanup(c.Kill)
					return c, c.Kill
				},
				Log: func(*testing.T) []bus.Received { return b.Log() },
			}
		},
	}
}
