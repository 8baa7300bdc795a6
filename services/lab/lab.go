// Package lab is the surroundings of the product in one: Site Recovery and vCenter, simulated over HTTPS, a
// bus, and an address at which they can be changed while they run. Everything listens on loopback only.
//
// Start writes a folder: reprotect.yaml is a config with which the product's programs work against the lab,
// azure-token and vcenter-password its secrets, ca.pem what to trust, lab.json how Do finds the lab, nats the
// bus's files. The folder's event log survives a restart of the lab; the simulators begin anew.
package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/lab/vcenter"
)

// The buses of Options.
const (
	BusNATS       = "nats"
	BusServiceBus = "servicebus" // a stand-in for Azure Service Bus, which keeps everything in memory
	BusNone       = "none"       // the written config names no bus: JetStream runs inside the product's process
)

// Options say what to simulate, and where.
type Options struct {
	Scenario scenario.Scenario
	Dir      string // made when it does not exist
	Listen   string // loopback address of the control; "" is a free port
	Bus      string // BusNATS (also ""), BusServiceBus or BusNone
	// ServiceBus is what is set up on that bus: NATS is set up by whoever starts the lab.
	ServiceBus servicebus.Topology
	Log        *zap.Logger // nil: silent
}

// Ready is the line that tells another program where everything is. Paths are absolute.
type Ready struct {
	Config     string      `json:"config"`
	Azure      Azure       `json:"azure"`
	VCenter    VCenter     `json:"vcenter"`
	NATS       *NATS       `json:"nats,omitempty"`
	ServiceBus *ServiceBus `json:"serviceBus,omitempty"`
	Machines   []string    `json:"machines"`
	Control    string      `json:"control"`

	// Probes is where the services of machines answer that are home: GET Probes/MACHINE.
	Probes string `json:"probes"`
}

// Azure is the simulated Azure Resource Manager and its vault.
type Azure struct {
	Endpoint      string `json:"endpoint"`
	TokenFile     string `json:"tokenFile"`
	CAFile        string `json:"caFile"`
	Subscription  string `json:"subscription"`
	ResourceGroup string `json:"resourceGroup"`
	Vault         string `json:"vault"`
}

// VCenter is the simulated vCenter.
type VCenter struct {
	URL      string `json:"url"`
	Username string `json:"username"`
	Password string `json:"password"`
	CAFile   string `json:"caFile"`
}

// NATS is the bus.
type NATS struct {
	URL string `json:"url"`
}

// ServiceBus is the bus.
type ServiceBus struct {
	ConnectionString string `json:"connectionString"`
}

// Lab runs until Close.
type Lab struct {
	ready  Ready
	log    *zap.Logger
	closes []func()
	once   sync.Once

	azure    *asrsim.Server
	machines []scenario.Machine
	actions  []action

	acting sync.Mutex // actions run one at a time
}

// Start starts everything, or nothing: what had started when an error came up is stopped again. It refuses a
// folder whose lab still runs.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if o.Bus == "" {
		o.Bus = BusNATS
	}
	if buses := []string{BusNATS, BusServiceBus, BusNone}; !slices.Contains(buses, o.Bus) {
		return nil, fmt.Errorf("lab: bus %q: use %s", o.Bus, strings.Join(buses, ", "))
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if address, runs := running(ctx, dir); runs {
		return nil, fmt.Errorf("lab: one already runs in %s (%s): stop it, or choose another folder", dir, address)
	}
	l := &Lab{log: o.Log}
	if err := l.start(ctx, o, dir); err != nil {
		l.Close()
		return nil, fmt.Errorf("lab in %s: %w", dir, err)
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context, o Options, dir string) error {
	s := o.Scenario
	listener, err := listenLoopback(o.Listen)
	if err != nil {
		return err
	}
	l.closes = append(l.closes, func() { _ = listener.Close() }) // closed already where it was served
	certificate, caPEM, err := NewCertificate()
	if err != nil {
		return err
	}
	caFile := filepath.Join(dir, "ca.pem")

	center, err := vcenter.Start(s, vcenter.Options{Certificate: certificate})
	if err != nil {
		return err
	}
	l.closes = append(l.closes, center.Close)
	centerURL, err := url.Parse(center.URL())
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}

	l.ready = Ready{
		Config:   filepath.Join(dir, configName),
		VCenter:  VCenter{URL: center.URL(), Username: center.Username, Password: center.Password, CAFile: caFile},
		Machines: []string{}, Control: "https://" + listener.Addr().String(),
	}
	for _, m := range s.Machines {
		l.ready.Machines = append(l.ready.Machines, m.Name)
	}
	if o.Bus == BusNATS {
		nats, err := embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats"), Fast: true})
		if err != nil {
			return err
		}
		l.closes = append(l.closes, nats.Close)
		l.ready.NATS = &NATS{URL: nats.URL()}
	}
	var peer *sbpeer.Peer
	if o.Bus == BusServiceBus {
		peer = sbpeer.New(sbpeer.Options{})
		l.closes = append(l.closes, peer.Close)
		if err := errors.Join(peer.Listen(0), sbtest.SetUp(peer, o.ServiceBus)); err != nil {
			return err
		}
		l.ready.ServiceBus = &ServiceBus{ConnectionString: peer.ConnectionString()}
	}

	azureToken, controlToken := rand.Text(), rand.Text()
	azureListener, err := listenLoopback("")
	if err != nil {
		return err
	}
	l.ready.Azure = Azure{
		Endpoint:  "https://" + azureListener.Addr().String(),
		TokenFile: filepath.Join(dir, "azure-token"), CAFile: caFile,
		Subscription: s.Subscription, ResourceGroup: s.ResourceGroup, Vault: s.Vault,
	}
	home := &homecoming{center: center, log: o.Log, muted: map[string]bool{}}
	if l.ready.Probes, err = l.serveProbes(home); err != nil {
		return err
	}
	l.azure = asrsim.New(s, asrsim.Options{Token: azureToken, VCenter: centerURL.Host, OnPremises: home.onPremises}) // agents register from now on
	l.closes = append(l.closes, tick(l.azure, max(s.Real(5*time.Second), 20*time.Millisecond)))
	l.actions = append(actionsOf(l.azure, center), home.actions(l.ready.Machines)...)
	toServer, err := openPort("ps-to-cs")
	if err != nil {
		return err
	}
	l.closes = append(l.closes, func() { _ = toServer.close() }) // closed already where an action did
	l.actions = append(l.actions, toServer.actions()...)
	if peer != nil {
		l.actions = append(l.actions, busActions(peer)...)
	}
	l.machines = s.Machines
	if err := l.checkTimeline(s.Timeline); err != nil {
		return err
	}
	l.serve(azureListener, certificate, l.azure.Handler())
	l.serve(listener, certificate, l.control(controlToken))
	l.closes = append(l.closes, func() { _ = os.Remove(filepath.Join(dir, handleName)) }) // one that stays does no harm: nobody answers
	if err := l.play(s); err != nil {
		return err
	}
	return writeFolder(dir, folder{
		ready: l.ready, scenario: s, logStorage: l.azure.LogStorage(),
		serverAddress: l.azure.Address(asrsim.ConfigurationServer), probed: toServer,
		caPEM: caPEM, azureToken: azureToken, controlToken: controlToken,
	})
}

// Ready tells where everything is.
func (l *Lab) Ready() Ready { return l.ready }

// Azure is the simulated vault itself, for what no request can ask: counts of requests and submissions.
func (l *Lab) Azure() *asrsim.Server { return l.azure }

// Close stops everything. The folder stays, without lab.json.
func (l *Lab) Close() {
	l.once.Do(func() {
		for i := len(l.closes) - 1; i >= 0; i-- {
			l.closes[i]()
		}
	})
}

func listenLoopback(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen address: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen address %s is not on loopback: the lab must not be reachable from outside", address)
	}
	return net.Listen("tcp", address)
}
