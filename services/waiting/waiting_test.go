package waiting

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/observed"
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
		{observed.Fault{Code: "azure.throttled", What: "slow down", After: 3 * time.Minute}, events.ForThrottle},
		{observed.Fault{Code: "azure.unreachable", What: "no answer"}, events.ForAzure},
		{observed.Fault{Code: "vcenter.login", What: "refused", Words: "bad password", Remedy: "correct it", Class: observed.Operator}, events.ForVCenter},
	} {
		r, err := Surroundings(&tt.fault, []string{"web01"}, Told{For: events.ForAgent, Since: now.Add(-time.Hour), Message: "its agent"}, 0, now, look)
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
		again, err := Surroundings(&tt.fault, nil, r.State, 1, now.Add(time.Minute), look)
		if err != nil || len(again.Publish) != 0 || again.After == 0 {
			t.Errorf("the same wait is told twice: %+v, %v", again, err)
		}
		other, err := Surroundings(&observed.Fault{Code: "azure.timeout", What: "too slow"}, nil, again.State, 2, now.Add(time.Hour), look)
		if err != nil || len(other.Publish) != 1 || !other.Publish[0].Data().(events.Waiting).Since.Equal(now) {
			t.Errorf("an outage that looks different counts anew: %+v, %v", other, err)
		}
	}
	own := errors.New("a mistake of ours")
	if _, err := Surroundings(own, nil, Told{}, 0, now, look); !errors.Is(err, own) {
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

// What the program before typed states kept is read as what it was, so that a wait goes on untold.
func TestToldReadsTheTextOfBefore(t *testing.T) {
	since := time.Date(2026, 11, 22, 9, 0, 0, 500, time.UTC)
	for _, tt := range []struct {
		text string
		want Told
	}{
		{"agent\n2026-11-22T09:00:00.0000005Z\nno agent yet", Told{For: events.ForAgent, Since: since, Message: "no agent yet"}},
		{"turn\n2026-11-22T09:00:00.0000005Z\ntwo\nlines\n13", Told{For: events.ForTurn, Since: since, Message: "two\nlines", Place: 13}},
		{"azure\n2026-11-22T09:00:00.0000005Z\ntwo\nlines", Told{For: events.ForAzure, Since: since, Message: "two\nlines"}},
		{"web01 running 10;", Told{}},
		{"a\nb\nc", Told{}},
		{"", Told{}},
	} {
		raw, err := json.Marshal(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		var got Told
		if err := json.Unmarshal(raw, &got); err != nil || !got.Equal(tt.want) {
			t.Errorf("%q: %+v, %v", tt.text, got, err)
		}
		raw, err = json.Marshal(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &got); err != nil || !got.Equal(tt.want) {
			t.Errorf("again: %+v, %v", got, err)
		}
	}
	var got Told
	if err := json.Unmarshal([]byte("7"), &got); err == nil {
		t.Error("a number was read")
	}
}

func TestToldDiffersByWhatIsTold(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	w := events.Waiting{For: events.ForTurn, Since: now, Message: "m", Place: 3}
	first := On(w, Told{}, now, look)
	if len(first.Publish) != 1 || first.After != look {
		t.Fatalf("%+v", first)
	}
	for name, change := range map[string]func(*events.Waiting){
		"reason": func(w *events.Waiting) { w.For = events.ForAgent }, "time": func(w *events.Waiting) { w.Since = now.Add(1) },
		"message": func(w *events.Waiting) { w.Message = "n" }, "place": func(w *events.Waiting) { w.Place = 2 },
	} {
		other := w
		change(&other)
		if r := On(other, first.State, now, look); len(r.Publish) != 1 {
			t.Errorf("another %s is not told", name)
		}
	}
	if r := On(w, first.State, now.Add(time.Hour-1), look); len(r.Publish) != 0 {
		t.Error("the same is told twice")
	}
	for near, far := range map[int]int{11: 15, 33: 62, 100: 120} { // told again whenever half of those before it are through
		a, b := w, w
		a.Place, b.Place = near, far
		if r := On(a, On(b, Told{}, now, look).State, now, look); len(r.Publish) != 0 {
			t.Errorf("place %d is told again after %d", near, far)
		}
	}
}

// Nothing waits for ever without a word: F7, and any other wait that has no end of its own.
func TestTheSameWaitIsToldAgainAtGrowingPauses(t *testing.T) {
	since := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	w := events.Waiting{For: events.ForAzure, Code: "ScopeLocked", Message: "The vault is locked.", Since: since}
	state, at := Told{}, map[time.Duration]string{}
	for after := time.Duration(0); after <= 96*time.Hour; after += time.Minute {
		r := On(w, state, since.Add(after), time.Minute)
		raw, err := json.Marshal(r.State) // as it is kept
		if err != nil {
			t.Fatal(err)
		}
		if state = (Told{}); json.Unmarshal(raw, &state) != nil {
			t.Fatal(err)
		}
		for _, d := range r.Publish {
			at[after] = d.Data().(events.Waiting).Message
		}
	}
	const said = "The vault is locked. This has lasted for "
	want := map[time.Duration]string{
		0: "The vault is locked.", time.Hour: said + "60 minutes.", 3 * time.Hour: said + "3 hours.", 7 * time.Hour: said + "7 hours.",
		15 * time.Hour: said + "15 hours.", 31 * time.Hour: said + "31 hours.", 55 * time.Hour: said + "2 days.", 79 * time.Hour: said + "3 days.",
	}
	if !maps.Equal(at, want) {
		t.Errorf("told %v", at)
	}
	other := w
	other.Message = "Azure does not answer."
	if r := On(other, state, since.Add(97*time.Hour), look); len(r.Publish) != 1 || r.State.Again != 0 {
		t.Errorf("another wait goes on with the pauses of this one: %+v", r.State)
	}
	older := first(t, w, since)
	older.At = time.Time{} // kept by an older version
	if r := On(w, older, since.Add(5*time.Hour), look); len(r.Publish) != 0 || !r.State.At.Equal(since.Add(5*time.Hour)) {
		t.Errorf("a wait of an older version is told anew: %+v", r)
	}
}

func first(t *testing.T, w events.Waiting, now time.Time) Told {
	t.Helper()
	return On(w, Told{}, now, look).State
}

// F13d: what README says of the looks of six hours of replication, each percent of which moves by itself: a look after each
// move, and then at growing pauses until the next.
func TestLooksOfSixHours(t *testing.T) {
	const look, hours = 30 * time.Second, 6 * time.Hour
	begun := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	looks, moves, still, seen := 0, 0, 0, -1
	for now := begun; now.Before(begun.Add(hours)); looks++ {
		percent := int(100 * now.Sub(begun) / hours)
		if still++; percent != seen {
			still, seen = 0, percent
			moves++
		}
		now = now.Add(Next(look, still, now, now))
	}
	if looks < 340 || looks > 460 || moves != 100 {
		t.Errorf("%d looks and %d moves; README says some 400 and 100", looks, moves)
	}
	// Two operations a look; a report is sent once, and delivered to notifier and journal.
	if operations := 29 + 2*looks + 3*moves; operations < 1000 || operations > 1250 {
		t.Errorf("%d operations; README says about 1,150", operations)
	}
}
