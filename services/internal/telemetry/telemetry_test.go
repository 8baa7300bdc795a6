package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"reprotect.example/services/workflow"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := NewLogger(&out, "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not shown")
	log.Warn("shown", zap.String("machine", "web01"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON object: %v: %s", err, out.String())
	}
	if line["msg"] != "shown" || line["level"] != "warn" || line["machine"] != "web01" {
		t.Errorf("%v", line)
	}
	if _, err := time.Parse(time.RFC3339Nano, line["time"].(string)); err != nil {
		t.Error(err)
	}
	out.Reset()
	Slog(log).With("service", "executor").Error("shown, too", "error", fmt.Errorf("no answer: %w", io.EOF), "after", 1500*time.Millisecond)
	Slog(log).Info("not shown")
	var other map[string]any
	if err := json.Unmarshal(out.Bytes(), &other); err != nil {
		t.Fatalf("not one JSON object: %v: %s", err, out.String())
	}
	if other["msg"] != "shown, too" || other["level"] != "error" || other["service"] != "executor" || other["error"] != "no answer: EOF" || other["after"] != 1.5 || other["stacktrace"] != nil || other["caller"] == nil {
		t.Errorf("%v", other)
	}
	for _, level := range []string{"loud", "fatal"} {
		if _, err := NewLogger(&out, level); err == nil || !strings.Contains(err.Error(), "use debug, info, warn or error") {
			t.Errorf("%s: %v", level, err)
		}
	}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	options := workflow.Options{Observe: m.Observe}
	options.Observe("validator", "command.request", "done", 20*time.Millisecond)
	options.Observe("validator", "command.request", "done", 30*time.Millisecond)
	options.Observe("executor", "registered", "retried", 2*time.Second)
	asked := int64(6)
	m.Count("reprotect_azure_reads_total", "Reads.", map[string]string{"site": "tokyo"}, func() int64 { return asked })
	asked++
	status, text := get(t, Handler(m, NewHealth()), "/metrics")
	if status != http.StatusOK {
		t.Fatal(status, text)
	}
	for _, want := range []string{
		`reprotect_messages_total{how="done",kind="command.request",service="validator"} 2`,
		`reprotect_messages_total{how="retried",kind="registered",service="executor"} 1`,
		`reprotect_message_seconds_sum{kind="command.request",service="validator"} 0.05`,
		`reprotect_message_seconds_count{kind="registered",service="executor"} 1`,
		`reprotect_azure_reads_total{site="tokyo"} 7`,
		"go_goroutines ",
	} {
		if !strings.Contains(text, want+"\n") && !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	h := NewHealth("bus", "vault tokyo")
	handler := Handler(NewMetrics(), h)
	want := func(status int, ready bool, components map[string]string) {
		t.Helper()
		code, text := get(t, handler, "/ready")
		var got struct {
			Ready      bool
			Components map[string]string
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if code != status || got.Ready != ready {
			t.Errorf("%d %v, want %d %v", code, got.Ready, status, ready)
		}
		if diff := cmp.Diff(components, got.Components); diff != "" {
			t.Error(diff)
		}
		if is, _ := h.Ready(); is != ready {
			t.Errorf("Ready says %v", is)
		}
	}
	want(503, false, map[string]string{"bus": "starting", "vault tokyo": "starting"})
	h.Set("bus", nil)
	h.Set("vault tokyo", errors.New("no answer from management.azure.com"))
	want(503, false, map[string]string{"bus": "ok", "vault tokyo": "no answer from management.azure.com"})
	h.Set("vault tokyo", nil)
	want(200, true, map[string]string{"bus": "ok", "vault tokyo": "ok"})
	h.Set("vcenter tokyo", errors.New("login refused"))
	want(503, false, map[string]string{"bus": "ok", "vault tokyo": "ok", "vcenter tokyo": "login refused"})
	h.Set("vcenter tokyo", nil)
	h.Remark("executor", "stands by")
	want(200, true, map[string]string{"bus": "ok", "vault tokyo": "ok", "vcenter tokyo": "ok", "executor": "stands by"})
	if code, _ := get(t, handler, "/live"); code != http.StatusOK {
		t.Errorf("not live: %d", code)
	}
}

func TestServe(t *testing.T) {
	defer goleak.VerifyNone(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	mux := Handler(NewMetrics(), NewHealth())
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = io.WriteString(w, "whole")
	})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, mux) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	answer := make(chan string, 1)
	go func() {
		r, err := client.Get("http://" + listener.Addr().String() + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		answer <- string(body)
	}()
	<-entered
	cancel()
	close(leave)
	if got := <-answer; got != "whole" {
		t.Errorf("a request under way was cut: %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := client.Get("http://" + listener.Addr().String() + "/live"); err == nil {
		t.Error("still answering")
	}
}

func TestServeFails(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), listener, http.NotFoundHandler()); err == nil {
		t.Error("served on a closed listener")
	}
}
