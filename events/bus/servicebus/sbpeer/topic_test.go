package sbpeer_test

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus/sbpeer"
)

func TestFilters(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "events")
		bySubject, byProperties, half, neither := message("1", ""), message("2", ""), message("3", ""), message("4", "")
		bySubject.Subject = ptr("alarm")
		byProperties.ApplicationProperties = map[string]any{"level": int64(3), "site": "tokyo"}
		half.ApplicationProperties = map[string]any{"level": 3, "site": "osaka"}
		neither.Subject = ptr("Alarm") // values are compared as they are
		send(t, s, bySubject, byProperties, half, neither)
		counts(t, e.peer, "events/Subscriptions/all", sbpeer.Counts{Active: 4})
		counts(t, e.peer, "events/Subscriptions/alarms", sbpeer.Counts{Active: 2})
		if st := e.peer.Stats(); st.FilterEvaluations != 4*(1+2) {
			t.Errorf("%d filters were evaluated", st.FilterEvaluations)
		}
		all := receive(t, e.subscription(t, "alarms", nil), 2)
		if all[0].MessageID != "1" || all[1].MessageID != "2" || *all[1].SequenceNumber != 2 || *all[1].EnqueuedSequenceNumber != 2 {
			t.Fatalf("got %+v, %+v", all[0], all[1])
		}
	})
}

func TestDuplicates(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		s := e.sender(t, "events")
		send(t, s, message("1", "first"), message("1", "second"))
		numbers, err := s.ScheduleMessages(patience(t), []*azservicebus.Message{message("2", "later")}, e.peer.Now().Add(time.Minute), nil)
		ok(t, err)
		if len(numbers) != 1 {
			t.Fatalf("numbers %v", numbers)
		}
		send(t, s, message("2", "now")) // the id is remembered since it was scheduled
		counts(t, e.peer, "events/Subscriptions/all", sbpeer.Counts{Active: 1})
		e.peer.Advance(time.Minute)
		counts(t, e.peer, "events/Subscriptions/all", sbpeer.Counts{Active: 2})
		if st := e.peer.Stats(); st.Duplicates != 2 || st.Sends != 4 {
			t.Errorf("%+v", st)
		}
		e.peer.Advance(10 * time.Minute)
		send(t, s, message("1", "third"))
		counts(t, e.peer, "events/Subscriptions/all", sbpeer.Counts{Active: 3})
	})
}

func TestSchedule(t *testing.T) {
	both(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		for _, entity := range []string{"work", "events"} {
			s := e.sender(t, entity)
			at := e.peer.Now().Add(time.Hour)
			numbers, err := s.ScheduleMessages(patience(t), []*azservicebus.Message{message("1", "a"), message("2", "b")}, at, nil)
			ok(t, err)
			annotated := message("3", "c")
			annotated.ScheduledEnqueueTime = &at
			send(t, s, annotated)
			counts(t, e.peer, entity, sbpeer.Counts{Scheduled: 3})
			ok(t, s.CancelScheduledMessages(patience(t), numbers[:1], nil))
			code(t, s.CancelScheduledMessages(patience(t), numbers[:1], nil), azservicebus.CodeNotFound)
			counts(t, e.peer, entity, sbpeer.Counts{Scheduled: 2})
			e.peer.Advance(time.Hour - time.Second)
			counts(t, e.peer, entity, sbpeer.Counts{Scheduled: 2})
			e.peer.Advance(time.Second)
		}
		for _, r := range []*azservicebus.Receiver{e.queue(t, "work", nil), e.subscription(t, "all", nil)} {
			all := receive(t, r, 2)
			if all[0].MessageID != "2" || all[1].MessageID != "3" || all[1].ScheduledEnqueueTime == nil {
				t.Fatalf("got %s and %s", all[0].MessageID, all[1].MessageID)
			}
		}
	})
}

func TestScheduleInVirtualTime(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		start := time.Now()
		_, err := e.sender(t, "work").ScheduleMessages(patience(t), []*azservicebus.Message{message("1", "a")}, start.Add(5*time.Second), nil)
		ok(t, err)
		one(t, e.queue(t, "work", nil))
		if d := time.Since(start); d < 5*time.Second || d > 5100*time.Millisecond {
			t.Fatalf("it came after %v", d)
		}
	})
}

func TestSetupAgain(t *testing.T) {
	bubble(t, sbpeer.Options{}, func(t *testing.T, e *env) {
		send(t, e.sender(t, "work"), message("1", "a"))
		setup(t, e.peer)
		counts(t, e.peer, "WORK", sbpeer.Counts{Active: 1})
		for name, wrong := range map[string]sbpeer.Topology{
			"other kind":     {Topics: []sbpeer.Topic{{Name: "work"}}},
			"other sessions": {Queues: []sbpeer.Queue{{Name: "work", Receiving: sbpeer.Receiving{RequiresSession: true}}}},
			"no name":        {Queues: []sbpeer.Queue{{}}},
			"reserved name":  {Queues: []sbpeer.Queue{{Name: "$cbs"}}},
			"path":           {Topics: []sbpeer.Topic{{Name: "events", Subscriptions: []sbpeer.Subscription{{Name: "a/b"}}}}},
		} {
			if e.peer.Setup(wrong) == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}
