// Package readiness judges, by what Site Recovery, Azure and vCenter say this minute, whether a machine may take the next
// leg of its way home: its failback, the commit of that, its withdrawal, and its protection to Azure again.
//
// Its rules are pure and stand in one table. The validator judges a case by them before anything is submitted, and
// 'list --ready' lists what they say. What could not be read is unknown, and never passes.
package readiness

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

// Subject is what was observed of one machine.
type Subject struct {
	Item   observed.Item
	Unread string // why the item could not be read; "" when it could

	Points       []observed.RecoveryPoint // the latest first
	PointsUnread string                   // why they could not be read

	Vault observed.Vault // with the Azure VMs
	Now   time.Time

	Seen        observed.Sighting // its VM on-premises
	User        string            // of vCenter
	NoInventory string            // why vCenter could not be read; "" when it could
}

// Said is what a rule has to say of a machine, as sentences.
type Said struct {
	Refused []string // what stands against it
	Unread  []string // what could not be read
}

func (s *Said) refuse(format string, args ...any) {
	s.Refused = append(s.Refused, fmt.Sprintf(format, args...))
}

func (s *Said) unknown(format string, args ...any) {
	s.Unread = append(s.Unread, fmt.Sprintf(format, args...))
}

// Rule is a row of the table. Its texts stand in the catalogue of faults under the same code.
type Rule struct {
	Code        string
	Legs        []events.Leg // that need it
	NeverWaived bool
	judge       func(s Subject, said *Said)
}

// byLeg are the rules of a leg about the machine's stage.
func stageRules() (rules []Rule) {
	for _, leg := range events.Legs() {
		rules = append(rules, Rule{Code: "readiness.stage", Legs: []events.Leg{leg}, NeverWaived: true, judge: func(s Subject, said *Said) { stage(leg, s, said) }})
	}
	return rules
}

// Rules lists all of them in the order in which they are told.
func Rules() []Rule {
	failback := []events.Leg{events.LegFailback}
	return append(stageRules(),
		Rule{Code: "readiness.health", Legs: failback, judge: health},
		Rule{Code: "readiness.recovery-point", Legs: failback, judge: recoveryPoint},
		Rule{Code: "readiness.writer", Legs: failback, judge: writer},
		Rule{Code: "readiness.azure-vm", Legs: failback, judge: azureVM},
		Rule{Code: "readiness.on-premises-off", Legs: failback, judge: onPremisesOff},
		Rule{Code: "readiness.on-premises-on", Legs: []events.Leg{events.LegCommit, events.LegProtect}, judge: onPremisesOn},
	)
}

// Of says what stands against a leg of a machine, and what is not known, in the order of the rules. Of a machine whose
// item could not be read nothing more can be said.
func Of(leg events.Leg, s Subject) (all Said) {
	each(leg, s, func(_ Rule, said Said) {
		all.Refused, all.Unread = append(all.Refused, said.Refused...), append(all.Unread, said.Unread...)
	})
	return all
}

func each(leg events.Leg, s Subject, tell func(Rule, Said)) {
	for _, rule := range Rules() {
		if !slices.Contains(rule.Legs, leg) {
			continue
		}
		var said Said
		rule.judge(s, &said)
		tell(rule, said)
		if s.unread() != "" {
			return
		}
	}
}

// Findings are the same of machine i of a case, a finding for each rule. What is unknown blocks where the site is strict.
func Findings(c events.Case, i int, s Subject, strict bool) (findings []events.Finding) {
	m := c.Machines[i]
	each(c.Leg, s, func(rule Rule, said Said) {
		f := events.Finding{Check: rule.Code, Machine: m.Name, Item: c.Beside(i), Level: string(checks.Block), Status: checks.Passed}
		switch {
		case len(said.Refused) > 0:
			f.Status = checks.Failed
		case len(said.Unread) > 0:
			f.Status = checks.Unknown
		}
		f.Evidence = strings.Join(append(said.Refused, said.Unread...), " ")
		if f.Status != checks.Passed {
			row, _ := faults.Lookup(rule.Code)
			f.Remedy, f.Reference = row.In(faults.English).Remedy, row.Reference
			f.Blocks = f.Status == checks.Failed || strict
		}
		if reason := c.Waive[rule.Code]; reason != "" && f.Status != checks.Passed {
			f.Evidence = waive(rule, &f, reason)
		}
		findings = append(findings, f)
	})
	return findings
}

// waive passes over a finding, where that is allowed, and says so behind its evidence.
func waive(rule Rule, f *events.Finding, reason string) string {
	if rule.NeverWaived {
		return f.Evidence + " This check cannot be waived."
	}
	f.Status, f.Blocks = checks.Waived, false
	return f.Evidence + fmt.Sprintf(" Waived: %s.", strings.TrimSuffix(reason, "."))
}
