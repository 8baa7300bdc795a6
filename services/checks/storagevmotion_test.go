package checks

import (
	"testing"
	"time"

	"reprotect.example/services/observed"
)

// Both writers are held to the same: the master target of db01, the appliance of web01.
// 4.1b: a move of the host alone is worth a look, and never blocks.
func TestVSphereMoveOfTheHost(t *testing.T) {
	t.Parallel()
	for scope, want := range map[observed.Scope]string{observed.MovesHost: Warned, observed.MovesDisks: Failed, "": Failed} {
		s := healthy()
		s.mtVM().Moves = []observed.Move{{Kind: "VirtualMachine.relocate", State: "running", Scope: scope}}
		if f := s.finding(t, "master-target.storage-vmotion", "db01"); f.Status != want || f.Blocks != (want == Failed) || f.Remedy == "" {
			t.Errorf("%q: %+v", scope, f)
		}
	}
}

func TestStorageVMotion(t *testing.T) {
	t.Parallel()
	for code, of := range map[string]struct {
		machine string
		vm      int
		ref     string
	}{"master-target.storage-vmotion": {"db01", 2, "vm-mt"}, "appliance.storage-vmotion": {"web01", 3, "vm-appl"}} {
		moves := func(moves ...observed.Move) func(*site) {
			return func(s *site) { s.Inventory.VMs[of.vm].Moves = moves }
		}
		hide := func(path string) func(*site) {
			return func(s *site) { s.Inventory.VMs[of.vm].Unread = map[string]string{path: "no permission"} }
		}
		pod := func(change func(*observed.Pod)) func(*site) {
			return func(s *site) {
				s.Inventory.VMs[of.vm].Datastores = []string{"ds-1"}
				s.ds().PodRef, s.ds().PodName = "group-p1", "POD-01"
				p := observed.Pod{Ref: "group-p1", Name: "POD-01", Enabled: true, Behaviour: "automated", Rules: map[string]observed.PodRule{}}
				change(&p)
				s.Inventory.Pods = []observed.Pod{p}
			}
		}
		rule := func(r observed.PodRule) func(*site) { return pod(func(p *observed.Pod) { p.Rules[of.ref] = r }) }
		done := observed.Move{Kind: "VirtualMachine.relocate", State: "success", User: "ops", Begun: now.Add(-time.Hour), End: now}
		failed, running := done, observed.Move{Kind: "VirtualMachine.relocate", State: "running", Begun: now}
		failed.State = "error"
		judge(t, code, of.machine, []judgement{
			{"at rest", nil, Passed, "was not moved lately"},
			{"moved lately", moves(failed, done), Warned, "VirtualMachine.relocate of 2026-11-22 08:00 UTC by ops"},
			{"a move that failed", moves(failed), Passed, "was not moved lately"},
			{"being moved", moves(running, done), Failed, "being moved now: VirtualMachine.relocate since 2026-11-22 09:00 UTC"},
			{"in a cluster that moves it", pod(func(*observed.Pod) {}), Warned, "POD-01, whose Storage DRS may move the VM"},
			{"in a cluster that recommends", pod(func(p *observed.Pod) { p.Behaviour = "manual" }), Warned, "recommends"},
			{"with a rule that recommends", rule(observed.PodRule{Behaviour: "manual"}), Warned, "recommends"},
			{"left out", rule(observed.PodRule{Excluded: true}), Passed, "was not moved lately"},
			{"Storage DRS is off", pod(func(p *observed.Pod) { p.Enabled = false }), Passed, "was not moved lately"},
			{"cluster unread", pod(func(p *observed.Pod) { p.Unread = map[string]string{"podStorageDrsEntry": "no permission"} }), Unknown, "no permission"},
			{"cluster not there", func(s *site) { pod(func(*observed.Pod) {})(s); s.Inventory.Pods = nil }, Unknown, "POD-01"},
			{"tasks not read", func(s *site) { s.Inventory.VMs[of.vm].MovesRead = false }, Unknown, "was not read"},
			{"tasks unread", hide("moves"), Unknown, "no permission"},
			{"datastores unread", hide("datastore"), Unknown, "no permission"},
			{"being moved, and the cluster unread", func(s *site) {
				pod(func(p *observed.Pod) { p.Unread = map[string]string{"podStorageDrsEntry": "no permission"} })(s)
				moves(running)(s)
			}, Failed, "being moved now"},
			{"VM not found", func(s *site) { s.without(s.Inventory.VMs[of.vm].Name) }, Unknown, "shows no VM"},
			noVCenter,
		})
		for name, row := range map[string]struct {
			change func(*site)
			blocks bool
			level  Level
		}{"a running move blocks": {moves(running), true, Block}, "a past one warns": {moves(done), false, Warn}} {
			s := healthy()
			row.change(s)
			if f := s.finding(t, code, of.machine); f.Blocks != row.blocks || f.Level != string(row.level) {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}
