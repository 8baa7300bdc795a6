package checks

import "testing"

func TestAhead(t *testing.T) {
	home := func(s *site) {
		s.Ahead = true
		s.db().State, s.db().StateText, s.db().Location = "Protected", "Protected", "Primary"
		s.dbVM().Power = "poweredOn"
	}
	cases := []struct {
		name   string
		change func(*site)
		want   map[string]string
	}{
		{"not failed over yet", home, map[string]string{"machine.failed-over": Skipped, "machine.powered-off": Skipped, "master-target.connected": Passed}},
		{"what can be checked now still fails", func(s *site) { home(s); s.dbVM().ExtraConfig = map[string]string{"x": "y"} }, map[string]string{"machine.disk-uuid": Warned}},
		{"nobody asked ahead", func(s *site) { home(s); s.Ahead = false }, map[string]string{"machine.failed-over": Failed, "machine.powered-off": Warned}},
		{"came home already", func(s *site) {
			home(s)
			s.db().Provider, s.db().State, s.db().Location = "InMage", "UnplannedFailoverCommitted", "Recovery"
		}, map[string]string{"machine.failed-over": Skipped}},
		{"its failover runs", func(s *site) { home(s); s.db().JobID, s.db().Scenario = "job-1", "UnplannedFailover" }, map[string]string{"machine.failed-over": Failed}},
		{"its failover stopped half way", func(s *site) { home(s); s.db().State = "UnplannedFailoverFailed" }, map[string]string{"machine.failed-over": Failed}},
		{"migrated", func(s *site) { home(s); s.db().State = "MigrationCompleted" }, map[string]string{"machine.failed-over": Failed, "machine.not-migrated": Failed}},
		{"failed over", func(s *site) { s.Ahead = true; s.dbVM().Power = "poweredOn" }, map[string]string{"machine.failed-over": Passed, "machine.powered-off": Warned}},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			tt.change(s)
			for code, want := range tt.want {
				if f := s.finding(t, code, "db01"); f.Status != want {
					t.Errorf("%s is %s, want %s: %s", code, f.Status, want, f.Evidence)
				}
			}
		})
	}
}
