package validator

import (
	"fmt"
	"maps"
	"slices"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
	"reprotect.example/services/readiness"
)

// options are those of a request that are for the machines of one architecture only.
var options = []struct {
	key          string // in a request
	what         string
	architecture observed.Architecture
	of           func(events.Choice) string
}{
	{"masterTarget", "master target", observed.Classic, func(c events.Choice) string { return c.MasterTarget }},
	{"processServer", "process server", observed.Classic, func(c events.Choice) string { return c.ProcessServer }},
	{"retentionDrive", "retention drive", observed.Classic, func(c events.Choice) string { return c.RetentionDrive }},
	{"appliance", "appliance", observed.Modernized, func(c events.Choice) string { return c.Appliance }},
	{"logStorageAccount", "log storage account", observed.Modernized, func(c events.Choice) string { return c.LogStorageAccount }},
}

// withoutEffect refuses what would be taken without a word and do nothing: somebody counts on it. What a machine is given
// must be for that machine; what the request gives to all of them, and a waiver or an attestation, for at least one.
func withoutEffect(r events.Request, members []member) (problems []events.Problem) {
	add := func(place, remedy, format string, args ...any) {
		problems = append(problems, noEffect(place, remedy, format, args...))
	}
	anyOf := func(architectures ...observed.Architecture) bool {
		return slices.ContainsFunc(members, func(m member) bool { return slices.Contains(architectures, m.item.Architecture) })
	}
	for _, o := range options {
		if given := o.of(r.Choice); given != "" && !anyOf(o.architecture) {
			add("/data/"+o.key, "Leave it out: it is for "+string(o.architecture)+" machines.", "No machine of the request takes a %s: %s would do nothing", o.what, given)
		}
		for _, m := range members {
			if given := o.of(m.asked.request.Choice); given != "" && m.item.Architecture != o.architecture {
				add(m.asked.place, "Leave it out: it is for "+string(o.architecture)+" machines.", "%s is %s and takes no %s: %s would do nothing", m.machine.Name, m.item.Architecture, o.what, given)
			}
		}
	}
	for _, given := range []struct {
		key   string
		words map[string]string
	}{{"waive", r.Waive}, {"attest", r.Attest}} {
		key := given.key
		for _, code := range slices.Sorted(maps.Keys(given.words)) {
			check, known := checks.Lookup(code)
			switch {
			case !known:
				add("/data/"+key+"/"+code, "'reprotect checks' lists them.", "There is no check %s", code)
			case key == "waive" && check.NeverWaived:
				add("/data/"+key+"/"+code, "Put right what it finds: 'reprotect checks "+code+"' says how.", neverWaived, code)
			case !anyOf(check.For...):
				add("/data/"+key+"/"+code, "Leave it out.", "The check %s is made of no machine of the request", code)
			}
		}
	}
	return problems
}

const neverWaived = "%s cannot be waived"

func noEffect(place, remedy, format string, args ...any) events.Problem {
	return events.Problem{Code: "option.no-effect", Place: place, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

// waivedInVain is the same of a command for the way home, whose checks are those of readiness.
func waivedInVain(leg events.Leg, waive map[string]string) (problems []events.Problem) {
	for _, code := range slices.Sorted(maps.Keys(waive)) {
		rules := readiness.Rules()
		switch i := slices.IndexFunc(rules, func(r readiness.Rule) bool { return r.Code == code && slices.Contains(r.Legs, leg) }); {
		case i < 0:
			problems = append(problems, noEffect("/data/waive/"+code, "Leave it out.", "The check %s is not made before a %s", code, leg))
		case rules[i].NeverWaived:
			problems = append(problems, noEffect("/data/waive/"+code, "Put right what it finds: 'reprotect list --ready' says what.", neverWaived, code))
		}
	}
	return problems
}
