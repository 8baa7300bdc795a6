package cases

import (
	"fmt"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Entry is a message of the event log, read.
type Entry struct {
	Sequence uint64
	Time     time.Time // of the event; of its storage when the event has none
	Subject  string
	Header   events.Header
	Kind     events.Kind // zero when this version does not know it
	Data     any         // the Go type of the kind; nil when Problem says why not
	Problem  string
}

// ReadEntry reads a message of the event log. It never fails: what cannot be understood says so in Problem.
func ReadEntry(r bus.Received) Entry {
	e := Entry{Sequence: r.Sequence, Time: r.Published, Subject: r.Subject}
	var err error
	switch r.Subject {
	case events.CommandSubject(events.TypeRequest.Kind):
		err = e.fill(readCommand(events.TypeRequest, r))
	case events.CommandSubject(events.TypeCancel.Kind):
		err = e.fill(readCommand(events.TypeCancel, r))
	case events.CommandSubject(events.TypeRetry.Kind):
		err = e.fill(readCommand(events.TypeRetry, r))
	case events.CommandSubject(events.TypeAcknowledge.Kind):
		err = e.fill(readCommand(events.TypeAcknowledge, r))
	case events.CommandSubject(events.TypeFailback.Kind):
		err = e.fill(readCommand(events.TypeFailback, r))
	case events.CommandSubject(events.TypeCommit.Kind):
		err = e.fill(readCommand(events.TypeCommit, r))
	case events.CommandSubject(events.TypeWithdraw.Kind):
		err = e.fill(readCommand(events.TypeWithdraw, r))
	case events.CommandSubject(events.TypeProtect.Kind):
		err = e.fill(readCommand(events.TypeProtect, r))
	default:
		if name, unknown := strings.CutPrefix(r.Subject, events.SubjectCommands+"."); unknown {
			e.Header = events.Header{Type: name, ID: bus.CommandID(r)}
			err = fmt.Errorf("nothing answers commands on %s", r.Subject)
			break
		}
		err = e.fill(events.Read(r.Data))
	}
	if err != nil {
		e.Data, e.Problem = nil, err.Error()
	}
	e.Kind, _ = events.KindOf(e.Header.Type)
	if !e.Header.Time.IsZero() {
		e.Time = e.Header.Time
	}
	return e
}

func (e *Entry) fill(read events.Event[any], err error) error {
	e.Header, e.Data = read.Header, read.Data
	return err
}

func readCommand[T any](t events.Type[T], r bus.Received) (events.Event[any], error) {
	read, err := events.ParseCommand(t, r.Data, r.Headers, bus.CommandID(r))
	if read.Type == "" {
		read.Type = t.CloudType()
	}
	return events.Event[any]{Header: read.Header, Data: read.Data}, err
}
