package app

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"reprotect.example/events/bus"
	"reprotect.example/services/journal"
	"reprotect.example/services/lab"
)

// compared is a comparison of a journal of its own with a stream that a test damages.
type compared struct {
	*comparing
	stream []bus.Received
	read   error
	said   string
	counts differences
	logged *observer.ObservedLogs
}

func comparison(t *testing.T) (*compared, *journal.Store) {
	t.Helper()
	s, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := &compared{counts: differences{}}
	for i := range 10 {
		c.stream = append(c.stream, bus.Received{
			Message:  bus.Message{Subject: "reprotect.command.cancel", ID: strconv.Itoa(i), Data: []byte(`{}`)},
			Sequence: uint64(i + 1), Published: time.Date(2026, 11, 22, 3, 0, i, 0, time.UTC), Attempt: 1,
		})
	}
	since := func(_ context.Context, after uint64, each func(bus.Received) error) error {
		for _, r := range c.stream {
			if r.Sequence > after {
				if err := each(r); err != nil {
					return err
				}
			}
		}
		return c.read
	}
	if err := s.CatchUp(t.Context(), since); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.WarnLevel)
	c.logged = logged
	c.comparing = &comparing{
		compare: func(ctx context.Context, last journal.Comparison) (journal.Comparison, error) {
			return s.Compare(ctx, last, 4, func(string) bool { return true }, since)
		},
		keep: s.Keep, remark: func(said string) { c.said = said }, log: zap.New(core),
		count:  func(kind string, n int) { c.counts[kind] = n },
		before: differences{}, now: differences{},
	}
	return c, s
}

func (c *compared) steps(t *testing.T, n int) {
	t.Helper()
	for range n {
		if err := c.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *compared) counted() differences {
	some := maps.Clone(c.counts)
	maps.DeleteFunc(some, func(_ string, n int) bool { return n == 0 })
	return some
}

// nats-N11: what the stream has lost is said on /ready, in a metric and in the log, for as long as it is found; one
// answer of a server that was behind is not believed.
func TestADifferenceIsSaid(t *testing.T) {
	c, _ := comparison(t)
	c.steps(t, 7)
	if c.said != "" || len(c.counted()) > 0 || c.logged.Len() > 0 {
		t.Fatalf("nothing differs: %q %v", c.said, c.counts)
	}
	whole := c.stream
	c.last = journal.Comparison{}
	c.stream = whole[:9] // a server that is behind
	c.steps(t, 3)
	c.stream = whole
	c.steps(t, 4)
	if c.said != "" || c.logged.Len() > 0 {
		t.Errorf("one answer is believed: %q", c.said)
	}

	c.last = journal.Comparison{}
	c.stream = append(append([]bus.Received{}, whole[:4]...), whole[5:9]...) // the fifth, and the tail
	c.steps(t, 6)
	if want := "stream and journal differ in messages: 2 that the stream has lost and the journal has."; !strings.HasPrefix(c.said, want) || c.counted()["lost"] != 2 || len(c.counted()) != 1 {
		t.Errorf("%q, %v", c.said, c.counted())
	}
	if lines := c.logged.FilterMessage("the stream has lost what the journal has kept").All(); len(lines) != 2 || lines[0].ContextMap()["difference"] != "lost" {
		t.Errorf("logged: %v", c.logged.All())
	}
	c.stream = whole // put back from a copy
	c.steps(t, 9)
	if c.said != "" || len(c.counted()) > 0 {
		t.Errorf("over, and said: %q, %v", c.said, c.counted())
	}
}

// nats-N11: what the journal does not have and the stream holds is kept, and said.
func TestWhatTheJournalHasLostIsReadAgain(t *testing.T) {
	c, s := comparison(t)
	extra := c.stream[3]
	extra.ID = "new" // as if the fourth had not been kept
	c.stream[3] = extra
	fails := errors.New("no room")
	keep := c.keep
	c.keep = func(context.Context, bus.Received) error { return fails }
	if err := c.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.step(t.Context()); !errors.Is(err, fails) {
		t.Fatalf("not kept, and no word: %v", err)
	}
	c.keep = keep
	c.steps(t, 2)
	if !strings.Contains(c.said, "1 that the journal had not kept, and has read again, 1 that the stream has lost and the journal has.") {
		t.Errorf("said: %q", c.said)
	}
	if r, found, err := s.Stands(t.Context(), extra.Subject); err != nil || !found || r.ID != "new" {
		t.Errorf("not kept: %v %v", r, err)
	}
	c.read = errors.New("the bus is away")
	if err := c.step(t.Context()); !errors.Is(err, c.read) {
		t.Errorf("nothing was read, and no word: %v", err)
	}
}

// nats-N11: the journal of a process is compared with the stream of a real server.
func TestComparesWithTheStream(t *testing.T) {
	conf, b := busOf(t, lab.BusNATS)
	k := keeps(t, conf, t.TempDir())
	eventually(t, "the journal serves", func() bool { return k.says() == "" })
	publish(t, b, 1, 20)
	eventually(t, "all is kept", func() bool { return len(k.log(t)) == 20 })
	lost := bus.Received{Message: bus.Message{Subject: "reprotect.command.cancel", ID: "lost"}, Sequence: 7, Published: time.Now()}
	if err := k.journal.Keep(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	var said string
	c := compares(outside{bus: b, journal: k.journal, remark: func(_, remark string) { said = remark }, log: zap.NewNop()}, []string{"reprotect.>"})
	for range 2 {
		if err := c.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(said, "stream and journal differ in messages: 1 that the stream has lost and the journal has.") {
		t.Errorf("said: %q", said)
	}
}
