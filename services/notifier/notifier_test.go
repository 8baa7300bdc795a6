package notifier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/workflow"
)

// running is a notifier on a bus in memory, which may be killed and started anew.
type running struct {
	t        *testing.T
	bus      *memory.Bus
	channels func() []*Channel
	stop     func()
}

func (r *running) start() {
	ctx, cancel := context.WithCancel(r.t.Context())
	conn := r.bus.Connect()
	n := New(Options{Sites: []string{"tokyo"}, Bus: conn, Channels: r.channels(), Log: func(_ context.Context, each func(bus.Received)) error {
		for _, m := range r.bus.Log() {
			each(m)
		}
		return nil
	}})
	var running sync.WaitGroup
	running.Go(func() { _ = workflow.Run(ctx, conn, n.Service(), workflow.Options{Grace: time.Millisecond}) }) // an end before its time shows as stories that are not told
	running.Go(func() { n.Run(ctx) })
	r.stop = func() {
		cancel()
		running.Wait()
	}
}

func (r *running) publish(f workflow.Draft, caseID string) {
	r.t.Helper()
	h := events.Header{Site: "tokyo", Case: caseID, Request: "r-1", ID: "r-1"}
	if err := workflow.Report(r.t.Context(), r.bus.Connect(), "validator", h, 1, f, time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) notes() (notes []events.Note) {
	ids := map[string]bool{}
	for _, m := range r.bus.Log() {
		if strings.HasPrefix(m.Subject, events.SubjectNotifications) {
			e, err := events.Decode(events.TypeNotification, m.Data)
			if err != nil || ids[e.ID] {
				r.t.Errorf("%s: %v, or twice", m.Data, err)
			}
			ids[e.ID] = true
			notes = append(notes, e.Data)
		}
	}
	return notes
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

func aCase(name string) events.Case {
	return events.Case{Machines: []events.Machine{{Name: name, Item: "/items/" + name, Architecture: "classic", Choice: events.Choice{Datastore: "VMFS-01"}, Location: "original"}}, RequestedBy: "ops"}
}

// A process that is killed at any moment loses nothing and tells nothing twice, on the bus and in a channel.
func TestKilledAtAnyMoment(t *testing.T) {
	for cut := range 12 {
		synctest.Test(t, func(t *testing.T) {
			posted := map[string]int{}
			r := &running{t: t, bus: memory.New(memory.Faults{}), channels: func() []*Channel {
				return []*Channel{{Name: "chat", Post: func(_ context.Context, m Message) error {
					posted[m.ID]++
					return nil
				}}}
			}}
			r.start()
			for i := range 10 {
				name := fmt.Sprintf("web%02d", i)
				r.publish(workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: aCase(name)}), "r-1-"+name)
			}
			pass(time.Duration(cut) * 700 * time.Millisecond)
			r.stop()
			r.start()
			for i := range 10 {
				name := fmt.Sprintf("web%02d", i)
				if i < 8 {
					r.publish(workflow.Fact(events.TypeCompleted, "", events.Completed{Case: aCase(name), Machines: []events.ProtectedState{{Machine: name, Item: "/items/" + name}}}), "r-1-"+name)
					continue
				}
				c := aCase(name)
				r.publish(workflow.Fact(events.TypeFailed, events.StepReplication, events.Failed{Case: &c, Code: "8061", Message: "The job of " + name + " failed", Remedy: "Mount it.",
					Machines: []events.MachineState{{Machine: name, Item: "/items/" + name, State: events.StateFailed}}}), "r-1-"+name)
			}
			pass(time.Duration(cut) * 700 * time.Millisecond)
			r.stop()
			r.start()
			pass(time.Minute)
			r.stop()
			var got []string
			for _, n := range r.notes() {
				got = append(got, n.Level+" "+n.State+" "+n.Title)
			}
			all := strings.Join(got, "\n")
			for _, want := range []string{"critical open Reprotect failed:", "warning closed Reprotect ended: 10 machines, 8 of 10 protected"} {
				if strings.Count(all, want) != 1 {
					t.Errorf("cut after %d: %q is not told once:\n%s", cut, want, all)
				}
			}
			if len(got) > 3 || len(posted) != len(got) {
				t.Errorf("cut after %d: %d messages, %d posted:\n%s", cut, len(got), len(posted), all)
			}
		})
	}
}

var errDown = errors.New("connection refused")

// A channel that is down for two hours delays no other, loses nothing, and gets one summary of what is late.
func TestAChannelThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var good, bad []Message
		down, tries := true, 0
		r := &running{t: t, bus: memory.New(memory.Faults{}), channels: func() []*Channel {
			return []*Channel{
				{Name: "good", Post: func(_ context.Context, m Message) error {
					mu.Lock()
					defer mu.Unlock()
					good = append(good, m)
					return nil
				}},
				{Name: "bad", Post: func(_ context.Context, m Message) error {
					mu.Lock()
					defer mu.Unlock()
					if tries++; down {
						return errDown
					}
					bad = append(bad, m)
					return nil
				}},
			}
		}}
		r.start()
		defer func() { r.stop() }()
		for i := range 5 {
			id := fmt.Sprintf("c-%d", i)
			h := events.Header{Site: "tokyo", Case: id, Request: id, ID: id}
			note := events.Note{Level: events.LevelWarning, Title: "Story " + id, Text: "t", Fact: id, Kind: "request", Thread: "request/tokyo/" + id, Number: 1, State: events.NoteClosed}
			if err := workflow.Report(t.Context(), r.bus.Connect(), "notifier", h, 1, workflow.Notify(note).Named(id, id), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		pass(20 * time.Second)
		if len(good) != 5 {
			t.Errorf("the other channel has %d of 5", len(good))
		}
		r.stop()
		r.start()
		pass(2 * time.Hour)
		if tries > 120 {
			t.Errorf("%d tries in two hours", tries)
		}
		mu.Lock()
		down = false
		mu.Unlock()
		pass(15 * time.Minute)
		if len(good) != 5 || len(bad) != 1 || bad[0].Kind != kindSummary || strings.Count(bad[0].Text, "Story c-") != 5 {
			t.Errorf("good %d, bad %+v", len(good), bad)
		}
	})
}

// What a channel never takes is a dead letter, and the next message goes on.
func TestWhatIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var posted []string
		r := &running{t: t, bus: memory.New(memory.Faults{}), channels: func() []*Channel {
			return []*Channel{{Name: "chat", Post: func(_ context.Context, m Message) error {
				if m.Title == "a" {
					return &Refusal{Status: 400, Permanent: true, Err: errors.New("bad card")}
				}
				posted = append(posted, m.Title)
				return nil
			}}}
		}}
		r.start()
		for _, title := range []string{"a", "b"} {
			h := events.Header{Site: "tokyo", Case: title, Request: title, ID: title}
			note := events.Note{Level: events.LevelWarning, Title: title, Text: "t", Fact: title, Kind: "request", Thread: "request/tokyo/" + title, Number: 1, State: events.NoteClosed}
			if err := workflow.Report(t.Context(), r.bus.Connect(), "notifier", h, 1, workflow.Notify(note).Named(title, title), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		r.stop()
		dead := 0
		for _, m := range r.bus.Log() {
			if d, err := events.Decode(events.TypeDead, m.Data); err == nil && strings.Contains(d.Data.Error, "bad card") {
				dead++
			}
		}
		if dead != 1 || len(posted) != 1 {
			t.Errorf("%d dead letters, posted %v", dead, posted)
		}
	})
}

func TestRouteAndQuietHours(t *testing.T) {
	m := Message{events.Header{Site: "tokyo"}, events.Note{Level: events.LevelInfo, Plan: "ERP", Machines: []string{"Web01", "db01"}}}
	for i, c := range []struct {
		route Route
		takes bool
	}{
		{Route{}, true}, {Route{Levels: []string{"critical"}}, false}, {Route{Sites: []string{"osaka"}}, false}, {Route{Plans: []string{"erp"}}, true},
		{Route{Machines: []string{"web*"}}, true}, {Route{Machines: []string{"app*"}}, false}, {Route{Levels: []string{"info"}, Sites: []string{"tokyo"}, Machines: []string{"app*", "db0?"}}, true},
	} {
		if c.route.Takes(m) != c.takes {
			t.Errorf("%d: %+v", i, c)
		}
	}
	tokyo := time.FixedZone("JST", 9*3600)
	night, noon := Quiet{22 * time.Hour, 7 * time.Hour, tokyo}, Quiet{12 * time.Hour, 13 * time.Hour, tokyo}
	at := func(h, m int) time.Time { return time.Date(2026, 11, 27, h, m, 0, 0, tokyo) }
	for i, c := range []struct {
		quiet Quiet
		at    time.Time
		until time.Time
	}{
		{night, at(21, 59), time.Time{}}, {night, at(22, 0), at(31, 0)}, {night, at(3, 0), at(7, 0)}, {night, at(7, 0), time.Time{}},
		{noon, at(12, 30), at(13, 0)}, {noon, at(13, 0), time.Time{}}, {Quiet{}, at(0, 0), time.Time{}},
	} {
		if got := c.quiet.Until(c.at.UTC()); !got.Equal(c.until) {
			t.Errorf("%d: %s at %s, want %s", i, got, c.at, c.until)
		}
	}
}

// A channel may want to hear of a request that moves less often; its beginning and end come all the same.
func TestAChannelWithItsOwnDigest(t *testing.T) {
	c := &Channel{Digest: time.Hour}
	got := []bool{}
	for i, state := range []string{events.NoteOpen, events.NoteUpdate, events.NoteUpdate, events.NoteClosed} {
		m := Message{events.Header{Time: when.Add(time.Duration(i) * 40 * time.Minute)}, events.Note{Kind: kindRequest, Thread: "request/tokyo/r", State: state}}
		got = append(got, c.tooSoon(m))
	}
	if fmt.Sprint(got) != "[false true false false]" {
		t.Error(got)
	}
}
