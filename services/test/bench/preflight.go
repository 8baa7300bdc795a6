package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/internal/vsphere"
	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
	"reprotect.example/services/observed"
	"reprotect.example/services/validator"
)

const asked = 50 // machines of a preflight

// preflightReads measures what a preflight asks of a vCenter with many machines, beside a loop that reads machine
// by machine with govmomi's finder, on the same vCenter.
func preflightReads(ctx context.Context, machines int) error {
	s := scenario.Default(machines)
	certificate, _, err := lab.NewCertificate()
	if err != nil {
		return err
	}
	thumbprint := fmt.Sprintf("%X", sha256.Sum256(certificate.Certificate[0]))
	server, err := vcenter.Start(s, vcenter.Options{Certificate: certificate})
	if err != nil {
		return err
	}
	defer server.Close()
	behind, err := countBytes(server.URL())
	if err != nil {
		return err
	}
	defer behind.close()

	client, err := vsphere.New(vsphere.Options{URL: behind.url, Username: server.Username, Password: server.Password, Thumbprint: thumbprint})
	if err != nil {
		return err
	}
	defer client.Close(ctx)
	var q observed.Query
	for _, m := range s.Machines[machines/2 : machines/2+asked] {
		q.VMs = append(q.VMs, observed.VMRef{Name: m.Name})
	}
	for _, writer := range []string{s.MasterTargets[0].Name, s.MasterTargets[1].Name, s.Appliances[0].Name} {
		q.VMs, q.Writers = append(q.VMs, observed.VMRef{Name: writer}), append(q.Writers, observed.VMRef{Name: writer})
	}
	if _, err := client.Inventory(ctx, observed.Query{VMs: q.VMs[:1]}); err != nil { // logs in
		return err
	}
	callsBefore, bytesBefore, begun := total(server.Calls()), behind.bytes.Load(), time.Now()
	inventory, err := client.Inventory(ctx, q)
	if err != nil {
		return err
	}
	took := time.Since(begun)
	if len(inventory.VMs) != len(q.VMs) {
		return fmt.Errorf("preflight: %d of %d machines were read", len(inventory.VMs), len(q.VMs))
	}
	calls, bytes := total(server.Calls())-callsBefore, behind.bytes.Load()-bytesBefore

	callsBefore, bytesBefore, begun = total(server.Calls()), behind.bytes.Load(), time.Now()
	if err := oneByOne(ctx, behind.url, server, q); err != nil {
		return err
	}
	loop := time.Since(begun)
	loopCalls, loopBytes := total(server.Calls())-callsBefore, behind.bytes.Load()-bytesBefore

	common := func(figure, unit string, product, bare float64, aim string) {
		emit(map[string]any{
			"figure": figure, "unit": unit, "machines": asked, "inventory": machines, "product": round(product), "one_by_one": round(bare), "aim": aim,
		})
	}
	common("preflight_round_trips", "calls", float64(calls), float64(loopCalls), "3 or fewer")
	common("preflight_bytes", "MB", float64(bytes)/1e6, float64(loopBytes)/1e6, "")
	common("preflight_time", "ms", took.Seconds()*1000, loop.Seconds()*1000, "20 times faster than one by one")
	return nil
}

// oneByOne is the usual loop: find the machine, read it, its host and its datastores.
func oneByOne(ctx context.Context, address string, server *vcenter.Server, q observed.Query) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	u.User = url.UserPassword(server.Username, server.Password)
	client, err := govmomi.NewClient(ctx, u, true) // the lab's own certificate, on loopback
	if err != nil {
		return err
	}
	finder := find.NewFinder(client.Client)
	center, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return err
	}
	finder.SetDatacenter(center)
	read := property.DefaultCollector(client.Client)
	for _, ref := range q.VMs {
		found, err := finder.VirtualMachine(ctx, "*/"+ref.Name)
		if err != nil {
			if found, err = finder.VirtualMachine(ctx, ref.Name); err != nil {
				return err
			}
		}
		var vm mo.VirtualMachine
		if err := read.RetrieveOne(ctx, found.Reference(), []string{"config", "runtime", "snapshot", "guest", "datastore", "storage"}, &vm); err != nil {
			return err
		}
		var host mo.HostSystem
		if err := read.RetrieveOne(ctx, *vm.Runtime.Host, []string{"datastore", "runtime", "parent"}, &host); err != nil {
			return err
		}
		var stores []mo.Datastore
		if err := read.Retrieve(ctx, append([]types.ManagedObjectReference(nil), host.Datastore...), []string{"summary", "host", "parent"}, &stores); err != nil {
			return err
		}
	}
	return client.Logout(ctx)
}

// pureChecks measures the checks of a thousand machines, without any reading.
func pureChecks(ctx context.Context) error {
	w, err := readWorld(ctx, smallSite())
	if err != nil {
		return err
	}
	in := checks.Input{Now: w.before.Taken, Vault: w.before, Inventory: w.inventory, Site: checks.Site{NetworkPath: "vpn"}}
	var request events.Request
	for _, item := range w.before.Items {
		request.Machines = append(request.Machines, events.RequestMachine{Name: item.Name})
	}
	_, cases, problems := validator.Resolve("bench", request, time.Now(), w.before, w.defaults())
	if problems != nil {
		return fmt.Errorf("checks: %v", problems)
	}
	for len(in.Case.Machines) < 1000 {
		for _, c := range cases {
			in.Case.Machines = append(in.Case.Machines, c.Machines...)
		}
	}
	best := time.Hour
	findings := 0
	for range 5 {
		begun := time.Now()
		findings = len(checks.Run(in))
		best = min(best, time.Since(begun))
	}
	emit(map[string]any{"figure": "checks", "unit": "ms", "machines": 1000, "findings": findings, "product": round(best.Seconds() * 1000), "aim": "under 50"})
	return nil
}

func total(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// counted is a way to a server on which the bytes are counted.
type counted struct {
	url      string
	bytes    atomic.Int64
	listener net.Listener
}

func countBytes(address string) (*counted, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	c := &counted{}
	if c.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	target := u.Host
	u.Host = c.listener.Addr().String()
	c.url = u.String()
	go func() {
		for {
			in, err := c.listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, io.TeeReader(from, c)) // ends when either side does
				_ = to.Close()
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	return c, nil
}

// Write counts what passes.
func (c *counted) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

func (c *counted) close() { _ = c.listener.Close() }
