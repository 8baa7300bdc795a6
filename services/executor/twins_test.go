package executor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

// twins are two machines of one name, told apart by their items alone.
func twins(architecture observed.Architecture) (a, b observed.Item) {
	for i, id := range []string{"/items/one", "/items/two"} {
		item := failedOver("web01")
		item.ID = id
		if architecture == observed.Classic {
			item.Architecture, item.Provider, item.FabricID = observed.Classic, "InMageAzureV2", "/fabrics/cs"
		}
		*[]*observed.Item{&a, &b}[i] = item
	}
	return a, b
}

var architectures = []observed.Architecture{observed.Classic, observed.Modernized}

func twinVault(items ...observed.Item) observed.Vault {
	v := vaultOf(items...)
	v.Policies = []observed.Policy{{ID: "/policies/back"}}
	v.Mappings = []observed.Mapping{{PolicyID: "/policies/back", FabricID: "/fabrics/cs", ContainerID: "/c", TargetContainerID: "/C"}}
	return v
}

// back is what an item becomes: on classic another, of the same name.
func back(i observed.Item, state string) observed.Item {
	i.State, i.Location, i.JobID, i.Scenario = state, "Primary", "", ""
	if i.Provider = "InMageRcmFailback"; i.Architecture == observed.Classic {
		i.ID, i.Provider = i.ID+"-new", "InMage"
	}
	return i
}

func reprotects(id, state string, i observed.Item) observed.Job {
	j := observed.Job{ID: id, State: state, FriendlyName: "Reprotect", Scenario: observed.ReprotectScenario, TargetName: i.Name, Start: cleared.Add(time.Second)}
	if state == "Succeeded" && i.Architecture == observed.Classic {
		j.NewItemID = i.ID + "-new"
	}
	return j
}

// summary is a job as a list has it.
func summary(j observed.Job) observed.Job {
	j.NewItemID, j.Errors = "", nil
	return j
}

func watchTwins(t *testing.T, f *fake, a, b observed.Item) *watched {
	w := watch(t, f, events.Job{Machine: "web01", Item: a.ID, Job: "j-one"}, events.Job{Machine: "web01", Item: b.ID, Job: "j-two"})
	w.event.Data.Case.Machines = []events.Machine{machineOf(a), machineOf(b)}
	return w
}

func TestTwoMachinesOfOneNameAreStartedEachWithItsJob(t *testing.T) {
	for _, architecture := range architectures {
		t.Run(string(architecture), func(t *testing.T) {
			a, b := twins(architecture)
			f := &fake{look: twinVault(a, b)}
			d := ask(t, f, nil).Publish[0].Data().(events.Started)
			for i, id := range []string{"one", "two"} {
				if d.Jobs[i].Job != "job-"+id || d.Jobs[i].Item != "/items/"+id || d.Case.Machines[i].Job != "job-"+id {
					t.Errorf("%+v, %+v", d.Jobs[i], d.Case.Machines[i])
				}
			}
			if len(f.submitted) != 2 {
				t.Errorf("%d submissions", len(f.submitted))
			}
		})
	}
}

// A process died between the two submissions. On classic the first one's item may be on its way to another.
func TestOneOfTwoMachinesOfOneNameIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  func(observed.Item) []observed.Item // what became of it
		state  string                              // of its job
		submit []string
		holds  bool
	}{
		{"its job runs", func(i observed.Item) []observed.Item {
			i.JobID, i.Scenario = "j-one", observed.ReprotectScenario
			return []observed.Item{i}
		}, "InProgress", []string{"/items/two"}, false},
		{"its item is being replaced", func(observed.Item) []observed.Item { return nil }, "InProgress", nil, true},
		{"it replicates back", func(i observed.Item) []observed.Item { return []observed.Item{back(i, "Protected")} }, "Succeeded", []string{"/items/two"}, false},
	} {
		for _, architecture := range architectures {
			a, b := twins(architecture)
			f := &fake{look: twinVault(append(tt.first(a), b)...)}
			f.look.Jobs = []observed.Job{summary(reprotects("j-one", tt.state, a))}
			r := ask(t, f, func(e *workflow.Event[events.Registered]) {
				e.Data.Case.Machines = []events.Machine{machineOf(a), machineOf(b)}
			})
			var submitted []string
			for _, s := range f.submitted {
				submitted = append(submitted, s.Item.ID)
			}
			if !slices.Equal(submitted, tt.submit) {
				t.Errorf("%s, %s: submitted %v, want %v: %+v", architecture, tt.name, submitted, tt.submit, r.Publish[0].Data())
			}
			if d, ok := r.Publish[0].Data().(events.Started); !tt.holds && (!ok || d.Jobs[1].Job != "job-two") {
				t.Errorf("%s, %s: %+v", architecture, tt.name, r.Publish[0].Data())
			}
			if w, ok := r.Publish[0].Data().(events.Waiting); tt.holds && (!ok || w.Code != "machine.changing" || !slices.Equal(w.Items, []string{a.ID}) || !strings.Contains(w.Message, "web01 (one)")) {
				t.Errorf("%s, %s: %+v", architecture, tt.name, r.Publish[0].Data())
			}
		}
	}
}

// Both are followed by their own jobs: what became of one is not taken for the other.
func TestTwoMachinesOfOneNameAreFollowedEachByItsJob(t *testing.T) {
	for _, architecture := range architectures {
		t.Run(string(architecture), func(t *testing.T) {
			a, b := twins(architecture)
			f := &fake{look: twinVault(a, b), jobs: map[string]observed.Job{"j-one": reprotects("j-one", "Succeeded", a), "j-two": reprotects("j-two", "Succeeded", b)}}
			f.look.Jobs = []observed.Job{reprotects("j-one", "InProgress", a), reprotects("j-two", "InProgress", b)}
			w := watchTwins(t, f, a, b)
			said, _ := w.looks(0)
			if p := said[0].(events.Progressed).Machines; p[0].Item != a.ID || p[0].Job != "j-one" || p[1].Item != b.ID || p[1].Job != "j-two" {
				t.Fatalf("%+v", p)
			}
			// The second is back first, while the first one's item is neither.
			items := []observed.Item{back(b, "Protected")}
			if architecture == observed.Modernized {
				items = append(items, a)
			}
			f.look = twinVault(items...)
			f.look.Jobs = []observed.Job{reprotects("j-one", "InProgress", a), summary(reprotects("j-two", "Succeeded", b))}
			said, after := w.looks(time.Minute)
			if p, ok := said[0].(events.Progressed); !ok || after == 0 || p.Machines[0].State != events.StateRunning || p.Machines[1].State != events.StateProtected {
				t.Fatalf("%+v", said[0])
			}
			f.look = twinVault(back(b, "Protected"), back(a, "Protected"))
			f.look.Jobs = []observed.Job{summary(reprotects("j-one", "Succeeded", a)), summary(reprotects("j-two", "Succeeded", b))}
			said, _ = w.looks(time.Minute)
			d, ok := said[0].(events.Completed)
			if !ok || d.Machines[0].Item != back(a, "").ID || d.Machines[1].Item != back(b, "").ID {
				t.Fatalf("%+v", said[0])
			}
			if d.Machines[0].FormerItem != map[observed.Architecture]string{observed.Classic: a.ID}[architecture] {
				t.Errorf("formerly %q", d.Machines[0].FormerItem)
			}
		})
	}
}

// What is done about one's failed job leaves the other alone, and both are told apart in what people read.
func TestOneOfTwoMachinesOfOneNameFails(t *testing.T) {
	for _, architecture := range architectures {
		t.Run(string(architecture), func(t *testing.T) {
			a, b := twins(architecture)
			failed := reprotects("j-one", "Failed", a)
			failed.Errors = []observed.Problem{noWay}
			f := &fake{look: twinVault(a, b), jobs: map[string]observed.Job{"j-one": failed}}
			f.look.Jobs = []observed.Job{summary(failed), reprotects("j-two", "InProgress", b)}
			w := watchTwins(t, f, a, b)
			said, _ := w.looks(time.Minute)
			wait := said[1].(events.Waiting)
			if wait.For != events.ForOperator || !slices.Equal(wait.Items, []string{a.ID}) || !strings.Contains(wait.Message, "job j-one of web01 (one) failed") {
				t.Errorf("%+v", wait)
			}
			if w.looks(11 * time.Minute); len(f.submitted) != 1 || f.submitted[0].Item.ID != a.ID {
				t.Fatalf("submitted %+v", f.submitted)
			}
			said, _ = w.looks(3 * time.Hour)
			d := fmt.Sprintf("%+v", said)
			if !strings.Contains(d, "web01 (two)") {
				t.Errorf("%s", d)
			}
		})
	}
}

// A machine of another case has the name, and is home already: while this one's item is being replaced, that one is
// not taken for it.
func TestAMachineOfAnotherCaseIsNotTakenForOurs(t *testing.T) {
	a, b := twins(observed.Classic)
	f := &fake{look: twinVault(back(b, "Protected")), jobs: map[string]observed.Job{"j-one": reprotects("j-one", "Succeeded", a)}}
	f.look.Jobs = []observed.Job{reprotects("j-one", "InProgress", a)}
	w := watch(t, f, events.Job{Machine: "web01", Job: "j-one"})
	w.event.Data.Case.Machines = []events.Machine{machineOf(a)}
	if said, after := w.looks(time.Minute); after == 0 {
		t.Fatalf("%+v", said)
	}
	f.look.Jobs = []observed.Job{summary(reprotects("j-one", "Succeeded", a))}
	if said, after := w.looks(time.Minute); after == 0 {
		t.Fatalf("its job named another item: %+v", said)
	}
	f.look = twinVault(back(a, "Protected"), back(b, "Protected"))
	said, _ := w.looks(time.Minute)
	if d, ok := said[0].(events.Completed); !ok || d.Machines[0].Item != back(a, "").ID {
		t.Errorf("%+v", said[0])
	}
}

// An older version did not say of which item a job is: then they stand in the order of the case.
func TestJobsOfTwoMachinesAsAnOlderVersionTold(t *testing.T) {
	a, b := twins(observed.Modernized)
	f := &fake{look: twinVault(a, back(b, "Protected"))}
	f.look.Jobs = []observed.Job{reprotects("j-one", "InProgress", a)}
	w := watchTwins(t, f, a, b)
	w.event.Data.Jobs[0].Item, w.event.Data.Jobs[1].Item = "", ""
	said, _ := w.looks(0)
	if p := said[0].(events.Progressed).Machines; p[0].Job != "j-one" || p[0].State != events.StateRunning || p[1].Job != "j-two" || p[1].State != events.StateProtected {
		t.Errorf("%+v", p)
	}
}

// Of machines of one name that all came back each has one of the new items; while one is on its way, nothing is known.
func TestSuccessors(t *testing.T) {
	a, b := twins(observed.Classic)
	stranger := back(a, "Protected")
	stranger.ID = "/items/stranger"
	for _, tt := range []struct {
		name  string
		items []observed.Item
		now   []observed.Item
		want  [2]string
	}{
		{"both came back", []observed.Item{back(b, "Protected"), back(a, "Protected")}, nil, [2]string{"/items/one-new", "/items/two-new"}},
		{"one came back", []observed.Item{back(b, "Protected")}, nil, [2]string{"", ""}},
		{"one came back, the other stands", []observed.Item{a, back(b, "Protected")}, nil, [2]string{"/items/one-new", "/items/two-new"}},
		{"one is known", []observed.Item{back(a, "Protected"), back(b, "Protected")}, []observed.Item{{}, back(b, "Protected")}, [2]string{"/items/one-new", ""}},
		{"one is known, which is not the first", []observed.Item{back(a, "Protected"), back(b, "Protected")}, []observed.Item{back(b, "Protected"), {}}, [2]string{"", "/items/one-new"}},
		{"there are more than came from here", []observed.Item{back(a, "Protected"), back(b, "Protected"), stranger}, nil, [2]string{"", ""}},
		{"neither came back", nil, nil, [2]string{"", ""}},
	} {
		c := events.Case{Machines: []events.Machine{machineOf(a), machineOf(b)}}
		for i, want := range tt.want {
			if tt.name == "one came back, the other stands" && i == 0 || strings.HasPrefix(tt.name, "one is known") && want == "" {
				continue // what it is now is known
			}
			got, ok := sight{c: c, i: i, vault: twinVault(tt.items...), now: tt.now}.successor()
			if got.ID != want || ok != (want != "") {
				t.Errorf("%s: machine %d is %q, want %q", tt.name, i, got.ID, want)
			}
		}
	}
}

// A job is told by its machine's name only where one machine can be meant.
func TestJobsByName(t *testing.T) {
	a, b := twins(observed.Modernized)
	job := reprotects("j1", "InProgress", a)
	for _, tt := range []struct {
		name     string
		machines []events.Machine
		items    []observed.Item
		owner    string
		job      observed.Job
		want     string
	}{
		{name: "one", machines: []events.Machine{machineOf(a)}, items: []observed.Item{a}, job: job, want: "j1"},
		{name: "its own, as is known", machines: []events.Machine{machineOf(a)}, items: []observed.Item{a}, owner: "/Items/ONE", job: job, want: "j1"},
		{name: "another's, as is known", machines: []events.Machine{machineOf(a)}, items: []observed.Item{a}, owner: "/items/two", job: job},
		{name: "two in the vault", machines: []events.Machine{machineOf(a)}, items: []observed.Item{a, b}, job: job},
		{name: "two in the case, one in the vault", machines: []events.Machine{machineOf(a), machineOf(b)}, items: []observed.Item{a}, job: job},
	} {
		s := sight{c: events.Case{Machines: tt.machines}, vault: twinVault(tt.items...), since: cleared, owner: func(string) (string, bool) { return tt.owner, tt.owner != "" }}
		s.vault.Jobs = []observed.Job{tt.job}
		if got, ok := s.byName(machineOf(a)); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
