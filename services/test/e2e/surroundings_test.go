package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
)

// Whatever keeps a look from succeeding is told with what to do, and when it has passed the case goes on by
// itself.
func TestBadSurroundingsPass(t *testing.T) {
	w := start(t, modernized("azure-down"), classic("azure-login"), modernized("azure-throttle"), classic("vcenter-session"))
	w.serve(w.config)
	for _, tc := range []struct {
		machine    string
		begin, end []string // actions of the lab; end nil: it passes by itself
		code       string   // "": nobody need be told
		reason     events.Reason
	}{
		{"azure-throttle", []string{"throttle", "2", "1s"}, nil, "azure.throttled", "throttle"},
		{"azure-login", []string{"azure-unauthorized", "on"}, []string{"azure-unauthorized", "off"}, "azure.login", "azure"},
		{"azure-down", []string{"azure-down", "on"}, []string{"azure-down", "off"}, "azure.unavailable", "azure"},
		{"vcenter-session", []string{"expire-sessions"}, nil, "", ""},
	} {
		w.do(tc.begin[0], tc.begin[1:]...)
		caseID := w.request("during-"+tc.machine, "", tc.machine)
		if tc.code != "" {
			w.waits(tc.machine, tc.code, tc.reason)
		}
		if tc.end != nil {
			w.submissions(tc.machine, 0)
			w.do(tc.end[0], tc.end[1:]...)
		}
		w.completes(caseID)
		w.submissions(tc.machine, 1)
	}
}

// Azure goes away when the jobs run already: nothing is lost, and nothing is submitted again.
func TestAzureGoneDuringTheJob(t *testing.T) {
	machines := []string{"during-m", "during-c"}
	w := start(t, modernized(machines[0]), classic(machines[1]))
	w.serve(w.config)
	w.request("during", "", machines...)
	for _, m := range machines {
		await(w, events.TypeStarted, caseOf("during", m))
	}
	w.do("azure-unauthorized", "on")
	for _, m := range machines {
		w.waits(m, "azure.login", "azure")
	}
	w.do("azure-unauthorized", "off")
	for _, m := range machines {
		w.completes(caseOf("during", m))
		w.submissions(m, 1)
	}
}

// waits awaits that a machine is said to wait, as a fact and as a notification.
func (w *world) waits(machine, code string, reason events.Reason) events.Waiting {
	w.t.Helper()
	waiting := await(w, events.TypeWaiting, "", func(d events.Waiting) bool { return slices.Equal(d.Machines, []string{machine}) })
	d := waiting.Data
	if d.Code != code || d.For != reason || d.Message == "" || d.Remedy == "" {
		w.t.Errorf("%s waits so: %+v, want %s for %s", machine, d, code, reason)
	}
	if !d.NextLook.After(d.Since) || !d.Until.IsZero() {
		w.t.Errorf("%s waits since %s until %s, and looks again at %s", machine, d.Since, d.Until, d.NextLook)
	}
	w.told(waiting.Header, events.LevelWarning, "Waiting: "+machine)
	return d
}

// What is wrong in the config is told too. A process with a good one takes the case up where it stands.
func TestBadConfigs(t *testing.T) {
	const wrongSecret = "not-the-one-that-is-right"
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte(wrongSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		machine string
		spoil   func(config.Config) config.Config
		code    string
		reason  events.Reason
		remedy  string
		lasts   bool // a refused login is not tried again at once: vCenter would lock the account
	}{
		{"vcenter-away", atVCenter(func(v *config.VCenter) { v.URL = "https://127.0.0.1:1/sdk" }), "vcenter.unreachable", "vcenter", "firewall", false},
		{"vcenter-password", atVCenter(func(v *config.VCenter) { v.PasswordFile = wrong }), "vcenter.login", "vcenter", "vcenter.passwordFile", true},
		{"vcenter-certificate", atVCenter(func(v *config.VCenter) { v.CAFile = "" }), "vcenter.certificate", "vcenter", "vcenter.caFile", false},
		{"vcenter-thumbprint", atVCenter(func(v *config.VCenter) { v.Thumbprint = strings.Repeat("ab", 32) }), "vcenter.certificate", "vcenter", "vcenter.thumbprint", false},
		{"azure-token", atAzure(func(a *config.Azure) { a.TokenFile = wrong }), "azure.login", "azure", "credential", false},
		{"azure-certificate", atAzure(func(a *config.Azure) { a.CAFile = "" }), "azure.certificate", "azure", "azure.caFile", false},
		{"azure-vault", atSite(func(s *config.Site) { s.Vault.Name = "vault-osaka" }), "azure.not-found", "azure", "vault", false},
	}
	var machines []scenario.Machine
	for i, tc := range tests {
		machines = append(machines, []scenario.Machine{modernized(tc.machine), classic(tc.machine)}[i%2])
	}
	w := start(t, machines...)
	w.secrets["wrong secret"] = wrongSecret
	for _, tc := range tests {
		stop := w.serve(tc.spoil(w.config))
		caseID := w.request("with-"+tc.machine, "", tc.machine)
		d := w.waits(tc.machine, tc.code, tc.reason)
		if !strings.Contains(d.Remedy, tc.remedy) {
			t.Errorf("%s: the remedy does not name %s: %s", tc.machine, tc.remedy, d.Remedy)
		}
		stop()
		w.submissions(tc.machine, 0)
		if tc.lasts {
			if pause := d.NextLook.Sub(d.Since); pause < 30*time.Second {
				t.Errorf("%s is tried again after %s", tc.machine, pause)
			}
			continue
		}
		stop = w.serve(w.config)
		w.completes(caseID)
		w.submissions(tc.machine, 1)
		stop()
	}
}

func atSite(change func(*config.Site)) func(config.Config) config.Config {
	return func(c config.Config) config.Config { return with(c, change) }
}

func atVCenter(change func(*config.VCenter)) func(config.Config) config.Config {
	return atSite(func(s *config.Site) { change(&s.VCenter) })
}

func atAzure(change func(*config.Azure)) func(config.Config) config.Config {
	return func(c config.Config) config.Config {
		change(&c.Azure)
		return c
	}
}

// What does not pass by waiting is said at the start.
func TestStartupErrors(t *testing.T) {
	w := start(t, modernized("web01"))
	folder := t.TempDir()
	noPEM := filepath.Join(folder, "no.pem")
	if err := os.WriteFile(noPEM, []byte(w.secrets["vCenter password"]), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(folder, "missing")
	for _, tc := range []struct {
		name  string
		spoil func(config.Config) config.Config
		says  []string
	}{
		{"no vCenter password", atVCenter(func(v *config.VCenter) { v.PasswordFile = missing }), []string{"sites.tokyo.vcenter.passwordFile", missing}},
		{"no certificate for vCenter", atVCenter(func(v *config.VCenter) { v.CAFile = noPEM }), []string{"vcenter.caFile", noPEM}},
		{"no certificate for Azure", atAzure(func(a *config.Azure) { a.CAFile = noPEM }), []string{"tokyo", noPEM}},
		{"no NATS password", func(c config.Config) config.Config {
			n := *c.Bus.NATS
			n.PasswordFile = missing
			c.Bus.NATS = &n
			return c
		}, []string{"bus.nats.passwordFile", missing}},
		{"no site", func(c config.Config) config.Config {
			c.Sites = nil
			return c
		}, []string{"site"}},
	} {
		_, err := w.services(tc.spoil(w.config), app.Targets())
		if err == nil {
			t.Errorf("%s: no error", tc.name)
			continue
		}
		for _, says := range tc.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q in it", tc.name, err, says)
			}
		}
		w.secretFree("the error of "+tc.name, err.Error())
	}
	w.serve(w.config)
	w.completes(w.request("good", "", "web01"))
}

// The errors of the clients are shown to people as they are.
func TestErrorsHoldNoSecret(t *testing.T) {
	w := start(t, modernized("web01"))
	for name, spoil := range map[string]func(config.Config) config.Config{
		"vCenter away":        atVCenter(func(v *config.VCenter) { v.URL = "https://127.0.0.1:1/sdk" }),
		"vCenter certificate": atVCenter(func(v *config.VCenter) { v.CAFile = "" }),
		"Azure certificate":   atAzure(func(a *config.Azure) { a.CAFile = "" }),
		"Azure vault":         atSite(func(s *config.Site) { s.Vault.Name = "vault-osaka" }),
	} {
		request := events.Request{Machines: []events.RequestMachine{{Name: "web01"}}}
		report, err := app.Preflight(t.Context(), spoil(w.config), preflight.Ask{Request: request}, w.log)
		var fault *observed.Fault
		if err != nil && (!errors.As(err, &fault) || fault.Remedy == "") {
			t.Errorf("%s: an error without a remedy: %v", name, err)
		}
		told := fmt.Sprintf("%+v %v", report, err)
		if err == nil && !strings.Contains(told, "unknown") {
			t.Errorf("%s: neither an error nor anything unknown", name)
		}
		w.secretFree(name, told)
	}
	w.serve(w.config)
	w.completes(w.request("good", "", "web01"))
}

// The bus goes away twice in the middle: while agents are waited for, and while jobs run.
func TestBusRestart(t *testing.T) {
	machines := []string{"bus-m", "bus-c"}
	w := start(t, modernized(machines[0]), classic(machines[1]))
	for _, m := range machines {
		w.do("hold-agent", m)
	}
	w.serve(w.config)
	w.request("bus", "", machines...)
	for _, m := range machines {
		await(w, events.TypeWaiting, caseOf("bus", m))
	}
	w.restartBus()
	for _, m := range machines {
		w.do("register-agent", m)
	}
	for _, m := range machines {
		await(w, events.TypeStarted, caseOf("bus", m))
	}
	w.restartBus()
	for _, m := range machines {
		w.completes(caseOf("bus", m))
		w.submissions(m, 1)
	}
}
