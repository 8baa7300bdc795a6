package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Reading says what to read of a stream.
type Reading struct {
	Stream  string   // StreamLog or StreamDead
	Filters []string // subject filters; none: everything
	From    uint64   // sequence to begin at; 0: the first
	OnlyNew bool     // begin with what is published from now on
	Latest  bool     // only the last message of each subject; it does not follow, and the order holds within a case alone
	Follow  bool     // go on for ever instead of ending at the last message
}

// lookEvery is how soon a reader that follows sees what is new.
const lookEvery = 200 * time.Millisecond

// Story returns every fact of a case, in order.
func (c *Conn) Story(ctx context.Context, caseID string) (story []bus.Received, err error) {
	_, err = c.pages(ctx, StreamLog, events.SubjectFacts+".*."+caseID+".>", 1, func(r bus.Received) error {
		story = append(story, r)
		return nil
	})
	return story, err
}

// Since hands what stands in the event log behind a sequence to each, in order, and ends with the last.
func (c *Conn) Since(ctx context.Context, after uint64, each func(bus.Received) error) error {
	_, err := c.pages(ctx, StreamLog, ">", after+1, each)
	return err
}

// stopped is the error with which the reader of a page ends the reading.
type stopped struct{ error }

func (s stopped) Unwrap() error { return s.error }

// pages hands what stands in a stream from a sequence on to each, and says where to go on.
func (c *Conn) pages(ctx context.Context, stream, filter string, from uint64, each func(bus.Received) error) (next uint64, err error) {
	for {
		page, last, err := c.page(ctx, stream, pageRequest{Seq: from, Next: filter, Batch: pageSize})
		if err != nil || len(page) == 0 {
			return from, err
		}
		if err := handOn(page, each); err != nil {
			return from, err
		}
		from = last + 1
	}
}

func handOn(page []*nats.Msg, each func(bus.Received) error) error {
	for _, msg := range page {
		r, err := stored(msg)
		if err != nil {
			return err
		}
		r.Attempt = 1
		if err := each(r); err != nil {
			return stopped{err}
		}
	}
	return nil
}

// Read hands the messages of a stream to each, in order, without disturbing any service. It ends with each's
// error, with ctx, or at the last message unless it follows; then it waits out what the bus does not answer for.
//
// It asks for what is stored and makes no consumer: whoever may make one may have the server send copies of what is
// stored to any subject.
func (c *Conn) Read(ctx context.Context, r Reading, each func(bus.Received) error) error {
	begun := time.Now()
	stream, err := c.js.Stream(ctx, r.Stream)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("bus: there is no stream %s: run 'reprotect bus setup': %w", r.Stream, err)
		}
		return fmt.Errorf("bus: read %s: %w", r.Stream, c.explain(err, api+"STREAM.INFO."+r.Stream, begun))
	}
	switch {
	case r.Latest:
		err = c.latest(ctx, stream, r, each)
	default:
		from := max(r.From, 1)
		if r.OnlyNew {
			from = stream.CachedInfo().State.LastSeq + 1
		}
		err = c.follow(ctx, r, from, each)
	}
	var s stopped
	if errors.As(err, &s) {
		return s.error
	}
	if err != nil {
		return fmt.Errorf("bus: read %s: %w", r.Stream, err)
	}
	return nil
}

func (c *Conn) follow(ctx context.Context, r Reading, from uint64, each func(bus.Received) error) error {
	filter, one := ">", each
	switch len(r.Filters) {
	case 0:
	case 1:
		filter = r.Filters[0]
	default:
		one = func(m bus.Received) error {
			if slices.ContainsFunc(r.Filters, func(f string) bool { return bus.Match(f, m.Subject) }) {
				return each(m)
			}
			return nil
		}
	}
	seen := func(m bus.Received) error { // a page that breaks off is not handed on twice
		from = m.Sequence + 1
		return one(m)
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		begun := time.Now()
		next, err := c.pages(ctx, r.Stream, filter, from, seen)
		from = max(from, next)
		var s stopped
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !r.Follow, errors.As(err, &s), c.nc.IsClosed():
			return err
		case err != nil:
			if err = c.explain(err, api+"DIRECT.GET."+r.Stream, begun); errors.Is(err, bus.ErrNotPermitted) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// latestAtOnce is below what the server answers to one question for the last messages of subjects.
const latestAtOnce = 128

// latest asks for the last message of each subject, for some subjects at a time and for those of a case at once.
func (c *Conn) latest(ctx context.Context, stream jetstream.Stream, r Reading, each func(bus.Received) error) error {
	filters := r.Filters
	if len(filters) == 0 {
		filters = []string{">"}
	}
	found := map[string]bool{}
	for _, filter := range filters {
		begun := time.Now()
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
		if err != nil {
			return c.explain(err, api+"STREAM.INFO."+r.Stream, begun)
		}
		for subject := range info.State.Subjects {
			found[subject] = true
		}
	}
	var subjects []string
	for subject := range found {
		subjects = append(subjects, subject)
	}
	slices.SortFunc(subjects, func(a, b string) int { return cmp.Or(strings.Compare(caseOf(a), caseOf(b)), strings.Compare(a, b)) })
	for len(subjects) > 0 {
		n := min(latestAtOnce, len(subjects))
		for n > 1 && n < len(subjects) && caseOf(subjects[n-1]) == caseOf(subjects[n]) {
			n--
		}
		if n == 1 && len(subjects) > 1 && caseOf(subjects[0]) == caseOf(subjects[1]) {
			n = min(latestAtOnce, len(subjects)) // a case of more subjects than there are
		}
		page, _, err := c.page(ctx, r.Stream, pageRequest{Latest: subjects[:n], Batch: n})
		if err != nil {
			return err
		}
		if err := handOn(page, each); err != nil {
			return err
		}
		subjects = subjects[n:]
	}
	return nil
}

// caseOf is what of a fact's subject stands for the case; other subjects are one for themselves.
func caseOf(subject string) string {
	if _, id, _, _, ok := events.SplitFact(subject); ok {
		return id
	}
	return ""
}
