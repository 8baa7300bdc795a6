package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"reprotect.example/services/cases"
)

// known is a bus on which cases stand, and nothing else.
type knownBus struct {
	Bus
	all []cases.Case
}

func (b knownBus) Cases(context.Context) ([]cases.Case, error) { return b.all, nil }
func (knownBus) Close()                                        {}

// B10, B11: a shell completes what there is: cases, machines, requests, sites, plans, checks, codes, actions of the lab.
func TestCompletionCompletes(t *testing.T) {
	deps := Deps{
		Settings: func(string) (Settings, error) { return Settings{Sites: []string{"tokyo", "osaka"}}, nil },
		Open: func(context.Context, string) (Bus, error) {
			return knownBus{all: []cases.Case{{ID: "r-1-web01", Request: "r-1", Plan: "ERP", Machines: []cases.Machine{{Name: "web01"}, {Name: "evil\nname"}}}}}, nil
		},
		Checks: func(string) []Check { return []Check{{Code: "machine.rdm", Title: "No RDM."}} },
		Errors: func(string) []KnownError { return []KnownError{{Code: "95226", Title: "No agent"}} },
		LabActions: func(context.Context, string) ([]LabAction, error) {
			return []LabAction{{Name: "add-snapshot", Help: "Adds."}}, nil
		},
	}
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"show", ""}, "web01 r-1-web01 r-1"},
		{[]string{"show", "r-1-"}, "r-1-web01"},
		{[]string{"cancel", "WEB"}, "web01"},
		{[]string{"preflight", "w"}, "web01"},
		{[]string{"list", "--site", "o"}, "osaka"},
		{[]string{"list", "--request", ""}, "r-1"},
		{[]string{"preflight", "--plan", ""}, "ERP"},
		{[]string{"checks", "machine"}, "machine.rdm"},
		{[]string{"errors", ""}, "95226"},
		{[]string{"lab", "do", ""}, "add-snapshot"},
		{[]string{"watch", "nothing"}, ""},
	} {
		var out, discarded bytes.Buffer
		Main(t.Context(), append([]string{"__complete"}, tt.words...), deps, strings.NewReader(""), &out, &discarded)
		var got []string
		for _, line := range strings.Split(out.String(), "\n") {
			if word, _, _ := strings.Cut(line, "\t"); word != "" && !strings.HasPrefix(word, ":") {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v: %v, want %s", tt.words, got, tt.want)
		}
	}
}
