package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/console"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/journal"
)

// consoleFigures measures the console over a journal of so many cases: how long its pages take, and how long a fact takes
// until a browser has the page that tells of it.
func consoleFigures(ctx context.Context, cases int) error {
	dir, err := os.MkdirTemp("", "reprotect-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := journal.Open(ctx, filepath.Join(dir, "journal.db"))
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // all that counts is read
	l := &logWriter{store: store}
	begun := time.Now()
	if err := l.fill(ctx, cases); err != nil {
		return err
	}
	emit(map[string]any{"figure": "journalled", "unit": "events/s", "product": round(float64(l.sequence) / time.Since(begun).Seconds()), "cases": cases})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	shown := console.New(console.Options{Journal: app.Browsed(store), Sites: []string{"tokyo"}, Access: console.Access{Loopback: true}, Drain: ctx.Done()})
	var running sync.WaitGroup
	running.Go(func() { shown.Run(ctx) })
	running.Go(func() { _ = telemetry.Serve(ctx, listener, shown.Handler()) }) // what is asked for shows that it ended
	defer running.Wait()
	defer stop()
	address := "http://" + listener.Addr().String()

	begun = time.Now()
	for {
		status, err := fetch(ctx, address+"/api/v1/status")
		if err != nil {
			return err
		}
		if status == http.StatusOK {
			break
		}
		if time.Since(begun) > 5*time.Minute {
			return errors.New("the console does not get ready")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	emit(map[string]any{"figure": "console ready", "unit": "ms", "product": round(time.Since(begun).Seconds() * 1000), "cases": cases})
	for name, path := range map[string]string{"Overview": "/", "Cases": "/cases", "Cases, searched": "/cases?q=vm0999", "API status": "/api/v1/status"} {
		took, err := pages(ctx, l, address+path)
		if err != nil {
			return err
		}
		emit(map[string]any{"figure": name, "unit": "ms", "p50": ms(took, 0.5), "p99": ms(took, 0.99), "cases": cases, "aim": "50 ms"})
	}
	took, err := factToPage(ctx, l, address+"/")
	if err != nil {
		return err
	}
	emit(map[string]any{"figure": "fact to page", "unit": "ms", "p50": ms(took, 0.5), "p99": ms(took, 0.99), "cases": cases, "aim": "p99 under 300 ms"})
	return nil
}

func ms(all []time.Duration, p float64) float64 { return round(percentile(all, p).Seconds() * 1000) }

// logWriter puts facts into a journal.
type logWriter struct {
	store    *journal.Store
	sequence uint64
}

func hand[T any](ctx context.Context, l *logWriter, t events.Type[T], n int, step string, position int, data T) (func() error, error) {
	l.sequence++
	caseID := fmt.Sprintf("r-%d--vm%05d", n/300, n)
	h := events.Header{
		ID: caseID + "/" + step, Source: "/reprotect/tokyo/bench", Type: t.CloudType(), Site: "tokyo", Case: caseID, Subject: caseID, Step: step,
		Request: fmt.Sprintf("r-%d", n/300), Position: position, Time: time.Now().UTC(),
	}
	if t.Role == events.Report {
		h.ID += fmt.Sprintf("/%d", l.sequence)
	}
	raw, err := events.Encode(events.Event[T]{Header: h, Data: data})
	if err != nil {
		return nil, err
	}
	return l.store.Hand(ctx, bus.Received{
		Message:  bus.Message{Subject: events.FactSubject("tokyo", caseID, step, t.Name), ID: h.ID, Data: raw},
		Sequence: l.sequence, Published: h.Time, Attempt: 1,
	}), nil
}

// fill keeps the facts of many cases, of which every tenth has failed.
func (l *logWriter) fill(ctx context.Context, cases int) error {
	var waits []func() error
	add := func(kept func() error, err error) error {
		if err == nil {
			waits = append(waits, kept)
		}
		return err
	}
	for n := range cases {
		name := fmt.Sprintf("vm%05d", n)
		c := events.Case{Reason: "CHG0012345", RequestedBy: "ops", Machines: []events.Machine{{Name: name, Item: "/items/" + name, Architecture: "modernized", OS: "linux"}}}
		var findings []events.Finding
		for i := range 30 {
			findings = append(findings, events.Finding{Check: fmt.Sprintf("machine.check-%d", i), Machine: name, Status: "pass", Level: "block", Evidence: "It is as it should be."})
		}
		err := errors.Join(
			add(hand(ctx, l, events.TypeAccepted, n, events.StepRequest, 1, events.Accepted{Case: c})),
			add(hand(ctx, l, events.TypeValidated, n, events.StepValidation, 2, events.Validated{Case: c, Findings: findings})),
			add(hand(ctx, l, events.TypeStarted, n, events.StepSubmission, 5, events.Started{Case: c, Jobs: []events.Job{{Machine: name, Job: "/jobs/" + name}}})))
		if n%10 == 0 {
			err = errors.Join(err, add(hand(ctx, l, events.TypeFailed, n, events.StepReplication, 6, events.Failed{Code: "95226", Message: "The job failed.", Remedy: "Look at the job."})))
		}
		if err != nil {
			return err
		}
		if len(waits) > 200 {
			for _, kept := range waits {
				if err := kept(); err != nil {
					return err
				}
			}
			waits = waits[:0]
		}
	}
	for _, kept := range waits {
		if err := kept(); err != nil {
			return err
		}
	}
	return nil
}

// tell keeps that a case moved.
func (l *logWriter) tell(ctx context.Context, n int) error {
	kept, err := hand(ctx, l, events.TypeProgressed, n, events.StepProgress, 10, events.Progressed{Percent: int(l.sequence % 100), Machines: []events.MachineProgress{
		{Machine: fmt.Sprintf("vm%05d", n), State: events.StateReplicating, Percent: 50},
	}})
	if err != nil {
		return err
	}
	return kept()
}

const asks = 100

// pages asks for a page again and again, each time right after something has moved.
func pages(ctx context.Context, l *logWriter, address string) (took []time.Duration, err error) {
	for i := range asks {
		if err := l.tell(ctx, 10*i+1); err != nil {
			return nil, err
		}
		begun := time.Now()
		if _, err := fetch(ctx, address); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}

func fetch(ctx context.Context, address string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// factToPage follows a page as a browser does, and takes the time from a fact on the bus's side of the journal to the page
// that tells of it.
func factToPage(ctx context.Context, l *logWriter, address string) (took []time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(r) //nolint:bodyclose // it is closed below, also for the goroutine that reads it
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	came := make(chan string, asks)
	go func() {
		defer close(came)
		in := bufio.NewScanner(response.Body)
		in.Buffer(nil, 64<<20)
		for in.Scan() {
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				came <- data
			}
		}
	}()
	for i := range asks {
		begun := time.Now()
		what := fmt.Sprintf("odd thing %d", i)
		kept, err := hand(ctx, l, events.TypeViolated, 10*i+1, events.StepGuard, 10, events.Violated{Code: fmt.Sprintf("guard.odd-%d", i), What: what, Endangers: "It.", Do: "See."})
		if err != nil {
			return nil, err
		}
		if err := kept(); err != nil {
			return nil, err
		}
		for page := range came {
			if strings.Contains(page, what) {
				took = append(took, time.Since(begun))
				break
			}
		}
		if len(took) != i+1 {
			return nil, errors.New("the page ended")
		}
	}
	return took, nil
}
