// Package preflight makes the checks for people, now and without a bus, and words what it found: as text for a terminal,
// as JSON for programs, and as one HTML page that needs nothing else.
//
// It answers what the pipeline would answer: it asks the rules of validator and datastore, and has none of its own.
package preflight

import (
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
)

// Ask is what a preflight is about.
type Ask struct {
	Request events.Request
	All     bool   // every machine of the vault, with the choices of the request; its machines and plan are empty
	Ahead   bool   // that a machine is not failed over yet is no fault: asked before the disaster
	Lang    string // of titles and remedies; "" is English
}

// Report is what a preflight found. Nothing was published or changed.
type Report struct {
	Site    string
	Vault   string
	By      string    // who asked; "" when nobody says
	Version string    // of the product that made it
	Taken   time.Time // when the vault was read
	Plan    string    // the recovery plan that was asked for; "" when machines were named
	All     bool      // the whole vault was asked for
	Cases   []Case    // what a request would become
	LeftOut []LeftOut // machines of the vault that All leaves out
	// Problems keep the request from becoming cases: an unknown machine, an ambiguous name.
	Problems []events.Problem
	// Unread is why vCenter could not be read: then what depends on it is unknown. nil: it was.
	Unread error
}

// Case is a set of machines that go together.
type Case struct {
	Machines   []Machine
	Findings   []events.Finding   // those of the whole case have no machine
	Placements []events.Placement // none when vCenter could not be read
}

// Machine is a machine with the place where it stands on its way to Azure and back.
type Machine struct {
	events.Machine
	Stage Stage `json:"stage"`
}

// Stage is where a machine stands.
type Stage string

// Stages.
const (
	FailedOver Stage = "failed-over"      // runs in Azure, or should: what a reprotect is for
	NotYet     Stage = "not-failed-over"  // runs on-premises: to be ready before the disaster
	Reversed   Stage = "replicating-back" // was reprotected already
)

// LeftOut is a machine that there is nothing to check for, and why.
type LeftOut struct {
	Machine string `json:"machine"`
	Why     string `json:"why"`
}

// Reasons to leave a machine out.
const (
	Migrated    = "migrated"     // for good: there is no way back (S2)
	NotVMware   = "not-vmware"   // Hyper-V, Azure to Azure or another scenario protects it
	OtherFabric = "other-fabric" // the site's config names another fabric
)

// Standing is the answer for one machine.
type Standing string

// Standings, the worst first.
const (
	Blocked Standing = "blocked" // a request would be rejected
	Unclear Standing = "unclear" // nothing blocks, but what could block was not readable
	Later   Standing = "later"   // nothing blocks but that it is not failed over yet
	Ready   Standing = "ready"
	Back    Standing = "back" // it replicates back already
)

var standings = []Standing{Blocked, Unclear, Later, Ready, Back}

// Blocking counts the things that keep machines from being reprotected: one that blocks many counts once. That no datastore
// fits counts where no check of datastores says so already.
func (r Report) Blocking() int {
	n := len(r.Problems)
	for _, c := range causes(r, checks.English) {
		if c.Rank == blocks {
			n++
		}
	}
	return n
}

// Ready says whether there is nothing that blocks.
func (r Report) Ready() bool { return r.Blocking() == 0 }

// of returns the findings that decide about a machine: its own and those of its case.
func (c Case) of(machine string) []events.Finding {
	var own []events.Finding
	for _, f := range c.Findings {
		if f.Machine == machine || f.Machine == "" {
			own = append(own, f)
		}
	}
	return own
}

func (c Case) placement(machine string) (events.Placement, bool) {
	i := slices.IndexFunc(c.Placements, func(p events.Placement) bool { return p.Machine == machine })
	if i < 0 {
		return events.Placement{}, false
	}
	return c.Placements[i], true
}

// standing weighs everything that is known of a machine; because lists what decided, codes and findings.
func (c Case) standing(m Machine) (s Standing, because []events.Finding) {
	var unread []events.Finding
	for _, f := range c.of(m.Name) {
		switch {
		case f.Blocks:
			because = append(because, f)
		case f.Status == checks.Unknown && f.Level == string(checks.Block):
			unread = append(unread, f)
		}
	}
	p, placed := c.placement(m.Name)
	switch {
	case len(because) > 0 || placed && p.Datastore == "":
		return Blocked, because
	case len(unread) > 0:
		return Unclear, unread
	case m.Stage == NotYet:
		return Later, nil
	case m.Stage == Reversed:
		return Back, nil
	}
	return Ready, nil
}

// citation takes a finding's reference apart: numbers of the procedure, and the address of a public page.
func citation(reference string) (numbers, page string) {
	i := strings.Index(reference, "https://")
	if i < 0 {
		return reference, ""
	}
	return strings.TrimSpace(reference[:i]), reference[i:]
}
