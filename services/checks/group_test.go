package checks

import (
	"testing"

	"reprotect.example/services/observed"
)

// grouped puts db01 and a second machine into replication group ERP.
func grouped(s *site, secondInCase bool) *observed.Item {
	second := s.add("app01", secondInCase)
	for _, i := range []*observed.Item{s.db(), second} {
		i.GroupID, i.GroupName = "group-1", "ERP"
	}
	return second
}

func TestGroups(t *testing.T) {
	t.Parallel()
	judge(t, "group.complete", "", []judgement{
		{"no group", nil, Skipped, "No machine of the case"},
		{"all", func(s *site) { grouped(s, true) }, Passed, "ERP"},
		{"one missing", func(s *site) { grouped(s, false) }, Failed, "group ERP also has app01"},
		{"the missing one replicates back", func(s *site) { grouped(s, false).Provider = "InMage" }, Passed, "ERP"},
		{"same name in another fabric", func(s *site) {
			grouped(s, true)
			s.web().GroupID, s.web().GroupName = "group-1", "ERP"
			s.Case.Machines = append(s.Case.Machines[:1], s.Case.Machines[2])
		}, Passed, "ERP"},
		{"modernized", func(s *site) {
			s.web().GroupID, s.web().GroupName = "SHOP", "SHOP"
			other := *s.web()
			other.ID, other.Name = rcmID+"/c/web02", "web02"
			s.Vault.Items = append(s.Vault.Items, other)
		}, Failed, "group SHOP also has web02"},
	})
	judge(t, "group.in-step", "", []judgement{ // groups that drift
		{"no group", nil, Skipped, "No machine of the case"},
		{"all failed over", func(s *site) { grouped(s, true) }, Passed, "failed over"},
		{"one uncommitted", func(s *site) { grouped(s, true).State = "UnplannedFailoverCommitPendingStatesBegin" }, Passed, "failed over"},
		{"one replicates back", func(s *site) {
			i := grouped(s, false)
			i.Provider, i.State, i.Location = "InMage", "Protected", "Primary"
		}, Warned, "db01 failed over; app01 replicating back"},
		{"one is home", func(s *site) { i := grouped(s, false); i.Provider, i.State = "InMage", "UnplannedFailoverCommitted" }, Warned, "app01 failed back"},
		{"one was not failed over", func(s *site) { i := grouped(s, true); i.State, i.Location = "Protected", "Primary" }, Warned, "app01 not failed over"},
		{"of one nobody knows", func(s *site) { grouped(s, true).State = "Odd" }, Unknown, "app01"},
	})
	judge(t, "group.same-master-target", "", []judgement{
		{"no group", nil, Skipped, "No machine of the case"},
		{"one", func(s *site) { grouped(s, true) }, Passed, "MT-WIN-01"},
		{"letter case", func(s *site) { grouped(s, true); s.Case.Machines[2].MasterTarget = "mt-win-01" }, Passed, "MT-WIN-01"},
		{"two", func(s *site) { grouped(s, true); s.Case.Machines[2].MasterTarget = "MT-WIN-02" }, Failed, "app01: MT-WIN-02"},
		{"modernized group", func(s *site) { s.web().GroupID = "SHOP" }, Skipped, "No machine of the case"},
	})
	judge(t, "group.same-os", "", []judgement{
		{"no group", nil, Skipped, "No machine of the case"},
		{"one", func(s *site) { grouped(s, true) }, Passed, "windows"},
		{"two", func(s *site) { grouped(s, true); s.Case.Machines[2].OS = observed.Linux }, Failed, "app01: linux"},
		{"not said", func(s *site) { grouped(s, true); s.Case.Machines[2].OS = "" }, Unknown, "app01"},
	})
}
