package e2e

import (
	"slices"
	"testing"

	"reprotect.example/events"
)

// A retention drive that is not offered may be a new one, which shows up to 15 minutes after it was added: the case
// waits, and goes on by itself (S25).
func TestS25_ARetentionDriveThatIsNewIsWaitedFor(t *testing.T) {
	w := start(t, classic("db01"))
	w.do("remove-retention", "MT-LINUX-01")
	w.serve(w.config)
	caseID := w.request("drive", "", "db01")
	waiting := await(w, events.TypeWaiting, caseID)
	if d := waiting.Data; d.For != "retention-drive" || !slices.Equal(d.Machines, []string{"db01"}) || d.Remedy == "" || !d.Until.After(d.Since) {
		t.Errorf("waits so: %+v", d)
	}
	w.do("add-retention", "MT-LINUX-01")
	w.completes(caseID)
	w.submissions("db01", 1)
}
