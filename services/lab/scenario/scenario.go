// Package scenario describes the surroundings that the lab simulates: one vault, one vCenter, and the
// machines that were failed over. Both simulators are built from the same Scenario, so what Site Recovery says
// of a machine and what vCenter says of it agree.
package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Scenario is the whole of it. The zero value of every field has a sensible meaning; Default fills a site in
// which every machine can come home.
type Scenario struct {
	Seed  int64   `yaml:"seed"`
	Speed float64 `yaml:"speed"` // 60: a simulated minute takes a second; 0 counts as 1

	Subscription  string `yaml:"subscription"`
	ResourceGroup string `yaml:"resourceGroup"`
	Vault         string `yaml:"vault"`

	Times Times `yaml:"times"`

	// FullLists shows in lists what the real service leaves out of them: disks, master targets, appliances' components,
	// the groups of plans.
	FullLists bool `yaml:"fullLists"`

	// NewItems lets a classic reprotect make a new item in the place of the old one. In the recordings it turns the item
	// round in its place; the service's interface allows both.
	NewItems bool `yaml:"newItems"`

	Hosts         []Host         `yaml:"hosts"`
	Datastores    []Datastore    `yaml:"datastores"`
	MasterTargets []MasterTarget `yaml:"masterTargets"`
	Appliances    []Appliance    `yaml:"appliances"`
	Machines      []Machine      `yaml:"machines"`
	Plans         []Plan         `yaml:"plans"`

	Timeline []Step `yaml:"timeline"`
}

// Step lets the lab do something by itself.
type Step struct {
	At   time.Duration `yaml:"at"` // simulated, from the start of the lab; 0: done before the lab is ready
	Do   string        `yaml:"do"` // as in 'reprotect lab do'
	Args []string      `yaml:"args"`
}

// Times are simulated durations: the lab divides them by Speed.
type Times struct {
	Agent              time.Duration `yaml:"agent"`              // from the start of the lab until an agent registers (S33)
	Job                time.Duration `yaml:"job"`                // a reprotect job
	InitialReplication time.Duration `yaml:"initialReplication"` // from the end of the job until protected
}

// Host is an ESXi host.
type Host struct {
	Name    string `yaml:"name"`
	Cluster string `yaml:"cluster"`
}

// Datastore is mounted read-write on Hosts, read-only on ReadOnly.
type Datastore struct {
	Name       string   `yaml:"name"`
	Type       string   `yaml:"type"` // VMFS, vsan, NFS
	Hosts      []string `yaml:"hosts"`
	ReadOnly   []string `yaml:"readOnly"`
	CapacityGB int64    `yaml:"capacityGB"`
	FreeGB     int64    `yaml:"freeGB"`
}

// MasterTarget is a classic master target: a VM in vCenter and a server of the configuration server.
type MasterTarget struct {
	Name      string `yaml:"name"`
	OS        string `yaml:"os"` // windows, linux
	Host      string `yaml:"host"`
	Datastore string `yaml:"datastore"`
	Retention string `yaml:"retention"` // R or /mnt/retention
}

// Appliance is a modernized replication appliance: a VM in vCenter and a reprotect agent of the fabric.
type Appliance struct {
	Name       string   `yaml:"name"`
	Host       string   `yaml:"host"`
	Datastore  string   `yaml:"datastore"`
	Accessible []string `yaml:"accessible"` // datastores
}

// Machine was failed over; on-premises it is powered off.
type Machine struct {
	Name         string        `yaml:"name"`
	Architecture string        `yaml:"architecture"` // classic, modernized
	OS           string        `yaml:"os"`           // windows, linux
	OSVersion    string        `yaml:"osVersion"`
	Physical     bool          `yaml:"physical"`
	Host         string        `yaml:"host"`
	Datastore    string        `yaml:"datastore"`
	DiskGB       []int64       `yaml:"diskGB"`
	Group        string        `yaml:"group"`      // replication group
	Deleted      bool          `yaml:"deleted"`    // the on-premises VM is gone: alternate location (S35)
	Agent        time.Duration `yaml:"agent"`      // overrides Times.Agent; negative: registered already
	FailWith     string        `yaml:"failWith"`   // code with which the next reprotect job fails
	RefuseWith   string        `yaml:"refuseWith"` // code with which every reprotect request is refused
	FailBack     time.Duration `yaml:"failBack"`   // goes home by itself so long after it was protected; 0: stays
	Expect       string        `yaml:"expect"`     // where it stands in the end: protected (also ""), home, committed, protected-again, failed-over

	// FailActs are codes with which its next jobs of the way home fail, by act: failback, cancel, commit, protect, resync.
	FailActs map[string][]string `yaml:"failActs"`

	// Count makes that many machines of one entry of a file, with -001, -002, … behind the name.
	Count int `yaml:"count"`
}

// Plan is a recovery plan.
type Plan struct {
	Name     string   `yaml:"name"`
	Machines []string `yaml:"machines"`
	All      bool     `yaml:"all"` // of a file: every machine, in its order

	// Groups are the plan's steps, in their order; none: all machines together. Their machines need not be named in Machines.
	Groups []Group `yaml:"groups"`
}

// Group is a step of a recovery plan.
type Group struct {
	Machines []string `yaml:"machines"`
	Before   []string `yaml:"before"` // what a person has to do first, on the way home
	After    []string `yaml:"after"`
}

// Load reads a scenario from a YAML file; unknown keys are errors. What the file leaves out comes from Default.
func Load(path string, machines int) (Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	defer f.Close()
	s := Default(machines)
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	s.Machines = expand(s.Machines, s.Hosts)
	for i, p := range s.Plans {
		for _, g := range p.Groups {
			s.Plans[i].Machines = append(s.Plans[i].Machines, g.Machines...)
		}
		if p.All {
			for _, m := range s.Machines {
				s.Plans[i].Machines = append(s.Plans[i].Machines, m.Name)
			}
		}
	}
	if err := s.check(); err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", path, err)
	}
	return s, nil
}

// expand makes the machines that entries with a count stand for, and fills in what they leave out.
func expand(entries []Machine, hosts []Host) (all []Machine) {
	for _, e := range entries {
		if e.Host == "" && len(hosts) > 0 {
			e.Host = hosts[len(all)%len(hosts)].Name
		}
		if e.OSVersion == "" {
			e.OSVersion = systems[e.OS]
		}
		if len(e.DiskGB) == 0 {
			e.DiskGB = []int64{40}
		}
		count, name := e.Count, e.Name
		e.Count = 0
		if count == 0 {
			all = append(all, e)
		}
		for n := range count {
			e.Name = fmt.Sprintf("%s-%03d", name, n+1)
			all = append(all, e)
		}
	}
	return all
}

// The ends that Machine.Expect may name.
var ends = []string{"", "protected", "home", "committed", "protected-again", "failed-over"}

// Acts of the way home, of which FailActs speaks.
const (
	ActFailback = "failback"
	ActCancel   = "cancel" // of a failback
	ActCommit   = "commit"
	ActProtect  = "protect" // towards Azure again
	ActResync   = "resync"
)

// Acts lists them.
var Acts = []string{ActFailback, ActCancel, ActCommit, ActProtect, ActResync}

// check finds what would only show when the lab runs.
func (s Scenario) check() error {
	seen := map[string]bool{}
	for _, m := range s.Machines {
		switch name := strings.ToLower(m.Name); {
		case name == "":
			return errors.New("a machine has no name")
		case seen[name]:
			return fmt.Errorf("machine %s: there are two of that name", m.Name)
		case m.Architecture != "classic" && m.Architecture != "modernized":
			return fmt.Errorf("machine %s: architecture %q is neither classic nor modernized", m.Name, m.Architecture)
		case systems[m.OS] == "":
			return fmt.Errorf("machine %s: os %q is neither linux nor windows", m.Name, m.OS)
		case !slices.Contains(ends, m.Expect):
			return fmt.Errorf("machine %s: expect %q is not one of %s", m.Name, m.Expect, strings.Join(ends[1:], ", "))
		default:
			seen[name] = true
		}
		for act := range m.FailActs {
			if !slices.Contains(Acts, act) {
				return fmt.Errorf("machine %s: failActs: %q is not one of %s", m.Name, act, strings.Join(Acts, ", "))
			}
		}
	}
	for _, p := range s.Plans {
		for _, name := range p.Machines {
			if !seen[strings.ToLower(name)] {
				return fmt.Errorf("plan %s: there is no machine %s", p.Name, name)
			}
		}
	}
	return nil
}

// systems are the versions of operating systems that the lab shows by default.
var systems = map[string]string{"linux": "Ubuntu 22.04", "windows": "Microsoft Windows Server 2019 Datacenter"}

// Default is a site in which everything is as the page demands: machines in turn modernized and classic,
// Linux and Windows, two hosts, VMFS, vSAN and NFS datastores. The first machines have speaking names.
func Default(machines int) Scenario {
	s := Scenario{
		Seed: 1, Speed: 1,
		Subscription:  "00000000-0000-4000-8000-000000000001",
		ResourceGroup: "rg-failback", Vault: "vault-tokyo",
		Times: Times{Agent: 12 * time.Minute, Job: 12 * time.Minute, InitialReplication: 20 * time.Minute},
		Hosts: []Host{{Name: "esx01.tokyo.example", Cluster: "CL-TOKYO"}, {Name: "esx02.tokyo.example", Cluster: "CL-TOKYO"}},
		Datastores: []Datastore{
			{Name: "VMFS-01", Type: "VMFS", Hosts: []string{"esx01.tokyo.example", "esx02.tokyo.example"}, CapacityGB: 200_000, FreeGB: 90_000},
			{Name: "VMFS-02", Type: "VMFS", Hosts: []string{"esx01.tokyo.example", "esx02.tokyo.example"}, CapacityGB: 200_000, FreeGB: 120_000},
			{Name: "VSAN-01", Type: "vsan", Hosts: []string{"esx01.tokyo.example", "esx02.tokyo.example"}, CapacityGB: 300_000, FreeGB: 100_000},
			{Name: "NFS-01", Type: "NFS", Hosts: []string{"esx01.tokyo.example", "esx02.tokyo.example"}, CapacityGB: 300_000, FreeGB: 250_000},
		},
		MasterTargets: []MasterTarget{
			{Name: "MT-WIN-01", OS: "windows", Host: "esx01.tokyo.example", Datastore: "VMFS-01", Retention: "R"},
			{Name: "MT-LINUX-01", OS: "linux", Host: "esx02.tokyo.example", Datastore: "VMFS-01", Retention: "/mnt/retention"},
		},
		Appliances: []Appliance{
			{Name: "ASR-APPL-01", Host: "esx01.tokyo.example", Datastore: "VMFS-01", Accessible: []string{"VMFS-01", "VMFS-02", "VSAN-01"}},
		},
	}
	names := []string{"web01", "db01", "app01", "mail01", "web02", "db02", "app02", "file01"}
	for i := range machines {
		m := Machine{
			Name:         fmt.Sprintf("vm%03d", i+1),
			Architecture: []string{"modernized", "classic"}[i%2],
			OS:           []string{"linux", "windows"}[i/2%2],
			Host:         s.Hosts[i%len(s.Hosts)].Name,
			Datastore:    s.Datastores[i%2].Name,
			DiskGB:       []int64{40},
		}
		if i < len(names) {
			m.Name = names[i]
		}
		if i%3 == 1 {
			m.DiskGB = []int64{60, 200}
		}
		m.OSVersion = systems[m.OS]
		s.Machines = append(s.Machines, m)
	}
	return s
}

// Real turns a simulated duration into a real one.
func (s Scenario) Real(d time.Duration) time.Duration {
	if s.Speed <= 0 {
		return d
	}
	return time.Duration(float64(d) / s.Speed)
}

// UUID derives the UUID of what has a name, the same in both simulators: kind is "bios", "instance", "disk0",
// "job", … It depends on the seed.
func (s Scenario) UUID(kind, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%s", s.Seed, kind, name))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32]
}

// AgentAfter is the simulated time from the start of the lab until the machine's agent registers.
func (s Scenario) AgentAfter(m Machine) time.Duration {
	switch {
	case m.Agent < 0:
		return 0
	case m.Agent > 0:
		return m.Agent
	}
	return s.Times.Agent
}

// Networks of a scenario's machines.
const (
	AtHome  = 10
	InAzure = 20
)

// Address is that of the machine of that place in the scenario, in one of its networks.
func Address(network, machine int) string {
	return fmt.Sprintf("10.%d.%d.%d", network, machine/250%250, 1+machine%250)
}
