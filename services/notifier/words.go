package notifier

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

// levelOf is how urgent what needs a person is, by what it must do.
var levelOf = map[string]string{
	status.Alarm: events.LevelCritical, status.Operator: events.LevelCritical, status.Failed: events.LevelCritical,
	status.Rejected: events.LevelWarning, status.Unwatched: events.LevelWarning, kindWait: events.LevelWarning,
}

var verdictOf = map[string]string{
	status.Alarm: "Danger", status.Operator: "Waits for you", status.Failed: "Reprotect failed",
	status.Rejected: "Not reprotected", status.Unwatched: "Not watched", kindWait: "Waiting",
}

func oneLine(text string) string { return cases.OneLine(text) }

// needNote words a cause that needs a person.
func needNote(n status.Need, state string, all []cases.Case) events.Note {
	what := cmp.Or(oneLine(n.Cause), n.Code)
	verdict := cmp.Or(verdictOf[n.Kind], "Needs you")
	if n.State == cases.AlarmEnded {
		verdict = "Over, and may have left damage"
	}
	note := events.Note{
		Level: cmp.Or(levelOf[n.Kind], events.LevelWarning), Kind: n.Kind, State: state, Since: n.Since, Machines: n.Machines, Alarms: n.Alarms,
		Title:  fmt.Sprintf("%s: %s", verdict, what),
		Causes: []events.NoteCause{{Code: n.Code, What: what, Do: oneLine(n.Do), Next: n.Next, Machines: n.Machines}},
	}
	if len(n.Machines) > 0 && !slices.ContainsFunc(n.Machines, func(m string) bool { return strings.Contains(note.Title, m) }) {
		note.Title = fmt.Sprintf("%s: %s (%s)", verdict, what, names(n.Machines))
	}
	switch {
	case len(n.Alarms) > 0:
		note.Fact = n.Alarms[0]
	case len(n.Cases) > 0:
		note.Fact = decided(n.Cases[0], all)
	}
	lines := []string{}
	if len(n.Machines) > 0 {
		lines = append(lines, counted(len(n.Machines))+": "+list(n.Machines)+".")
	}
	if n.Do != "" {
		lines = append(lines, "What to do: "+oneLine(n.Do))
	}
	if n.Next != "" {
		lines = append(lines, "Then: "+n.Next)
	}
	lines = append(lines, "Since "+clock(n.Since)+". Code "+n.Code+".")
	note.Text = strings.Join(lines, "\n")
	return note
}

// decided is the id of the event that a case ended with; of the one that it began with while it goes on.
func decided(id string, all []cases.Case) string {
	i := slices.IndexFunc(all, func(c cases.Case) bool { return c.ID == id })
	if i >= 0 && all[i].End {
		return id + "/" + all[i].Step
	}
	return id + "/" + events.StepRequest
}

// overNote ends the story of a cause.
func overNote(told events.Note, level string, now time.Time) events.Note {
	n := told
	n.State, n.Level, n.Reminder = events.NoteClosed, level, 0
	what := told.Title
	if len(told.Causes) > 0 {
		what = told.Causes[0].What
	}
	n.Title = "Over: " + what
	n.Text = "Nobody needs to do anything about this any more."
	if !told.Since.IsZero() {
		n.Text = fmt.Sprintf("It was so from %s to %s (%s). %s", clock(told.Since), clock(now), duration(now.Sub(told.Since)), n.Text)
	}
	if len(told.Machines) > 0 {
		n.Text += "\n" + counted(len(told.Machines)) + ": " + list(told.Machines) + "."
	}
	return n
}

// story is a request with what is told of it.
type story struct {
	status.Request
	fact     string   // with which it became cases
	machines []string // all of them
	left     []events.NoteCause
	took     []time.Duration // of the machines that are done
}

func storyOf(r status.Request, all []cases.Case, site string) story {
	s := story{Request: r, fact: events.Token(r.ID) + "/" + events.StepRequest}
	if i := slices.IndexFunc(all, func(c cases.Case) bool { return c.Site == site && c.Request == r.ID }); i >= 0 {
		s.fact = all[i].ID + "/" + events.StepRequest
	}
	for _, st := range cases.Standings(slices.DeleteFunc(slices.Clone(all), func(c cases.Case) bool { return c.Site != site || c.Request != r.ID })) {
		s.machines = append(s.machines, st.Label)
		if st.Case.Good {
			s.took = append(s.took, st.Case.Took(st.Case.Ended()))
		}
	}
	view := status.Of(status.Given{Cases: all, Site: site, Request: r.ID, Now: r.Since})
	for _, n := range view.NeedsYou {
		s.left = append(s.left, events.NoteCause{Code: n.Code, What: cmp.Or(oneLine(n.Cause), n.Code), Do: oneLine(n.Do), Next: n.Next, Machines: n.Machines})
	}
	return s
}

func (s story) name() string {
	switch {
	case s.Plan != "":
		return "plan " + oneLine(s.Plan)
	case len(s.machines) > 0 && len(s.machines) <= 3:
		return names(s.machines)
	case s.Machines == 0:
		return "request " + s.ID
	}
	return counted(s.Machines)
}

func (s story) note(state string) events.Note {
	return events.Note{
		Level: events.LevelInfo, Kind: kindRequest, State: state, Since: s.Since, Fact: s.fact, Plan: s.Plan, Machines: s.machines,
		Counts: &events.NoteCounts{Machines: s.Machines, Done: s.Done, Failed: s.Failed, Left: max(s.Machines-s.Done-s.Failed, 0)},
	}
}

func (s story) kind() string {
	if s.DryRun {
		return "Rehearsal"
	}
	return "Reprotect"
}

func (s story) open() events.Note {
	n := s.note(events.NoteOpen)
	n.Title = fmt.Sprintf("%s requested: %s", s.kind(), s.name())
	lines := []string{fmt.Sprintf("%s, request %s.", counted(s.Machines), s.ID)}
	if s.By != "" {
		lines = append(lines, "Asked by "+oneLine(s.By)+".")
	}
	if s.Reason != "" {
		lines = append(lines, "Reason: "+oneLine(s.Reason)+".")
	}
	if !s.DryRun {
		lines = append(lines, "Do not switch the on-premises machines on, and do not move the master target or appliance with Storage vMotion, until failback is done.")
	}
	n.Text = strings.Join(lines, "\n")
	return n
}

func (s story) update() events.Note {
	n := s.note(events.NoteUpdate)
	n.Title = fmt.Sprintf("%s of %s: %d of %d %s", s.kind(), s.name(), s.Done, s.Machines, s.done())
	lines := []string{fmt.Sprintf("%d on the way, %d ended without success.", n.Counts.Left, s.Failed)}
	switch s.Basis {
	case status.NeedsPerson:
		lines = append(lines, "Some wait for a person, so there is no estimate.")
	case status.ByPace, status.ByReplication:
		lines = append(lines, "At this pace it is done about "+clock(s.ETA)+".")
	}
	n.Text, n.Causes = strings.Join(lines, "\n"), s.left
	return n
}

func (s story) done() string {
	if s.DryRun {
		return "rehearsed"
	}
	return "protected"
}

func (s story) closed() events.Note {
	n := s.note(events.NoteClosed)
	n.Causes = s.left
	took := duration(s.EndedAt.Sub(s.Since))
	lines := []string{fmt.Sprintf("From %s to %s, %s.", clock(s.Since), clock(s.EndedAt), took)}
	if len(s.took) > 0 {
		slices.Sort(s.took)
		lines = append(lines, fmt.Sprintf("A machine took %s, the longest %s.", duration(s.took[len(s.took)/2]), duration(s.took[len(s.took)-1])))
	}
	if s.Failed == 0 {
		n.Title = fmt.Sprintf("%s done: %s, all %s", s.kind(), s.name(), s.done())
		if !s.DryRun {
			lines = append(lines, "Replication from Azure to on-premises is in place. Failback can be started; it means downtime, so choose the hour.")
		}
	} else {
		n.Level = events.LevelWarning
		n.Title = fmt.Sprintf("%s ended: %s, %d of %d %s", s.kind(), s.name(), s.Done, s.Machines, s.done())
		lines = append(lines, fmt.Sprintf("%d left:", s.Failed))
	}
	for _, c := range s.left {
		lines = append(lines, fmt.Sprintf("%s: %s", list(c.Machines), sentence(c.What, c.Do)))
	}
	n.Text = strings.Join(lines, "\n")
	return n
}

func summaryNote(late []status.Request) events.Note {
	n := events.Note{Level: events.LevelInfo, Kind: kindSummary, State: events.NoteClosed, Since: late[0].Since}
	lines := []string{}
	for _, r := range late {
		if r.Failed > 0 {
			n.Level = events.LevelWarning
		}
		lines = append(lines, fmt.Sprintf("%s: %d of %d done, ended %s", r.ID, r.Done, r.Machines, clock(r.EndedAt)))
	}
	n.Title = fmt.Sprintf("While nothing was told: %d requests ended", len(late))
	if len(late) == 1 {
		n.Title = "While nothing was told: a request ended"
	}
	n.Text = strings.Join(lines, "\n")
	return n
}

// refusedNote words a command that was refused.
func refusedNote(c cases.Case) events.Note {
	n := events.Note{Level: events.LevelWarning, Kind: kindRequest, State: events.NoteClosed, Fact: c.ID + "/" + events.StepRequest, Since: c.Since, Title: "Refused: request " + c.ID}
	if len(c.Asked) > 0 {
		n.Title = "Refused: request for " + names(c.Asked)
	}
	lines := []string{}
	for _, p := range c.Problems {
		if strings.HasPrefix(p.Place, "/data/case") {
			n.Title = "Refused: command " + c.ID
		}
		what := p.Sentence()
		lines = append(lines, sentence(oneLine(what), oneLine(p.Remedy)))
		n.Causes = append(n.Causes, events.NoteCause{Code: p.Code, What: oneLine(what), Do: oneLine(p.Remedy)})
	}
	n.Text = strings.Join(append(lines, "Nothing was started."), "\n")
	return n
}

// list names machines, the first twenty of many.
func list(all []string) string {
	const shown = 20
	if len(all) <= shown {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), len(all)-shown)
}

func counted(machines int) string {
	if machines == 1 {
		return "1 machine"
	}
	return fmt.Sprintf("%d machines", machines)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func duration(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %02d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
}

// What a notification holds at most, by its schema.
const (
	mostTitle    = 512
	mostText     = 16384
	mostWhat     = 4096
	mostMachines = 1000
	mostCauses   = 100
)

// bounded cuts what the schema would refuse.
func bounded(n events.Note) events.Note {
	n.Title, n.Text = cut(cmp.Or(oneLine(n.Title), n.Kind), mostTitle), cut(cmp.Or(n.Text, n.Title), mostText)
	n.Machines, n.Alarms = n.Machines[:min(len(n.Machines), mostMachines)], n.Alarms[:min(len(n.Alarms), mostMachines)]
	n.Causes = slices.Clone(n.Causes[:min(len(n.Causes), mostCauses)])
	for i, c := range n.Causes {
		c.Code, c.What, c.Do, c.Next = cut(cmp.Or(c.Code, "unknown"), 256), cut(cmp.Or(c.What, c.Code, "unknown"), mostWhat), cut(c.Do, mostWhat), cut(c.Next, 1024)
		c.Machines = c.Machines[:min(len(c.Machines), mostMachines)]
		n.Causes[i] = c
	}
	n.Plan = cut(n.Plan, 256)
	return n
}

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// Sample is a message for who tries a channel: it opens a story and needs nobody.
func Sample(site string, now time.Time) Message {
	thread := "test/" + site + "/" + strconv.FormatInt(now.UnixNano(), 36)
	h := events.Header{ID: "test/notification/" + strings.ReplaceAll(thread, "/", "-"), Source: "/reprotect/" + site + "/notifier", Type: events.TypeNotification.CloudType(),
		Site: site, Case: "test", Subject: "test", Step: "notification", Time: now.UTC(), DataSchema: events.TypeNotification.Schema()}
	return Message{h, events.Note{
		Level: events.LevelInfo, Kind: "test", Title: "Reprotect: this channel works", Text: "A sample, sent by 'reprotect notify test'. Nobody needs to do anything.",
		Fact: "test", Thread: thread, Number: 1, State: events.NoteClosed, Since: now.UTC(), Machines: []string{"web01"},
	}}
}
