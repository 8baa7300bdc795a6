package cases_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// rows says of each machine of a case, by the letter of its item, what the story made of it.
func rows(t *testing.T, s *story, about func(cases.Machine) string) string {
	t.Helper()
	var all []string
	for _, m := range one(t, s.entries).Machines {
		all = append(all, fmt.Sprintf("%s:%s", strings.TrimPrefix(m.Item, "/items/"), about(m)))
	}
	return strings.Join(all, " ")
}

// Two machines of one name in one case stay two, on both architectures, whether the facts name their items or, as older
// ones, only tell them in the order of the case.
func TestTwoMachinesOfOneName(t *testing.T) {
	t.Parallel()
	for _, architecture := range []string{"classic", "modernized"} {
		pair := events.Case{Machines: []events.Machine{
			{Name: "web01", Item: "/items/a", Architecture: architecture}, {Name: "db01", Item: "/items/c", Architecture: architecture}, {Name: "WEB01", Item: "/items/b", Architecture: architecture},
		}}
		begin := func() *story {
			s := &story{}
			return tell(s, events.TypeAccepted, "", 1, events.Accepted{Case: pair})
		}
		state := func(m cases.Machine) string { return string(m.State) + " " + m.Job }
		for _, tt := range []struct {
			name string
			tell func(*story)
			want string
		}{
			{"jobs, by items", func(s *story) {
				tell(s, events.TypeStarted, "", 5, events.Started{Case: pair, Jobs: []events.Job{{Machine: "web01", Item: "/ITEMS/B", Job: "2"}, {Machine: "web01", Item: "/items/a", Job: "1"}, {Machine: "db01", Job: "3"}}})
			}, "a:running 1 c:running 3 b:running 2"},
			{"jobs, in the order of the case", func(s *story) {
				tell(s, events.TypeStarted, "", 5, events.Started{Case: pair, Jobs: []events.Job{{Machine: "web01", Job: "1"}, {Machine: "db01", Job: "3"}, {Machine: "WEB01", Job: "2"}}})
			}, "a:running 1 c:running 3 b:running 2"},
			{"one with its item, the other with its name alone", func(s *story) {
				tell(s, events.TypeStarted, "", 5, events.Started{Case: pair, Jobs: []events.Job{{Machine: "web01", Job: "2"}, {Machine: "WEB01", Item: "/items/a", Job: "1"}}})
			}, "a:running 1 c:not-started  b:running 2"},
			{"progress", func(s *story) {
				tell(s, events.TypeProgressed, "", 6, events.Progressed{Machines: []events.MachineProgress{
					{Machine: "web01", Item: "/items/b", State: "replicating", Job: "2"}, {Machine: "web01", Item: "/items/a", State: "failed", Job: "1"}}})
			}, "a:failed 1 c:not-started  b:replicating 2"},
			{"an end", func(s *story) {
				tell(s, events.TypeFailed, events.StepReplication, 6, events.Failed{Code: "x", Message: "m", Remedy: "r", Case: &pair, Machines: []events.MachineState{
					{Machine: "web01", Item: "/items/b", State: "failed", Job: "2"}, {Machine: "db01", State: "failed"}, {Machine: "web01", Item: "/items/a", State: "protected", Job: "1"}}})
			}, "a:protected 1 c:failed  b:failed 2"},
		} {
			s := begin()
			tt.tell(s)
			if got := rows(t, s, state); got != tt.want {
				t.Errorf("%s, %s: %s, want %s", architecture, tt.name, got, tt.want)
			}
			if labels := one(t, s.entries).Labels(); !cmp.Equal(labels, []string{"web01 (a)", "db01", "WEB01 (b)"}) {
				t.Errorf("they are called %v", labels)
			}
		}
	}
}

// Classic makes a new item: the fact that tells it names the old one, too, and what is told later of the new one is of
// that machine.
func TestAnItemThatIsReplaced(t *testing.T) {
	t.Parallel()
	pair := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/a", Architecture: "classic"}, {Name: "web01", Item: "/items/b", Architecture: "classic"}, {Name: "app01", Item: "/items/c", Architecture: "modernized"}}}
	s := tell(&story{}, events.TypeAccepted, "", 1, events.Accepted{Case: pair})
	tell(s, events.TypeCompleted, "", 6, events.Completed{Case: pair, Machines: []events.ProtectedState{
		{Machine: "web01", Item: "/items/b2", FormerItem: "/items/b", Location: "alternate"}, {Machine: "web01", Item: "/items/a2", FormerItem: "/items/a"}, {Machine: "app01", Item: "/ITEMS/C"}}})
	tell(s, events.TypeReturned, "", 7, events.Returned{Machine: "web01", Item: "/items/A2", State: "x"})
	about := func(m cases.Machine) string {
		where := map[bool]string{true: "away", false: "home"}[m.Returned.IsZero()]
		return strings.TrimSpace(fmt.Sprintf("%s %s %d %s %s", m.NewItem, m.State, m.Percent, where, m.Location))
	}
	if got, want := rows(t, s, about), "a:/items/a2 protected 100 home b:/items/b2 protected 100 away alternate c:protected 100 away"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	tell(s, events.TypeReturned, "", 8, events.Returned{Machine: "web01", Item: "/items/b3", FormerItem: "/items/b", State: "x"})
	home := func(m cases.Machine) string { return fmt.Sprint(!m.Returned.IsZero()) }
	if got := rows(t, s, home); got != "a:true b:true c:false" {
		t.Errorf("home are %s", got)
	}
}

// A failback that cannot be told apart takes all machines of the name off the list: none is offered that is home.
func TestAFailbackOfOneOfTwo(t *testing.T) {
	t.Parallel()
	pair := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/a"}, {Name: "WEB01", Item: "/items/b"}, {Name: "db01", Item: "/items/c"}}}
	s := tell(&story{}, events.TypeAccepted, "", 1, events.Accepted{Case: pair})
	tell(s, events.TypeReturned, "", 7, events.Returned{Machine: "web01", Item: "/items/new", State: "x"})
	home := func(m cases.Machine) string { return fmt.Sprint(!m.Returned.IsZero()) }
	if got := rows(t, s, home); got != "a:true b:true c:false" {
		t.Errorf("home are %s", got)
	}
}

// 5.a: a group of three of which two come home: both are.
func TestTwoOfAGroupComeHome(t *testing.T) {
	t.Parallel()
	group := events.Case{Machines: []events.Machine{{Name: "erp-1", Item: "/items/a"}, {Name: "erp-2", Item: "/items/b"}, {Name: "erp-3", Item: "/items/c"}}}
	s := tell(&story{}, events.TypeAccepted, "", 1, events.Accepted{Case: group})
	tell(s, events.TypeCompleted, "", 6, events.Completed{Case: group, Machines: []events.ProtectedState{{Machine: "erp-1", Item: "/items/a"}, {Machine: "erp-2", Item: "/items/b"}, {Machine: "erp-3", Item: "/items/c"}}})
	tell(s, events.TypeReturned, "", 9, events.Returned{Machine: "erp-3", Item: "/items/c", State: "x"})
	tell(s, events.TypeReturned, "", 8, events.Returned{Machine: "erp-1", Item: "/items/a", State: "x"})
	ready := cases.ReadyMachines(cases.All(cases.Compact(s.entries)))
	if len(ready) != 1 || ready[0].Machine != "erp-2" {
		t.Errorf("ready are %+v", ready)
	}
}

// 5.b: of a group one machine waits for an operator while the others move: since when and why stays known, however much is
// told and forgotten meanwhile, and also when the report that told it never came.
func TestSinceWhenAGroupWaits(t *testing.T) {
	t.Parallel()
	since := begun.Add(time.Minute)
	moves := func(s *story, position, percent int) {
		tell(s, events.TypeProgressed, "", position, events.Progressed{Percent: percent, Machines: []events.MachineProgress{
			{Machine: "web01", State: "not-started", For: "operator", Code: "95226", Message: "no way", Remedy: "check"}, {Machine: "db01", State: "replicating", Percent: percent}}})
	}
	s := upTo(events.StepSubmission)
	moves(s, 6, 10)
	alone := one(t, s.entries)
	if w := alone.Waiting; w == nil || !w.Since.Equal(s.entries[len(s.entries)-1].Time) || w.NextLook.IsZero() || w.Machines[0] != "web01" || w.Remedy != "check" || w.Message != "no way" {
		t.Errorf("without the report: %+v", w)
	}
	tell(s, events.TypeWaiting, "", 7, events.Waiting{For: "operator", Code: "95226", Machines: []string{"WEB01"}, Message: "Azure refused", Since: since})
	tell(s, events.TypeWaiting, "", 8, events.Waiting{For: "operator", Code: "78093", Machines: []string{"web01"}, Message: "another", Since: begun})
	tell(s, events.TypeWaiting, "", 9, events.Waiting{For: "others", Code: "95226", Machines: []string{"web01"}, Message: "another", Since: begun})
	tell(s, events.TypeWaiting, "", 10, events.Waiting{For: "operator", Code: "95226", Machines: []string{"db01"}, Message: "another", Since: begun})
	for i := range 20 {
		moves(s, 11+i, 10+i)
		s.entries = cases.Compact(s.entries)
	}
	c := one(t, s.entries)
	if c.State != events.CaseWaiting || c.Waiting == nil || !c.Waiting.Since.Equal(since) || c.Waiting.Message != "Azure refused" || c.For != events.ForOperator {
		t.Errorf("it is %s: %+v", c.State, c.Waiting)
	}
	tell(s, events.TypeCancelling, "", 1, events.Cancelling{})
	if c := one(t, s.entries); c.State != events.CaseCancelling || c.Waiting != nil || c.For != events.ForOperator || !c.Cancelled {
		t.Errorf("about to be cancelled it is %s, waits for %s: %+v", c.State, c.For, c.Waiting)
	}
}

// Of two machines of one name, the report is found that tells of the one which stands still.
func TestWhichOfTwoStandsStill(t *testing.T) {
	t.Parallel()
	pair := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/a"}, {Name: "web01", Item: "/items/b"}}}
	s := tell(&story{}, events.TypeAccepted, "", 1, events.Accepted{Case: pair})
	wait := func(position int, item string, minute int) {
		tell(s, events.TypeWaiting, "", position, events.Waiting{For: "operator", Code: "1", Machines: []string{"web01"}, Items: []string{item}, Message: item, Since: begun.Add(time.Duration(minute) * time.Minute)})
	}
	wait(2, "/items/b", 1)
	wait(3, "/items/a", 2)
	tell(s, events.TypeProgressed, "", 4, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", Item: "/items/a", State: "running"}, {Machine: "web01", Item: "/items/B", State: "running", For: "operator", Code: "1"}}})
	if c := one(t, cases.Compact(s.entries)); c.Waiting == nil || c.Waiting.Message != "/items/b" {
		t.Errorf("%+v", c.Waiting)
	}
	tell(s, events.TypeProgressed, "", 5, events.Progressed{Machines: []events.MachineProgress{{Machine: "web01", Item: "/items/b", State: "running", For: "operator", Code: "2"}}})
	if c := one(t, s.entries); c.Waiting == nil || !cmp.Equal(c.Waiting.Items, []string{"/items/b"}) {
		t.Errorf("%+v", c.Waiting)
	}
}

func TestWhatIsLeftOfACase(t *testing.T) {
	t.Parallel()
	pair := events.Case{Machines: []events.Machine{{Name: "web01", Item: "/items/a"}, {Name: "web01", Item: "/items/b"}, {Name: "db01", Item: "/items/c"}}}
	s := tell(&story{}, events.TypeAccepted, "", 1, events.Accepted{Case: pair})
	names := func() (all string) {
		for _, m := range one(t, s.entries).Left() {
			all += m.Item[len(m.Item)-1:]
		}
		return all
	}
	if got := names(); got != "abc" {
		t.Errorf("at first %s", got)
	}
	tell(s, events.TypeFailed, events.StepReplication, 6, events.Failed{Code: "x", Message: "m", Remedy: "r", Machines: []events.MachineState{
		{Machine: "web01", Item: "/items/b", State: "protected"}, {Machine: "web01", Item: "/items/a", State: "failed"}, {Machine: "db01", State: "cancelled"}}})
	if got := names(); got != "ac" {
		t.Errorf("left are %s", got)
	}
	if left := (cases.Case{}).Left(); left != nil {
		t.Errorf("of a request that is no case: %v", left)
	}
}

func TestWhenACaseFlows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		states []events.State
		want   bool
	}{
		{nil, false},
		{[]events.State{"replicating"}, true},
		{[]events.State{"protected", "replicating"}, true},
		{[]events.State{"protected", "running"}, false},
		{[]events.State{"failed"}, false},
	} {
		c := cases.Case{}
		for _, s := range tt.states {
			c.Machines = append(c.Machines, cases.Machine{State: s})
		}
		if c.Flows() != tt.want {
			t.Errorf("%v: flows %v", tt.states, !tt.want)
		}
	}
}
