// Bench measures the pipeline beside a bare JetStream pipeline of as many hops, in the same run on the same
// server, and prints one JSON line per figure. It is run by scripts/bench.
//
// The product's side is the real services with the real bus and vaults of no latency in memory; the bare side
// consumes, publishes the next message, and acknowledges, with as many hops and messages as the product has, its
// notifications included. Both wait for the broker's word on each publication.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
)

type options struct {
	cases     int
	runs      int
	waiting   int
	inventory int
	azure     int
	console   int
	look      int
	programs  string
	watched   int
}

func main() {
	var o options
	flag.IntVar(&o.cases, "cases", 2000, "cases of a run; 0: leave rate and latencies out")
	flag.IntVar(&o.runs, "runs", 3, "runs, of which the median counts")
	flag.IntVar(&o.waiting, "waiting", 10000, "cases that wait at once, for memory and reads; 0: leave that out")
	flag.IntVar(&o.inventory, "inventory", 10000, "machines in the vCenter of the preflight; 0: leave that out")
	flag.IntVar(&o.azure, "servicebus", 1000, "cases of a run on Service Bus; 0: leave that out")
	flag.IntVar(&o.console, "console", 10000, "cases behind the console; 0: leave that out")
	flag.IntVar(&o.look, "look", 1000, "items of a vault that is looked at; 0: leave that out")
	flag.StringVar(&o.programs, "programs", "", "folder of reprotect and reprotectd, for what they take as processes; none: leave that out")
	flag.IntVar(&o.watched, "watched", 1000, "machines that the guard of -programs watches, of -inventory; 0: leave that out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options) error {
	if o.waiting > 0 { // first, so that nothing else takes memory
		if err := waitingCases(ctx, o.waiting); err != nil {
			return err
		}
	}
	if o.inventory > 0 && o.programs == "" {
		if err := errors.Join(pureChecks(ctx), preflightReads(ctx, o.inventory)); err != nil {
			return err
		}
	}
	if o.programs != "" {
		if err := programFigures(ctx, o.programs, o.inventory, o.watched); err != nil {
			return err
		}
	}
	if o.look > 0 {
		if err := lookFigures(ctx, o.look); err != nil {
			return err
		}
	}
	if o.console > 0 {
		if err := consoleFigures(ctx, o.console); err != nil {
			return err
		}
	}
	if o.azure > 0 {
		if err := serviceBus(ctx, o.azure, o.runs); err != nil {
			return err
		}
	}
	if o.cases == 0 {
		return nil
	}
	for _, sync := range []string{"default", "always"} {
		cases := o.cases
		if sync == "always" {
			cases = max(o.cases/8, 50) // each message waits for the disk
		}
		var bare, product []sample
		for range o.runs {
			for _, side := range []struct {
				into *[]sample
				run  pipeline
			}{{&bare, barePipeline}, {&product, productPipeline}} {
				s, err := onServer(ctx, sync, cases, side.run)
				if err != nil {
					return err
				}
				*side.into = append(*side.into, s)
			}
		}
		report(sync, bare, product)
	}
	return nil
}

// sample is one run of one side.
type sample struct {
	rate      float64 // cases a second, many in flight
	latencies []time.Duration
	bytes     float64 // stored, a case
}

// pipeline lets so many cases through one side.
type pipeline func(ctx context.Context, conn *jetstream.Conn, cases int) (sample, error)

func onServer(ctx context.Context, sync string, cases int, run pipeline) (sample, error) {
	dir, err := os.MkdirTemp("", "reprotect-bench-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	server, err := embedded.Start(embedded.Options{Dir: dir, Fast: sync == "default"})
	if err != nil {
		return sample{}, err
	}
	defer server.Close()
	conn, err := jetstream.Connect(jetstream.Options{URL: server.URL(), Name: "bench"})
	if err != nil {
		return sample{}, err
	}
	defer conn.Close()
	return run(ctx, conn, cases)
}

// emit prints a figure.
func emit(figure map[string]any) {
	raw, err := json.Marshal(figure)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(raw))
}

func report(sync string, bare, product []sample) {
	rate := func(all []sample) float64 { return median(all, func(s sample) float64 { return s.rate }) }
	at := func(all []sample, p float64) float64 {
		return median(all, func(s sample) float64 { return percentile(s.latencies, p).Seconds() * 1000 })
	}
	compare := func(name, unit string, b, p float64, aim string) {
		emit(map[string]any{
			"figure": name, "unit": unit, "sync": sync, "bare": round(b), "product": round(p), "ratio": round(p / b), "aim": aim, "runs": len(bare),
		})
	}
	compare("rate", "cases/s", rate(bare), rate(product), map[string]string{"default": "ratio of 0.7 or more", "always": "ratio of 0.85 or more"}[sync])
	compare("p50", "ms", at(bare, 0.5), at(product, 0.5), "ratio under 2")
	compare("p99", "ms", at(bare, 0.99), at(product, 0.99), "")
	size := func(all []sample) float64 { return median(all, func(s sample) float64 { return s.bytes }) }
	compare("stored", "bytes/case", size(bare), size(product), "")
}

func median(all []sample, of func(sample) float64) float64 {
	values := make([]float64, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func percentile(all []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

func round(x float64) float64 { return float64(int(x*100+0.5)) / 100 }

const (
	manyInFlight = 256 // for the rate
	fewInFlight  = 4   // for the latencies
)

// drive sends cases from, from+1, …, at most inFlight at once, and takes the time of each until done tells its
// number.
func drive(ctx context.Context, from, cases, inFlight int, send func(ctx context.Context, n int) error, done <-chan int) (time.Duration, []time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	begun := make([]time.Time, cases)
	took := make([]time.Duration, 0, cases)
	failed := make(chan error, cases)
	start := time.Now()
	for sent := 0; len(took) < cases; {
		if sent < cases && sent-len(took) < inFlight {
			n := sent
			begun[n] = time.Now()
			go func() {
				if err := send(ctx, from+n); err != nil {
					failed <- err
				}
			}()
			sent++
			continue
		}
		select {
		case n := <-done:
			took = append(took, time.Since(begun[n-from]))
		case err := <-failed:
			return 0, nil, err
		case <-ctx.Done():
			return 0, nil, fmt.Errorf("%d of %d cases came through: %w", len(took), cases, ctx.Err())
		}
	}
	return time.Since(start), took, nil
}

// measure drives one side twice: for its rate, then for its latencies. Send publishes the request of case n,
// whose events name the case b<n>--….
func measure(ctx context.Context, conn *jetstream.Conn, cases int, send func(context.Context, int) error) (sample, error) {
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	done := make(chan int, manyInFlight)
	reading.Go(func() {
		r := jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{"reprotect.event.*.*.replication.completed"}, Follow: true}
		_ = conn.Read(ctx, r, func(m bus.Received) error { // ends with ctx; before that, drive sees that nothing comes
			_, caseID, _, _, _ := events.SplitFact(m.Subject)
			number, _, _ := strings.Cut(strings.TrimPrefix(caseID, "b"), "--")
			n, err := strconv.Atoi(number)
			if err == nil {
				done <- n
			}
			return err
		})
	})
	took, _, err := drive(ctx, 0, cases, manyInFlight, send, done)
	if err != nil {
		return sample{}, err
	}
	s := sample{rate: float64(cases) / took.Seconds()}
	status, err := conn.Status(ctx)
	if err != nil {
		return sample{}, err
	}
	s.bytes = float64(status.Bytes) / float64(cases)
	_, s.latencies, err = drive(ctx, cases, max(cases/4, 20), fewInFlight, send, done)
	return s, err
}
