package app

import (
	"context"
	"fmt"
	"time"

	"reprotect.example/events/bus/jetstream"
)

const (
	// lookAtRoom is how often the bus is asked what it has taken of its room.
	lookAtRoom = time.Minute
	// mostTaken is how much of it may be taken before an operator is told, in percent.
	mostTaken = 80
	// longestLook bounds such a look: the health of the bus is told every second.
	longestLook = 2 * time.Second
)

// tellRoom says on /ready and in the metrics what the bus has taken of its room. A bus that cannot be asked says so elsewhere.
func tellRoom(ctx context.Context, o Options, b *Bus) {
	ctx, cancel := context.WithTimeout(ctx, longestLook)
	defer cancel()
	room, known, err := b.store(ctx)
	switch {
	case err != nil:
		o.Health.Remark("bus/room", "not known: "+err.Error())
		return
	case !known:
		return
	}
	if o.Room != nil {
		o.Room(room.Name, room.Bytes, room.Limit)
	}
	o.Health.Remark("bus/room", remarkOnRoom(room))
}

// remarkOnRoom is what an operator should know; "": nothing.
func remarkOnRoom(r jetstream.Room) string {
	if r.Limit == 0 || r.Bytes < r.Limit/100*mostTaken {
		return ""
	}
	return fmt.Sprintf("the bus has taken %d %% of its room, %d MB of %d MB. When it is full nothing goes on: see 'reprotect bus status', and give it more room", 100*r.Bytes/r.Limit, r.Bytes>>20, r.Limit>>20)
}
