package observed

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// RecentHeartbeat is the longest silence after which a component still counts as connected. They send every few minutes,
// and the vault's answer may itself be some minutes old.
const RecentHeartbeat = 15 * time.Minute

// expiresSoon is for how long before its end a certificate is told of.
const expiresSoon = 30 * 24 * time.Hour

// Component is a part of an appliance, or a server of a configuration server's, as Site Recovery judges it.
type Component struct {
	Kind string // for people: "process server", "replication agent of appliance"
	Name string

	ID, BIOSID string
	Heartbeat  time.Time
	Health     string // verbatim
	Unrated    bool   // Site Recovery gives such a component no health
	Problems   []Problem
	Service    string // state of its service, verbatim; "" where it is not said
	Expires    []Expiry
}

// Expiry is the end of a certificate, or of the support of an agent.
type Expiry struct {
	Of string
	At time.Time
}

func (c Component) String() string { return c.Kind + " " + c.Name }

// Condition is what stands against a component; of several that which counts most is the greatest.
type Condition int

// Conditions.
const (
	Sound    Condition = iota
	Doubtful           // it works, and somebody should see to it
	Unclear            // Site Recovery does not say how it is
	Broken
)

// Complaint is one thing that stands against a component, as a clause.
type Complaint struct {
	Condition Condition
	What      string
}

// Complaints lists what stands against a component at that time; none: it is sound.
func (c Component) Complaints(now time.Time) (all []Complaint) {
	add := func(condition Condition, format string, args ...any) {
		all = append(all, Complaint{condition, fmt.Sprintf(format, args...)})
	}
	switch ago := now.Sub(c.Heartbeat); {
	case c.Heartbeat.IsZero():
		add(Unclear, "Site Recovery gives no heartbeat")
	case ago > RecentHeartbeat:
		add(Broken, "the last heartbeat was %s, %s ago", stamp(c.Heartbeat), ago.Round(time.Minute))
	}
	switch condition := conditionOf(c.Health); {
	case c.Unrated:
		if words := Words(c.Problems); words != "" {
			add(Doubtful, "Site Recovery says of it: %s", words)
		}
	case condition == Unclear && c.Health == "":
		add(Unclear, "Site Recovery does not say its health")
	case condition == Unclear:
		add(Unclear, "Site Recovery gives its health as %s", c.Health)
	case condition != Sound:
		add(condition, "its health is %s%s", strings.ToLower(c.Health), after(": ", Words(c.Problems)))
	}
	switch strings.ToLower(c.Service) {
	case "", "running", "started":
	case "stopped":
		add(Broken, "its service is stopped")
	default:
		add(Unclear, "the state of its service is %s", c.Service)
	}
	for _, e := range c.Expires {
		switch {
		case e.At.Sub(now) > expiresSoon:
		case e.At.After(now):
			add(Doubtful, "its %s expires at %s", e.Of, stamp(e.At))
		default:
			add(Broken, "its %s expired at %s", e.Of, stamp(e.At))
		}
	}
	return all
}

// conditionOf weighs a word of health: those of items and components, and Error, which a classic fabric was seen to say.
func conditionOf(health string) Condition {
	switch strings.ToLower(health) {
	case "normal", "healthy", "info":
		return Sound
	case "warning":
		return Doubtful
	case "critical", "error":
		return Broken
	}
	return Unclear
}

// HealthOf weighs the health of a machine's replication, as Site Recovery words it.
func (i Item) HealthOf() Condition { return conditionOf(i.Health) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func after(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// Component is the configuration server of a classic fabric, as it is judged.
func (f Fabric) Component() Component {
	return Component{
		Kind: "configuration server", Name: f.Name, ID: f.ID, Heartbeat: f.Heartbeat, Health: f.Health, Problems: f.HealthErrors, Service: f.Service, Expires: f.Expires,
	}
}

// Component is the process server, as it is judged.
func (p ProcessServer) Component() Component {
	return Component{
		Kind: "process server", Name: p.Name, ID: p.ID, Heartbeat: p.Heartbeat, Health: p.Health, Problems: p.Problems, Service: p.Service, Expires: p.Expires,
	}
}

// Component is the master target, as it is judged.
func (m MasterTarget) Component() Component {
	return Component{Kind: RoleMasterTarget, Name: m.Name, ID: m.ID, Heartbeat: m.Heartbeat, Unrated: true, Problems: m.Problems, Expires: m.Expires}
}

// Components are the parts of an appliance: first the agent that writes the disks, then those that lie beside it.
func (a Appliance) Components() []Component {
	return append([]Component{{
		Kind: RoleAppliance, Name: a.Name, ID: a.ID, BIOSID: a.BIOSID, Heartbeat: a.Heartbeat, Health: a.Health, Problems: a.Problems,
	}}, a.Parts...)
}

// InHealth says whether Site Recovery calls every part of the appliance healthy.
func (a Appliance) InHealth() bool {
	return !slices.ContainsFunc(a.Components(), func(c Component) bool { return conditionOf(c.Health) != Sound })
}
