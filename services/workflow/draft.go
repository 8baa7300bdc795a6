package workflow

import "reprotect.example/events"

// Draft is an event to be published; Run fills in the rest of the envelope from the event that it answers.
type Draft struct {
	kind    events.Kind
	step    string
	site    string
	caseID  string
	request string
	level   string
	number  int
	name    string
	of      string
	data    any
}

// Fact drafts an event of the pipeline. Step may be empty where the kind has one of its own.
func Fact[T any](t events.Type[T], step string, data T) Draft {
	if step == "" {
		step = t.Step
	}
	return Draft{kind: t.Kind, step: step, data: data}
}

// Notify drafts a notification.
func Notify(n events.Note) Draft {
	return Draft{kind: events.TypeNotification.Kind, step: "notification", level: n.Level, data: n}
}

// For puts the draft into another case than that of the event it answers.
func (d Draft) For(site, caseID, request string) Draft {
	d.site, d.caseID, d.request = site, caseID, request
	return d
}

// Numbered gives a report its number in the case instead of that which follows from the event it answers.
func (d Draft) Numbered(n int) Draft {
	d.number = n
	return d
}

// Named gives a notification a name within its case, in the place of that which follows from the event that it answers, and
// says of which event it tells.
func (d Draft) Named(name, of string) Draft {
	d.name, d.of = name, of
	return d
}

// Kind says what is drafted, Case and Data for whom and what.
func (d Draft) Kind() events.Kind { return d.kind }

// Step is the step that the draft belongs to.
func (d Draft) Step() string { return d.step }

// Case is the case that the draft was made For; empty: that of the event it answers.
func (d Draft) Case() string { return d.caseID }

// Data is the payload.
func (d Draft) Data() any { return d.data }
