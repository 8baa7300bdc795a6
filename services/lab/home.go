package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/vcenter"
)

// homecoming joins what Site Recovery does with the machines on-premises to the vCenter that has them, and answers for
// what runs on them.
type homecoming struct {
	center *vcenter.Server
	log    *zap.Logger

	mu    sync.Mutex
	muted map[string]bool // machines whose service does not answer, in lower case
}

// onPremises switches a machine as a failback does. What the vCenter refuses, a real one may refuse too: the failback is
// over all the same, and the machine is not up.
func (h *homecoming) onPremises(machine string, on bool) {
	if err := h.center.Home(machine, on); err != nil {
		h.log.Warn("a machine on-premises could not be switched", zap.String("machine", machine), zap.Bool("on", on), zap.Error(err))
	}
}

// tick lets the vault's effects happen at their time, whether or not anybody asks it.
func tick(azure *asrsim.Server, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				azure.Tick()
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// ServeHTTP answers GET /MACHINE as the service of that machine: with 200 while it runs on-premises, with 503 while it is
// muted. A machine that is not up does not answer at all: the connection is cut.
func (h *homecoming) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	machine := strings.ToLower(strings.Trim(r.URL.Path, "/"))
	h.mu.Lock()
	muted := h.muted[machine]
	h.mu.Unlock()
	switch {
	case !h.center.Runs(machine):
		panic(http.ErrAbortHandler)
	case muted:
		http.Error(w, "the service does not work", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, machine, "works") //nolint:gosec // text, of the lab's own machines; fails only when the caller has gone
	}
}

// serveProbes listens where the services of the machines answer, and returns its address.
func (l *Lab) serveProbes(h *homecoming) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: zap.NewStdLog(l.log.Named("probes"))}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Serve(listener) // always an error: the lab closed it
	}()
	l.closes = append(l.closes, func() {
		_ = server.Close() // only reports the listener's second close
		<-stopped
	})
	return "http://" + listener.Addr().String(), nil
}

func (h *homecoming) actions(machines []string) []action {
	set := func(mute bool) func([]string) error {
		return func(args []string) error {
			if len(args) != 1 || !slices.ContainsFunc(machines, func(m string) bool { return strings.EqualFold(m, args[0]) }) {
				return errors.New("name one of the lab's machines")
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.muted[strings.ToLower(args[0])] = mute
			return nil
		}
	}
	return []action{
		{Action{"mute-probe", "MACHINE", "let the machine's service not answer once it is home"}, set(true)},
		{Action{"unmute-probe", "MACHINE", "let it answer"}, set(false)},
	}
}
