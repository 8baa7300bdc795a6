package notifier

import (
	"context"
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/workflow"
)

// PerMachine is a service that has no state and turns every fact that a person cares about into a notification of its own.
func PerMachine() workflow.Service {
	return workflow.Service{Name: "notifier", All: true, Routes: []workflow.Route{
		tell(events.TypeAccepted, accepted),
		tell(events.TypeRefused, refused),
		tell(events.TypeRejected, rejected),
		tell(events.TypeStarted, started),
		tell(events.TypeRehearsed, rehearsed),
		tell(events.TypeCompleted, completed),
		tell(events.TypeFailed, failed),
		tell(events.TypeCancelled, cancelled),
		tell(events.TypeWaiting, waits),
		tell(events.TypeViolated, violated),
		tell(events.TypeCleared, cleared),
		tell(events.TypeAcknowledged, acknowledged),
		tell(events.TypeUnwatched, unwatched),
		tell(events.TypeWatched, watched),
	}}
}

// tell answers a fact with the notification that words make of it.
func tell[T any](t events.Type[T], words func(T) events.Note) workflow.Route {
	return workflow.On(t, "", func(_ context.Context, e workflow.Event[T], _ workflow.None) (workflow.Result[workflow.None], error) {
		note, worth := worded(t, e, words)
		if !worth {
			return workflow.Result[workflow.None]{}, nil
		}
		return workflow.Result[workflow.None]{Publish: []workflow.Draft{workflow.Notify(note)}}, nil
	})
}

// worded is the notification of one fact; worth is false where nobody needs to be told.
func worded[T any](t events.Type[T], e workflow.Event[T], words func(T) events.Note) (note events.Note, worth bool) {
	if words == nil {
		return note, false
	}
	note = words(e.Data)
	note.Fact, note.Kind = e.ID, t.Name
	return bounded(note), note.Title != ""
}

func accepted(d events.Accepted) events.Note {
	text := "The preconditions are being checked. Nothing has been changed yet."
	if d.Case.Reason != "" {
		text += " Reason: " + d.Case.Reason + "."
	}
	return about(events.LevelInfo, "Reprotect requested", d.Case, text)
}

func refused(d events.Refused) events.Note {
	var lines []string
	for _, p := range d.Problems {
		lines = append(lines, sentence(p.Sentence(), p.Remedy))
	}
	return events.Note{Level: events.LevelWarning, Title: "Request refused", Text: strings.Join(lines, "\n") + "\nNothing was started."}
}

func rejected(d events.Rejected) events.Note {
	var lines []string
	for _, p := range d.Problems {
		lines = append(lines, sentence(p.Message, p.Remedy))
	}
	return about(events.LevelWarning, "Not reprotected", d.Case, strings.Join(lines, "\n")+"\nNothing was changed.")
}

func started(d events.Started) events.Note {
	var jobs []string
	for _, j := range d.Jobs {
		j.Machine = cases.Label(j.Machine, j.Item)
		switch {
		case j.Again:
			jobs = append(jobs, sentence(j.Machine+": not started yet, and tried again: "+j.Refused.Message, j.Refused.Remedy))
		case j.Refused != nil:
			jobs = append(jobs, sentence(j.Machine+": not started: "+j.Refused.Message, j.Refused.Remedy))
		case j.Job == "":
			jobs = append(jobs, j.Machine+": replicates back already")
		case j.Adopted:
			jobs = append(jobs, j.Machine+": job "+j.Job+" was running already and is followed")
		default:
			jobs = append(jobs, j.Machine+": job "+j.Job)
		}
	}
	return about(events.LevelInfo, "Reprotect started", d.Case,
		strings.Join(jobs, "\n")+"\nDo not switch the on-premises machine on, and do not move the master target or appliance with Storage vMotion, until failback is done.")
}

func rehearsed(d events.Rehearsed) events.Note {
	var lines []string
	for _, m := range d.Would {
		lines = append(lines, fmt.Sprintf("%s would go to datastore %s (%s location)", m.Name, m.Datastore, m.Location))
	}
	return about(events.LevelInfo, "Rehearsal passed", d.Case, strings.Join(lines, "\n")+"\nNothing was started.")
}

func completed(d events.Completed) events.Note {
	return about(events.LevelInfo, "Protected", d.Case, "Replication from Azure to on-premises is in place. Failback can be started; it means downtime, so choose the hour.")
}

func failed(d events.Failed) events.Note {
	n := events.Note{Level: events.LevelCritical, Title: "Reprotect failed", Text: sentence(d.Message, d.Remedy)}
	if d.Words != "" {
		n.Text += "\nAzure says: " + d.Words
	}
	if d.Case != nil {
		n = about(n.Level, n.Title, *d.Case, n.Text)
	}
	for _, m := range d.Machines {
		n.Text += fmt.Sprintf("\n%s: %s", cases.Label(m.Machine, m.Item), m.State)
		if m.Message != "" && len(d.Machines) > 1 {
			n.Text += ". " + sentence(m.Message, m.Remedy)
		}
	}
	return n
}

func cancelled(d events.Cancelled) events.Note {
	return about(events.LevelWarning, "Cancelled", d.Case, sentence("The case was cancelled", d.Reason))
}

func waits(d events.Waiting) events.Note {
	if d.For == events.ForTurn { // its place in the queue changes often, and it starts by itself
		return events.Note{}
	}
	level := events.LevelInfo
	text := d.Message
	if d.Remedy != "" { // somebody can do something about it
		level = events.LevelWarning
		text = sentence(text, d.Remedy)
	}
	if !d.Until.IsZero() {
		text += " Waits until " + d.Until.UTC().Format("2006-01-02 15:04 MST") + "."
	}
	return events.Note{Level: level, Title: "Waiting: " + names(cases.LabelsOfWaiting(d)), Text: text, Machines: d.Machines}
}

func violated(d events.Violated) events.Note {
	return events.Note{Level: events.LevelCritical, Title: "Danger: " + d.What, Text: d.Endangers + "\n" + d.Do, Machines: named(d.Machine)}
}

func cleared(d events.Cleared) events.Note {
	n := events.Note{Level: events.LevelInfo, Title: "Over: " + d.What, Text: span(d.From, d.Until), Machines: named(d.Machine)}
	if d.Remains != "" {
		n.Level, n.Text = events.LevelWarning, n.Text+"\n"+sentence(d.Remains, d.Do)+"\nThe alarm stays until somebody acknowledges it."
	}
	return n
}

func acknowledged(d events.Acknowledged) events.Note {
	who := d.RequestedBy
	if who == "" {
		who = "somebody"
	}
	return events.Note{Level: events.LevelInfo, Title: "Alarm acknowledged by " + who, Text: sentence(d.Violation, d.Reason)}
}

func unwatched(d events.Unwatched) events.Note {
	n := events.Note{Level: events.LevelWarning, Title: "Not watched: " + d.VM, Text: sentence(d.What, d.Do), Machines: named(d.Machine)}
	for _, path := range d.Candidates {
		n.Text += "\n" + path
	}
	return n
}

func watched(d events.Watched) events.Note {
	return events.Note{Level: events.LevelInfo, Title: "Watched again: " + d.VM, Text: sentence(d.What, "It was not watched "+span(d.From, d.Until)), Machines: named(d.Machine)}
}

func span(from, until time.Time) string {
	const form = "2006-01-02 15:04:05"
	return "from " + from.UTC().Format(form) + " to " + until.UTC().Format(form+" MST") + "."
}

func named(machine string) []string {
	if machine == "" {
		return nil
	}
	return []string{machine}
}

func about(level, title string, c events.Case, text string) events.Note {
	return events.Note{Level: level, Title: title + ": " + names(cases.LabelsOf(c)), Text: text, Machines: c.Names()}
}

// names lists the first few machines: a title is read at a glance.
func names(all []string) string {
	const shown = 3
	if len(all) <= shown {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), len(all)-shown)
}

func sentence(what, remedy string) string {
	what = strings.TrimRight(what, ". ") + "."
	if remedy == "" {
		return what
	}
	return what + " " + remedy
}
