package observed

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Consistency says which of a machine's recovery points a failback takes.
type Consistency string

// The choices. Crash-consistent is the latest point, and what Azure recommends.
const (
	CrashConsistent       Consistency = "crash-consistent"
	ApplicationConsistent Consistency = "application-consistent"
)

// Scenario names of the jobs of a failback (seen in recordings, but for what is said to be documented).
const (
	PlannedFailoverScenario   = "PlannedFailover"   // modernized failback
	UnplannedFailoverScenario = "UnplannedFailover" // classic failback
	CancelFailoverScenario    = "CancelFailover"
	FinalizeFailbackScenario  = "FinalizeFailback"    // commit of a classic failback, as answered in 2017
	ResyncScenario            = "RepairVMReplication" // what RepairReplication starts
)

// Forward is how a machine is, or is to be, protected towards Azure. An item of the way to Azure says all of it but the
// run-as account of a classic one; one of the way back says what was seen of it before (see OriginUnread), and a
// modernized one its last policy itself. What is "" is not known.
type Forward struct {
	PolicyID        string
	ProcessServerID string // modernized: the appliance's process server, which has the id of its reprotect agent
	MasterTargetID  string // classic
	RunAsAccountID  string // modernized: an ARM id of the appliance's site; classic: of the configuration server
}

// RunAsAccount is an account with which Site Recovery reaches machines on-premises.
type RunAsAccount struct {
	ID, Name string
	// Kind is what the account is for, verbatim: modernized WindowsGuest, LinuxGuest, VMwareFabric, …; "" when not said.
	Kind string
}

// PlanGroup is a step of a recovery plan: its machines start together, and the next group follows.
type PlanGroup struct {
	Kind          string   // Shutdown, Failover or Boot, verbatim
	Items         []string // ARM ids of replication protected items
	Before, After []PlanAction
}

// PlanAction is what a recovery plan does before or after a group.
type PlanAction struct {
	Name string
	Kind string // ManualActionDetails, ScriptActionDetails or AutomationRunbookActionDetails, verbatim
	What string // of a manual action: what a person is asked to do
	// Directions are those in which it is meant: PrimaryToRecovery is towards Azure. None: not said.
	Directions []string
}

// Manual says whether a person has to do it, and that it is meant for the way home.
func (a PlanAction) Manual() bool {
	home := len(a.Directions) == 0 || slices.ContainsFunc(a.Directions, func(d string) bool { return strings.EqualFold(d, "RecoveryToPrimary") })
	return home && strings.EqualFold(a.Kind, "ManualActionDetails")
}

// ForwardOf chooses how a machine that is home is protected towards Azure again: with what it had, and else with what
// there is no choice of. Accounts are those of the appliance's site; a classic machine's are the configuration server's.
// The account that the caller wants, by id or name, goes before. The error names what is missing, or what there is to
// choose from.
func (v Vault) ForwardOf(i Item, accounts []RunAsAccount, wanted string) (Forward, error) {
	f, ok := v.Fabric(i.FabricID)
	if !ok {
		return Forward{}, fmt.Errorf("the fabric of %s is not known", i.Name)
	}
	out := i.Forward
	var err error
	if out.PolicyID == "" || !v.hasPolicy(out.PolicyID) {
		if out.PolicyID, err = v.forwardPolicy(i); err != nil {
			return Forward{}, err
		}
	}
	if out.ProcessServerID, err = f.forwardProcessServer(out.ProcessServerID); err != nil {
		return Forward{}, err
	}
	if i.Architecture == Classic {
		accounts = nil
		for _, id := range slices.Sorted(maps.Keys(f.RunAsAccounts)) {
			accounts = append(accounts, RunAsAccount{ID: id, Name: f.RunAsAccounts[id]})
		}
		out.MasterTargetID = cmp.Or(out.MasterTargetID, out.ProcessServerID) // as recorded: the process server's own
	}
	out.RunAsAccountID, err = i.forwardAccount(out.RunAsAccountID, accounts, wanted)
	return out, err
}

func (v Vault) hasPolicy(id string) bool {
	return slices.ContainsFunc(v.Policies, func(p Policy) bool { return SameID(p.ID, id) })
}

// forwardPolicy is the only policy that leads from the item's container to Azure.
func (v Vault) forwardPolicy(i Item) (string, error) {
	var ids, names []string
	for _, m := range v.Mappings {
		if !SameID(m.ContainerID, i.ContainerID) || SameID(m.TargetContainerID, m.ContainerID) || slices.ContainsFunc(ids, func(id string) bool { return SameID(id, m.PolicyID) }) {
			continue
		}
		ids, names = append(ids, m.PolicyID), append(names, LastSegment(m.PolicyID))
	}
	if len(ids) == 1 {
		return ids[0], nil
	}
	return "", choose("replication policy towards Azure", i.Name, names)
}

// forwardProcessServer is the one that the machine had, while there is one of that id, or the only one.
func (f Fabric) forwardProcessServer(had string) (string, error) {
	var ids, names []string
	for _, p := range f.ProcessServers {
		ids, names = append(ids, p.ID), append(names, p.Name)
	}
	for _, a := range f.Appliances {
		ids, names = append(ids, a.ID), append(names, a.Name)
	}
	if i := slices.IndexFunc(ids, func(id string) bool { return had != "" && strings.EqualFold(id, had) }); i >= 0 {
		return ids[i], nil
	}
	if len(ids) == 1 {
		return ids[0], nil
	}
	return "", choose("process server", f.Name, names)
}

// guestKinds are the accounts that log in to a machine, by its system.
var guestKinds = map[string]string{Windows: "WindowsGuest", Linux: "LinuxGuest"}

func (i Item) forwardAccount(had string, accounts []RunAsAccount, wanted string) (string, error) {
	find := func(word string) (string, bool) {
		for _, a := range accounts {
			if word != "" && (SameID(a.ID, word) || strings.EqualFold(a.Name, word)) {
				return a.ID, true
			}
		}
		return "", false
	}
	if wanted != "" {
		if id, ok := find(wanted); ok {
			return id, nil
		}
	} else if had != "" {
		if id, ok := find(had); ok || len(accounts) == 0 { // the accounts may be unreadable: then what it had stands
			return cmp.Or(id, had), nil
		}
	}
	fit := slices.DeleteFunc(slices.Clone(accounts), func(a RunAsAccount) bool { return a.Kind != "" && !strings.EqualFold(a.Kind, guestKinds[i.OS]) })
	var names []string
	for _, a := range fit {
		names = append(names, a.Name)
	}
	if len(fit) == 1 && wanted == "" {
		return fit[0].ID, nil
	}
	if wanted != "" {
		return "", fmt.Errorf("there is no run-as account %s for %s: there are %s", wanted, i.Name, listed(names))
	}
	return "", choose("run-as account", i.Name, names)
}

func choose(what, of string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("there is no %s for %s", what, of)
	}
	return fmt.Errorf("there are several for %s to choose from, and nothing says which %s it had: %s", of, what, listed(names))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
