package preflight

import (
	"bytes"
	"encoding/json"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
)

// document is the JSON form: the answer for each machine, then everything that was found, flat, for jq.
type document struct {
	Site       string             `json:"site"`
	Vault      string             `json:"vault,omitempty"`
	By         string             `json:"by,omitempty"`      // who asked
	Version    string             `json:"version,omitempty"` // of the product
	Taken      time.Time          `json:"taken,omitzero"`
	Plan       string             `json:"plan,omitempty"`
	All        bool               `json:"all,omitempty"`
	Ready      bool               `json:"ready"`
	Causes     []Thing            `json:"causes"` // what asks for attention, once for all machines, in the order in which to see to it
	Summary    []answer           `json:"summary"`
	Machines   []Machine          `json:"machines"`
	Findings   []worded           `json:"findings"`
	Placements []events.Placement `json:"placements,omitempty"`
	LeftOut    []LeftOut          `json:"leftOut,omitempty"`
	Problems   []events.Problem   `json:"problems,omitempty"`
}

type answer struct {
	Machine  string   `json:"machine"`
	Standing Standing `json:"standing"`
	Because  []string `json:"because,omitempty"` // codes of the checks that decided
}

// Thing is one thing to see to, for programs.
type Thing struct {
	Codes    []string `json:"codes"`
	Blocks   bool     `json:"blocks,omitempty"`
	Title    string   `json:"title"`
	Found    []string `json:"found,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
	Machines []string `json:"machines"`
}

// worded is a finding with what its check says to people: what is the case, what must be, and why.
type worded struct {
	events.Finding
	Title string `json:"title,omitempty"`
	Must  string `json:"must,omitempty"`
	Why   string `json:"why,omitempty"`
}

// JSON is one document.
func JSON(r Report, lang string) ([]byte, error) {
	d := document{
		Site: r.Site, Taken: r.Taken, Plan: r.Plan, All: r.All, Ready: r.Ready(),
		Vault: r.Vault, By: r.By, Version: r.Version, Causes: []Thing{}, Summary: []answer{}, Machines: []Machine{}, Findings: []worded{}, LeftOut: r.LeftOut, Problems: r.Problems,
	}
	for _, c := range causes(r, lang) {
		d.Causes = append(d.Causes, Thing{c.Codes, c.Rank == blocks, c.Title, c.Found, c.Remedy, c.Machines})
	}
	for _, c := range r.Cases {
		d.Machines = append(d.Machines, c.Machines...)
		d.Placements = append(d.Placements, c.Placements...)
		for _, f := range c.Findings {
			w := worded{Finding: f}
			if check, ok := checks.Lookup(f.Check); ok {
				text := check.In(lang)
				w.Title, w.Must, w.Why = check.Headline(f.Status, lang), text.Title, text.Why
			}
			d.Findings = append(d.Findings, w)
		}
		for _, m := range c.Machines {
			d.Summary = append(d.Summary, c.answer(m))
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(d)
	return b.Bytes(), err
}

func (c Case) answer(m Machine) answer {
	standing, because := c.standing(m)
	a := answer{Machine: m.Name, Standing: standing}
	for _, f := range because {
		a.Because = append(a.Because, f.Check)
	}
	if p, ok := c.placement(m.Name); ok && p.Datastore == "" {
		a.Because = append(a.Because, "datastore.none")
	}
	return a
}
