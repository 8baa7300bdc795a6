package jetstream_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
)

func TestRead(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, embedded.Options{Fast: true}))
	setUp(t, c)
	note := func(data string) bus.Message {
		return bus.Message{Subject: "reprotect.notification.tokyo.info", ID: data, Data: []byte(data)}
	}
	publish(t, c, fact("a", "request", "accepted"), note("n1"), fact("b", "request", "accepted"), note("n2"), fact("a", "validation", "validated"))

	for name, tt := range map[string]struct {
		reading jetstream.Reading
		want    []string // sequence and data
	}{
		"everything":          {jetstream.Reading{}, []string{"1 a", "2 n1", "3 b", "4 n2", "5 a"}},
		"one filter":          {jetstream.Reading{Filters: []string{"reprotect.event.*.a.>"}}, []string{"1 a", "5 a"}},
		"two filters":         {jetstream.Reading{Filters: []string{"reprotect.event.*.b.>", "reprotect.notification.>"}}, []string{"2 n1", "3 b", "4 n2"}},
		"nothing matches":     {jetstream.Reading{Filters: []string{"reprotect.event.*.z.>"}}, nil},
		"from a sequence":     {jetstream.Reading{From: 4}, []string{"4 n2", "5 a"}},
		"from, with a filter": {jetstream.Reading{From: 2, Filters: []string{"reprotect.event.>"}}, []string{"3 b", "5 a"}},
		"from past the end":   {jetstream.Reading{From: 6}, nil},
		"latest of all":       {jetstream.Reading{Latest: true}, []string{"1 a", "3 b", "4 n2", "5 a"}},
		"latest of some":      {jetstream.Reading{Latest: true, Filters: []string{"reprotect.notification.>"}}, []string{"4 n2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.reading.Stream = jetstream.StreamLog
			var got []string
			err := c.Read(t.Context(), tt.reading, func(r bus.Received) error {
				got = append(got, strconv.FormatUint(r.Sequence, 10)+" "+string(r.Data))
				return nil
			})
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestReadFollows(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reading jetstream.Reading
		want    []string
	}{
		"from the beginning": {jetstream.Reading{Follow: true}, []string{"old", "new", "newer"}},
		"only new":           {jetstream.Reading{Follow: true, OnlyNew: true}, []string{"new", "newer"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, start(t, embedded.Options{Fast: true}))
			setUp(t, c)
			publish(t, c, fact("old", "request", "accepted"))
			tt.reading.Stream = jetstream.StreamLog
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			got, probed, ended := make(chan string, 8), make(chan struct{}), make(chan error, 1)
			sawProbe := sync.OnceFunc(func() { close(probed) })
			go func() {
				ended <- c.Read(ctx, tt.reading, func(r bus.Received) error {
					if r.Subject == "reprotect.notification.tokyo.info" {
						sawProbe()
					} else {
						got <- string(r.Data)
					}
					return nil
				})
			}()
			eventually(t, "the reader has begun", func() bool {
				publish(t, c, bus.Message{Subject: "reprotect.notification.tokyo.info", Data: []byte("probe")})
				select {
				case <-probed:
					return true
				default:
					return false
				}
			})
			publish(t, c, fact("new", "request", "accepted"), fact("newer", "request", "accepted"))
			var all []string
			for range tt.want {
				select {
				case data := <-got:
					all = append(all, data)
				case err := <-ended:
					t.Fatalf("ended after %v: %v", all, err)
				}
			}
			if !slices.Equal(all, tt.want) {
				t.Errorf("got %v, want %v", all, tt.want)
			}
			stop()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestReadEndsWithTheReadersError(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, embedded.Options{Fast: true}))
	setUp(t, c)
	publish(t, c, fact("a", "request", "accepted"), fact("b", "request", "accepted"))
	enough, calls := errors.New("enough"), 0
	err := c.Read(t.Context(), jetstream.Reading{Stream: jetstream.StreamLog}, func(bus.Received) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
