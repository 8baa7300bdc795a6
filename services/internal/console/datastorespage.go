package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/preflight"
)

// placings asks for the datastores of a site, and remembers the answers for a moment: a page may be loaded many times.
type placings struct {
	ask   func(ctx context.Context, site, machine string) (events.Placement, error)
	clock func() time.Time
	sites []string

	mu    sync.Mutex
	known map[[2]string]*placing
}

type placing struct {
	mu    sync.Mutex // held while it is asked
	taken time.Time
	events.Placement
	err error
}

const (
	placingLasts = 30 * time.Second
	mostPlacings = 64
	placingTime  = time.Minute
)

func newPlacings(o Options) *placings {
	return &placings{ask: o.Datastores, clock: o.Now, sites: o.Sites, known: map[[2]string]*placing{}}
}

// of judges the datastores of a site, for a machine unless it is "", and says when it did.
func (p *placings) of(ctx context.Context, site, machine string) (events.Placement, time.Time, error) {
	if p.ask == nil {
		return events.Placement{}, time.Time{}, says(http.StatusNotFound, "address.unknown", "this process judges no datastores", "Use 'reprotect datastores'.")
	}
	if site == "" && len(p.sites) == 1 {
		site = p.sites[0]
	}
	if !slices.Contains(p.sites, site) {
		return events.Placement{}, time.Time{}, says(http.StatusBadRequest, "site.unknown", "there is no site "+cut(site, 40), "Name one of "+strings.Join(p.sites, ", ")+".")
	}
	at := p.entry([2]string{site, machine})
	at.mu.Lock()
	defer at.mu.Unlock()
	if now := p.clock(); at.taken.IsZero() || now.Sub(at.taken) > placingLasts {
		ctx, cancel := context.WithTimeout(ctx, placingTime)
		defer cancel()
		found, err := p.ask(ctx, site, machine)
		if ctx.Err() != nil { // who asked has gone: that says nothing of the next
			return found, now, notRead(cmp.Or(err, ctx.Err()))
		}
		at.Placement, at.err, at.taken = found, err, p.clock()
	}
	if at.err != nil {
		return events.Placement{}, at.taken, notRead(at.err)
	}
	return at.Placement, at.taken, nil
}

func (p *placings) entry(key [2]string) *placing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[key] == nil {
		if len(p.known) >= mostPlacings {
			clear(p.known)
		}
		p.known[key] = &placing{}
	}
	return p.known[key]
}

// datastoresView is the page of the datastores.
type datastoresView struct {
	events.Placement
	Taken   time.Time
	Sites   []string
	Site    string
	For     string
	Problem *journalclient.Problem // why they are not judged
}

func (c *Console) datastoresPage(r *http.Request, d *sheet, _ *snapshot) error {
	q := query(d.Query)
	v := datastoresView{Sites: c.o.Sites, Site: q.get("site"), For: strings.TrimSpace(q.get("for"))}
	if v.Site == "" && len(v.Sites) > 0 {
		v.Site = v.Sites[0]
	}
	var err error
	if v.Placement, v.Taken, err = c.places.of(r.Context(), v.Site, v.For); err != nil {
		v.Problem = problemOf(err)
	}
	d.It = v
	return nil
}

// Known words why a datastore is refused, in the language of the page.
func (d *sheet) Known(v events.DatastoreVerdict) string {
	if why, remedy := preflight.Known(d.Lang, v); why != "" {
		return why + "。" + remedy
	}
	return strings.TrimSpace(cmp.Or(v.Reason, v.Warning) + " " + v.Remedy)
}
