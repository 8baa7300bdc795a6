package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/services/journal"
)

const (
	// compareEvery is how often the journal holds a part of the stream against what it keeps, and compareAtOnce how many
	// messages that is at most: a million of them in a day.
	compareEvery  = 30 * time.Second
	compareAtOnce = 512
)

// differences is how many messages of stream and journal differ, by what is the case: missing (in the journal; read again
// since), changed, lost (by the stream), holes (known to nobody).
type differences map[string]int

// comparing holds the stream against the journal, part by part and for ever.
type comparing struct {
	compare func(ctx context.Context, last journal.Comparison) (journal.Comparison, error)
	keep    func(ctx context.Context, r bus.Received) error
	remark  func(string) // on /ready; "" takes it back
	count   func(kind string, n int)
	log     *zap.Logger

	last    journal.Comparison
	suspect bool        // the last part differed, and is compared once more
	before  differences // of the last pass over all of the stream
	now     differences // of this one
}

// compares makes the comparison of this process's journal with the stream of NATS. Service Bus cannot be read again.
func compares(o outside, filters []string) *comparing {
	wants := func(subject string) bool {
		return slices.ContainsFunc(filters, func(f string) bool { return bus.Match(f, subject) })
	}
	return &comparing{
		compare: func(ctx context.Context, last journal.Comparison) (journal.Comparison, error) {
			return o.journal.Compare(ctx, last, compareAtOnce, wants, o.bus.NATS.Since)
		},
		keep:   o.journal.Keep,
		remark: func(remark string) { o.remark("journal/stream", remark) },
		count:  o.differ, log: o.log,
		before: differences{}, now: differences{},
	}
}

// run compares while this process keeps the journal.
func (c *comparing) run(ctx context.Context, serves func() bool) {
	for sleep(ctx, compareEvery) {
		if !serves() {
			c.last, c.suspect = journal.Comparison{}, false
			continue
		}
		if err := c.step(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("the journal could not be compared with the stream, will try again", zap.Error(err))
		}
	}
}

// step compares the next part, and what differed last once more: of a cluster, a server may have answered that was behind.
func (c *comparing) step(ctx context.Context) error {
	last := c.last
	if c.suspect {
		last = last.Again()
	}
	part, err := c.compare(ctx, last)
	if err != nil {
		return err
	}
	suspected := c.suspect
	c.last, c.suspect = part, !part.Same() && !suspected
	if c.suspect {
		return nil
	}
	if !part.Same() {
		for _, r := range part.Missing {
			if err := c.keep(ctx, r); err != nil {
				c.suspect = true
				return fmt.Errorf("message %d of the stream, which the journal had not kept: %w", r.Sequence, err)
			}
		}
		c.note(part)
	}
	if part.End {
		c.before, c.now = c.now, differences{}
	}
	c.tell()
	return nil
}

// note counts and logs what differs in a part, each once a pass.
func (c *comparing) note(part journal.Comparison) {
	var missing []uint64
	for _, r := range part.Missing {
		missing = append(missing, r.Sequence)
	}
	for _, d := range []struct {
		kind, says string
		of         []uint64
	}{
		{"missing", "the journal had not kept what the stream holds, and keeps it now", missing},
		{"changed", "the stream holds something else than the journal has kept", part.Changed},
		{"lost", "the stream has lost what the journal has kept", part.Lost},
		{"holes", "the stream has lost what the journal does not have either", part.Holes},
	} {
		if len(d.of) == 0 {
			continue
		}
		c.now[d.kind] += len(d.of)
		c.log.Error(d.says, zap.String("difference", d.kind), zap.Int("messages", len(d.of)), zap.Uint64s("sequences", d.of[:min(len(d.of), 20)]),
			zap.String("do", "look at the disks of the bus and of dataDir, and prove the log with 'reprotect log verify'"))
	}
}

// tell says on /ready and in the metrics what the last pass and this one have found.
func (c *comparing) tell() {
	var said []string
	for _, d := range []struct{ kind, says string }{
		{"missing", "%d that the journal had not kept, and has read again"},
		{"changed", "%d that say something else than when the journal kept them"},
		{"lost", "%d that the stream has lost and the journal has"},
		{"holes", "%d that the stream has lost and the journal does not have"},
	} {
		n := max(c.before[d.kind], c.now[d.kind])
		if c.count != nil {
			c.count(d.kind, n)
		}
		if n > 0 {
			said = append(said, fmt.Sprintf(d.says, n))
		}
	}
	remark := ""
	if len(said) > 0 {
		remark = "stream and journal differ in messages: " + strings.Join(said, ", ") + ". The log names them. Look at the disks of the bus and of dataDir, and prove the log with 'reprotect log verify'"
	}
	c.remark(remark)
}
