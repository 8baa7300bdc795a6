package app

import (
	"testing"

	"reprotect.example/events/bus/jetstream"
)

// nats-N12a: from four fifths on, an operator is told; a store without a known limit is no trouble.
func TestRemarkOnRoom(t *testing.T) {
	for _, tt := range []struct {
		bytes, limit uint64
		want         string
	}{
		{0, 20 << 30, ""},
		{16<<30 - 1<<20, 20 << 30, ""},
		{16 << 30, 20 << 30, "the bus has taken 80 % of its room, 16384 MB of 20480 MB. When it is full nothing goes on: see 'reprotect bus status', and give it more room"},
		{21 << 30, 20 << 30, "the bus has taken 105 % of its room, 21504 MB of 20480 MB. When it is full nothing goes on: see 'reprotect bus status', and give it more room"},
		{1 << 40, 0, ""},
	} {
		if got := remarkOnRoom(jetstream.Room{Bytes: tt.bytes, Limit: tt.limit}); got != tt.want {
			t.Errorf("%d of %d: %q", tt.bytes, tt.limit, got)
		}
	}
}
