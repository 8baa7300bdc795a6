// Package azurevm looks for the virtual machines in Azure that failovers made: whether they are there still, and
// in the resource group of the failover (S2).
//
// What a resource group holds is listed by Compute, which is never behind. Only machines that are not found that
// way are looked for elsewhere, all of them in one query of Resource Graph, which sees other resource groups and
// subscriptions as far as the identity may read them. So one look costs a call for each resource group, usually
// one, and seldom a query, however many machines there are.
//
// It is the only importer of the Compute and Resource Graph SDKs, which it uses unmodified.
package azurevm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"reprotect.example/services/internal/asr"
	"reprotect.example/services/observed"
)

// lookLimit bounds one look: it is one of many facts, and the others must not wait for it long.
const lookLimit = 30 * time.Second

// Client reads as the identity of a vault's client. Safe for concurrent use.
type Client struct {
	vault      *asr.Client
	credential azcore.TokenCredential
	options    *arm.ClientOptions
	graph      *armresourcegraph.Client
}

// New makes a client beside that of a vault; it asks Azure nothing.
func New(vault *asr.Client) (*Client, error) {
	credential, options := vault.Reading()
	graph, err := armresourcegraph.NewClient(credential, options)
	if err != nil {
		return nil, vault.Fault("cannot set up the client of Resource Graph", err)
	}
	credential, options = vault.Reading() // a throttle of its own
	return &Client{vault, credential, options, graph}, nil
}

// Look finds the VMs of those items that run in Azure. It never fails: what could not be read, a permission that
// is missing above all, stands in the result with the reason. It takes at most thirty seconds.
func (c *Client) Look(ctx context.Context, items []observed.Item, now func() time.Time) observed.AzureVMs {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	look := observed.AzureVMs{Groups: map[string]string{}}
	for _, i := range items {
		group := strings.ToLower(i.AzureHome())
		if _, known := look.Groups[group]; known || !i.InAzure() {
			continue
		}
		vms, err := c.list(ctx, i.AzureHome())
		look.VMs, look.Groups[group] = append(look.VMs, vms...), reason(err)
	}
	look = look.Indexed()
	if names := strayed(look, items); len(names) > 0 {
		vms, err := c.search(ctx, names)
		for _, vm := range vms {
			// Resource Graph may lag behind by minutes: of a resource group that was listed the list stands.
			if _, listed := look.Groups[strings.ToLower(observed.ResourceGroupOf(vm.ID))]; !listed {
				look.VMs = append(look.VMs, vm)
			}
		}
		look = observed.AzureVMs{VMs: look.VMs, Groups: look.Groups, Elsewhere: reason(err)}
	}
	if len(look.VMs) > 0 {
		look.PowerUnread = reason(c.powers(ctx, look, items))
	}
	look.Accounts = c.accounts(ctx, items)
	look.Taken = now()
	return look.Indexed()
}

// mostAsked is how many VMs are asked one by one whether they run, in one look.
const mostAsked = 20

// powers fills in whether the VMs run. Resource Graph tells of all at once, and may lag behind by minutes: what it says
// does not run, or does not say, is asked of Compute for those that items are surely meant by, so that nothing is held up
// by an old answer.
func (c *Client) powers(ctx context.Context, look observed.AzureVMs, items []observed.Item) error {
	states, err := c.states(ctx, look.Groups)
	at := make(map[string]int, len(look.VMs))
	for n, vm := range look.VMs {
		id := strings.ToLower(vm.ID)
		look.VMs[n].Power, at[id] = cmp.Or(states[id], vm.Power), n
	}
	asked := 0
	for _, i := range items {
		vms, sure := look.Of(i)
		if !i.InAzure() || !sure || vms[0].Power == observed.Running || asked == mostAsked {
			continue
		}
		asked++
		power, askErr := c.power(ctx, vms[0].ID)
		if askErr != nil {
			err = askErr
			continue
		}
		look.VMs[at[strings.ToLower(vms[0].ID)]].Power = power
	}
	return err
}

// power asks Compute whether a VM runs.
func (c *Client) power(ctx context.Context, id string) (string, error) {
	compute, err := armcompute.NewVirtualMachinesClient(subscriptionOf(id), c.credential, c.options)
	if err != nil {
		return "", c.vault.Fault("cannot set up the client of Compute", err)
	}
	name, group := observed.LastSegment(id), observed.LastSegment(observed.ResourceGroupOf(id))
	view, err := compute.InstanceView(ctx, group, name, nil)
	if err != nil {
		return "", c.fault("cannot read whether Azure VM "+name+" runs", err, "the resource group "+group)
	}
	for _, status := range view.Statuses {
		if status != nil && status.Code != nil {
			if power, ok := powerOf(*status.Code); ok {
				return power, nil
			}
		}
	}
	return "", nil
}

// powerOf takes a power state out of a status, such as PowerState/running.
func powerOf(code string) (string, bool) {
	kind, state, _ := strings.Cut(code, "/")
	return strings.ToLower(state), strings.EqualFold(kind, "PowerState")
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSuffix(err.Error(), ".")
}

// strayed lists the VM names of the items whose resource group was read and which are not surely in it.
func strayed(look observed.AzureVMs, items []observed.Item) (names []string) {
	for _, i := range items {
		if why, listed := look.Groups[strings.ToLower(i.AzureHome())]; !i.InAzure() || !listed || why != "" {
			continue
		}
		if _, sure := look.Of(i); sure {
			continue
		}
		if name := i.AzureName(); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Covers says whether a look serves those items too, though they are read later: whether each is found in it. That
// a VM is missing must never be said from an old look, since a failover may just have made it.
func Covers(look observed.AzureVMs, items []observed.Item) bool {
	for id := range accountsOf(items) {
		if _, looked := look.Accounts[id]; !looked {
			return false
		}
	}
	for _, i := range items {
		if !i.InAzure() {
			continue
		}
		why, listed := look.Groups[strings.ToLower(i.AzureHome())]
		if !listed {
			return false
		}
		if _, sure := look.Of(i); !sure && why == "" {
			return false
		}
	}
	return true
}

// list reads the VMs of one resource group; one that was deleted has none.
func (c *Client) list(ctx context.Context, group string) (vms []observed.AzureVM, err error) {
	name := observed.LastSegment(group)
	compute, err := armcompute.NewVirtualMachinesClient(subscriptionOf(group), c.credential, c.options)
	if err != nil {
		return nil, c.vault.Fault("cannot set up the client of Compute", err)
	}
	for pager := compute.NewListPager(name, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		var refused *azcore.ResponseError
		if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound && refused.ErrorCode == "ResourceGroupNotFound" {
			return nil, nil
		}
		if err != nil {
			return nil, c.fault("cannot list the Azure VMs of resource group "+name, err, "the resource group "+name)
		}
		for _, vm := range page.Value {
			if vm != nil && vm.ID != nil && vm.Name != nil {
				read := observed.AzureVM{ID: *vm.ID, Name: *vm.Name, Disks: disksOf(vm)}
				if vm.Location != nil {
					read.Region = *vm.Location
				}
				vms = append(vms, read)
			}
		}
	}
	return vms, nil
}

// disksOf names the managed disks of a VM.
func disksOf(vm *armcompute.VirtualMachine) (names []string) {
	if vm.Properties == nil || vm.Properties.StorageProfile == nil {
		return nil
	}
	add := func(disk *armcompute.ManagedDiskParameters) {
		if disk != nil && disk.ID != nil {
			names = append(names, observed.LastSegment(*disk.ID))
		}
	}
	storage := vm.Properties.StorageProfile
	if storage.OSDisk != nil {
		add(storage.OSDisk.ManagedDisk)
	}
	for _, disk := range storage.DataDisks {
		if disk != nil {
			add(disk.ManagedDisk)
		}
	}
	return names
}

// subscriptionOf an ARM id; "" when it names none, which the SDK refuses.
func subscriptionOf(id string) string {
	segments := strings.Split(strings.Trim(id, "/"), "/")
	if len(segments) < 2 || !strings.EqualFold(segments[0], "subscriptions") {
		return ""
	}
	return segments[1]
}

// fault gives the error the product's form; what is to be read is not the vault, so neither is the role.
func (c *Client) fault(what string, err error, scope string) error {
	err = c.vault.Fault(what, err)
	if f, ok := observed.FaultOf(err); ok && f.Code == asr.CodeForbidden {
		told := *f
		told.Remedy = fmt.Sprintf("give the identity the role Reader on %s", scope)
		return &told
	}
	return err
}
