package checks

import (
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
)

// An event holds the findings of so many machines one by one: as many as a replication group has in Azure. Those of
// more machines, which somebody put together by hand, are told once for all that have them alike.
const mostOneByOne = 16

// mostEvidence is how many machines' evidence stands in a finding that is told once for many.
const mostEvidence = 3

// Told is what an event says of findings. Those that passed, or were skipped, bear no reference: title, reason and
// reference of a check stand in the catalogue (Lookup) for whoever shows them. In a case of more than 16 machines the
// findings of one check that came out alike are one, which names its machines; one that names none tells of all machines
// that no other finding of its check names.
func Told(findings []events.Finding) []events.Finding {
	told := make([]events.Finding, 0, len(findings))
	machines := map[string]bool{}
	for _, f := range findings {
		if f.Status == Passed || f.Status == Skipped {
			f.Reference = ""
		}
		if f.Machine != "" {
			machines[f.Machine] = true
		}
		told = append(told, f)
	}
	if len(machines) <= mostOneByOne {
		return told
	}
	return alike(told, len(machines))
}

// alike merges the findings of one check that came out alike for several machines, in the order of their first.
func alike(findings []events.Finding, machines int) []events.Finding {
	var merged []events.Finding
	type outcome struct {
		check, status, level, remedy string
		blocks                       bool
	}
	first := map[outcome]int{} // its place in merged
	for _, f := range findings {
		if f.Machine == "" {
			merged = append(merged, f)
			continue
		}
		same := outcome{f.Check, f.Status, f.Level, f.Remedy, f.Blocks}
		i, known := first[same]
		if !known {
			first[same] = len(merged)
			merged = append(merged, f)
			continue
		}
		m := &merged[i]
		if m.Machine != "" {
			m.Machines, m.Machine = []string{m.Machine}, ""
		}
		m.Machines = append(m.Machines, f.Machine)
		if len(m.Machines) <= mostEvidence && f.Evidence != "" && !strings.Contains(m.Evidence, f.Evidence) {
			m.Evidence += " " + f.Evidence
		}
	}
	for i, m := range merged {
		if more := len(m.Machines) - mostEvidence; more > 0 {
			merged[i].Evidence += fmt.Sprintf(" And alike for %d more.", more)
		}
	}
	for _, most := range common(merged, machines) {
		merged[most].Machines = nil
	}
	return slices.Clip(merged)
}

// common is the place of what came out for the most machines, for each check that judged all of them.
func common(merged []events.Finding, machines int) map[string]int {
	judged, most := map[string]int{}, map[string]int{}
	for i, f := range merged {
		n := len(f.Machines)
		if f.Machine != "" {
			n = 1
		}
		if n == 0 {
			continue // of the case
		}
		judged[f.Check] += n
		if at, known := most[f.Check]; !known || n > len(merged[at].Machines) {
			most[f.Check] = i
		}
	}
	for check, n := range judged {
		if n < machines {
			delete(most, check)
		}
	}
	return most
}
