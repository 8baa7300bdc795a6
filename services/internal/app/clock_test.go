package app

import (
	"strings"
	"testing"
	"time"

	"reprotect.example/services/internal/telemetry"
)

// F2: clocks that differ by more than some seconds are said on /ready, and are no trouble.
func TestTellsOfClocksApart(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0: "ok", 4 * time.Second: "ok", 45 * time.Second: "45s behind that of the bus", -10 * time.Minute: "10m0s ahead of that of the bus",
	} {
		h := telemetry.NewHealth()
		tellClock(h, ahead)
		if ready, said := h.Ready(); !ready || !strings.Contains(said["bus/clock"], want) {
			t.Errorf("%s: %v %q, want %q", ahead, ready, said["bus/clock"], want)
		}
	}
}
