package homeward

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// The whole way of one machine, of both architectures: the outcomes in their order, one job for each leg, and what the
// facts tell.
func TestTheWayHome(t *testing.T) {
	t.Parallel()
	for _, classic := range []bool{false, true} {
		a := newAzure(classic)
		w := &walk{azure: a, leader: a.leader(), c: theCase(events.LegFailback, events.UntilProtected, "after 24h", classic)}
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		var outcomes []string
		for _, d := range w.said {
			if d.Kind().Decides() {
				outcomes = append(outcomes, d.Step()+" "+d.Kind().Name)
			}
			switch data := d.Data().(type) {
			case events.Home:
				m := data.Machines[0]
				if m.Job != "j1" || m.VM != "/DC/vm/web01" || m.Down.IsZero() || m.Up.Sub(m.Down) < a.takes || m.Up.Sub(m.Down) > a.takes+2*look || !slices.Equal(m.Addresses, []string{"10.0.0.21"}) {
					t.Errorf("classic %v: %+v", classic, m)
				}
			case events.Committed:
				m := data.Machines[0]
				if m.Job != "j2" || !strings.Contains(m.Evidence, "/DC/vm/web01") || !strings.Contains(m.Gone[0], "Azure VM web01") {
					t.Errorf("classic %v: %+v", classic, m)
				}
			case events.Protected:
				if m := data.Machines[0]; m.Item != item || m.Since.IsZero() {
					t.Errorf("classic %v: %+v", classic, m)
				}
			}
		}
		want := []string{"submission started", "failback home", "commit committed", "protection protected"}
		if !slices.Equal(outcomes, want) {
			t.Errorf("classic %v: %v", classic, outcomes)
		}
		scenario := map[bool]string{false: "PlannedFailover", true: "UnplannedFailover"}[classic]
		if a.submitted[scenario] != 1 || a.submitted["CommitFailover"] != 1 || a.submitted[observed.ReprotectScenario] != 1 || len(a.jobs) != 3 {
			t.Errorf("classic %v: %v", classic, a.submitted)
		}
		if due := a.jobs[0].End.Add(24 * time.Hour); a.commits[0].Before(due) || a.commits[0].After(due.Add(time.Hour)) {
			t.Errorf("classic %v: committed at %s, and it is home since %s", classic, a.commits[0], a.jobs[0].End)
		}
	}
}

// With which account a machine is reached is the one that it had, else the only one, else the config's; never a guess.
func TestWithWhichAccount(t *testing.T) {
	t.Parallel()
	several := []observed.RunAsAccount{{ID: "/acc/1", Name: "root"}, {ID: "/acc/2", Name: "backup"}}
	for _, tt := range []struct {
		name, had string
		accounts  []observed.RunAsAccount
		config    string
		want      string // "": nobody knows
	}{
		{"what it had", "/acc/2", several, "", "/acc/2"},
		{"what it had, before the config", "/acc/2", several, "root", "/acc/2"},
		{"the only one", "", several[:1], "", "/acc/1"},
		{"the config's", "", several, "BACKUP", "/acc/2"},
		{"several", "", several, "", ""},
		{"one that is not there", "", several, "nobody", ""},
	} {
		a := newAzure(false)
		a.accounts, a.item.Forward.RunAsAccountID = tt.accounts, tt.had
		if tt.config != "" {
			a.account = map[string]string{"linux": tt.config}
		}
		vault, err := a.Vault(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		d := &leading{site: Site{Vault: a, RunAsAccount: func(os string) string { return a.account[os] }}}
		d.vault, d.item, d.title, d.machine = vault, a.item, "web01", events.Machine{Name: "web01", OS: "linux"}
		f, unclear, err := d.forward(t.Context())
		if err != nil || (unclear == nil) != (tt.want != "") || f.RunAsAccountID != tt.want {
			t.Errorf("%s: %+v, %+v, %v", tt.name, f, unclear, err)
		}
		if unclear != nil && (unclear.Code != "protect.choice" || !strings.Contains(unclear.Remedy, "runAsAccount")) {
			t.Errorf("%s: %+v", tt.name, unclear)
		}
	}
}

// A failback that waits for a person says what the commit destroys and both ways to go on, and goes on by itself when
// somebody has committed it, whoever that was.
func TestACommitIsForAPerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		by   string
		want string
	}{{"CommitFailover", "protection protected"}, {"CancelFailover", "commit withdrawn"}} {
		a := newAzure(false)
		w := &walk{azure: a, leader: a.leader(), c: theCase(events.LegFailback, events.UntilProtected, events.ByHand, false)}
		w.between = func(w *walk) {
			if len(w.waited) > 0 && len(a.jobs) == 1 {
				a.person(tt.by)
			}
		}
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		if got := w.end.Step() + " " + w.end.Kind().Name; got != tt.want || a.submitted["CommitFailover"] != 0 {
			t.Errorf("%s: %s, %v", tt.by, got, a.submitted)
		}
		if told := w.waited[0]; told.For != events.ForOperator || told.Code != "commit.due" || !strings.Contains(told.Message, "Azure VM web01") ||
			!strings.Contains(told.Remedy, "reprotect commit web01") || !strings.Contains(told.Remedy, "reprotect withdraw web01") {
			t.Errorf("%+v", told)
		}
	}
}

// A failback that fails ends its case with Azure's words, once the machine stands ready again.
func TestAFailbackThatFails(t *testing.T) {
	t.Parallel()
	a := newAzure(false)
	a.fails = func(scenario string) bool { return scenario == "PlannedFailover" }
	w := &walk{azure: a, leader: a.leader(), c: theCase(events.LegFailback, events.UntilProtected, events.ByHand, false)}
	if err := w.run(); err != nil {
		t.Fatal(err)
	}
	f, ok := w.end.Data().(events.Failed)
	if !ok || w.end.Step() != events.StepFailback || f.Code != "8038" || !strings.Contains(f.Words, "not enough memory") || !strings.Contains(f.Message, "may be failed back") || f.Remedy == "" ||
		f.Machines[0].State != events.StateFailed || f.Machines[0].Job != "j1" || a.submitted["PlannedFailover"] != 1 {
		t.Errorf("%s %+v", w.end.Step(), f)
	}
}

// What stands in the way, by the step where it is met.
func TestWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		leg     events.Leg
		prepare func(*walk)
		end     string
		code    string
		says    string
	}{
		{"commit before the failback", events.LegCommit, func(*walk) {}, "submission rejected", "readiness.stage", "may be failed back"},
		{"protect before the commit", events.LegProtect, func(w *walk) { w.azure.is("InMageRcmFailback", "CommitPendingStatesBegin", "Recovery") }, "submission rejected", "readiness.stage", "commit or withdraw"},
		{"withdraw after the commit", events.LegWithdraw, func(w *walk) { w.azure.is("InMageRcmFailback", "PlannedFailoverCommitted", "Recovery") }, "submission rejected", "readiness.stage", "is committed"},
		{"failback of what replicates still", events.LegFailback, func(w *walk) { w.azure.is("InMageRcmFailback", "InitialReplicationInProgress", "Primary") }, "submission rejected", "readiness.stage", "is not protected yet"},
		{"cancelled before it began", events.LegFailback, func(w *walk) { w.cancelling = true }, "submission cancelled", "", ""},
		{"home already", events.LegFailback, func(w *walk) {
			w.azure.is("InMageRcmFailback", "CommitPendingStatesBegin", "Recovery")
			w.azure.vm.Power, w.azure.vm.Tools = "poweredOn", "guestToolsRunning"
		}, "failback home", "", ""},
		{"refused for good", events.LegFailback, func(w *walk) {
			w.azure.answer = func(string) error {
				return &observed.Fault{Class: observed.Permanent, Code: "azure.input", What: "cannot fail back web01", Words: "no"}
			}
		}, "submission failed", "azure.input", "Azure refused the failback of web01"},
		{"the item is gone", events.LegFailback, func(w *walk) { w.azure.item.ID, w.azure.item.Name = "/other", "other" }, "submission failed", "machine.gone", "not in the vault any more"},
		{"a dry run", events.LegFailback, func(w *walk) { w.c.DryRun = true }, "submission rehearsed", "", ""},
		{"cancelled by somebody in the portal", events.LegFailback, func(w *walk) {
			w.between = func(w *walk) {
				if len(w.azure.jobs) == 1 && !w.azure.jobs[0].Done() {
					w.azure.jobs[0].State, w.azure.item.JobID, w.azure.item.Scenario = "Cancelled", "", ""
				}
			}
		}, "failback failed", "job.cancelled", "Somebody cancelled"},
	} {
		a := newAzure(false)
		w := &walk{azure: a, leader: a.leader(), c: theCase(tt.leg, events.UntilHome, events.ByHand, false)}
		tt.prepare(w)
		if err := w.run(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		code, says := "", ""
		switch d := w.end.Data().(type) {
		case events.Rejected:
			code, says = d.Problems[0].Code, d.Problems[0].Message
		case events.Failed:
			code, says = d.Code, d.Message
		}
		if got := w.end.Step() + " " + w.end.Kind().Name; got != tt.end || code != tt.code || !strings.Contains(says, tt.says) {
			t.Errorf("%s: %s, %s: %s", tt.name, got, code, says)
		}
		if w.c.DryRun && len(a.jobs) > 0 {
			t.Errorf("%s: %v", tt.name, a.jobs)
		}
	}
}

// A machine that is home, and does not run, is not called home: somebody is asked, and it goes on by itself.
func TestHomeMeansThatItRuns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code  string
		spoil func(*observed.VM)
	}{
		{"home.off", func(vm *observed.VM) { vm.Power = "poweredOff" }},
		{"home.no-tools", func(vm *observed.VM) { vm.Tools = "guestToolsNotRunning" }},
		{"home.not-found", func(vm *observed.VM) { vm.Name = "other" }},
	} {
		a := newAzure(false)
		w := &walk{azure: a, leader: a.leader(), c: theCase(events.LegFailback, events.UntilHome, events.ByHand, false)}
		w.between = func(w *walk) {
			asked := slices.ContainsFunc(w.waited, func(told events.Waiting) bool { return told.For == events.ForOperator })
			if a.vm.Name, a.vm.Power, a.vm.Tools = "web01", "poweredOn", "guestToolsRunning"; !asked {
				tt.spoil(&a.vm)
			}
		}
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		last := w.waited[len(w.waited)-1]
		if w.end.Kind() != events.TypeHome.Kind || last.For != events.ForOperator || last.Code != tt.code || last.Remedy == "" || w.waited[0].For != events.ForVCenter {
			t.Errorf("%s: %s after %+v", tt.code, w.end.Kind().Name, w.waited)
		}
	}
}

// Whatever is lost, refused, done by hand or done twice: a leg is submitted once, nothing is committed that nobody asked
// for or before its time, each outcome is the truth, and every case ends.
func TestNothingIsDoneTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		classic := rapid.Bool().Draw(t, "classic")
		commit := rapid.SampledFrom([]string{events.ByHand, "after 1h", "after 24h"}).Draw(t, "commit")
		until := rapid.SampledFrom([]events.Until{events.UntilHome, events.UntilCommitted, events.UntilProtected}).Draw(t, "until")
		a := newAzure(classic)
		a.takes = time.Duration(rapid.IntRange(1, 40*60).Draw(t, "takes")) * time.Second
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		chance := func(of int) bool { return random.IntN(of) == 0 }
		a.fails = func(string) bool { return chance(8) }
		refusals := 0
		a.answer = func(string) error {
			if refusals >= 3 || !chance(3) {
				return nil
			}
			refusals++
			return []error{
				&observed.Fault{Class: observed.Temporary, Code: "azure.interrupted", What: "cut"}, &observed.Fault{Class: observed.Temporary, Code: "azure.unavailable", What: "503"},
				&observed.Fault{Class: observed.Temporary, Code: "azure.throttled", What: "429"}, errStopped,
			}[random.IntN(4)]
		}
		a.applies = func(string) bool { return chance(2) }
		a.unseen = func() bool { return chance(2) }
		w := &walk{azure: a, leader: a.leader(), c: theCase(events.LegFailback, until, commit, classic)}
		w.lose = func() bool { return chance(5) }
		w.between = func(w *walk) {
			if chance(10) {
				w.leader = a.leader()
			}
			home := a.item.Stage() == observed.StageHomeUncommitted && a.item.JobID == ""
			switch {
			case home && commit == events.ByHand && chance(4):
				a.person("CommitFailover")
			case home && !classic && chance(40):
				a.person("CancelFailover")
			}
			w.cancelling = w.cancelling || chance(200)
		}
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		failback := a.submitted["PlannedFailover"] + a.submitted["UnplannedFailover"]
		if failback > 1 || a.submitted["CommitFailover"] > 1 || a.submitted[observed.ReprotectScenario] > 1 || a.submitted["CancelFailover"] > 0 {
			t.Fatalf("submitted %v", a.submitted)
		}
		after, timed := w.c.CommitAfter()
		for _, at := range a.commits {
			if !timed || until == events.UntilHome || at.Before(a.jobs[0].End.Add(after)) {
				t.Fatalf("committed at %s, %s", at, commit)
			}
		}
		stage := a.item.Stage()
		switch w.end.Kind() {
		case events.TypeHome.Kind:
			if until != events.UntilHome || a.vm.Power != "poweredOn" {
				t.Fatalf("home, until %s: %s", until, stage)
			}
		case events.TypeCommitted.Kind:
			if until != events.UntilCommitted || stage != observed.StageHome {
				t.Fatalf("committed, until %s: %s", until, stage)
			}
		case events.TypeProtected.Kind:
			if stage != observed.StageProtected {
				t.Fatalf("protected: %s", stage)
			}
		case events.TypeWithdrawn.Kind:
			if stage != observed.StageReady && stage != observed.StageFailbackCancelled {
				t.Fatalf("withdrawn: %s", stage)
			}
		case events.TypeFailed.Kind:
			if last := a.latest(); last.State != "Failed" && last.Scenario != "CancelFailover" {
				t.Fatalf("failed, and the last job is %+v: %+v", last, w.end.Data())
			}
		case events.TypeCancelled.Kind:
			if !w.cancelling || a.item.JobID != "" {
				t.Fatalf("cancelled, and %+v", a.item)
			}
		default:
			t.Fatalf("it ends as %s: %+v", w.end.Kind().Name, w.end.Data())
		}
	})
}
