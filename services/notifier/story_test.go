package notifier

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// site is a site in which things happen, and what was told of it.
type siteUnderTest struct {
	t     interface{ Fatalf(string, ...any) }
	now   time.Time
	cases map[string]cases.Case
	d     *Digest
	log   []Post
	times []time.Time
}

func newSite(t interface{ Fatalf(string, ...any) }) *siteUnderTest {
	return &siteUnderTest{t: t, now: when, cases: map[string]cases.Case{}, d: NewDigest("tokyo", Pace{})}
}

func (s *siteUnderTest) all() []cases.Case {
	var all []cases.Case
	for _, c := range s.cases {
		all = append(all, c)
	}
	return cases.Listed(all)
}

// passes lets time pass, and tells what is due whenever the digest wants to be asked.
func (s *siteUnderTest) passes(d time.Duration) (told []Post) {
	for end := s.now.Add(d); s.now.Before(end); {
		posts, next := s.d.Due(s.all(), s.now)
		for _, p := range posts {
			s.d.Told(events.Header{Site: "tokyo", Case: p.Case, Request: p.Request, Time: s.now}, p.Note)
			s.log, s.times, told = append(s.log, p), append(s.times, s.now), append(told, p)
		}
		switch {
		case len(posts) > 0: // they may make others due
			s.now = s.now.Add(time.Second)
		case next.IsZero() || next.After(end):
			s.now = end
		case !next.After(s.now):
			s.t.Fatalf("at %s it wants to be asked again at %s", s.now, next)
		default:
			s.now = next
		}
	}
	return told
}

// restarts forgets all but what stands in the log, which comes in any order and twice.
func (s *siteUnderTest) restarts() {
	s.d = NewDigest("tokyo", Pace{})
	for i := range s.log {
		j := len(s.log) - 1 - i
		for range 2 {
			p := s.log[j]
			s.d.Told(events.Header{Site: "tokyo", Case: p.Case, Request: p.Request, Time: s.times[j]}, p.Note)
		}
	}
}

// machine is a case of one machine in request r-1.
func (s *siteUnderTest) machine(name string, change func(*cases.Case)) {
	id := "r-1-" + name
	c, known := s.cases[id]
	if !known {
		c = cases.Case{ID: id, Site: "tokyo", Request: "r-1", State: events.CaseAccepted, Step: events.StepRequest, Since: s.now, RequestedBy: "ops",
			Machines: []cases.Machine{{Name: name, Item: "/items/" + name, State: events.StateNotStarted}}}
	}
	c.Updated = s.now
	c.Machines = slices.Clone(c.Machines)
	if change != nil {
		change(&c)
	}
	s.cases[id] = c
}

func (s *siteUnderTest) protected(name string) {
	s.machine(name, func(c *cases.Case) {
		c.State, c.Step, c.End, c.Good, c.EndedAt = events.CaseCompleted, events.StepReplication, true, true, s.now
		c.Machines[0].State, c.Machines[0].Percent = events.StateProtected, 100
	})
}

func (s *siteUnderTest) fails(name, code, message string) {
	s.machine(name, func(c *cases.Case) {
		c.State, c.Step, c.End, c.EndedAt, c.Code, c.Why, c.Remedy = events.CaseFailed, events.StepReplication, true, s.now, code, message, "Correct it."
		c.Machines[0].State, c.Machines[0].Code, c.Machines[0].Message = events.StateFailed, code, message
	})
}

func snapshot(id string, state string, from time.Time) cases.Alarm {
	return cases.Alarm{ID: id, State: state, From: from, Violated: events.Violated{Code: "guard.snapshot", What: "MT-LINUX-01 has a snapshot", Endangers: "the disks", Do: "Delete it."}}
}

func titles(posts []Post) string {
	var all []string
	for _, p := range posts {
		all = append(all, fmt.Sprintf("%s %s #%d %s", p.Level, p.State, p.Number, p.Title))
	}
	return strings.Join(all, "\n")
}

func demand(t *testing.T, posts []Post, want ...string) {
	t.Helper()
	if got := titles(posts); got != strings.Join(want, "\n") {
		t.Fatalf("told:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// B3: a request is one story, and machines on their way are no messages.
func TestARequestIsOneStory(t *testing.T) {
	s := newSite(t)
	for i := range 50 {
		s.machine(fmt.Sprintf("vm%02d", i), nil)
	}
	demand(t, s.passes(10*time.Second), "info open #1 Reprotect requested: 50 machines")
	for i := range 20 {
		s.protected(fmt.Sprintf("vm%02d", i))
		demand(t, s.passes(2*time.Second))
	}
	demand(t, s.passes(5*time.Minute), "info update #2 Reprotect of 50 machines: 20 of 50 protected")
	demand(t, s.passes(30*time.Minute)) // nothing moves, nothing is told
	for i := range 50 {
		s.protected(fmt.Sprintf("vm%02d", i))
	}
	end := s.passes(time.Hour)
	demand(t, end, "info closed #3 Reprotect done: 50 machines, all protected")
	if n := end[0].Note; n.Counts == nil || *n.Counts != (events.NoteCounts{Machines: 50, Done: 50}) || !strings.Contains(n.Text, "A machine took") || n.Thread != "request/tokyo/r-1" {
		t.Errorf("%+v", n)
	}
}

// One cause is one message with all its machines, at once; those that join are told, then reminders come at growing pauses,
// then its end, on the level at which it was told.
func TestACauseIsOneThreadWithItsEnd(t *testing.T) {
	s := newSite(t)
	for i := range 12 {
		s.machine(fmt.Sprintf("db%02d", i), nil)
	}
	s.passes(10 * time.Second)
	alarm := func(i int, state string) {
		s.machine(fmt.Sprintf("db%02d", i), func(c *cases.Case) {
			c.State, c.Step = events.CaseStarted, events.StepSubmission
			c.Machines[0].State = events.StateReplicating
			c.Alarms = []cases.Alarm{snapshot(c.ID+"/guard/1", state, s.now)}
		})
	}
	for i := range 11 {
		alarm(i, cases.AlarmOpen)
	}
	begun := s.now
	told := s.passes(15 * time.Second)
	demand(t, told, "critical open #1 Danger: MT-LINUX-01 has a snapshot (db00, db01, db02 and 8 more)")
	if len(told[0].Machines) != 11 || len(told[0].Alarms) != 11 || s.times[len(s.times)-1].Sub(begun) > 10*time.Second {
		t.Errorf("%+v after %s", told[0], s.times[len(s.times)-1].Sub(begun))
	}
	alarm(11, cases.AlarmOpen)
	demand(t, s.passes(time.Minute), "critical update #2 Danger: MT-LINUX-01 has a snapshot (db00, db01, db02 and 9 more)")
	s.restarts()
	again := s.passes(16 * time.Hour)
	if len(again) != 4 || again[0].Reminder != 1 || again[3].Reminder != 4 || !strings.HasPrefix(again[0].Title, "Still: Danger") {
		t.Fatal(titles(again))
	}
	for i := range 12 {
		alarm(i, cases.AlarmCleared)
	}
	demand(t, s.passes(24*time.Hour), "critical closed #7 Over: MT-LINUX-01 has a snapshot")
	alarm(0, cases.AlarmOpen)
	came := s.passes(time.Minute)
	if len(came) != 1 || came[0].Number != 1 || came[0].Thread == told[0].Thread {
		t.Errorf("what comes back has a thread of its own: %s", titles(came))
	}
}

// An alarm that ends and leaves damage is the same thread, until a person has acknowledged it.
func TestDamageStaysInItsThread(t *testing.T) {
	s := newSite(t)
	set := func(a cases.Alarm) { s.machine("db01", func(c *cases.Case) { c.Alarms = []cases.Alarm{a} }) }
	open := snapshot("r-1-db01/guard/1", cases.AlarmOpen, s.now)
	set(open)
	s.passes(time.Minute)
	ended := open
	ended.State, ended.Remains, ended.Do = cases.AlarmEnded, "the disks may differ", "Resynchronize."
	set(ended)
	told := s.passes(10 * time.Minute)
	demand(t, told, "critical update #2 Over, and may have left damage: the disks may differ (db01)")
	ended.State = cases.AlarmAcknowledged
	set(ended)
	demand(t, s.passes(time.Minute), "critical closed #3 Over: the disks may differ")
}

func TestTheEndSaysWhatIsLeft(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"web01", "web02", "web03", "web04"} {
		s.machine(name, nil)
	}
	s.passes(10 * time.Second)
	s.protected("web01")
	s.fails("web02", "8061", "Datastore of web02 is read-only")
	s.fails("web03", "8061", "Datastore of web03 is read-only")
	s.protected("web04")
	told := s.passes(10 * time.Minute)
	if len(told) != 2 || told[0].Kind != "failed" || len(told[0].Machines) != 2 {
		t.Fatal(titles(told))
	}
	end := told[1]
	if end.Level != events.LevelWarning || end.Title != "Reprotect ended: 4 machines, 2 of 4 protected" || !strings.Contains(end.Text, "web02, web03") || len(end.Causes) != 1 {
		t.Errorf("%+v", end)
	}
	s.machine("web02", func(c *cases.Case) { *c = cases.Case{} })
	delete(s.cases, "r-1-web02")
	delete(s.cases, "r-1-web03") // their new cases
	if over := s.passes(time.Minute); len(over) != 1 || over[0].State != events.NoteClosed || over[0].Thread != told[0].Thread {
		t.Error(titles(over))
	}
}

// What ended while nobody told of it comes in one summary, once.
func TestABacklogIsOneSummary(t *testing.T) {
	s := newSite(t)
	for i := range 5 {
		id := fmt.Sprintf("r-%d", i)
		s.cases[id+"-web"] = cases.Case{ID: id + "-web", Site: "tokyo", Request: id, State: events.CaseCompleted, Step: events.StepReplication, End: true, Good: true,
			Since: s.now.Add(-4 * time.Hour), Updated: s.now.Add(-3 * time.Hour), EndedAt: s.now.Add(-3 * time.Hour),
			Machines: []cases.Machine{{Name: fmt.Sprintf("web%d", i), State: events.StateProtected}}}
	}
	told := s.passes(time.Minute)
	demand(t, told, "info closed #1 While nothing was told: 5 requests ended")
	s.restarts()
	demand(t, s.passes(20*time.Minute))
}

func TestRefusalsAndSurroundings(t *testing.T) {
	s := newSite(t)
	s.cases["r-9"] = cases.Case{ID: "r-9", Site: "tokyo", Request: "r-9", State: events.CaseRefused, Step: events.StepRequest, End: true, Since: s.now, Updated: s.now, EndedAt: s.now,
		Asked: []string{"wbe01"}, Problems: []events.Problem{{Code: "machine.unknown", Place: "wbe01", Message: "no machine has this name", Remedy: "Name another."}}}
	demand(t, s.passes(time.Minute), "warning closed #1 Refused: request for wbe01")
	s.machine("web01", func(c *cases.Case) {
		c.Waiting = &events.Waiting{For: events.ForVCenter, Code: "vcenter.login", Message: "Login refused", Remedy: "Correct the password.", Since: s.now, Machines: []string{"web01"}}
	})
	told := s.passes(5 * time.Minute)
	demand(t, told, "info open #1 Reprotect requested: web01", "warning open #1 Waiting: Login refused (web01)")
	s.machine("web01", func(c *cases.Case) { c.Waiting = nil })
	demand(t, s.passes(time.Minute), "warning closed #2 Over: Login refused")
}

// A whole site: 300 machines in waves, with seven things that matter, under 25 messages, none of which comes twice though
// the process is started anew at any moment.
func TestWholeSite(t *testing.T) {
	for seed, restart := range []int{0, 3} {
		random := rand.New(rand.NewPCG(1, uint64(seed)))
		s := newSite(t)
		for i := range 300 {
			s.machine(fmt.Sprintf("vm%03d", i), nil)
		}
		for wave := range 30 {
			for i := range 10 {
				name := fmt.Sprintf("vm%03d", wave*10+i)
				switch {
				case i == 0 && wave%5 == 0:
					s.fails(name, "8061", "Datastore of "+name+" is read-only")
				default:
					s.protected(name)
				}
			}
			s.passes(time.Duration(1+random.IntN(60)) * time.Second)
			if restart > 0 && wave%restart == 0 {
				s.restarts()
			}
		}
		s.passes(10 * time.Minute)
		if len(s.log) >= 25 {
			t.Fatalf("%d messages:\n%s", len(s.log), titles(s.log))
		}
		ids := map[string]bool{}
		for _, p := range s.log {
			if id := p.Case + p.Name(); ids[id] {
				t.Fatalf("%s twice", id)
			} else {
				ids[id] = true
			}
		}
		if last := s.log[len(s.log)-1]; !strings.Contains(titles(s.log), "Reprotect ended: 300 machines, 294 of 300 protected") {
			t.Fatalf("the end is not told: %+v", last)
		}
	}
}
