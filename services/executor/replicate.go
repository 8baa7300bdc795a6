package executor

import (
	"fmt"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// replicates says how far the data of a machine has come, and until when it may take.
func (v *view) replicates(m machine) machine {
	s := &m.stand
	s.State, s.Percent, s.Task = events.StateReplicating, jobShare, m.item.StateText
	s.Bytes = m.item.Replication.ProcessedBytes
	if m.item.Replication.Percent != nil {
		m.known.Reached = min(max(*m.item.Replication.Percent, 0), 100)
	}
	s.Percent += (99 - jobShare) * m.known.Reached / 100 // Azure says none in some states: what was reached stands
	halt, halted := v.halt(&m)
	switch late := v.late() && v.now.Sub(v.moved) > quiet; {
	case late && halted:
		s.end(events.StateFailed, halt.Code, fmt.Sprintf("%s. That has lasted until %s after the start of the case. Its replication is left as it is", halt.Message, v.site.JobWait), halt.Remedy)
	case late:
		s.end(events.StateFailed, "replication.timeout", fmt.Sprintf("%s is not protected after %s, and nothing has moved for %s. Its replication is left as it is", v.title(m), v.site.JobWait, quiet),
			"Look in the portal at the health of the replication. When it moves again, retry the case.")
		s.words = observed.Words(m.item.HealthErrors)
	case halted:
		s.waits = v.waits(m, halt)
	case m.item.Replication.Percent != nil:
		v.estimate(&m)
	}
	return m
}

// estimate says how fast the data of a machine flows, and when all of it will be there.
func (v *view) estimate(m *machine) {
	s, percent, from := &m.stand, m.known.Reached, m.known.Seen
	s.Replication = &percent
	if from.At.IsZero() {
		m.known.Seen = milestone{percent, s.Bytes, v.now}
		return
	}
	if took := v.now.Sub(from.At); s.Bytes > from.Bytes && took > 0 {
		s.Rate = int64(float64(s.Bytes-from.Bytes) / took.Seconds())
	}
	// An estimate needs a basis: some percent made before our eyes.
	if made := percent - from.Percent; made >= 5 {
		perPercent := v.now.Sub(from.At) / time.Duration(made)
		s.ETA = v.now.Add(time.Duration(100-percent) * perPercent).UTC().Truncate(time.Second)
	}
}

// halt says why the data of a machine does not flow, by the stage in which Site Recovery has it; halted is false while
// it may. It goes on by itself when the stage does.
func (v *view) halt(m *machine) (w events.Waiting, halted bool) {
	switch stage := m.item.Stage(); {
	case m.item.Unread != "":
		w = events.Waiting{
			For: events.ForAzure, Code: "machine.unread", Message: fmt.Sprintf("The replicated item of %s could not be read: %s", v.title(*m), m.item.Unread),
			Remedy: "Look in the portal where its replication stands.",
		}
	case stage == observed.StageReplicationFailed || stage == observed.StageUnprotected:
		w = events.Waiting{
			For: events.ForOperator, Code: "replication.failed", Message: fmt.Sprintf("The replication of %s has stopped: Site Recovery says %q (%s)", v.title(*m), m.item.StateText, m.item.State),
			Remedy: "Remove the cause that Site Recovery names, then let it replicate again: in the portal, Resynchronize at the replicated item. The case goes on with it.",
		}
	case stage == observed.StageUnknown:
		w = events.Waiting{
			For: events.ForAzure, Code: "machine.state-unknown", Message: unknownState(v.title(*m), m.item),
			Remedy: "Look in the portal where its replication stands.",
		}
	default:
		m.known.Halted = time.Time{}
		return w, false
	}
	if words := observed.Words(m.item.HealthErrors); words != "" {
		w.Message += ". It gives as reason: " + words
	}
	if m.known.Halted.IsZero() {
		m.known.Halted = v.now.UTC()
	}
	w.Since, w.Until = m.known.Halted, v.began.Add(v.site.JobWait)
	if most := m.known.Halted.Add(quiet); w.Until.Before(most) {
		w.Until = most
	}
	return w, true
}

// unknownState says what Site Recovery says of a machine when no row of the stage table knows it.
func unknownState(title string, item observed.Item) string {
	return fmt.Sprintf("What Site Recovery says of %s is not known: state %q (%s), active location %q, allowed operations %v",
		title, item.State, item.StateText, item.Location, item.Operations)
}
