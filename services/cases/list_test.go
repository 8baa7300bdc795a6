package cases_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

func TestReadyMachines(t *testing.T) {
	t.Parallel()
	hour := 0
	aCase := func(id string, machines ...cases.Machine) cases.Case {
		hour++
		return cases.Case{ID: id, Request: "r", Site: "tokyo", Since: begun.Add(time.Duration(hour) * time.Hour), Machines: machines}
	}
	m := func(name, item string, state events.State) cases.Machine {
		return cases.Machine{Name: name, Item: item, State: state}
	}
	replaced := func(name, item, next string) cases.Machine {
		return cases.Machine{Name: name, Item: item, NewItem: next, State: events.StateProtected}
	}
	home := m("mail01", "/m", events.StateProtected)
	home.Returned = begun
	for _, tt := range []struct {
		name string
		all  []cases.Case
		want []string
	}{
		{"rejected later: still protected", []cases.Case{aCase("1", m("web01", "/a", "protected")), aCase("2", m("WEB01", "/A", "not-started"))}, []string{"web01 /a 1"}},
		{"acted on again: not any more", []cases.Case{aCase("3", m("db01", "/a", "protected")), aCase("4", m("db01", "/a", "failed"))}, nil},
		{"failed, then protected", []cases.Case{aCase("5", m("app01", "/a", "failed")), aCase("6", m("app01", "/a", "protected"))}, []string{"app01 /a 6"}},
		{"it fails back", []cases.Case{aCase("7", home)}, nil},
		{"its item was replaced", []cases.Case{aCase("1", replaced("web01", "/a", "/b")), aCase("2", m("web01", "/B", "protected"))}, []string{"web01 /B 2"}},
		{"its item was replaced by nobody knows whom", []cases.Case{aCase("1", m("web01", "/a", "protected")), aCase("2", m("web01", "/c", "failed"))}, nil},
		{"two of one name in one case", []cases.Case{aCase("1", m("web01", "/b", "protected"), m("web01", "/a", "protected"))}, []string{"web01 (a) /a 1", "web01 (b) /b 1"}},
		{"two of one name, one of them acted on again", []cases.Case{
			aCase("1", m("web01", "/a", "protected"), m("web01", "/b", "protected")), aCase("2", m("web01", "/b", "failed")),
		}, []string{"web01 /a 1"}},
		{"two of one name, one of them failed", []cases.Case{aCase("1", m("web01", "/a", "failed"), m("web01", "/b", "protected"))}, []string{"web01 /b 1"}},
		{"the cases come in any order", []cases.Case{{ID: "2", Site: "tokyo", Since: begun.Add(2 * time.Hour), Machines: []cases.Machine{m("web01", "/a", "failed")}},
			{ID: "1", Site: "tokyo", Since: begun, Machines: []cases.Machine{m("web01", "/a", "protected")}}}, nil},
		{"of two sites", []cases.Case{aCase("1", m("web01", "/a", "protected")), {ID: "2", Site: "osaka", Since: begun.Add(time.Hour * 99), Machines: []cases.Machine{m("web01", "/a", "failed")}}},
			[]string{"web01 /a 1"}},
	} {
		var got []string
		for _, r := range cases.ReadyMachines(tt.all) {
			got = append(got, r.Label+" "+r.Item+" "+r.Case)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if cases.ReadyMachines(nil) == nil {
		t.Error("none are no list")
	}
}

// What stands beside a machine that is ready is about it, or about all of its case.
func TestWhatIsSaidOfAReadyMachine(t *testing.T) {
	t.Parallel()
	c := cases.Case{Site: "tokyo", Machines: []cases.Machine{{Name: "web01", Item: "/a", State: "protected"}, {Name: "web01", Item: "/b", State: "protected"}, {Name: "db01", Item: "/c", State: "protected"}},
		Violations: []events.Violated{{Code: "all"}, {Code: "a", Machine: "web01", Item: "/A"}, {Code: "either", Machine: "WEB01"}, {Code: "db", Machine: "db01"}}}
	want := map[string]string{"/a": " all a either", "/b": " all either", "/c": " all db"}
	for _, r := range cases.ReadyMachines([]cases.Case{c}) {
		got := ""
		for _, v := range r.Violations {
			got += " " + v.Code
		}
		if got != want[r.Item] {
			t.Errorf("of %s is said%s, want%s", r.Item, got, want[r.Item])
		}
	}
}
