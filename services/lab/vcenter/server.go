// Package vcenter is the lab's vCenter: govmomi's simulator over HTTPS on loopback, built from a scenario, with
// users whose privileges count and actions that change it while it runs.
//
// What the simulator does not do by itself is added through its own extension points: an AuthorizationManager
// that knows roles (stock, it grants everything to everyone), a PropertyCollector that can hide properties, and
// a check before every call that refuses a read-only user's changes.
package vcenter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/lab/scenario"
)

// Options say where to listen and with which certificate.
type Options struct {
	Listen      string // loopback only; "" is 127.0.0.1:0
	Certificate tls.Certificate
}

// Server is a running vCenter. The simulator keeps some state per process: run one at a time.
type Server struct {
	// Username has every privilege; ReadOnlyUsername may read everything and change nothing (S43); LimitedUsername has what
	// an administrator gives it by roles and permissions, at first nothing. The passwords follow from the scenario's seed,
	// so that they survive a restart of the lab.
	Username, Password                 string
	ReadOnlyUsername, ReadOnlyPassword string
	LimitedUsername, LimitedPassword   string

	url     string
	model   *simulator.Model
	reg     *simulator.Registry
	vim     *vim25.Client // in process, past all accounts
	roles   *authorization
	hidden  *hidden
	conns   *connections
	http    *http.Server
	stopped chan struct{}

	scenario  scenario.Scenario // it, site and addresses are read only once it is furnished
	site      *site
	addresses map[string]string // at home, by the machine's name in lower case

	mu          sync.Mutex
	calls       map[string]int
	copies      int                                              // machines that actions made
	refused     map[string]bool                                  // methods
	relocations map[types.ManagedObjectReference]*simulator.Task // that run, by machine
}

// Start builds the vCenter of a scenario and serves it. An error says what is wrong with the scenario or with
// the address.
func Start(s scenario.Scenario, o Options) (*Server, error) {
	listener, err := listen(o.Listen)
	if err != nil {
		return nil, err
	}
	srv := &Server{
		Username: "reprotect@vsphere.local", Password: s.UUID("password", "reprotect"),
		ReadOnlyUsername: "reader@vsphere.local", ReadOnlyPassword: s.UUID("password", "reader"),
		LimitedUsername: "limited@vsphere.local", LimitedPassword: s.UUID("password", "limited"),
		calls: map[string]int{}, refused: map[string]bool{}, relocations: map[types.ManagedObjectReference]*simulator.Task{}, stopped: make(chan struct{}),
	}
	if err := srv.build(s); err != nil {
		_ = listener.Close() // err is the news
		srv.remove()
		return nil, fmt.Errorf("lab vCenter: %w", err)
	}
	srv.conns = &connections{Listener: listener, all: map[*connection]bool{}}
	srv.serve(srv.conns, o.Certificate)
	return srv, nil
}

func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("lab vCenter: listen address: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("lab vCenter: listen address %s is not on loopback: the lab must not be reachable from outside", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("lab vCenter: %w", err)
	}
	return listener, nil
}

// build makes the inventory and puts the lab's own managers in place.
func (srv *Server) build(s scenario.Scenario) error {
	srv.model = simulator.VPX()
	srv.model.Portgroup, srv.model.Host, srv.model.Cluster, srv.model.Datastore, srv.model.Machine = 0, 0, 0, 0, 0
	if err := srv.model.Create(); err != nil {
		return err
	}
	srv.reg = srv.model.Map()
	var err error
	if srv.vim, err = vim25.NewClient(context.Background(), srv.model.Service); err != nil {
		return err
	}
	if err := srv.furnish(context.Background(), s); err != nil {
		return err
	}
	srv.roles = putAuthorization(srv.reg, srv.vim.ServiceContent, srv.ReadOnlyUsername, srv.LimitedUsername)
	srv.hidden = putCollector(srv.reg, srv.vim.ServiceContent, srv.roles)
	srv.reg.SessionManager().ValidLogin = func(l *types.Login) bool {
		return l.UserName == srv.Username && l.Password == srv.Password ||
			l.UserName == srv.ReadOnlyUsername && l.Password == srv.ReadOnlyPassword ||
			l.UserName == srv.LimitedUsername && l.Password == srv.LimitedPassword
	}
	srv.reg.Handler = srv.before
	return nil
}

// serve does what Service.NewServer would, on a listener whose errors are ours to report.
func (srv *Server) serve(listener net.Listener, certificate tls.Certificate) {
	service := srv.model.Service
	endpoint := &url.URL{Scheme: "https", Host: listener.Addr().String(), Path: vim25.Path}
	srv.url = endpoint.String()
	withUser := *endpoint
	withUser.User = url.UserPassword(srv.Username, srv.Password) // makes the simulator ask ValidLogin
	service.Listen = &withUser
	service.RegisterSDK(srv.reg, vim25.Path+"/vimService")
	service.ServeMux.HandleFunc(vim25.Path+"/vimServiceVersions.xml", service.ServiceVersions)
	service.ServeMux.HandleFunc("/folder/", service.ServeDatastore)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	srv.reg.SessionManager().ServiceHostName = endpoint.Host
	srv.reg.SessionManager().TLS = func() *tls.Config { return config }
	srv.http = &http.Server{
		Handler: service.ServeMux, TLSConfig: config, ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // clients that refuse the certificate are tests of theirs
	}
	go func() {
		defer close(srv.stopped)
		_ = srv.http.ServeTLS(listener, "", "") // always an error: Close ended it
	}()
}

// URL is the address of the SDK, without a user.
func (srv *Server) URL() string { return srv.url }

// Close ends all sessions and connections and removes the simulator's files.
func (srv *Server) Close() {
	srv.conns.cut()
	_ = srv.http.Close() // only reports the listener's second close
	<-srv.stopped
	srv.remove()
}

func (srv *Server) remove() {
	if srv.model != nil && srv.model.Service != nil {
		srv.model.Remove()
	}
}

// Calls counts the SOAP calls since the start, by method.
func (srv *Server) Calls() map[string]int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return maps.Clone(srv.calls)
}

// before is asked by the simulator before every call: it counts, refuses what the user may not do, and keeps
// the simulator from touching files of a machine whose datastore is not mounted, which would end the process.
func (srv *Server) before(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	srv.mu.Lock()
	srv.calls[m.Name]++
	refused := srv.refused[m.Name]
	srv.mu.Unlock()
	if refused {
		return nil, &types.NoPermission{Object: &m.This, PrivilegeId: "System.Read"}
	}
	if ctx.Session != nil && !srv.roles.mayCall(srv.reg, m.This, ctx.Session.UserName, m.Name) {
		return nil, &types.NoPermission{Object: &m.This, PrivilegeId: needs[m.Name]}
	}
	if move, ok := m.Body.(*types.RelocateVM_Task); ok {
		if vm, ok := srv.reg.Get(m.This).(*simulator.VirtualMachine); ok {
			srv.announce(srv.context(), vm, move.Spec.Datastore)
		}
	}
	if vm, ok := srv.reg.Get(m.This).(*simulator.VirtualMachine); ok && !reading(m.Name) {
		if ds, ok := srv.unmounted(ctx, vm); ok {
			return nil, &types.InaccessibleDatastore{InvalidDatastore: types.InvalidDatastore{Datastore: &ds}}
		}
	}
	return nil, nil
}

// unmounted finds a datastore of the machine that its host does not mount.
func (srv *Server) unmounted(ctx *simulator.Context, vm *simulator.VirtualMachine) (ds types.ManagedObjectReference, found bool) {
	var host types.ManagedObjectReference
	var uses, mounts []types.ManagedObjectReference
	ctx.WithLock(vm, func() { host, uses = *vm.Runtime.Host, vm.Datastore })
	h := srv.reg.Get(host).(*simulator.HostSystem)
	ctx.WithLock(h, func() { mounts = h.Datastore })
	for _, ds := range uses {
		if simulator.FindReference(mounts, ds) == nil {
			return ds, true
		}
	}
	return ds, false
}

// expireSessions ends every session, as an idle timeout or a restart of the vCenter does.
func (srv *Server) expireSessions(ctx context.Context) error {
	var sm mo.SessionManager
	err := mo.RetrieveProperties(ctx, srv.vim, srv.vim.ServiceContent.PropertyCollector, *srv.vim.ServiceContent.SessionManager, &sm)
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range sm.SessionList {
		failed = append(failed, session.NewManager(srv.vim).TerminateSession(ctx, []string{s.Key}))
	}
	return errors.Join(failed...)
}
