package waiting

import (
	"errors"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
	"reprotect.example/services/workflow"
)

const look = 30 * time.Second

func TestPauseGrowsToTenLooks(t *testing.T) {
	for _, tt := range []struct {
		looks      int
		least, top time.Duration
	}{{0, 27 * time.Second, 33 * time.Second}, {1, 40 * time.Second, 50 * time.Second}, {20, 270 * time.Second, 330 * time.Second}} {
		for range 100 {
			if got := Pause(look, tt.looks); got < tt.least || got > tt.top {
				t.Fatalf("after %d looks %v, want %v to %v", tt.looks, got, tt.least, tt.top)
			}
		}
	}
}

func TestSurroundings(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		fault observed.Fault
		want  events.Reason
	}{
		{observed.Fault{Code: "azure.throttled", What: "slow down", After: 3 * time.Minute}, ForThrottle},
		{observed.Fault{Code: "azure.unreachable", What: "no answer"}, ForAzure},
		{observed.Fault{Code: "vcenter.login", What: "refused", Words: "bad password", Remedy: "mend it", Class: observed.Operator}, ForVCenter},
	} {
		r, err := Surroundings(&tt.fault, []string{"web01"}, workflow.Wait{Note: "agent\n" + now.Add(-time.Hour).Format(time.RFC3339Nano) + "\nits agent"}, now, look)
		if err != nil || len(r.Publish) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		w := r.Publish[0].Data().(events.Waiting)
		if w.For != tt.want || w.Code != tt.fault.Code || w.Remedy != tt.fault.Remedy || !w.Since.Equal(now) || !w.Until.IsZero() || !w.NextLook.Equal(now.Add(r.After)) {
			t.Errorf("%+v", w)
		}
		if r.After < tt.fault.After || r.After == 0 {
			t.Errorf("%s: again after %v", tt.fault.Code, r.After)
		}
		again, err := Surroundings(&tt.fault, nil, workflow.Wait{Looks: 1, Note: r.Note}, now.Add(time.Minute), look)
		if err != nil || len(again.Publish) != 0 || again.After == 0 {
			t.Errorf("the same wait is told twice: %+v, %v", again, err)
		}
		other, err := Surroundings(&observed.Fault{Code: "azure.timeout", What: "too slow"}, nil, workflow.Wait{Looks: 2, Note: again.Note}, now.Add(time.Hour), look)
		if err != nil || len(other.Publish) != 1 || !other.Publish[0].Data().(events.Waiting).Since.Equal(now) {
			t.Errorf("an outage that looks different counts anew: %+v, %v", other, err)
		}
	}
	own := errors.New("a mistake of ours")
	if _, err := Surroundings(own, nil, workflow.Wait{}, now, look); !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
}

func TestNextIsWhenTheNextLookShows(t *testing.T) {
	const look = 30 * time.Second
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for range 100 {
		for _, age := range []time.Duration{0, 10 * time.Second, 29 * time.Second} {
			if pause := Next(look, 0, now.Add(-age), now); age+pause < look || age+pause > look+look/5 {
				t.Fatalf("a look that is %s old is followed by one %s later", age, pause)
			}
		}
		if pause := Next(look, 0, now.Add(-time.Hour), now); pause < look/10 || pause > look {
			t.Fatalf("after an old look: %s", pause)
		}
		if pause := Next(look, 9, time.Time{}, now); pause < 9*look {
			t.Fatalf("late in a long wait: %s", pause)
		}
	}
}
