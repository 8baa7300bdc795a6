package asrsim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// Where in their jobs a failback and its cancellation switch machines on and off. The tasks are recorded; that they do it
// then is assumed.
const (
	failbackStops  = 0.70 // the Azure VM
	failbackStarts = 0.95 // the machine on-premises
	undoStops      = 0.40 // the machine on-premises; the Azure VM runs at the end
)

// effect is what a job does to the machines when it has come so far.
type effect struct {
	at time.Time
	do func(at time.Time)
}

// effects lets a job do what it does, as far as it comes.
func (s *Server) effects(j *job, effects ...effect) {
	for _, e := range effects {
		s.later(e.at, func(at time.Time) {
			if at.Before(j.end) || at.Equal(j.end) && j.state(at) == "Succeeded" {
				e.do(at)
			}
		})
	}
}

// setAzure changes the Azure VM of a machine.
func (s *Server) setAzure(m *machine, state string, at time.Time) {
	m.azureVM, m.azureSince = state, at
}

// onPremises tells whoever runs the machines on-premises that one is switched on or off.
func (s *Server) onPremises(m *machine, on bool) {
	if s.opt.OnPremises != nil {
		s.opt.OnPremises(m.spec.Name, on)
	}
}

// Tick lets happen what is due by now. Requests do it too: it is for those who watch the effects without asking.
func (s *Server) Tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now()
}

// mayFail lets a job fail where somebody wanted the next one of its act to.
func (s *Server) mayFail(j *job, act string) {
	j.act = act
	codes := j.machine.failActs[act]
	if len(codes) == 0 {
		return
	}
	j.machine.failActs[act] = codes[1:]
	s.fail(j, faultOf(codes[0], j.machine.spec.Name))
}

// fail ends a job early with a fault: at its task, and not before now.
func (s *Server) fail(j *job, f fault) {
	j.fault = &f
	from, to := j.bounds(min(f.failbackTask(j), len(j.kind.tasks)-1))
	if end := from.Add(to.Sub(from) / 2); end.After(j.start) {
		j.end = end
	} else {
		j.end = j.start.Add(time.Microsecond)
	}
	s.undone(j)
}

// failNow ends a running job with a fault.
func (s *Server) failNow(j *job, f fault, now time.Time) {
	j.fault, j.end = &f, now
	s.undone(j)
}

// failbackTask is the task of a job of the way home in which a fault comes up: what is about the host when the machine
// is made ready there, all else at the first task that does something.
func (f fault) failbackTask(j *job) int {
	switch {
	case j.kind == reprotectJob:
		return f.task
	case len(j.kind.tasks) == 5 && (f.code == "8038" || f.code == "78052" || f.code == "8061"):
		return 3
	}
	return 1
}

// undone sees to what a failback that ends without success leaves behind: the service cancels a modernized one that failed,
// and the Azure VM runs again.
func (s *Server) undone(j *job) {
	if j.kind != plannedJob && j.kind != unplannedJob {
		return
	}
	m := j.machine
	s.later(j.end, func(at time.Time) {
		if m.way.failover != j {
			return
		}
		m.failbackStatus = j.state(at)
		if j.kind == plannedJob && j.fault != nil {
			s.beginUndo(m, j, s.sc.Real(cancelTakes), at)
			return
		}
		s.onPremises(m, false)
		if m.azureVM == azureStopped {
			s.setAzure(m, azureRunning, at)
		}
	})
}

// writerGone is why a failback fails whose appliance or process server is silent.
func (s *Server) writerGone(m *machine) (fault, bool) {
	c, found := s.writerOf(m)
	if !found || c.silent.IsZero() {
		return fault{}, false
	}
	return silentWriter(m, c), true
}

// writerOf is what writes the disks of a machine that replicates back.
func (s *Server) writerOf(m *machine) (*component, bool) {
	if m.last == nil {
		return nil, false
	}
	if m.classic() {
		return s.componentByID(masterTarget, m.last.input.MasterTargetID)
	}
	return s.componentByID(appliance, m.last.input.ReprotectAgentID)
}

// silentWriter has no published code: a client has only the words.
func silentWriter(m *machine, c *component) fault {
	return fault{
		message: "The failover of virtual machine '" + m.spec.Name + "' could not be completed because '" + c.name + "' is not connected.",
		causes:  "The server '" + c.name + "' is switched off or cannot reach the service.",
		action:  "Check that '" + c.name + "' runs and its connection, then retry the operation.",
	}
}

// breakFailbacks fails the failbacks that run through a server that fell silent.
func (s *Server) breakFailbacks(c *component, now time.Time) {
	for _, m := range s.machines {
		j := m.way.failover
		if w, ok := s.writerOf(m); ok && w == c && j != nil && j.state(now) == "InProgress" && j.fault == nil {
			s.failNow(j, silentWriter(m, c), now)
		}
	}
}

// FailAct makes the next job of a machine fail with that code: failback, cancel (of a failback), commit, protect (towards
// Azure again) or resync. Called again, the one after fails too.
func (s *Server) FailAct(machine, act, code string) error {
	if !slices.Contains(scenario.Acts, act) {
		return fmt.Errorf("machine %q: %q is not one of %s", machine, act, strings.Join(scenario.Acts, ", "))
	}
	return s.onMachine(machine, func(m *machineNow) { m.failActs[act] = append(m.failActs[act], code) })
}

// Act is a job of the way home, for those who judge a run.
type Act struct {
	Machine, Scenario string
	Start, End        time.Time
	Good              bool // it does, or will, succeed
	Own               bool // the service did it by itself
}

// Acts lists the jobs of the way home in their order: failbacks, their cancellations, commits, and reprotects to Azure.
func (s *Server) Acts() []Act {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Act
	for _, j := range s.jobs {
		switch {
		case j.machine == nil:
		case slices.Contains([]*kind{plannedJob, unplannedJob, undoJob, commitJob}, j.kind), j.kind == reprotectJob && j.reversed:
			all = append(all, Act{Machine: j.machine.spec.Name, Scenario: j.kind.scenario, Start: j.start, End: j.end, Good: j.fault == nil && !j.cancelled, Own: j.parent != nil})
		}
	}
	return all
}
