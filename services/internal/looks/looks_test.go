package looks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// seen is what a look of these tests sees: which it is, and what was asked of it.
type seen struct {
	number int
	asks   []string
}

// reader looks for a second and counts.
type reader struct {
	looks []seen
	ended []error // of the context, when a look was over
	err   error
}

func (r *reader) read(ctx context.Context, asks []string) (seen, error) {
	number := len(r.looks) + 1
	r.looks = append(r.looks, seen{number, asks})
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	r.ended = append(r.ended, ctx.Err())
	return seen{number, asks}, errors.Join(r.err, ctx.Err())
}

func pause(d time.Duration) { <-time.After(d) }

func TestOneLookServesAllWhoAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		s := New(time.Now, r.read)
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				if got, err := s.Get(t.Context(), "", time.Minute, nil); got.number != 1 || err != nil {
					t.Errorf("look %d, %v", got.number, err)
				}
			})
		}
		callers.Wait()
		if len(r.looks) != 1 {
			t.Errorf("%d looks for 50 callers", len(r.looks))
		}
	})
}

// With maxAge 0 a look serves that began after the call: it may have seen what was changed before. All who came while one
// ran go together in the next, and it is told what each asks.
func TestWhoCameTooLateGoesInTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		s := New(time.Now, r.read)
		var callers sync.WaitGroup
		for i := range 20 {
			name := fmt.Sprint("vm", i)
			callers.Go(func() {
				got, err := s.Get(t.Context(), name, 0, nil)
				if err != nil || !slices.Contains(got.asks, name) || i > 0 && got.number != 2 {
					t.Errorf("%s: look %d at %v, %v", name, got.number, got.asks, err)
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		if len(r.looks) != 2 || len(r.looks[0].asks) != 1 || len(r.looks[1].asks) != 19 {
			t.Errorf("looks %v", r.looks)
		}
	})
}

func TestAgeAndFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		s := New(time.Now, r.read)
		for _, step := range []struct {
			name   string
			wait   time.Duration
			maxAge time.Duration
			fails  bool // the next look does
			misfit int  // the number of a look that does not fit
			want   int
		}{
			{"the first", 0, time.Minute, false, 0, 1},
			{"young enough", 30 * time.Second, time.Minute, false, 0, 1},
			{"too old, counted from its beginning", 30 * time.Second, time.Minute, false, 0, 2},
			{"does not fit", 0, time.Minute, false, 2, 3},
			{"wanted anew", 0, 0, false, 0, 4},
			{"one that was made for the caller is taken as it is", 0, 0, false, 5, 5},
			{"fails", 2 * time.Minute, time.Minute, true, 0, 6},
			{"a failure answers for a moment", 3 * time.Second, time.Minute, true, 0, 6},
			{"and then no more", 3 * time.Second, time.Minute, true, 0, 7},
			{"not for one who wants it younger", 2 * time.Second, time.Second, false, 0, 8},
		} {
			pause(step.wait)
			r.err = nil
			if step.fails {
				r.err = errors.New("no answer")
			}
			got, err := s.Get(t.Context(), "", step.maxAge, func(v seen) bool { return v.number != step.misfit })
			if got.number != step.want || (err != nil) != step.fails {
				t.Errorf("%s: look %d, want %d: %v", step.name, got.number, step.want, err)
			}
		}
	})
}

// A look that succeeded goes on answering while it is young, though one after it has failed.
func TestAFailureDoesNotHideWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		s := New(time.Now, r.read)
		if _, err := s.Get(t.Context(), "", time.Minute, nil); err != nil {
			t.Fatal(err)
		}
		r.err = errors.New("no answer")
		if _, err := s.Get(t.Context(), "", 0, nil); err == nil {
			t.Fatal("the look that was wanted anew did not fail")
		}
		if got, err := s.Get(t.Context(), "", time.Minute, nil); got.number != 1 || err != nil {
			t.Errorf("look %d, %v", got.number, err)
		}
	})
}

func TestWhoLeavesDoesNotEndTheLookOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		s := New(time.Now, r.read)
		ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := s.Get(ctx, "", time.Minute, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who left was told %v", err)
			}
		})
		synctest.Wait()
		if got, err := s.Get(t.Context(), "", time.Minute, nil); got.number != 1 || err != nil {
			t.Errorf("who stayed got look %d, %v", got.number, err)
		}
		callers.Wait()
	})
}

func TestALookThatNobodyWaitsForEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		s := New(time.Now, r.read)
		ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, err := s.Get(ctx, "", time.Minute, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who left was told %v", err)
		}
		// It is on its way to end: whoever comes now needs another.
		if got, err := s.Get(t.Context(), "", time.Minute, nil); got.number != 2 || err != nil {
			t.Errorf("look %d, %v", got.number, err)
		}
		if !slices.Equal(r.ended, []error{context.Canceled, nil}) {
			t.Errorf("the looks ended with %v", r.ended)
		}
	})
}

func TestALookIsGivenUpAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Now, func(ctx context.Context, _ []string) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		begun := time.Now()
		if _, err := s.Get(t.Context(), "", 0, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != limit {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// Callers come, with an age each, and some leave; looks take long and fail. Whatever happens: looks do not overlap, each is
// wanted by somebody whom none before serves, and everybody gets one that is as young as was asked.
func TestProperty(t *testing.T) {
	type caller struct {
		after, maxAge, patience time.Duration
	}
	type record struct {
		began, ended time.Time
		asks         []int
		failed       bool
	}
	seconds := func(most int) *rapid.Generator[time.Duration] {
		return rapid.Map(rapid.IntRange(0, most), func(n int) time.Duration { return time.Duration(n) * time.Second })
	}
	rapid.Check(t, func(rt *rapid.T) {
		callers := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) caller {
			return caller{seconds(4).Draw(rt, "after"), seconds(20).Draw(rt, "maxAge"), seconds(15).Draw(rt, "patience") + 500*time.Millisecond}
		}), 1, 30).Draw(rt, "callers")
		lasts := rapid.SliceOfN(seconds(7), 40, 40).Draw(rt, "looks last")
		fails := rapid.SliceOfN(rapid.Bool(), 40, 40).Draw(rt, "looks fail")
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var all []record
			running := 0
			s := New(time.Now, func(ctx context.Context, asks []int) (int, error) {
				mu.Lock()
				number := len(all)
				all = append(all, record{began: time.Now(), asks: asks})
				if running++; running > 1 || len(asks) == 0 {
					rt.Errorf("look %d: %d run at once, for %d asks", number, running, len(asks))
				}
				mu.Unlock()
				var err error
				select {
				case <-ctx.Done():
					err = ctx.Err()
				case <-time.After(lasts[number%len(lasts)] + time.Millisecond):
					if fails[number%len(fails)] {
						err = errors.New("failed")
					}
				}
				mu.Lock()
				defer mu.Unlock()
				running--
				all[number].ended, all[number].failed = time.Now(), err != nil
				return number, err
			})
			var wait sync.WaitGroup
			for i, c := range callers {
				pause(c.after)
				wait.Go(func() {
					came := time.Now()
					ctx, leave := context.WithTimeout(t.Context(), c.patience)
					defer leave()
					number, err := s.Get(ctx, i, c.maxAge, nil)
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, context.DeadlineExceeded) && time.Since(came) >= c.patience {
						return // left
					}
					l := all[number]
					mine := slices.Contains(l.asks, i)
					age := c.maxAge
					if l.failed {
						age = min(age, failureAge)
					}
					joined := came // when it was taken, or when the caller began to wait for it
					if l.began.After(came) {
						joined = l.began
					}
					switch {
					case (err != nil) != l.failed:
						rt.Errorf("caller %d got %v of look %d, which failed: %t", i, err, number, l.failed)
					case mine && l.began.Before(came):
						rt.Errorf("look %d was made for caller %d, and began before it came", number, i)
					case !mine && c.maxAge <= 0 && !l.began.After(came) && l.began != came:
						rt.Errorf("caller %d wants all anew, and got look %d of before", i, number)
					case !mine && l.ended.Before(came) && joined.Sub(l.began) > age:
						rt.Errorf("caller %d wants at most %s, and got one of %s", i, age, joined.Sub(l.began))
					}
				})
			}
			wait.Wait()
			synctest.Wait()
			for number, l := range all {
				for _, ask := range l.asks {
					for _, before := range all[:number] {
						if !before.failed && slices.Contains(before.asks, ask) {
							rt.Errorf("look %d was made for %d, which an earlier one had answered", number, ask)
						}
					}
				}
			}
		})
	})
}
