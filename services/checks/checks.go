// Package checks is the catalogue of preconditions of a reprotect, and what judges them.
//
// A check is a row of data with a pure function over observations: nothing here reads Azure or vCenter. What could not
// be read is unknown and never passes. The demands come from Microsoft's pages (the Reference of each row) and
// are numbered S, N and M in the product's procedure.
package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Level says what a failing check does.
type Level string

// Levels, as they stand in findings.
const (
	Block Level = "block" // the case is rejected
	Warn  Level = "warn"  // shown; the case goes on
	Info  Level = "info"  // good to know
)

// Check is one precondition.
type Check struct {
	Code        string
	Level       Level
	For         []observed.Architecture
	Refs        []string // numbers in the procedure: "S5", "N2"
	NeverWaived bool
	PerCase     bool // judged once for the whole case, not for each machine
	// After names the check, earlier in the catalogue, without which this one has no meaning: where that one failed of a
	// machine this one is skipped, and its remedy, which would contradict, is not given.
	After string

	Title     string // what must be true
	Fault     string // what is the case when it is not
	Unread    string // what is the case when it is not known; "" words it by the title
	Why       string // what goes wrong otherwise
	Remedy    string // what to do, where the verdict has nothing more exact
	Reference string // address of a public page

	// Judge is pure. It sees what was observed of one machine, or, PerCase, what all machines share.
	Judge func(Subject) Verdict
}

// Site is what the checks need of a site's config.
type Site struct {
	Strict      bool   // what is unknown on a blocking check blocks
	NetworkPath string // vpn, expressroute or ""
	VCenterURL  string

	ConfigurationServerAddress string // as recorded; "" when it is not
	Probes                     int    // how many the config names
}

// Input is everything that a run of the checks sees.
type Input struct {
	Now            time.Time
	Case           events.Case // with every choice made (master target, process server, appliance, …)
	Vault          observed.Vault
	Inventory      observed.Inventory // what Query asked for
	InventoryError string             // why vCenter could not be read; "" when it could
	Site           Site
	Lang           string         // of the remedies; "" is English
	Beside         map[string]int // disks that the other cases of the same request add, as Adds counts; nil: none
	Ahead          bool           // asked before the disaster: that a machine is not failed over yet is no fault
}

// Run makes every check that belongs to the machines of a case. Findings come in the catalogue's order: first
// those of the whole case, then those of each machine in the case's order. It never fails: a check that panics
// is unknown.
func Run(in Input) []events.Finding {
	ofCase, ofMachines := subjects(in)
	catalogue := Catalogue()
	findings := make([]events.Finding, 0, len(catalogue)*(1+len(ofMachines)))
	for _, check := range catalogue {
		if check.PerCase && slices.ContainsFunc(ofMachines, check.concerns) {
			findings = append(findings, check.find(ofCase))
		}
	}
	for _, s := range ofMachines {
		failed := map[string]bool{}
		for _, check := range catalogue {
			if check.PerCase || !check.concerns(s) {
				continue
			}
			f := check.findAfter(s, failed)
			failed[check.Code] = f.Status == Failed || failed[check.After]
			findings = append(findings, f)
		}
	}
	return findings
}

// findAfter is find, unless the check that goes before has failed of the machine, itself or by one before it.
func (c Check) findAfter(s Subject, failed map[string]bool) events.Finding {
	if failed[c.After] {
		c.Judge = func(s Subject) Verdict {
			return skipped("This does not matter for %s as long as %s fails.", s.Machine.Name, c.After)
		}
	}
	return c.find(s)
}

// Blocking returns the findings that stop the case.
func Blocking(findings []events.Finding) []events.Finding {
	var blocking []events.Finding
	for _, f := range findings {
		if f.Blocks {
			blocking = append(blocking, f)
		}
	}
	return blocking
}

// Problems words findings as the problems of a rejection.
func Problems(findings []events.Finding) []events.Problem {
	problems := make([]events.Problem, len(findings))
	for i, f := range findings {
		problems[i] = events.Problem{Code: f.Check, Place: f.Machine, Message: f.Evidence, Remedy: f.Remedy}
	}
	return problems
}

func (c Check) concerns(s Subject) bool {
	return slices.Contains(c.For, observed.Architecture(s.Machine.Architecture))
}

// find judges one subject, then applies what the request says of the check.
func (c Check) find(s Subject) events.Finding {
	v := c.judge(s)
	level := cmp.Or(v.Level, c.Level)
	f := events.Finding{
		Check: c.Code, Machine: s.Machine.Name, Level: string(level), Status: v.Status, Evidence: v.Evidence,
		Reference: strings.Join(c.Refs, ", ") + " " + c.Reference,
	}
	if v.Status == Failed && level != Block {
		f.Status = Warned
	}
	if word := s.Case.Attest[c.Code]; word != "" {
		f.Evidence += fmt.Sprintf(" Attested: %s.", strings.TrimSuffix(word, "."))
	}
	if f.Status == Passed || f.Status == Skipped {
		return f
	}
	f.Remedy = c.remedy(v, s.Lang)
	f.Blocks = level == Block && (f.Status == Failed || f.Status == Unknown && s.Site.Strict)
	if reason, waived := s.Case.Waive[c.Code]; waived {
		if c.NeverWaived {
			f.Evidence += " This check cannot be waived."
			return f
		}
		f.Status, f.Blocks = Waived, false
		f.Evidence += fmt.Sprintf(" Waived: %s.", strings.TrimSuffix(reason, "."))
	}
	return f
}

func (c Check) judge(s Subject) (v Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = unknown("The check broke off: %v.", r)
			v.Remedy = "This is a mistake in the product: report it with this text. Check by hand: " + c.Title
		}
	}()
	if s.notYet(c) {
		return skipped("%s is not failed over yet: this is checked after the failover.", s.Machine.Name)
	}
	return c.Judge(s)
}
