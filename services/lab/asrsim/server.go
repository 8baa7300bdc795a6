// Package asrsim is a Site Recovery simulator: the ARM REST interface of one Recovery Services vault
// (Microsoft.RecoveryServices, api-version 2025-01-01) as far as a reprotect needs it, spoken so that
// Azure's own SDKs use it unmodified.
//
// The vault holds a classic fabric (configuration server, process server, master targets) when the scenario
// has master targets, and a modernized fabric (appliances) when it has appliances; each machine is an item on
// the fabric of its architecture. Shapes and headers follow recordings of the real service; what no recording
// shows is said to be inferred where it stands.
//
// Everything is computed from the clock when a request comes: there are no goroutines and no timers, so the
// simulator runs under testing/synctest and with a clock that a test advances. Simulated durations are divided
// by the scenario's Speed; timestamps are those of the clock.
package asrsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/services/lab/scenario"
)

// Servers of the classic fabric that a scenario does not name.
const (
	ConfigurationServer = "CS-01"
	ProcessServer       = "PS-AZ-01"
)

// Options of a simulator. The zero value works.
type Options struct {
	Now      func() time.Time // default time.Now
	Token    string           // bearer token that callers must send; empty: any bearer token will do
	PageSize int              // entries on a page of a list; default 50
	VCenter  string           // host or host:port under which the vault knows its vCenter; default vcenter.example:443
	Limit    Limit            // the service's own throttling; the zero value is off

	// OnPremises is told when a failback, or its cancellation, switches a machine on-premises on or off. It must not call the
	// simulator. Nobody is told before somebody asks, or calls Tick.
	OnPremises func(machine string, on bool)
}

// Server is the simulated vault. All methods may be called at any time from any goroutine.
type Server struct {
	sc    scenario.Scenario
	opt   Options
	start time.Time

	mu         sync.Mutex
	fabrics    []*fabric
	machines   []*machine
	byName     map[string]*machine   // lower case
	byItem     map[string]*machine   // lower-case names of items, those of the way back included
	components map[string]*component // configuration, process and master target servers, appliances; lower case
	jobs       []*job                // in the order of their start
	due        jobHeap               // jobs that will start by themselves
	steps      []step                // what else happens by itself, in the order of time
	operations map[string]*operation // by lower-case guid
	gate       gate
	logStorage string          // state of the log storage account; "" is open
	noCompute  bool            // the identity may not read Azure VMs
	refused    map[string]bool // kinds of requests that the identity may not make
	patches    patches
	counts     map[string]int
	reads      int
	writes     int
}

// New builds the vault of a scenario; the lab starts now, with every machine failed over ten simulated minutes
// ago.
func New(sc scenario.Scenario, o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PageSize <= 0 {
		o.PageSize = 50
	}
	if o.VCenter == "" {
		o.VCenter = "vcenter.example:443"
	}
	s := &Server{
		sc: sc, opt: o, start: o.Now().UTC(),
		byName: map[string]*machine{}, byItem: map[string]*machine{}, components: map[string]*component{},
		operations: map[string]*operation{}, counts: map[string]int{},
		refused: map[string]bool{}, patches: patches{},
		gate: newGate(o.Limit),
	}
	s.addFabrics()
	for i, spec := range sc.Machines {
		m := &machine{spec: spec, index: i, agentDue: s.start.Add(sc.Real(sc.AgentAfter(spec))), azureVM: azureRunning}
		m.failActs = map[string][]string{}
		for act, codes := range spec.FailActs {
			m.failActs[act] = slices.Clone(codes)
		}
		if spec.FailWith != "" {
			m.failNext = []string{spec.FailWith}
		}
		s.machines = append(s.machines, m)
		s.byName[strings.ToLower(spec.Name)] = m
		for _, name := range s.itemNames(m) {
			s.byItem[strings.ToLower(name)] = m
		}
	}
	return s
}

// Submissions says how many reprotects of each machine were accepted, whatever became of the job.
func (s *Server) Submissions() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, m := range s.machines {
		if m.submissions > 0 {
			n[m.spec.Name] = m.submissions
		}
	}
	return n
}

// Reprotect is a reprotect job that was accepted.
type Reprotect struct {
	Machine    string
	Writer     string // id of the master target or appliance, in lower case
	Disks      int
	Start, End time.Time
	Good       bool // it does, or will, succeed
}

// Reprotects lists the jobs that were accepted, in their order, for those who judge a run.
func (s *Server) Reprotects() []Reprotect {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Reprotect
	for _, j := range s.jobs {
		if j.kind == reprotectJob {
			all = append(all, Reprotect{
				Machine: j.machine.spec.Name, Writer: strings.ToLower(j.input.MasterTargetID + j.input.ReprotectAgentID), Disks: len(j.machine.spec.DiskGB),
				Start: j.start, End: j.end, Good: j.fault == nil && !j.cancelled,
			})
		}
	}
	return all
}

// Reads is the number of GET requests that came, refused ones included.
func (s *Server) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Writes is the number of other requests that came, refused ones included.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Requests counts the requests by kind: "items", "item", "jobs", "job", "reprotect", …; "throttled", "down" and
// "unauthorized" are those that were turned away, "unknown" those without a handler.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// MachineState is what the simulator knows of a machine.
type MachineState struct {
	Phase           Phase
	ItemID          string
	JobID           string // of the last reprotect; "" when there was none
	AgentRegistered bool
	Submissions     int
}

// Machine returns the state of a machine; an error when the scenario has none of that name.
func (s *Server) Machine(name string) (MachineState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machine(name)
	if err != nil {
		return MachineState{}, err
	}
	now := s.now()
	state := MachineState{
		Phase: s.phase(m, now), ItemID: s.itemID(m, now),
		AgentRegistered: m.registered(now), Submissions: m.submissions,
	}
	if m.last != nil {
		state.JobID = m.last.id
	}
	return state, nil
}

// LogStorage is the ARM id of a storage account that a modernized reprotect can name (M2).
func (s *Server) LogStorage() string {
	return s.armID("Microsoft.Storage/storageAccounts/" + storageName(s.sc.Vault))
}

// Address is the IP address of a configuration, process or master target server or an appliance; "" when the
// scenario has none of that name.
func (s *Server) Address(server string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.components[strings.ToLower(server)]; ok {
		return c.address
	}
	return ""
}

func (s *Server) machine(name string) (*machine, error) {
	m, ok := s.byName[strings.ToLower(name)]
	if !ok {
		return nil, fmt.Errorf("machine %q: the scenario has none of that name", name)
	}
	return m, nil
}

// now is the clock's time after everything due until then has happened. The lock is held.
func (s *Server) now() time.Time {
	now := s.opt.Now().UTC()
	s.startDueJobs(now)
	s.takeSteps(now)
	return now
}

func storageName(vault string) string {
	return strings.ToLower(strings.ReplaceAll(vault, "-", "")) + "logs"
}
