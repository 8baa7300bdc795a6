package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/agentwatcher"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/lab/asrsim"
)

const (
	waitLook   = 30 * time.Second // as in production
	waitWindow = 2 * time.Minute
)

// waitingCases lets cases wait for their agents, with the real Site Recovery client on the simulated vault, and
// takes the memory of the whole process, bus and vault included, and what is asked of Azure in a window of time:
// once for a tenth of the cases, once for all.
func waitingCases(ctx context.Context, n int) error {
	w, err := readWorld(ctx, smallSite())
	if err != nil {
		return err
	}
	for _, cases := range []int{n / 10, n} {
		var reads, rss float64
		_, err := onServer(ctx, "default", cases, func(ctx context.Context, conn *jetstream.Conn, cases int) (sample, error) {
			var err error
			reads, rss, err = waitOnce(ctx, conn, w, cases)
			return sample{}, err
		})
		if err != nil {
			return err
		}
		emit(map[string]any{"figure": "waiting_memory", "unit": "MB", "cases": cases, "product": round(rss), "aim": "under 150 at 10,000"})
		emit(map[string]any{"figure": "waiting_reads", "unit": "reads/min", "cases": cases, "product": round(reads), "aim": "the same whatever the number of cases"})
	}
	return nil
}

func waitOnce(ctx context.Context, conn *jetstream.Conn, w world, cases int) (readsPerMinute, rss float64, err error) {
	vault := asrsim.New(w.scenario, asrsim.Options{Token: benchToken})
	for _, m := range w.scenario.Machines {
		if err := vault.HoldAgent(m.Name); err != nil {
			return 0, 0, err
		}
	}
	azure, err := asr.New(asr.Options{
		Subscription: w.scenario.Subscription, ResourceGroup: w.scenario.ResourceGroup, Vault: w.scenario.Vault,
		Credential: token{}, Endpoint: "https://management.example", Transport: vault.Direct(), Look: waitLook,
	})
	if err != nil {
		return 0, 0, err
	}
	services := w.services()
	for i, s := range services {
		if s.Name == "agentwatcher" {
			services[i] = agentwatcher.New(map[string]agentwatcher.Site{"bench": {Vault: azure, AgentWait: time.Hour, Look: waitLook}}, time.Now)
		}
	}
	stop, err := serve(ctx, conn, services)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	for i := range cases {
		if err := conn.Publish(ctx, request(w.before.Items[i%len(w.before.Items)].Name, i)); err != nil {
			return 0, 0, err
		}
	}
	seen := 0
	done := errors.New("all wait")
	limited, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	err = conn.Read(limited, jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{"reprotect.event.*.*.progress.waiting"}, Follow: true},
		func(bus.Received) error {
			if seen++; seen == cases {
				return done
			}
			return nil
		})
	if !errors.Is(err, done) {
		return 0, 0, fmt.Errorf("%d of %d cases wait: %w", seen, cases, err)
	}
	before := azure.Counters().Reads
	select {
	case <-time.After(waitWindow):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	reads := azure.Counters().Reads - before
	debug.FreeOSMemory()
	rss, err = residentMB(os.Getpid())
	return float64(reads) / waitWindow.Minutes(), rss, err
}

// residentMB reads what a process holds in memory (Linux).
func residentMB(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status names no VmRSS", pid)
}

const benchToken = "bench"

type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: benchToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}
