package app

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/internal/config"
	"reprotect.example/services/observed"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { open.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	got := probe(t.Context(), []config.Probe{
		{Name: "open", Address: open.Addr().String()}, {Name: "closed", Address: closed.Addr().String()}, {Name: "nowhere", Address: "nowhere.invalid:443"},
	})
	for i := range got {
		if (got[i].Failure == "") != (got[i].Name == "open") {
			t.Errorf("%+v", got[i])
		}
		got[i].Failure = "" // the words are the system's
	}
	want := []observed.Probe{
		{Name: "open", Address: open.Addr().String()}, {Name: "closed", Address: closed.Addr().String()},
		{Name: "nowhere", Address: "nowhere.invalid:443", Unclear: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whether the Azure VMs cover the machines of a look at the vault is found once for each look, however many ask.
func TestFitted(t *testing.T) {
	t.Parallel()
	group := "/subscriptions/s/resourceGroups/rg"
	item := observed.Item{ID: "/web01", Name: "web01", State: "UnplannedFailoverStatesBegin", Location: "Recovery", AzureVMName: "web01", AzureGroup: group}
	vms := observed.AzureVMs{Taken: time.Unix(1, 0), Groups: map[string]string{strings.ToLower(group): ""}, VMs: []observed.AzureVM{{ID: group + "/providers/Microsoft.Compute/virtualMachines/web01", Name: "web01"}}}.Indexed()
	look := func(second int64, items ...observed.Item) observed.Vault {
		return observed.Vault{Taken: time.Unix(second, 0), Items: items}
	}
	other := item
	other.Name, other.AzureVMName = "db01", "db01"
	f := &fitted{}
	for _, step := range []struct {
		name string
		look observed.Vault
		fits bool
	}{
		{"has the machine", look(2, item), true},
		{"is not asked again whether it does", look(2, other), true},
		{"a later look has another machine", look(3, item, other), false},
		{"nor is that forgotten", look(3, item, other), false},
		{"a later look again without it", look(4, item), true},
	} {
		if got := f.fits(vms, step.look); got != step.fits {
			t.Errorf("%s: %t", step.name, got)
		}
	}
}
