package asrsim

import "time"

// way is the way home of a machine, job by job; the zero value: nothing began yet.
type way struct {
	failover, undo, commit *job
	forward                *job // the reprotect that protects it towards Azure again
	settled                bool // that one has committed the failback
}

// phase says where a protected machine stands by its way home; again is how long the initial replication to Azure takes.
func (w way) phase(now time.Time, again time.Duration) Phase {
	switch {
	case w.forward != nil && w.forward.state(now) == "InProgress":
		return ProtectingAgain
	case w.forward != nil && w.forward.state(now) == "Succeeded":
		if now.Before(w.forward.end.Add(again)) {
			return ReplicatingAgain
		}
		return ProtectedAgain
	case w.failover == nil:
		return Protected
	case w.failover.state(now) == "InProgress" || w.undo != nil && w.undo.state(now) == "InProgress":
		return FailingBack
	case w.failover.state(now) != "Succeeded" || w.undo != nil && w.undo.state(now) == "Succeeded":
		return Protected
	case w.committed(now):
		return Committed
	}
	return Home
}

func (w way) committed(now time.Time) bool {
	return w.settled || w.commit != nil && w.commit.state(now) == "Succeeded"
}

// running is the job of the way home that runs.
func (w way) running(now time.Time) *job {
	for _, j := range []*job{w.forward, w.commit, w.undo, w.failover} {
		if j != nil && j.state(now) == "InProgress" {
			return j
		}
	}
	return nil
}

// running is the job that holds a machine's item; nil when none does.
func (s *Server) running(m *machine, now time.Time) *job {
	for _, j := range []*job{m.last, m.committing, m.upkeep, m.removal} {
		if j != nil && j.state(now) == "InProgress" {
			return j
		}
	}
	return m.way.running(now)
}
