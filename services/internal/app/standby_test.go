package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"reprotect.example/events/bus/memory"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/workflow"
)

// Of two processes one serves; the other says on /ready that it stands by, and is ready all the same.
func TestAStandBySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Faults{})
		var running sync.WaitGroup
		var stood atomic.Int64
		serve := func() (*telemetry.Health, context.CancelFunc) {
			h := telemetry.NewHealth()
			ctx, stop := context.WithCancel(t.Context())
			s := tellsWhetherItServes(workflow.Service{
				Name: "executor", Alone: true, StandBy: func() { stood.Add(1) },
				Begin: func(context.Context) { h.Set("executor", errors.New("the log cannot be read yet")) }, // which is over when it returns
			}, h)
			running.Go(func() { _ = workflow.Run(ctx, b.Connect(), s, workflow.Options{}) }) // ends with ctx
			synctest.Wait()
			return h, stop
		}
		says := func(h *telemetry.Health) string {
			ready, all := h.Ready()
			if !ready {
				t.Error("not ready")
			}
			if all["executor"] == "ok" {
				return "serves"
			}
			return "stands by"
		}
		first, stop := serve()
		second, end := serve()
		if says(first) != "serves" || says(second) != "stands by" {
			t.Errorf("the first %s, the second %s", says(first), says(second))
		}
		stop()
		synctest.Wait()
		if says(second) != "serves" {
			t.Error("the second does not go on")
		}
		end()
		running.Wait()
		if stood.Load() < 2 {
			t.Error("the service itself is not told that it stands by")
		}
	})
}
