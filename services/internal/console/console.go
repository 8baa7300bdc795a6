// Package console is the product in a browser and over HTTP: where all cases stand, live, and, for who may act, the commands
// to change that. It is served by the process that keeps the journal, and reads nothing else but what it is handed.
//
// Pages are made here, on the server, and stay true by themselves: a page that is asked for as text/event-stream is the
// page once more whenever something in it has changed. The HTTP API below /api/v1 says the same for programs; openapi.json
// describes it.
package console

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/preflight"
	"reprotect.example/services/status"
)

// Journal is the event log with where its cases stand, as the journal of this process keeps it.
type Journal interface {
	// ID tells this journal from one that was made anew: places of one mean nothing in another.
	ID() string
	// Last is the newest place.
	Last(ctx context.Context) (uint64, error)
	// Standings returns where these cases stand, without their history, in no order; none named: all.
	Standings(ctx context.Context, ids ...string) ([]cases.Case, error)
	// Case returns where a case stands, with its whole history.
	Case(ctx context.Context, id string) (c cases.Case, found bool, err error)
	// Story returns every fact of a case, in the order of the journal.
	Story(ctx context.Context, id string) ([]bus.Received, error)
	// Follow hands messages to each in the order of the journal, from a place on, until ctx or each ends it.
	Follow(ctx context.Context, filters []string, from uint64, each func(bus.Received) error) error
	// LookBack returns messages, the newest first, and the place before which a next look goes on; 0: there is no more.
	LookBack(ctx context.Context, b Back) (found []bus.Received, next uint64, err error)
	// Holds says how much the journal holds.
	Holds(ctx context.Context) (Holding, error)
}

// Back says which messages somebody who looks back wants; what is empty does not restrict.
type Back struct {
	Before uint64 // only places below this one; 0: from the newest on
	Types  []string
	Case   string
	Site   string
	Person string // a part of who asked
	Since  time.Time
	Until  time.Time
	Limit  int
}

// Holding is how much the journal holds.
type Holding struct {
	Messages uint64    `json:"messages"`
	Cases    uint64    `json:"cases"`
	Open     uint64    `json:"open"` // cases that have not ended
	Bytes    int64     `json:"bytes"`
	Newest   time.Time `json:"newest,omitzero"` // when the bus stored the newest message
}

// Options of New. Functions that are nil are not offered.
type Options struct {
	Journal Journal
	// Serves says whether this process keeps the journal and has caught up: else it answers that it does not.
	Serves func() bool
	// Health tells of each part of the process whether it works.
	Health func() []status.Part
	// Publish puts a message on the bus; nil: nobody acts.
	Publish    func(ctx context.Context, m bus.Message) error
	Preflight  func(ctx context.Context, ask preflight.Ask) (preflight.Report, error)
	Datastores func(ctx context.Context, site, machine string) (events.Placement, error)
	// JournalAPI serves the rest of /api/v1: the log and the cases as they are kept.
	JournalAPI http.Handler
	Sites      []string
	Access     Access
	Version    string
	Log        *slog.Logger
	Drain      <-chan struct{} // closed: streams end, so that the server can

	Now   func() time.Time           // nil: the clock
	NewID func(now time.Time) string // of requests and other commands; nil: a random one
}

// Console serves the pages and the API.
type Console struct {
	o       Options
	access  access
	board   *board
	runs    *runs
	places  *placings
	streams chan struct{} // a slot for each that is open
}

// mostStreams is how many pages and event streams are followed at once.
const mostStreams = 256

// New makes a console; Run keeps it true.
func New(o Options) *Console {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.NewID == nil {
		o.NewID = func(now time.Time) string { return "r-" + now.UTC().Format("20060102") + "-" + token(8) }
	}
	if o.Serves == nil {
		o.Serves = func() bool { return true }
	}
	if o.Health == nil {
		o.Health = func() []status.Part { return nil }
	}
	c := &Console{o: o, access: newAccess(o.Access), board: newBoard(o), streams: make(chan struct{}, mostStreams)}
	c.runs, c.places = newRuns(o), newPlacings(o)
	return c
}

// Run follows the journal until ctx ends.
func (c *Console) Run(ctx context.Context) { c.board.run(ctx) }

// token is a random word of that many letters that is safe in subjects and addresses.
func token(letters int) string {
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
	b := make([]byte, letters)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// Handler serves everything: the pages below /, and /api/v1.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	c.routePages(mux)
	c.routeAPI(mux)
	return c.shield(mux)
}
