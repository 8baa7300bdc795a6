package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/memory"
	"reprotect.example/services/internal/telemetry"
	"reprotect.example/services/workflow"
)

// A handler that hangs is named by /ready and by a metric, from its time limit until its message has come to an end.
func TestAHandlerThatHangsIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, e workflow.Event[events.Started], _ workflow.None) (workflow.Result[workflow.None], error) {
			if e.Attempt > 1 {
				return workflow.Result[workflow.None]{}, nil
			}
			<-ctx.Done()
			return workflow.Result[workflow.None]{}, ctx.Err()
		}
		health, metrics := telemetry.NewHealth(), telemetry.NewMetrics()
		s := workflow.Service{Name: "executor", Routes: []workflow.Route{workflow.On(events.TypeStarted, "", hang)}}
		conn := memory.New(memory.Faults{}).Connect()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- workflow.Run(ctx, conn, s, workflow.Options{Hanging: tellsWhatHangs(health, metrics.Hanging)})
		}()
		raw, err := events.Encode(events.Event[events.Started]{
			Header: events.Header{ID: "a/submission", Source: "/x", Type: events.TypeStarted.CloudType(), Subject: "a", Site: "tokyo", Case: "a", Step: "submission", Request: "r1"},
			Data:   events.Started{Case: events.Case{Machines: []events.Machine{}}, Jobs: []events.Job{}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Publish(ctx, bus.Message{Subject: events.FactSubject("tokyo", "a", "submission", "started"), ID: "a/submission", Data: raw}); err != nil {
			t.Fatal(err)
		}
		says := func() string {
			ready, all := health.Ready()
			if !ready {
				t.Error("not ready")
			}
			return all["executor/started"]
		}
		metric := func(want string) {
			t.Helper()
			if text := scraped(t, metrics); !strings.Contains(text, `reprotect_messages_hanging{kind="started",service="executor"} `+want) {
				t.Errorf("want %s hanging in %s", want, text)
			}
		}
		<-time.After(workflow.Limit - time.Second)
		if says() != "" { // not spoken of yet
			t.Errorf("before its limit: %s", says())
		}
		<-time.After(time.Second + time.Millisecond)
		synctest.Wait()
		if !strings.Contains(says(), "come again: 1.") {
			t.Errorf("after its limit: %s", says())
		}
		metric("1")
		<-time.After(time.Second)
		synctest.Wait()
		if says() != "ok" {
			t.Errorf("after its message was done: %s", says())
		}
		metric("0")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func scraped(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	telemetry.Handler(m, telemetry.NewHealth()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
