package asrsim

import (
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// Phase is where a machine stands on its way back.
type Phase string

// The phases in their order. A job that failed or was cancelled leads back to FailedOver.
const (
	FailedOver   Phase = "failed-over"
	Reprotecting Phase = "reprotecting" // a reprotect job runs
	Replicating  Phase = "replicating"  // the job succeeded, the initial replication runs (S3)
	Protected    Phase = "protected"
	Home         Phase = "home" // it failed back (S41); its disks have left the master target or appliance
)

// States of the Azure VM (S2).
const (
	azureRunning = "running"
	azureStopped = "stopped"
	azureDeleted = "deleted"
	azureMoved   = "moved"
)

// machine is a failed-over machine. Its phase follows from its last job and the clock.
type machine struct {
	spec  scenario.Machine
	index int

	agentDue  time.Time
	agentHeld bool

	azureVM    string
	azureSince time.Time // when azureVM changed

	failNext, refuseNext, warnNext []string

	last        *job // last reprotect
	home        bool
	commit      bool      // the failback was committed
	stays       bool      // it does not go home by itself: a failback was cancelled
	failedBack  time.Time // last planned failover
	submissions int
}

func (m *machine) classic() bool { return m.spec.Architecture == "classic" }

func (m *machine) registered(now time.Time) bool { return !m.agentHeld && !now.Before(m.agentDue) }

func (m *machine) diskBytes() (total int64) {
	for _, gb := range m.spec.DiskGB {
		total += gb << 30
	}
	return total
}

func (s *Server) phase(m *machine, now time.Time) Phase {
	if m.last == nil {
		return FailedOver
	}
	switch m.last.state(now) {
	case "InProgress":
		return Reprotecting
	case "Succeeded":
		protected := m.last.end.Add(s.replication())
		switch after := s.sc.Real(m.spec.FailBack); {
		case now.Before(protected):
			return Replicating
		case m.home || after > 0 && !m.stays && !now.Before(protected.Add(after)):
			return Home
		}
		return Protected
	}
	return FailedOver
}

// committedAfter is how long after a failback that came by itself its commit comes.
const committedAfter = 10 * time.Minute

// committed says whether the failback of a machine at home was committed.
func (s *Server) committed(m *machine, now time.Time) bool {
	after := s.sc.Real(m.spec.FailBack)
	return m.commit || after > 0 && !m.stays && !now.Before(m.last.end.Add(s.replication()+after+s.sc.Real(committedAfter)))
}

// returned says whether the item is that of the way back.
func (s *Server) returned(m *machine, now time.Time) bool {
	p := s.phase(m, now)
	return p == Replicating || p == Protected || p == Home
}

// replication is the real duration of the initial replication.
func (s *Server) replication() time.Duration { return s.sc.Real(s.sc.Times.InitialReplication) }

// replicated is how much of the initial replication is done, 0 to 1.
func (s *Server) replicated(m *machine, now time.Time) float64 {
	whole := s.replication()
	if whole <= 0 {
		return 1
	}
	return min(1, float64(now.Sub(m.last.end))/float64(whole))
}

func (s *Server) failedOverAt() time.Time { return s.start.Add(-s.sc.Real(10 * time.Minute)) }

// agentHeartbeat is older than the failover until the agent has registered again (S33).
func (s *Server) agentHeartbeat(m *machine, now time.Time) time.Time {
	if !m.registered(now) {
		return s.failedOverAt().Add(-s.sc.Real(4 * time.Minute))
	}
	if m.azureVM == azureStopped || m.azureVM == azureDeleted {
		now = m.azureSince
	}
	if beat := s.beat(now); beat.After(m.agentDue) {
		return beat
	}
	return m.agentDue
}

// beat is the last heartbeat of something alive: one a simulated minute, counted from the start.
func (s *Server) beat(now time.Time) time.Time {
	every := max(s.sc.Real(time.Minute), 1)
	return s.start.Add(now.Sub(s.start) / every * every)
}

// itemNames are the names of a machine's items: before and, for a classic machine, after the reprotect, which
// makes a new item (seen in recordings).
func (s *Server) itemNames(m *machine) []string {
	if m.classic() {
		return []string{s.sc.UUID("instance", m.spec.Name), s.sc.UUID("item-back", m.spec.Name)}
	}
	return []string{s.sc.UUID("item", m.spec.Name)}
}

func (s *Server) itemName(m *machine, now time.Time) string {
	names := s.itemNames(m)
	if s.returned(m, now) {
		return names[len(names)-1]
	}
	return names[0]
}

func (s *Server) itemID(m *machine, now time.Time) string {
	return s.itemIDOf(m, s.itemName(m, now))
}

func (s *Server) itemIDOf(m *machine, name string) string {
	return s.containerID(s.fabricOf(m)) + "/replicationProtectedItems/" + name
}

// existing returns the machine whose item has that name now; a classic item is gone once its successor exists.
func (s *Server) existing(f *fabric, item string, now time.Time) (*machine, bool) {
	m, ok := s.byItem[strings.ToLower(item)]
	if !ok || s.fabricOf(m) != f || !strings.EqualFold(s.itemName(m, now), item) {
		return nil, false
	}
	return m, true
}

// azureVMID is the ARM id that the vault knows; a VM that was moved still has its old id here (S2).
func (s *Server) azureVMID(m *machine) string {
	return s.armID("Microsoft.Compute/virtualMachines/" + m.spec.Name)
}

// id is the ARM id of something in the vault, in the service's own spelling ("/Subscriptions/…").
func (s *Server) id(segments ...string) string {
	return "/Subscriptions/" + s.sc.Subscription + "/resourceGroups/" + s.sc.ResourceGroup +
		"/providers/Microsoft.RecoveryServices/vaults/" + s.sc.Vault + "/" + strings.Join(segments, "/")
}

// armID is the id of a resource of another provider in the vault's resource group.
func (s *Server) armID(rest string) string {
	return "/subscriptions/" + s.sc.Subscription + "/resourceGroups/" + s.sc.ResourceGroup + "/providers/" + rest
}
