// Package cli is the command line of reprotect. It knows commands, texts and exit statuses; whatever touches the
// world comes in with Deps, so that the whole of it runs in tests.
//
// Results go to stdout; progress, hints and errors go to stderr. With -o json a command prints one document, or
// one object a line where it streams.
package cli

import (
	"context"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/build"
	"reprotect.example/services/preflight"
)

// Deps is what the commands need of the world. Functions that take cfgPath read the config file there; each wraps
// its errors with Usage when the config is to blame. Every other error of theirs means that something was not
// reached (status 3), unless it wraps bus.ErrNotPermitted (4) or a facts.Fault says better.
type Deps struct {
	// Build is how this program was made.
	Build build.Info

	// Settings reads what the config says of whoever runs the commands. nil: nothing.
	Settings func(cfgPath string) (Settings, error)
	// Open connects to the bus.
	Open func(ctx context.Context, cfgPath string) (Bus, error)
	// Topology says what 'bus setup' would make, without connecting; sites are the values of its --site.
	Topology func(cfgPath string, sites []string) (Topology, error)
	// Preflight makes every check now. It changes and publishes nothing.
	Preflight func(ctx context.Context, cfgPath string, ask preflight.Ask) (preflight.Report, error)
	// Ready judges, for the named site or, with "", for each of the config, which machines may be failed back now. What was
	// found out stands beside the error of sites whose vault could not be read.
	Ready func(ctx context.Context, cfgPath, site string) ([]preflight.Readiness, error)
	// Datastores judges every datastore of the site and, unless machine is "", places that machine. An empty site
	// means the only one of the config.
	Datastores func(ctx context.Context, cfgPath, site, machine string) (events.Placement, error)
	// Checks is the catalogue, in its order and in a language.
	Checks func(lang string) []Check
	// VerifyJournal compares the file of a journal with what was written down and with the checkpoints of v.
	VerifyJournal func(ctx context.Context, path string, v *audit.Verifier) (audit.Verdict, error)
	// Checkpoint asks the journal for its checkpoint, signed now.
	Checkpoint func(ctx context.Context, cfgPath string) ([]byte, error)
	// Channels lists the notification channels of the config; TestChannel posts a sample to one.
	Channels    func(cfgPath string) ([]string, error)
	TestChannel func(ctx context.Context, cfgPath, name string) error
	// Errors is the catalogue of errors, in its order and in a language.
	Errors func(lang string) []KnownError

	// StartLab starts the simulated surroundings. ready is the line to print: any value that encodes to JSON.
	StartLab func(ctx context.Context, o LabOptions) (ready any, stop func(), err error)
	// LabActions lists what the running lab of a folder can do; LabDo does it.
	LabActions func(ctx context.Context, dir string) ([]LabAction, error)
	LabDo      func(ctx context.Context, dir, action string, args []string) error
	// LabCheck tells where the machines of a folder's lab stand, and where its scenario says that they end.
	LabCheck func(ctx context.Context, dir string) ([]Standing, error)
	// StartDemo starts surroundings and services. It publishes nothing.
	StartDemo func(ctx context.Context, o DemoOptions) (Demo, error)

	// Now, NewID and User may be nil: the clock, a new request id, and user@host.
	Now   func() time.Time
	NewID func(now time.Time) string
	User  func() string
	// Patience is how long 'request' waits for the answer of a service before it says so; default 10 s.
	Patience time.Duration
}

// Settings are the parts of the config that the commands themselves look at.
type Settings struct {
	Sites       []string // their names
	RequestedBy string   // who asks, for the event log; "": nobody is named
}

// Bus is the message bus as the commands use it.
type Bus interface {
	Publish(ctx context.Context, m bus.Message) error
	// Read hands messages to each, in the order of the log. It ends with each's error, with ctx, or, unless it
	// follows, at the last message.
	Read(ctx context.Context, r Reading, each func(bus.Received) error) error
	// Cases returns where all cases stand, the oldest first; their history may be left out.
	Cases(ctx context.Context) ([]cases.Case, error)
	// Case returns where a case stands, with its whole history. The id may not have other letters than those of ids.
	Case(ctx context.Context, id string) (c cases.Case, found bool, err error)
	// SetUp makes the topology and says what it did; dry, it says what it would do. Sites are the values of --site. It may be
	// called again at any time.
	SetUp(ctx context.Context, sites []string, dry bool) ([]bus.Difference, error)
	Status(ctx context.Context) (Status, error)
	// Requeue delivers the message of a dead letter once more, to the service that gave it up and to no other.
	// Where dead letters are taken away then, that of this number is.
	Requeue(ctx context.Context, number uint64, letter events.Event[events.Dead]) error
	// Redecide asks a service anew to decide a step (workflow.Redecide).
	Redecide(ctx context.Context, service string, in bus.Received, step string, void, mark uint64) error
	Close()
}

// Reading says what to read.
type Reading struct {
	Dead    bool     // the dead letters instead of the event log
	Filters []string // subject filters; none: everything
	From    uint64   // sequence to begin at; 0: the first. Where dead letters have numbers without order, all are read
	Latest  bool     // only the last message of each subject
	Follow  bool     // go on for ever instead of ending at the last message
}

// Status is the state of the bus.
type Status struct {
	Server    string `json:"server"`
	Messages  uint64 `json:"messages"` // in the event log
	Bytes     uint64 `json:"bytes"`
	Rooms     []Room `json:"rooms,omitempty"`     // what of its room each part of the bus has taken, where it says so
	Uncounted string `json:"uncounted,omitempty"` // why the event log could not be counted
	Dead      uint64 `json:"dead"`
	Services  []Lag  `json:"services"`
}

// Room is what a part of the bus has taken of what it may, in bytes; Limit 0: it has no limit of its own.
type Room struct {
	Name  string `json:"name"`
	Bytes uint64 `json:"bytes"`
	Limit uint64 `json:"limit"`
}

// mostTaken is how much of its room a part of the bus may take before that is a warning, in percent.
const mostTaken = 80

// Percent is how much is taken.
func (r Room) Percent() int {
	if r.Limit == 0 {
		return 0
	}
	return int(r.Bytes * 100 / r.Limit) //nolint:gosec // a percentage
}

// Lag is how far a service is behind. Nil is what the bus does not say.
type Lag struct {
	Service   string `json:"service"`
	Pending   uint64 `json:"pending"`             // not delivered yet; with UnderWay nil: not settled yet
	UnderWay  *int   `json:"underWay,omitempty"`  // delivered, not settled
	Redeliver *int   `json:"redeliver,omitempty"` // of these, delivered before
	Waiting   uint64 `json:"waiting"`             // wake-ups scheduled or due
}

// Topology is everything that must exist on the bus.
type Topology struct {
	Document any    // the broker's own form, for -o json
	Parts    []Part // for people
}

// Part is a stream, topic or queue, with who reads it.
type Part struct {
	Name    string
	Takes   []string // subjects
	Readers []Reader
}

// Reader is a durable consumer or subscription.
type Reader struct {
	Name    string
	Filters []string
}

// Check is a row of the catalogue.
type Check struct {
	Code        string   `json:"code"`
	Level       string   `json:"level"` // block, warn, info
	For         []string `json:"for"`   // classic, modernized
	Refs        []string `json:"refs"`  // of the procedure: S5, N2, M1
	NeverWaived bool     `json:"neverWaived,omitempty"`
	Title       string   `json:"title"`
	Why         string   `json:"why"`
	Remedy      string   `json:"remedy"`
	Reference   string   `json:"reference,omitempty"` // a public page
}

// KnownError is a row of the catalogue of errors.
type KnownError struct {
	Code      string   `json:"code"`
	Class     string   `json:"class"`             // temporary, operator, permanent
	Warning   bool     `json:"warning,omitempty"` // an operation carries it and goes on
	For       string   `json:"for"`               // azure, vcenter, reprotect
	Refs      []string `json:"refs,omitempty"`    // of the procedure: S33, N2, M1
	Texts     []string `json:"texts,omitempty"`   // words by which it is recognised when it comes without a code
	Title     string   `json:"title"`
	Cause     string   `json:"cause"`
	Remedy    string   `json:"remedy"`
	Reference string   `json:"reference,omitempty"` // a public page
}

// LabOptions are the flags of 'lab'.
type LabOptions struct {
	Scenario string // file; "" for the built-in one
	Machines int    // 0: as the scenario says
	Speed    float64
	Bus      string // nats, servicebus, none
	Dir      string
	Listen   string
}

// LabAction is something that can be done to a running lab.
type LabAction struct {
	Name string `json:"name"`
	Args string `json:"args"`
	Help string `json:"help"`
}

// Standing is where a machine of the lab stands.
type Standing struct {
	Machine     string `json:"machine"`
	Phase       string `json:"phase"`
	Expect      string `json:"expect"`
	Submissions int    `json:"submissions"`
}

// DemoOptions are the flags of 'demo'.
type DemoOptions struct {
	Machines int
	Speed    float64
	Seed     int64
	Bus      string // nats, servicebus
}

// Demo is a running demonstration.
type Demo struct {
	Bus      Bus
	Machines []string // to be reprotected
	Stop     func()   // closes the bus, too
}
