package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/near"
)

// target is what a word of the command line names: a case, or the cases of a request.
type target struct {
	word  string
	cases []cases.Case // the one, with its history; or those of the request, the oldest first
	whole bool         // it names a request that has become cases
}

// handles reads what words name: the id of a case, that of a request, or the name of a machine, which stands for its latest
// case. Only are ids of cases and nothing else. A word that names nothing, or more than one machine, is wrong use.
func handles(ctx context.Context, b Bus, words, only []string) ([]target, error) {
	var all []target
	look := lookup{ctx: ctx, bus: b}
	for i, word := range slices.Concat(words, only) {
		t, err := look.find(word, i < len(words))
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// each lists the cases that some targets stand for, each once.
func each(targets []target) (all []cases.Case) {
	seen := map[string]bool{}
	for _, t := range targets {
		for _, c := range t.cases {
			if !seen[c.ID] {
				seen[c.ID] = true
				all = append(all, c)
			}
		}
	}
	return all
}

func ids(all []cases.Case) []string {
	list := make([]string, len(all))
	for i, c := range all {
		list[i] = c.ID
	}
	return list
}

// lookup reads all cases at most once for many words.
type lookup struct {
	ctx    context.Context
	bus    Bus
	listed []cases.Case
	read   bool
}

func (l *lookup) find(word string, anything bool) (target, error) {
	var waiting *cases.Case // the request itself, which may have become cases meanwhile
	if caseID.MatchString(word) {
		c, found, err := l.bus.Case(l.ctx, word)
		switch {
		case err != nil:
			return target{}, err
		case found && (!c.OfRequest() || c.End):
			return target{word: word, cases: []cases.Case{c}}, nil
		case found:
			waiting = &c
		}
	}
	if !anything && waiting == nil {
		return target{}, noSuchCase(word)
	}
	if err := l.list(); err != nil {
		return target{}, err
	}
	if of := slices.DeleteFunc(slices.Clone(l.listed), func(c cases.Case) bool {
		return c.OfRequest() || c.Request != word && events.Token(c.Request) != word
	}); len(of) > 0 {
		return target{word: word, cases: of, whole: true}, nil
	}
	if waiting != nil {
		return target{word: word, cases: []cases.Case{*waiting}}, nil
	}
	return l.ofMachine(word)
}

func (l *lookup) list() (err error) {
	if !l.read {
		l.listed, err = l.bus.Cases(l.ctx)
		l.read = err == nil
	}
	return err
}

// ofMachine is the latest case of the machine of that name.
func (l *lookup) ofMachine(name string) (target, error) {
	var found []cases.Standing
	known := map[string]bool{}
	for _, s := range cases.Standings(l.listed) {
		known[s.Machine.Name] = true
		if strings.EqualFold(s.Machine.Name, name) || strings.EqualFold(s.Label, name) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return target{}, unknownName(name, known)
	case 1:
	default:
		var of []string
		for _, s := range found {
			of = append(of, s.Case.ID+" (site "+s.Case.Site+")")
		}
		slices.Sort(of)
		if of = slices.Compact(of); len(of) > 1 {
			return target{}, usage("Name its case: "+strings.Join(of, ", ")+".", "%q is the name of %d machines", name, len(found))
		}
	}
	c, ok, err := l.bus.Case(l.ctx, found[0].Case.ID)
	if err == nil && !ok {
		err = noSuchCase(found[0].Case.ID)
	}
	return target{word: name, cases: []cases.Case{c}}, err
}

// noSuchCase: the word can only be the id of a case, and is none.
func noSuchCase(id string) error {
	return usage("'reprotect list' shows the cases.", "there is no case %s in the event log", cases.OneLine(id))
}

// unknownName says that a word names nothing, and what may have been meant.
func unknownName(word string, known map[string]bool) error {
	remedy := "'reprotect list' shows the cases and their machines."
	if meant := near.Word(word, maps.Keys(known)); meant != "" {
		remedy = fmt.Sprintf("Did you mean %s? %s", meant, remedy)
	}
	return usage(remedy, "%q is no case, no request and no machine of the event log", cases.OneLine(word))
}
