package admission

import (
	"fmt"
	"slices"
	"time"

	"reprotect.example/services/observed"
)

var cleared = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

const poll = 30 * time.Second

// site drives a queue as cases would, with machines of one appliance.
type site struct {
	*Queue

	now   time.Time
	vault observed.Vault
	items map[string]observed.Item
	turns map[string]Turn // of the last admission, by request
}

func newSite(limits Limits) *site {
	s := &site{now: cleared, items: map[string]observed.Item{}, turns: map[string]Turn{}}
	s.Queue = NewLedger(func() time.Time { return s.now }).Queue(limits)
	s.looks(time.Minute, nil)
	return s
}

// Ask remembers the turn, as the delivery of a case does.
func (s *site) Ask(r Request, vault observed.Vault) Decision {
	d := s.Queue.Ask(r, vault)
	s.turns[r.ID] = d.Turn
	return d
}

// Leave lets the delivery that asked last leave.
func (s *site) Leave(id string) { s.Queue.Leave(id, s.turns[id]) }

// Keep lets the delivery that asked last keep what it was admitted for.
func (s *site) Keep(id string, most time.Duration) { s.Queue.Keep(id, s.turns[id], most) }

// machine is one of those that a case starts.
func (s *site) machine(name string, disks int) Machine {
	s.items[name] = observed.Item{
		ID: "/Items/" + name, Name: name, Architecture: observed.Modernized, Provider: "InMageRcm",
		State: "UnplannedFailoverCommitted", Location: "Recovery", Disks: make([]observed.ItemDisk, disks),
	}
	return Machine{Item: "/items/" + name, Name: name, Writer: "/Agents/1", Disks: disks}
}

func (s *site) request(id string, rank int, machines ...Machine) Request {
	return Request{ID: id, Order: Order{Asked: cleared, Request: "r1", Rank: rank}, Machines: machines, Patience: 15 * poll, Forming: poll + poll/4}
}

// ask asks for a case of so many machines with so many disks each.
func (s *site) ask(id string, rank, machines, disks int) Decision {
	return s.Ask(s.request(id, rank, s.group(id, machines, disks)...), s.vault)
}

func (s *site) group(id string, machines, disks int) (all []Machine) {
	for i := range machines {
		all = append(all, s.machine(fmt.Sprintf("%s-%d", id, i), disks))
	}
	return all
}

// submit lets a case of one machine that was admitted do so.
func (s *site) submit(id string) {
	s.Submitted("/ITEMS/"+id+"-0", "job-"+id+"-0")
	s.Leave(id)
}

// looks takes a new look, in which these jobs run, and these items replicate back.
func (s *site) looks(after time.Duration, running []string, back ...observed.Item) {
	s.now = s.now.Add(after)
	s.vault = observed.Vault{
		Began: s.now, Taken: s.now, Items: back,
		Fabrics: []observed.Fabric{
			{ID: "/fabrics/rcm", Architecture: observed.Modernized, Appliances: []observed.Appliance{{ID: "/agents/1", Name: "APPL-01"}}},
			{ID: "/fabrics/cs", Architecture: observed.Classic, MasterTargets: []observed.MasterTarget{{ID: "/targets/1", Name: "MT-01"}}},
		},
	}
	for name, item := range s.items {
		if slices.ContainsFunc(back, func(b observed.Item) bool { return b.Name == name }) {
			continue
		}
		if slices.Contains(running, name) {
			item.JobID, item.Scenario = "job-"+name, observed.ReprotectScenario
		}
		s.vault.Items = append(s.vault.Items, item)
	}
	for _, name := range running {
		s.vault.Jobs = append(s.vault.Jobs, observed.Job{ID: "job-" + name, State: "InProgress", Scenario: observed.ReprotectScenario, TargetName: name})
	}
}

// backOn is a machine that replicates back through the appliance.
func backOn(name string, disks int) observed.Item {
	return observed.Item{
		ID: "/items/" + name, Name: name, Architecture: observed.Modernized, Provider: "InMageRcmFailback", State: "Protected",
		Location: "Primary", ApplianceID: "/agents/1", Disks: make([]observed.ItemDisk, disks),
	}
}
