package asrsim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/services/lab/scenario"
)

// RegisterAgent lets the agent of a machine register now (S33).
func (s *Server) RegisterAgent(machine string) error {
	return s.onMachine(machine, func(m *machineNow) { m.agentHeld, m.agentDue = false, m.now })
}

// HoldAgent keeps the agent of a machine from registering, until RegisterAgent; one that has registered is
// unregistered.
func (s *Server) HoldAgent(machine string) error {
	return s.onMachine(machine, func(m *machineNow) { m.agentHeld = true })
}

// FailNext makes the next reprotect job of a machine fail with that code. Called again, the one after fails too.
func (s *Server) FailNext(machine, code string) error {
	return s.onMachine(machine, func(m *machineNow) { m.failNext = append(m.failNext, code) })
}

// RefuseNext makes the next valid reprotect request for a machine be refused with 400 and that code.
func (s *Server) RefuseNext(machine, code string) error {
	return s.onMachine(machine, func(m *machineNow) { m.refuseNext = append(m.refuseNext, code) })
}

// WarnNext makes the operation of the next reprotect carry an error that means nothing, as some do (28175,
// 310024, 28061, 45031).
func (s *Server) WarnNext(machine, code string) error {
	return s.onMachine(machine, func(m *machineNow) { m.warnNext = append(m.warnNext, code) })
}

// SetAzureVM changes the Azure VM of a machine: running, stopped, deleted or moved (to the resource group of
// the vault with "-moved" behind). Unless it runs in its place a reprotect fails with 78093: what the service
// says of a VM that is gone or was moved (S2) is not published.
func (s *Server) SetAzureVM(machine, state string) error {
	states := []string{azureRunning, azureStopped, azureDeleted, azureMoved}
	if !slices.Contains(states, state) {
		return fmt.Errorf("machine %q: Azure VM state %q is not one of %s", machine, state, strings.Join(states, ", "))
	}
	return s.onMachine(machine, func(m *machineNow) { s.setAzure(m.machine, state, m.now) })
}

// FailBack takes a machine home (S41). It must be protected.
func (s *Server) FailBack(machine string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machine(machine)
	if err != nil {
		return err
	}
	if p := s.phase(m, s.now()); p != Protected {
		return fmt.Errorf("machine %q is %s: only a protected one fails back", machine, p)
	}
	s.beginFailback(m, 0, s.now())
	return nil
}

// CommitFailback ends a failback for good. The machine must be home.
func (s *Server) CommitFailback(machine string) error {
	return s.atHome(machine, func(m *machineNow) { s.beginCommit(m.machine, 0, m.now) })
}

// CancelFailback takes a machine back to Azure whose failback is not committed: it is protected again. The service
// offers it for modernized machines.
func (s *Server) CancelFailback(machine string) error {
	return s.atHome(machine, func(m *machineNow) { s.beginUndo(m.machine, nil, 0, m.now) })
}

// CommitFailover commits the failover of a machine to Azure.
func (s *Server) CommitFailover(machine string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machine(machine)
	if err != nil {
		return err
	}
	now := s.now()
	if p := s.phase(m, now); p != FailedOver || s.failoverCommitted(m, now) || s.running(m, now) != nil {
		return fmt.Errorf("machine %q has no failover that waits for its commit: it is %s", machine, p)
	}
	s.beginCommit(m, 0, now)
	return nil
}

// atHome changes a machine that has come home and whose failback is not committed yet.
func (s *Server) atHome(name string, change func(*machineNow)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	now := s.now()
	if p := s.phase(m, now); p != Home {
		return fmt.Errorf("machine %q has no failback that waits for its commit: it is %s", name, p)
	}
	change(&machineNow{m, now})
	return nil
}

// StopHeartbeat silences a configuration, process or master target server or an appliance: its last heartbeat
// was an hour ago, so that every check for a recent one sees it at once, and its health is Critical. Failbacks that run
// through it fail.
func (s *Server) StopHeartbeat(server string) error {
	return s.onComponent(server, "", func(c *component, now time.Time) { c.silent = now.Add(-time.Hour); s.breakFailbacks(c, now) })
}

// StartHeartbeat undoes StopHeartbeat.
func (s *Server) StartHeartbeat(server string) error {
	return s.onComponent(server, "", func(c *component, _ time.Time) { c.silent = time.Time{} })
}

// SetHealth sets the health of an appliance: Normal, Warning or Critical.
func (s *Server) SetHealth(name, health string) error {
	levels := []string{"Normal", "Warning", "Critical"}
	if !slices.Contains(levels, health) {
		return fmt.Errorf("appliance %q: health %q is not one of %s", name, health, strings.Join(levels, ", "))
	}
	return s.onComponent(name, appliance, func(c *component, _ time.Time) { c.health = health })
}

// RemoveRetention takes the retention drive from a master target.
func (s *Server) RemoveRetention(mt string) error {
	return s.onComponent(mt, masterTarget, func(c *component, _ time.Time) { c.noRetention = true })
}

// AddRetention gives it back. It shows after fifteen simulated minutes, or when the configuration server has
// been refreshed (S25).
func (s *Server) AddRetention(mt string) error {
	return s.onComponent(mt, masterTarget, func(c *component, now time.Time) {
		if c.noRetention {
			c.noRetention, c.retentionFrom = false, now.Add(s.sc.Real(15*time.Minute))
		}
	})
}

// Throttle answers the next n requests with 429 and that Retry-After, in whole seconds, rounded up.
func (s *Server) Throttle(n int, retryAfter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.throttled, s.gate.retryAfter = n, retryAfter
}

// Down answers every request with 503, or no longer.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.down = down
}

// Unauthorize answers every request with 401, as if the token had expired, or no longer.
func (s *Server) Unauthorize(unauthorized bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate.unauthorized = unauthorized
}

// Action is a control by name, for command lines.
type Action struct {
	Name, Args, Help string
	// Do checks the arguments and acts; an error says what is wrong and changes nothing.
	Do func(args []string) error
}

// Actions lists the controls in the order in which a person would read them.
func (s *Server) Actions() []Action {
	onOff := func(set func(bool)) func([]string) error {
		return func(args []string) error {
			switch args[0] {
			case "on":
				set(true)
			case "off":
				set(false)
			default:
				return fmt.Errorf("%q is neither on nor off", args[0])
			}
			return nil
		}
	}
	name := func(do func(string) error) func([]string) error {
		return func(args []string) error { return do(args[0]) }
	}
	nameAnd := func(do func(name, value string) error) func([]string) error {
		return func(args []string) error { return do(args[0], args[1]) }
	}
	actions := []Action{
		{"register-agent", "MACHINE", "let the machine's agent register now", name(s.RegisterAgent)},
		{"hold-agent", "MACHINE", "keep the machine's agent from registering until register-agent", name(s.HoldAgent)},
		{"fail-next", "MACHINE CODE", "make the machine's next reprotect job fail with the code", nameAnd(s.FailNext)},
		{"refuse-next", "MACHINE CODE", "refuse the machine's next reprotect request with the code", nameAnd(s.RefuseNext)},
		{"warn-next", "MACHINE CODE", "let the next reprotect's operation carry a harmless error", nameAnd(s.WarnNext)},
		{"set-azure-vm", "MACHINE STATE", "running, stopped, deleted or moved", nameAnd(s.SetAzureVM)},
		{"set-log-storage", "STATE", "open, closed (by its firewall) or deleted", name(s.SetLogStorage)},
		{"commit-failover", "MACHINE", "commit its failover to Azure: the other recovery points are gone", name(s.CommitFailover)},
		{"add-azure-disk", "MACHINE DISK", "attach a managed disk to the machine's Azure VM, which was not replicated", nameAnd(s.AddAzureDisk)},
		{"remove-recovery-points", "MACHINE", "leave the machine without recovery points", name(func(machine string) error { return s.SetRecoveryPoints(machine, false) })},
		{"restore-recovery-points", "MACHINE", "give them back", name(func(machine string) error { return s.SetRecoveryPoints(machine, true) })},
		{"fail-back", "MACHINE", "take the protected machine home: its disks leave the master target or appliance", name(s.FailBack)},
		{"commit-failback", "MACHINE", "commit its failback", name(s.CommitFailback)},
		{"cancel-failback", "MACHINE", "cancel its failback: it is protected again, and ready", name(s.CancelFailback)},
		{"fail-act", "MACHINE ACT CODE", "make the machine's next job of the way home fail with the code: " + strings.Join(scenario.Acts, ", "), func(args []string) error { return s.FailAct(args[0], args[1], args[2]) }},
		{"require-resync", "MACHINE", "let its disks need a comparison before its failback", name(func(machine string) error { return s.RequireResync(machine, true) })},
		{"end-resync", "MACHINE", "let them need none", name(func(machine string) error { return s.RequireResync(machine, false) })},
		{"stop-heartbeat", "SERVER", "silence a configuration, process or master target server or an appliance", name(s.StopHeartbeat)},
		{"start-heartbeat", "SERVER", "let it send heartbeats again", name(s.StartHeartbeat)},
		{"set-health", "APPLIANCE HEALTH", "Normal, Warning or Critical", nameAnd(s.SetHealth)},
		{"remove-retention", "MASTERTARGET", "take the retention drive away", name(s.RemoveRetention)},
		{"add-retention", "MASTERTARGET", "give the retention drive back: visible after 15 minutes or a refresh", name(s.AddRetention)},
		{"unregister-server", "SERVER", "take a configuration server out of the vault (S10)", name(func(server string) error { return s.Unregister(server, true) })},
		{"register-server", "SERVER", "put it back", name(func(server string) error { return s.Unregister(server, false) })},
		{"dissociate-policy", "SERVER", "take the failback policy from a configuration server (S32)", name(func(server string) error { return s.Dissociate(server, true) })},
		{"associate-policy", "SERVER", "give it back", name(func(server string) error { return s.Dissociate(server, false) })},
		{"set-item", "MACHINE FIELD VALUE", "show that value in the machine's item, e.g. protectionState Protected; none takes the field out", func(args []string) error { return s.SetItem(args[0], args[1], args[2]) }},
		{"set-server", "SERVER FIELD VALUE", "show that value of a server, or of vcenter, e.g. ipAddress 10.0.0.9; none takes the field out", func(args []string) error { return s.SetServer(args[0], args[1], args[2]) }},
		{"set-part", "APPLIANCE PART FIELD VALUE", "show that value of one part of an appliance, e.g. dras health Critical; none takes the field out", func(args []string) error {
			return s.SetPart(args[0], args[1], args[2], args[3])
		}},
		{"refuse-requests", "KIND", "answer requests of a kind with 403: " + strings.Join(kinds(), ", "), name(func(kind string) error { return s.Refuse(kind, true) })},
		{"allow-requests", "KIND", "answer them again", name(func(kind string) error { return s.Refuse(kind, false) })},
		{"hide-azure-vms", "on|off", "take the permission to read Azure VMs away", onOff(s.HideAzureVMs)},
		{"throttle", "REQUESTS RETRYAFTER", "answer the next requests with 429, e.g. throttle 5 10s", nameAnd(s.throttle)},
		{"azure-down", "on|off", "answer every request with 503", onOff(s.Down)},
		{"azure-unauthorized", "on|off", "answer every request with 401", onOff(s.Unauthorize)},
	}
	for i, a := range actions {
		do, want := a.Do, len(strings.Fields(a.Args))
		actions[i].Do = func(args []string) error {
			if len(args) != want {
				return fmt.Errorf("%s wants %s, got %d arguments", a.Name, a.Args, len(args))
			}
			if err := do(args); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
			return nil
		}
	}
	return actions
}

func (s *Server) throttle(requests, retryAfter string) error {
	n, err := strconv.Atoi(requests)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a number of requests", requests)
	}
	d, err := time.ParseDuration(retryAfter)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 10s", retryAfter)
	}
	s.Throttle(n, d)
	return nil
}

// machineNow is a machine under the lock, at a time.
type machineNow struct {
	*machine
	now time.Time
}

func (s *Server) onMachine(name string, change func(*machineNow)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machine(name)
	if err != nil {
		return err
	}
	change(&machineNow{m, s.now()})
	return nil
}

// onComponent changes a server of that kind; of any kind when kind is "".
func (s *Server) onComponent(name, kind string, change func(*component, time.Time)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, found := s.components[strings.ToLower(name)]
	if !found || kind != "" && c.kind != kind {
		what := kind
		if what == "" {
			what = "server"
		}
		return fmt.Errorf("%s %q: the scenario has none of that name", what, name)
	}
	change(c, s.now())
	return nil
}
