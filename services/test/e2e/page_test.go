package e2e

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/vmware/govmomi/cli"
	_ "github.com/vmware/govmomi/cli/vm"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
)

// A retention drive that is not offered may be a new one, which shows up to 15 minutes after it was added: the case
// waits, and goes on by itself (S25).
func TestS25_ARetentionDriveThatIsNewIsWaitedFor(t *testing.T) {
	w := start(t, classic("db01"))
	w.do("remove-retention", "MT-LINUX-01")
	w.serve(w.config)
	caseID := w.request("drive", "", "db01")
	waiting := await(w, events.TypeWaiting, caseID)
	if d := waiting.Data; d.For != "retention-drive" || !slices.Equal(d.Machines, []string{"db01"}) || d.Remedy == "" || !d.Until.After(d.Since) {
		t.Errorf("waits so: %+v", d)
	}
	w.do("add-retention", "MT-LINUX-01")
	w.completes(caseID)
	w.submissions("db01", 1)
}

// A machine that somebody switches on with govc, while it replicates back or after, raises the alarm (S39).
func TestS39_AMachineSwitchedOnWithGovcRaisesTheAlarm(t *testing.T) {
	w := start(t, modernized("web01"))
	w.serve(w.config)
	caseID := w.request("on", "", "web01")
	w.completes(caseID)
	for name, value := range map[string]string{
		"GOVC_URL": w.ready.VCenter.URL, "GOVC_USERNAME": w.ready.VCenter.Username, "GOVC_PASSWORD": w.ready.VCenter.Password,
		"GOVC_TLS_CA_CERTS": w.ready.VCenter.CAFile, "GOVC_PERSIST_SESSION": "false",
	} {
		t.Setenv(name, value)
	}
	if status := cli.Run([]string{"vm.power", "-on", "web01"}); status != 0 {
		t.Fatalf("govc ends with %d", status)
	}
	var violated events.Event[events.Violated]
	seen := errors.New("seen")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	alarms := jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{"reprotect.event.*." + caseID + ".guard.violated"}, Follow: true}
	err := w.reader.Read(ctx, alarms, func(r bus.Received) (err error) {
		if violated, err = events.Decode(events.TypeViolated, r.Data); err == nil {
			err = seen
		}
		return err
	})
	if !errors.Is(err, seen) {
		t.Fatalf("no alarm: %v", err)
	}
	if d := violated.Data; d.Code != "guard.powered-on" || d.Machine != "web01" || d.Do == "" || d.Endangers == "" {
		t.Errorf("%+v", d)
	}
	w.told(violated.Header, events.LevelCritical, "Danger: "+violated.Data.What)
}
