package app

import (
	"context"
	"errors"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/journal"
	"reprotect.example/services/validator"
)

// stories is where the validator reads what became of a case: on NATS the stream, on Service Bus the journal.
func (o outside) stories() validator.Log {
	switch {
	case o.bus == nil: // only its subscription is asked for
		return nil
	case o.bus.NATS != nil:
		return stream{o.bus.NATS}
	}
	return kept{o.journal, o.bus.Journal}
}

// stream is the log from which commands are delivered, so that it has each of them.
type stream struct{ *jetstream.Conn }

func (stream) Kept(context.Context, string, string) (bool, error) { return true, nil }

// kept is the log as the journal has it: that of this process while it serves, else the one at journal.url.
type kept struct {
	own   *ownJournal // nil where this process keeps none
	other *journalclient.Client
}

func (k kept) ownServes() bool { return k.own != nil && k.own.serves.Load() }

// Story implements validator.Log.
func (k kept) Story(ctx context.Context, caseID string) ([]bus.Received, error) {
	if k.ownServes() {
		return k.own.Story(ctx, caseID)
	}
	return k.other.Story(ctx, caseID)
}

var errFound = errors.New("found")

// Kept implements validator.Log. Commands are few, so all on the subject are read.
func (k kept) Kept(ctx context.Context, subject, id string) (bool, error) {
	each := func(r bus.Received) error {
		if cases.ReadEntry(r).Header.ID == id {
			return errFound
		}
		return nil
	}
	var err error
	if k.ownServes() {
		err = k.own.Read(ctx, journal.Reading{Filters: []string{subject}}, each)
	} else {
		err = k.other.Read(ctx, journalclient.Reading{Filters: []string{subject}}, each)
	}
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}
