package asrsim

import (
	"slices"
	"time"
)

// planReturn plans the failback and its commit of a machine that goes home by itself.
func (s *Server) planReturn(j *job) {
	after := s.sc.Real(j.machine.spec.FailBack)
	if after <= 0 {
		return
	}
	home := j.end.Add(s.replication() + after)
	s.later(home, func(now time.Time) {
		if j.machine.last == j && j.machine.way.failover == nil && s.phase(j.machine, now) == Protected {
			own := s.beginFailback(j.machine, 0, now)
			s.later(home.Add(s.sc.Real(committedAfter)), func(now time.Time) {
				if j.machine.way.failover == own && s.phase(j.machine, now) == Home {
					s.beginCommit(j.machine, 0, now)
				}
			})
		}
	})
}

// step is what happens by itself at a time.
type step struct {
	at time.Time
	do func(now time.Time)
}

// later keeps steps in the order of their times.
func (s *Server) later(at time.Time, do func(time.Time)) {
	i, _ := slices.BinarySearchFunc(s.steps, at, func(st step, at time.Time) int {
		if st.at.After(at) {
			return 1
		}
		return -1
	})
	s.steps = slices.Insert(s.steps, i, step{at, do})
}

// takeSteps lets happen what is due.
func (s *Server) takeSteps(now time.Time) {
	for len(s.steps) > 0 && !s.steps[0].at.After(now) {
		st := s.steps[0]
		s.steps = s.steps[1:]
		st.do(st.at)
	}
}
