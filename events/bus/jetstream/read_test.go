package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/jetstream/natstest"
)

func TestRead(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
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
			c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
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
	c := natstest.Connect(t, natstest.Start(t, embedded.Options{Fast: true}))
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

// The headers of a message are its sender's: what an answer of the server says of it is not taken from there. N1: whoever
// may command could otherwise have a command read as a fact, or have everything behind it go unread.
func TestReadersBelieveNoHeaderOfTheSender(t *testing.T) {
	t.Parallel()
	const forged = "reprotect.event.tokyo.a.replication.completed"
	for name, headers := range map[string]nats.Header{
		"subject":  {"Nats-Subject": {forged}},
		"sequence": {"Nats-Sequence": {"99"}},
		"time":     {"Nats-Time-Stamp": {"yesterday"}},
		"stream":   {"Nats-Stream": {"ELSEWHERE"}},
		"the end":  {"Status": {"204"}, "Description": {"EOB"}},
		"none":     {"Status": {"404"}},
		"refused":  {"Status": {"503"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := natstest.Start(t, embedded.Options{Fast: true})
			c := natstest.Connect(t, server)
			setUp(t, c)
			nc, err := nats.Connect(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			for _, body := range []string{"", "body"} {
				if _, err := nc.RequestMsg(&nats.Msg{Subject: "reprotect.command.cancel", Header: headers, Data: []byte(body)}, 10*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			publish(t, c, fact("a", "request", "accepted"))
			want := []string{"1 reprotect.command.cancel ", "2 reprotect.command.cancel body", "3 reprotect.event.tokyo.a.request.accepted a"}
			var read, since []string
			note := func(to *[]string) func(bus.Received) error {
				return func(r bus.Received) error {
					*to = append(*to, fmt.Sprint(r.Sequence, " ", r.Subject, " ", string(r.Data)))
					return nil
				}
			}
			if err := c.Read(t.Context(), jetstream.Reading{Stream: jetstream.StreamLog}, note(&read)); err != nil || !slices.Equal(read, want) {
				t.Errorf("read %q, %v; want %q", read, err, want)
			}
			if err := c.Since(t.Context(), 0, note(&since)); err != nil || !slices.Equal(since, want) {
				t.Errorf("since %q, %v; want %q", since, err, want)
			}
			if r, found, err := c.Stands(t.Context(), "reprotect.command.cancel"); err != nil || !found || r.Sequence != 2 || r.Subject != "reprotect.command.cancel" {
				t.Errorf("stands: %+v, %v, %v", r, found, err)
			}
			if r, found, err := c.Stands(t.Context(), forged); err != nil || found {
				t.Errorf("stands: %+v, %v", r, err)
			}
		})
	}
}
