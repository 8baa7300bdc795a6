// Package notifier turns every fact that a person cares about into a notification that is ready to post.
package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// New makes the service.
func New() bus.Service {
	return bus.Service{Name: "notifier", Routes: []bus.Route{bus.OnAny(notify)}}
}

func notify(_ context.Context, e bus.Event[json.RawMessage]) (bus.Result, error) {
	note, ok, err := Note(e.Event)
	if err != nil || !ok {
		return bus.Result{}, err
	}
	return bus.Result{Publish: []bus.Draft{bus.Notify(note)}}, nil
}

// Note words the notification of a fact; ok is false for facts that nobody needs to be told of. A fact that
// cannot be read is an error.
func Note(e events.Event[json.RawMessage]) (note events.Note, ok bool, err error) {
	kind, known := events.KindOf(e.Type)
	if !known {
		return note, false, fmt.Errorf("type %q is not known to this version", e.Type)
	}
	switch kind {
	case events.TypeAccepted.Kind:
		note, err = word(events.TypeAccepted, e, accepted)
	case events.TypeRefused.Kind:
		note, err = word(events.TypeRefused, e, refused)
	case events.TypeRejected.Kind:
		note, err = word(events.TypeRejected, e, rejected)
	case events.TypeRegistered.Kind:
		note, err = word(events.TypeRegistered, e, registered)
	case events.TypeStarted.Kind:
		note, err = word(events.TypeStarted, e, started)
	case events.TypeRehearsed.Kind:
		note, err = word(events.TypeRehearsed, e, rehearsed)
	case events.TypeCompleted.Kind:
		note, err = word(events.TypeCompleted, e, completed)
	case events.TypeFailed.Kind:
		note, err = word(events.TypeFailed, e, failed)
	case events.TypeCancelled.Kind:
		note, err = word(events.TypeCancelled, e, cancelled)
	case events.TypeWaiting.Kind:
		note, err = word(events.TypeWaiting, e, waits)
	case events.TypeViolated.Kind:
		note, err = word(events.TypeViolated, e, violated)
	default: // steps in between and progress: the log has them
		return note, false, nil
	}
	note.Fact, note.Kind = e.ID, kind.Name
	return note, err == nil, err
}

func word[T any](t events.Type[T], e events.Event[json.RawMessage], say func(T) events.Note) (events.Note, error) {
	typed, err := events.As(t, e)
	if err != nil {
		return events.Note{}, err
	}
	return say(typed.Data), nil
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
		lines = append(lines, sentence(strings.TrimPrefix(p.Place+": ", ": ")+p.Message, p.Remedy))
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

func registered(d events.Registered) events.Note {
	return about(events.LevelInfo, "Agent is back", d.Case, "The agent has registered again after the failover. The reprotect job starts next.")
}

func started(d events.Started) events.Note {
	var jobs []string
	for _, j := range d.Jobs {
		switch {
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
		n.Text += fmt.Sprintf("\n%s: %s", m.Machine, m.State)
	}
	return n
}

func cancelled(d events.Cancelled) events.Note {
	return about(events.LevelWarning, "Cancelled", d.Case, sentence("The case was cancelled", d.Reason))
}

func waits(d events.Waiting) events.Note {
	level := events.LevelInfo
	text := d.Message
	if d.Remedy != "" { // somebody can do something about it
		level = events.LevelWarning
		text = sentence(text, d.Remedy)
	}
	if !d.Until.IsZero() {
		text += " Waits until " + d.Until.UTC().Format("15:04 MST") + "."
	}
	return events.Note{Level: level, Title: "Waiting: " + names(d.Machines), Text: text, Machines: d.Machines}
}

func violated(d events.Violated) events.Note {
	n := events.Note{Level: events.LevelCritical, Title: "Danger: " + d.What, Text: d.Endangers + "\n" + d.Do}
	if d.Machine != "" {
		n.Machines = []string{d.Machine}
	}
	return n
}

func about(level, title string, c events.Case, text string) events.Note {
	return events.Note{Level: level, Title: title + ": " + names(c.Names()), Text: text, Machines: c.Names()}
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
