package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
)

// run is one preflight that somebody asked for here.
type run struct {
	ID    string
	Ask   preflight.Ask
	By    string
	Begun time.Time
	Ended time.Time // zero: it is under way
	err   error
	found preflight.Report
}

// runs keeps the preflights of this process, the newest few.
type runs struct {
	do      func(context.Context, preflight.Ask) (preflight.Report, error)
	clock   func() time.Time
	version string
	slots   chan struct{} // a slot for each that is under way

	mu  sync.Mutex
	all []run // the newest last
}

const (
	mostRuns      = 20
	runsAtOnce    = 2
	preflightTime = 10 * time.Minute
)

func newRuns(o Options) *runs {
	return &runs{do: o.Preflight, clock: o.Now, version: o.Version, slots: make(chan struct{}, runsAtOnce)}
}

var errNoPreflight = says(http.StatusNotFound, "address.unknown", "this process runs no preflight", "Use 'reprotect preflight'.")

// now runs one while the caller waits.
func (r *runs) now(ctx context.Context, ask preflight.Ask) (preflight.Report, error) {
	if r.do == nil {
		return preflight.Report{}, errNoPreflight
	}
	select {
	case r.slots <- struct{}{}:
	default:
		return preflight.Report{}, says(http.StatusServiceUnavailable, "console.busy", "other preflights are under way", "Try again when they are done.")
	}
	defer func() { <-r.slots }()
	ctx, cancel := context.WithTimeout(ctx, preflightTime)
	defer cancel()
	found, err := r.do(ctx, ask)
	found.Version = r.version
	return found, err
}

// start runs one beside, and returns its id.
func (r *runs) start(ctx context.Context, ask preflight.Ask, by string) string {
	id := token(12)
	r.mu.Lock()
	r.all = append(r.all, run{ID: id, Ask: ask, By: by, Begun: r.clock()})
	r.all = r.all[max(len(r.all)-mostRuns, 0):]
	r.mu.Unlock()
	go func() {
		found, err := r.now(context.WithoutCancel(ctx), ask)
		r.mu.Lock()
		defer r.mu.Unlock()
		found.By = by
		if i := slices.IndexFunc(r.all, func(o run) bool { return o.ID == id }); i >= 0 {
			r.all[i].found, r.all[i].err, r.all[i].Ended = found, err, r.clock()
		}
	}()
	return id
}

// list is a copy of them, the newest first.
func (r *runs) list() []run {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.all)
	slices.Reverse(all)
	return all
}

func (r *runs) find(id string) (run, error) {
	for _, one := range r.list() {
		if one.ID == id {
			return one, nil
		}
	}
	return run{}, says(http.StatusNotFound, "address.unknown", "there is no such preflight here any more", "Run it again.")
}

// askOf reads what a preflight shall be about.
func askOf(machines []string, plan, site string, all, ahead bool, lang string) (preflight.Ask, error) {
	ask := preflight.Ask{Request: events.Request{Site: site, Plan: plan}, All: all, Ahead: ahead, Lang: lang}
	for _, name := range machines {
		ask.Request.Machines = append(ask.Request.Machines, events.RequestMachine{Name: name})
	}
	given := 0
	for _, yes := range []bool{len(machines) > 0, plan != "", all} {
		if yes {
			given++
		}
	}
	if given != 1 {
		return ask, says(http.StatusBadRequest, "parameter.wrong", "it is not said for which machines", "Name machines, or a recovery plan, or ask for all.")
	}
	return ask, nil
}

// notRead words why Azure or vCenter could not be read.
func notRead(err error) error {
	var p *journalclient.Problem
	var fault *observed.Fault
	switch {
	case errors.As(err, &p):
		return err
	case errors.As(err, &fault):
		return says(http.StatusBadGateway, fault.Code, fault.Error(), fault.Remedy)
	}
	return says(http.StatusBadGateway, "internal", err.Error(), "See the log of reprotectd.")
}

// preflightList is the page on which a preflight is begun.
type preflightList struct {
	Runs  []runView
	Sites []string
	Can   bool
}

// runView is a preflight with its summary.
type runView struct {
	run
	Problem *journalclient.Problem
	Ready   bool
	Summary []summaryRow
	Causes  []preflight.Thing // what blocks
	Counts  []standingCount
	What    string
}

type summaryRow struct {
	Machine  string   `json:"machine"`
	Standing string   `json:"standing"`
	Because  []string `json:"because"`
}

type standingCount struct {
	Standing string
	N        int
}

func (c *Console) preflightPage(_ *http.Request, d *sheet, _ *snapshot) error {
	v := preflightList{Sites: c.o.Sites, Can: c.runs.do != nil}
	for _, one := range c.runs.list() {
		v.Runs = append(v.Runs, viewOf(one))
	}
	d.It = v
	return nil
}

func (c *Console) preflightRun(r *http.Request, d *sheet, _ *snapshot) error {
	one, err := c.runs.find(r.PathValue("id"))
	if err != nil {
		return err
	}
	d.It = viewOf(one)
	return nil
}

func viewOf(one run) runView {
	v := runView{run: one, What: one.Ask.Request.Plan}
	var named []string
	for _, m := range one.Ask.Request.Machines {
		named = append(named, m.Name)
	}
	if len(named) > 0 {
		v.What = strings.Join(named, ", ")
	}
	if one.Ended.IsZero() {
		return v
	}
	if one.err != nil {
		v.Problem = problemOf(notRead(one.err))
		return v
	}
	v.Ready = one.found.Ready()
	raw, err := preflight.JSON(one.found, one.Ask.Lang)
	var document struct {
		Summary []summaryRow      `json:"summary"`
		Causes  []preflight.Thing `json:"causes"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &document)
	}
	if err != nil {
		v.Problem = problemOf(err)
		return v
	}
	v.Summary = document.Summary
	v.Causes = slices.DeleteFunc(document.Causes, func(t preflight.Thing) bool { return !t.Blocks })
	order := []string{"blocked", "unclear", "later", "ready", "back"}
	place := func(s string) int { return slices.Index(order, s) }
	slices.SortStableFunc(v.Summary, func(a, b summaryRow) int { return place(a.Standing) - place(b.Standing) })
	for _, s := range order {
		n := 0
		for _, row := range v.Summary {
			if row.Standing == s {
				n++
			}
		}
		if n > 0 {
			v.Counts = append(v.Counts, standingCount{s, n})
		}
	}
	return v
}

// startPreflight changes and publishes nothing, so whoever reads may begin one.
func (c *Console) startPreflight(w http.ResponseWriter, r *http.Request) {
	if !c.form(w, r) {
		return
	}
	f := r.PostForm
	lang := langOf(r)
	ask, err := askOf(names(f.Get("machines")), strings.TrimSpace(f.Get("plan")), f.Get("site"), f.Get("all") != "", f.Get("ahead") != "", lang)
	if err == nil && c.runs.do == nil {
		err = errNoPreflight
	}
	if err != nil {
		c.refuse(w, r, problemOf(err))
		return
	}
	id := c.runs.start(r.Context(), ask, personOf(r).Name)
	http.Redirect(w, r, "/preflight/"+id, http.StatusSeeOther)
}

// reportPolicy is for the report, which has its style in itself and needs nothing else.
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

// preflightReport is the report as a page to read, or as a file to keep.
func (c *Console) preflightReport(w http.ResponseWriter, r *http.Request) {
	if !c.mayRead(w, r) {
		return
	}
	one, err := c.runs.find(r.PathValue("id"))
	if err == nil && (one.Ended.IsZero() || one.err != nil) {
		err = says(http.StatusNotFound, "address.unknown", "this preflight has no report", "Look at its page: it is under way, or could not be made.")
	}
	if err != nil {
		c.refuse(w, r, problemOf(err))
		return
	}
	q := query(r.URL.Query())
	lang := langOf(r)
	if l := q.get("lang"); l == english || l == japanese {
		lang = l
	}
	var raw []byte
	name, kind := "preflight-"+one.Begun.UTC().Format("20060102-1504"), "text/html; charset=utf-8"
	switch q.get("as") {
	case "json":
		raw, err = preflight.JSON(one.found, lang)
		name, kind = name+".json", "application/json"
	case "", "html":
		raw, err = preflight.HTML(one.found, lang)
		raw = []byte(plain(string(raw)))
		name += ".html"
		w.Header().Set("Content-Security-Policy", reportPolicy)
	default:
		err = says(http.StatusBadRequest, "parameter.wrong", "parameter as is "+cut(q.get("as"), 40), "Give html or json.")
	}
	if err != nil {
		c.refuse(w, r, problemOf(err))
		return
	}
	w.Header().Set("Content-Type", kind)
	if q.get("download") != "" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	_, _ = w.Write(raw) //nolint:gosec // a report that html/template or encoding/json wrote; it fails only when the caller has gone
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if len(raw) == 0 || json.Indent(&b, raw, "", "  ") != nil {
		return ""
	}
	return b.String()
}
