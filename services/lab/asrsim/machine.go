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
	FailingBack  Phase = "failing-back" // its failback, or the cancellation of that, runs
	Home         Phase = "home"         // it failed back (S41); its disks have left the master target or appliance
	Committed    Phase = "committed"    // and the failback is committed

	ProtectingAgain  Phase = "protecting-again"  // the job runs that protects it towards Azure
	ReplicatingAgain Phase = "replicating-again" // and its initial replication
	ProtectedAgain   Phase = "protected-again"
)

// atHome says whether the machine runs on-premises.
func (p Phase) atHome() bool {
	switch p {
	case Home, Committed, ProtectingAgain, ReplicatingAgain, ProtectedAgain:
		return true
	case FailedOver, Reprotecting, Replicating, Protected, FailingBack:
	}
	return false
}

// forwardAgain says whether its item is again that of the way to Azure.
func (p Phase) forwardAgain() bool { return p == ReplicatingAgain || p == ProtectedAgain }

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
	failActs                       map[string][]string // codes with which its next jobs of the way home fail, by act

	last                 *job // last reprotect
	committing           *job // of the failover to Azure
	way                  way
	upkeep               *job      // resynchronization, resolution of health errors, change of the appliance
	removal              *job      // of its protection
	failedBack           time.Time // start of the last failback
	resyncFrom, resyncTo time.Time // of such a comparison that runs
	resyncDue            bool      // its disks have to be compared anew
	resolved             bool      // its health errors were
	failbackStatus       string    // lastPlannedFailoverStatus
	submissions          int
	begun                int      // other jobs
	extraDisks           []string // that were added to the Azure VM
	noPoints             bool     // it has no recovery points
}

func (m *machine) classic() bool { return m.spec.Architecture == "classic" }

func (m *machine) registered(now time.Time) bool { return !m.agentHeld && !now.Before(m.agentDue) }

// gone says whether its protection was taken away: it is no item any more.
func (m *machine) gone(now time.Time) bool {
	return m.removal != nil && m.removal.state(now) == "Succeeded"
}

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
		if now.Before(m.last.end.Add(s.replication())) {
			return Replicating
		}
		return m.way.phase(now, s.replication())
	}
	return FailedOver
}

// committedAfter is how long after a failback that came by itself its commit comes.
const committedAfter = 10 * time.Minute

// returned says whether the item is that of the way back.
func (s *Server) returned(m *machine, now time.Time) bool {
	p := s.phase(m, now)
	return p != FailedOver && p != Reprotecting && !p.forwardAgain()
}

// replication is the real duration of the initial replication.
func (s *Server) replication() time.Duration { return s.sc.Real(s.sc.Times.InitialReplication) }

// replicated is how much of the initial replication is done, 0 to 1.
func (s *Server) replicated(m *machine, now time.Time) float64 {
	whole := s.replication()
	if whole <= 0 {
		return 1
	}
	return min(1, float64(now.Sub(s.replicatesSince(m, now)))/float64(whole))
}

// replicatesSince is when the last initial replication of a machine began, back or to Azure again.
func (s *Server) replicatesSince(m *machine, now time.Time) time.Time {
	if f := m.way.forward; f != nil && f.state(now) == "Succeeded" {
		return f.end
	}
	return m.last.end
}

func (s *Server) failedOverAt() time.Time { return s.start.Add(-s.sc.Real(10 * time.Minute)) }

// staleHeartbeat is from before the failover.
func (s *Server) staleHeartbeat() time.Time { return s.failedOverAt().Add(-s.sc.Real(4 * time.Minute)) }

// agentHeartbeat is older than the failover until the agent has registered again (S33). A modernized item does not show
// it before its reprotect: its heartbeat stays that of before the failover (seen in recordings).
func (s *Server) agentHeartbeat(m *machine, now time.Time) time.Time {
	if !m.registered(now) {
		return s.staleHeartbeat()
	}
	if !s.phase(m, now).forwardAgain() && (m.azureVM == azureStopped || m.azureVM == azureDeleted) {
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

// itemNames are the names of a machine's items: one, which the reprotect turns round in its place (seen in recordings
// of both architectures), unless the scenario wants a new one for a classic machine.
func (s *Server) itemNames(m *machine) []string {
	switch {
	case m.classic() && s.sc.NewItems:
		return []string{s.ownID(m), s.sc.UUID("item-back", m.spec.Name), s.sc.UUID("item-again", m.spec.Name)}
	case m.classic():
		return []string{s.ownID(m)}
	}
	return []string{s.sc.UUID("item", m.spec.Name)}
}

// nameAfter is the name of a machine's item after so many reprotects.
func (s *Server) nameAfter(m *machine, reprotects int) string {
	names := s.itemNames(m)
	return names[min(reprotects, len(names)-1)]
}

// ownID is a classic machine's id at the configuration server: of version 1, and unknown to vCenter (seen in
// recordings). Once the machine is in Azure its VM there has another.
func (s *Server) ownID(m *machine) string { return versionOne(s.sc.UUID("discovered", m.spec.Name)) }

func (s *Server) ownAzureID(m *machine) string {
	return versionOne(s.sc.UUID("discovered-in-azure", m.spec.Name))
}

func versionOne(uuid string) string { return uuid[:14] + "1" + uuid[15:] }

func (s *Server) itemName(m *machine, now time.Time) string {
	switch {
	case s.returned(m, now):
		return s.nameAfter(m, 1)
	case s.phase(m, now).forwardAgain():
		return s.nameAfter(m, 2)
	}
	return s.nameAfter(m, 0)
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
	if !ok || m.gone(now) || s.fabricOf(m) != f || !strings.EqualFold(s.itemName(m, now), item) {
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
