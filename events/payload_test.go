package events_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"reprotect.example/events"
)

// pinned is a row: a kind, and the proof that every value of its Go type that keeps to the comments is valid by
// the schema and comes back equal.
type pinned struct {
	kind  events.Kind
	proof func(*testing.T)
}

func pin[T any](of events.Type[T], draw func(*rapid.T) T) pinned {
	return pinned{of.Kind, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			e := events.Event[T]{Header: header(t, of.Kind), Data: draw(t)}
			raw, err := events.Encode(e)
			if err != nil {
				t.Fatalf("Encode: %v", err)
			}
			if problems := holds(raw); problems != nil {
				t.Fatalf("the schema refuses what Go encodes: %v\n%s", problems, raw)
			}
			again, err := events.Decode(of, raw)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("it comes back different (-sent +read):\n%s", diff)
			}
			untyped, err := events.Read(raw)
			if err != nil {
				t.Fatalf("Read: %v", err)
			}
			if diff := cmp.Diff(any(again.Data), untyped.Data); diff != "" {
				t.Fatalf("Read and Decode differ:\n%s", diff)
			}
		})
	}}
}

func header(t *rapid.T, k events.Kind) events.Header {
	id := caseID.Draw(t, "case")
	h := events.Header{
		ID: id + "/" + word.Draw(t, "id"), Source: "/reprotect/tokyo/validator", Type: k.CloudType(), Subject: id,
		Time: maybeWhen.Draw(t, "time"), DataSchema: k.Schema(), Site: "tokyo", Case: id, Step: k.Step,
		Request: maybe.Draw(t, "request"), Causation: maybe.Draw(t, "causation"), Position: rapid.IntRange(0, 1<<31-1).Draw(t, "position"),
	}
	if flag.Draw(t, "traced") {
		h.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	}
	return h
}

func TestPayloadsKeepToTheirSchemas(t *testing.T) {
	t.Parallel()
	rows := []pinned{
		pin(events.TypeRequest, request),
		pin(events.TypeCancel, func(t *rapid.T) events.Cancel {
			return events.Cancel{Case: caseID.Draw(t, "case"), Reason: maybe.Draw(t, "reason")}
		}),
		pin(events.TypeAcknowledge, func(t *rapid.T) events.Acknowledge {
			return events.Acknowledge{
				Alarm: fmt.Sprintf("%s/guard/%d", caseID.Draw(t, "case"), rapid.IntRange(1, 999999999).Draw(t, "number")), Reason: word.Draw(t, "reason"), RequestedBy: maybe.Draw(t, "requestedBy"),
			}
		}),
		pin(events.TypeRetry, func(t *rapid.T) events.Retry {
			return events.Retry{Case: caseID.Draw(t, "case"), Reason: maybe.Draw(t, "reason")}
		}),
		pin(events.TypeAccepted, accepted),
		pin(events.TypeRefused, refused),
		pin(events.TypeValidated, validated),
		pin(events.TypeRejected, rejected),
		pin(events.TypePlaced, placed),
		pin(events.TypeRegistered, registered),
		pin(events.TypeStarted, started),
		pin(events.TypeRehearsed, rehearsed),
		pin(events.TypeCompleted, completed),
		pin(events.TypeFailback, failback),
		pin(events.TypeCommit, onward),
		pin(events.TypeWithdraw, onward),
		pin(events.TypeProtect, onward),
		pin(events.TypeHome, home),
		pin(events.TypeCommitted, committed),
		pin(events.TypeWithdrawn, withdrawn),
		pin(events.TypeProtected, protected),
		pin(events.TypeFailed, failed),
		pin(events.TypeCancelled, cancelled),
		pin(events.TypeCancelling, func(t *rapid.T) events.Cancelling { return events.Cancelling{Reason: maybe.Draw(t, "reason")} }),
		pin(events.TypeRetrying, func(t *rapid.T) events.Retrying { return events.Retrying{Reason: maybe.Draw(t, "reason")} }),
		pin(events.TypeWaiting, waiting),
		pin(events.TypeProgressed, progressed),
		pin(events.TypeViolated, violated),
		pin(events.TypeReturned, returned),
		pin(events.TypeCleared, cleared),
		pin(events.TypeAcknowledged, func(t *rapid.T) events.Acknowledged {
			return events.Acknowledged{Violation: word.Draw(t, "violation"), Reason: word.Draw(t, "reason"), RequestedBy: maybe.Draw(t, "by")}
		}),
		pin(events.TypeUnwatched, unwatched),
		pin(events.TypeWatched, watched),
		pin(events.TypeVoided, voided),
		pin(events.TypeNotification, note),
		pin(events.TypeDead, dead),
	}
	proven := map[string]bool{}
	for _, row := range rows {
		proven[row.kind.Name] = true
		t.Run(row.kind.Name, row.proof)
	}
	for _, k := range events.Kinds() {
		if !proven[k.Name] {
			t.Errorf("%s has no generator", k.Name)
		}
	}
}

func TestEncodeRefusesWhatNoBusCarries(t *testing.T) {
	t.Parallel()
	r := events.Request{Plan: "ERP", Reason: strings.Repeat("x", events.MaxSize)}
	_, err := events.Encode(events.Event[events.Request]{Header: events.Header{ID: "r7"}, Data: r})
	if err == nil || !strings.Contains(err.Error(), "r7") {
		t.Fatalf("got %v, want an error that names the event", err)
	}
}
