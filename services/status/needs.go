package status

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
)

// one is one thing that needs a person, before those of one cause are put together.
type one struct {
	kind, code, text, do string
	since                time.Time
	machines             []string
	c                    cases.Case // where it stands; of a dead letter the zero Case
	alarm, state         string
	began                string // what it was told as first, where text is what became of that
}

// needs puts together what needs a person by its cause.
func needs(g Given, all []cases.Case, standings []cases.Standing) []Need {
	var found []one
	for _, c := range all {
		found = append(found, ofGuard(c)...)
		found = append(found, ofRefusal(c, g)...)
	}
	found = append(found, ofStandings(standings)...)
	if g.Site == "" && g.Request == "" {
		for _, l := range g.Dead {
			found = append(found, one{kind: Dead, code: "dead." + l.Reason, text: l.Service + " gave a message up: " + l.Error, since: l.Time,
				do: "Look at the message and its error. Requeue it when what failed works again; if its case has ended, request its machines again."})
		}
	}
	return grouped(found, g.Lang)
}

// ofGuard are the alarms of a case, and what the guard cannot watch.
func ofGuard(c cases.Case) (found []one) {
	for _, a := range c.Pressing() {
		o := one{kind: Alarm, code: a.Code, text: a.What, do: a.Do, since: a.From, c: c, alarm: a.ID, state: a.State}
		if a.State == cases.AlarmEnded && a.Remains != "" {
			o.text, o.began = a.Remains, a.What
		}
		labels := c.Labels()
		for i, m := range c.Machines {
			if a.About(m) {
				o.machines = append(o.machines, labels[i])
			}
		}
		found = append(found, o)
	}
	for _, u := range c.Unwatched {
		o := one{kind: Unwatched, code: u.Code, text: u.What, do: u.Do, since: u.Since, c: c, machines: c.Labels()}
		if u.Machine != "" {
			o.machines = []string{u.Machine}
		}
		found = append(found, o)
	}
	return found
}

// ofRefusal is a request that was refused lately. A refused 'cancel' or 'retry' is none: whoever sent it has its answer.
func ofRefusal(c cases.Case, g Given) (found []one) {
	if c.State != events.CaseRefused || g.Now.Sub(c.Ended()) > Lately || g.Sender != "" && c.RequestedBy != "" && !strings.EqualFold(c.RequestedBy, g.Sender) {
		return nil
	}
	for _, p := range c.Problems {
		if p.Place == placeOfCase || p.Code == "request.cancelled" {
			continue
		}
		found = append(found, one{kind: Refused, code: p.Code, text: p.Sentence(), do: p.Remedy, since: c.Ended(), c: c})
	}
	return found
}

// placeOfCase is where a refused 'cancel' or 'retry' names what is wrong: the case.
const placeOfCase = "/data/case"

// ofStandings are the machines that failed, were rejected, or wait for a person, and were not taken up since. What stops
// all of a case counts once for it.
func ofStandings(standings []cases.Standing) (found []one) {
	told := map[string]bool{}
	for _, s := range standings {
		c, m := *s.Case, *s.Machine
		switch stage := StageOf(c, m); {
		case stage == StageRejected && !told[c.ID]:
			told[c.ID] = true
			found = append(found, ofRejection(c)...)
		case stage == StageFailed:
			o := one{kind: Failed, code: m.Code, text: m.Message, do: m.Remedy, since: c.Ended(), machines: []string{s.Label}, c: c}
			if m.Code == "" {
				o.code, o.text, o.do = c.Code, c.Why, cmp.Or(m.Remedy, c.Remedy)
			}
			if o.since.IsZero() { // the others of its case go on
				o.since = c.Updated
			}
			found = append(found, o)
		case !c.End && c.Waiting != nil && c.Waiting.For == events.ForOperator && !told[c.ID]:
			told[c.ID] = true
			w := c.Waiting
			o := one{kind: Operator, code: w.Code, text: w.Message, do: w.Remedy, since: w.Since, c: c, machines: cases.LabelsOfWaiting(*w)}
			if len(o.machines) == 0 {
				o.machines = c.Labels()
			}
			found = append(found, o)
		}
	}
	return found
}

// ofRejection are the problems of a case that was rejected: one that names no machine is that of all.
func ofRejection(c cases.Case) (found []one) {
	for _, p := range c.Problems {
		o := one{kind: Rejected, code: p.Code, text: p.Message, do: p.Remedy, since: c.Ended(), c: c, machines: c.Labels()}
		if slices.ContainsFunc(c.Machines, func(m cases.Machine) bool { return strings.EqualFold(m.Name, p.Place) }) {
			o.machines = []string{p.Place}
		}
		found = append(found, o)
	}
	if found == nil {
		found = []one{{kind: Rejected, code: c.Code, text: c.Why, do: c.Remedy, since: c.Ended(), c: c, machines: c.Labels()}}
	}
	return found
}

// cause is what makes two of them one: all but the names of their machines.
func (o one) cause() string {
	text := o.text
	for _, m := range o.machines {
		text = strings.ReplaceAll(text, m, "\x00")
	}
	return strings.Join([]string{o.kind, strings.ToLower(o.code), o.state, text}, "\n")
}

// key is what stays the same of a cause however it goes on: an alarm that has ended and left damage is the same alarm.
func (o one) key() string {
	o.text, o.state = cmp.Or(o.began, o.text), ""
	return o.cause()
}

// group collects those of one cause.
type group struct {
	need  Need
	texts []string // each once
	dos   []string
	seen  map[string]bool
}

func grouped(found []one, lang string) []Need {
	groups, order := map[string]*group{}, []*group{}
	for _, o := range found {
		key := o.cause()
		at := groups[key]
		if at == nil {
			at = &group{need: Need{Key: o.key(), Kind: o.kind, Code: o.code, State: o.state, Machines: []string{}}, seen: map[string]bool{}}
			groups[key], order = at, append(order, at)
		}
		at.take(o)
	}
	needs := make([]Need, 0, len(order))
	for _, at := range order {
		needs = append(needs, at.finish(lang))
	}
	slices.SortStableFunc(needs, func(a, b Need) int {
		return cmp.Or(
			slices.Index(kinds(), a.Kind)-slices.Index(kinds(), b.Kind), strings.Compare(b.State, a.State), // open before ended
			cmp.Compare(len(b.Machines), len(a.Machines)), a.Since.Compare(b.Since), strings.Compare(a.Code, b.Code), strings.Compare(a.Cause, b.Cause))
	})
	return needs
}

func (g *group) take(o one) {
	n := &g.need
	n.Since = earliest(n.Since, o.since)
	for _, m := range o.machines {
		g.once(&n.Machines, "m", o.c.Site+"/"+strings.ToLower(m), m)
	}
	g.once(&n.Cases, "c", o.c.ID, o.c.ID)
	g.once(&n.Requests, "r", o.c.Request, o.c.Request)
	g.once(&n.Sites, "s", o.c.Site, o.c.Site)
	g.once(&n.Alarms, "a", o.alarm, o.alarm)
	text, do := cases.OneLine(o.text), cases.OneLine(o.do)
	g.once(&g.texts, "t", text, text)
	g.once(&g.dos, "d", do, do)
}

func (g *group) once(to *[]string, kind, key, word string) {
	if word == "" || g.seen[kind+key] {
		return
	}
	g.seen[kind+key] = true
	*to = append(*to, word)
}

// finish words the cause: as it was told where all were told alike, else as the catalogue does, which names no machine.
func (g *group) finish(lang string) Need {
	n := g.need
	title, remedy := catalogue(n.Code, lang)
	n.Cause, n.Do = alike(g.texts, title), alike(g.dos, remedy)
	if lang == faults.Japanese {
		n.Cause, n.Do = cmp.Or(title, n.Cause), cmp.Or(remedy, n.Do)
	}
	n.Next = next(n)
	return n
}

func alike(texts []string, otherwise string) string {
	if len(texts) == 0 {
		return otherwise
	}
	if len(texts) > 1 {
		return cmp.Or(otherwise, texts[0])
	}
	return texts[0]
}

// catalogue is what a code stands for, in a language; empty when nobody knows it.
func catalogue(code, lang string) (title, remedy string) {
	if row, ok := faults.Lookup(code); ok {
		text := row.In(lang)
		return text.Title, text.Remedy
	}
	if check, ok := checks.Lookup(code); ok {
		return "", check.In(lang).Remedy
	}
	return "", ""
}

// fewHandles is how many names a command that goes on lists.
const fewHandles = 5

// plainName is a name that a shell takes as it is.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// commitDue is the code of a failback that waits for its commit.
const commitDue = "commit.due"

// next is the command that goes on from here. It names machines where these are few, else the requests.
func next(n Need) string {
	handles := n.Machines
	plain := !slices.ContainsFunc(handles, func(h string) bool { return !plainName.MatchString(h) })
	if len(handles) == 0 || len(handles) > fewHandles || !plain {
		handles = n.Requests
	}
	if len(n.Cases) == 1 && (!plain || len(n.Machines) > fewHandles) {
		handles = n.Cases
	}
	named := strings.Join(handles[:min(len(handles), fewHandles)], " ")
	switch {
	case n.Kind == Dead:
		return "reprotect bus dead list"
	case n.Kind == Alarm && n.State == cases.AlarmEnded:
		return fmt.Sprintf("reprotect acknowledge %s --reason '…'", strings.Join(n.Alarms[:min(len(n.Alarms), fewHandles)], " "))
	case n.Code == commitDue:
		return "reprotect commit " + named
	case n.Kind == Operator || n.Kind == Failed || n.Kind == Rejected:
		return "reprotect retry " + named
	}
	return "reprotect show " + named
}
