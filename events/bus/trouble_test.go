package bus_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events/bus"
)

// What went wrong last is told until it goes well, or nobody has tried for long.
func TestTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var troubles bus.Troubles
		a, b := errors.New("a"), errors.New("b")
		troubles.Note("2", b)
		troubles.Note("1", a)
		if err := troubles.Err(); !errors.Is(err, a) || !errors.Is(err, b) || err.Error() != "a\nb" {
			t.Errorf("%v", err)
		}
		troubles.Note("1", nil)
		<-time.After(time.Minute)
		troubles.Note("3", a)
		if err := troubles.Err(); err == nil || err.Error() != "b\na" {
			t.Errorf("%v", err)
		}
		<-time.After(90 * time.Second)
		if err := troubles.Err(); err == nil || err.Error() != "a" {
			t.Errorf("%v", err)
		}
		<-time.After(time.Minute)
		if err := troubles.Err(); err != nil {
			t.Errorf("%v", err)
		}
	})
}
