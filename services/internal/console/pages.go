package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"reprotect.example/services/cases"
	"reprotect.example/services/internal/journalclient"
)

//go:embed pages/*.tmpl
var pageFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// view is a page: its name is that of its template and of its place in the navigation.
type view struct {
	name string
	// make fills a sheet from what stands now and what was asked for.
	make func(r *http.Request, d *sheet, s *snapshot) error
	// alone: it says something even while the journal is away.
	alone bool
	// every: it is made again after this time though nothing was kept; 0: only when something was.
	every time.Duration
}

// sheet is what a template sees.
type sheet struct {
	Lang  string
	Name  string
	Title string // before the name of the product
	Now   time.Time
	Who   person
	Path  string
	Query url.Values
	Away  string        // key of the words that say why nothing is known; "": something is
	Press int           // alarms about which a person has yet to do something, and cases that wait for one
	It    any           // of the page
	Body  template.HTML // the page itself, for the frame around it

	console *Console
}

func (c *Console) routePages(mux *http.ServeMux) {
	for path, v := range map[string]view{
		"/{$}":                {name: "overview", make: c.overview},
		"/cases":              {name: "cases", make: c.casesPage},
		"/cases/{id}":         {name: "case", make: c.casePage},
		"/ready-for-failback": {name: "ready", make: c.readyPage},
		"/preflight":          {name: "preflight", make: c.preflightPage, alone: true, every: time.Second},
		"/preflight/{id}":     {name: "preflight-run", make: c.preflightRun, alone: true, every: time.Second},
		"/datastores":         {name: "datastores", make: c.datastoresPage, alone: true},
		"/alarms":             {name: "alarms", make: c.alarmsPage},
		"/log":                {name: "log", make: c.logPage},
		"/health":             {name: "health", make: c.healthPage, alone: true, every: 2 * time.Second},
		"/request":            {name: "request", make: c.requestForm, alone: true},
		"/act/{command}":      {name: "act", make: c.actForm},
	} {
		mux.HandleFunc("GET "+path, c.page(v))
	}
	mux.HandleFunc("POST /request", c.sendRequest)
	mux.HandleFunc("POST /act/{command}", c.sendAct)
	mux.HandleFunc("POST /preflight", c.startPreflight)
	mux.HandleFunc("GET /preflight/{id}/report", c.preflightReport)
	mux.HandleFunc("GET /login", c.loginPage)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("POST /logout", c.logout)
	mux.HandleFunc("GET /lang/{lang}", c.chooseLang)
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	assets := http.StripPrefix("/assets/", http.FileServerFS(files))
	mux.HandleFunc("GET /assets/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		assets.ServeHTTP(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.refuse(w, r, says(http.StatusNotFound, "address.unknown", "there is nothing at this address", "Begin at /."))
	})
}

// page answers with a page, or with the page again whenever it has changed.
func (c *Console) page(v view) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !c.mayRead(w, r) {
			return
		}
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			c.stream(w, r, v)
			return
		}
		s, _ := c.board.snapshot()
		d, err := c.fill(r, v, s)
		if err != nil {
			c.refuse(w, r, problemOf(err))
			return
		}
		c.frame(w, d, http.StatusOK)
	}
}

// mayRead sends whoever may not read to where it can say who it is.
func (c *Console) mayRead(w http.ResponseWriter, r *http.Request) bool {
	if personOf(r).Reads {
		return true
	}
	if c.access.signsIn() && r.Method == http.MethodGet && !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		http.Redirect(w, r, "/login?back="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return false
	}
	c.refuse(w, r, notSignedIn())
	return false
}

func notSignedIn() *journalclient.Problem {
	return says(http.StatusUnauthorized, "console.not-signed-in", "nobody says who you are", "Come through the proxy that http.auth.proxy names, sign in at /login, or send the token of http.auth.tokenFile as 'Authorization: Bearer …'.")
}

// sheet begins what every page has.
func (c *Console) sheet(r *http.Request, name string, s *snapshot) *sheet {
	d := &sheet{
		Lang: langOf(r), Name: name, Now: c.o.Now(), Who: personOf(r), Path: r.URL.Path, Query: r.URL.Query(), console: c,
		Away: away(s.Away),
	}
	d.Press = len(s.status(d.Lang, d.Now).NeedsYou)
	return d
}

// away is the key of the words for why nothing is known.
func away(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errStandsBy):
		return "away-stands-by"
	case errors.Is(err, errStarting):
		return "away-starting"
	}
	return "away-unread"
}

// fill makes the body of a page.
func (c *Console) fill(r *http.Request, v view, s *snapshot) (*sheet, error) {
	d := c.sheet(r, v.name, s)
	d.Title = d.Say("page-" + v.name)
	name := v.name
	if s.Away != nil && !v.alone {
		name = "away"
	} else if err := v.make(r, d, s); err != nil {
		return nil, err
	}
	return d, d.render(name)
}

// render makes the body of a sheet.
func (d *sheet) render(name string) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, d); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	d.Body = template.HTML(plain(b.String())) //nolint:gosec // html/template has just made it
	return nil
}

// plain takes out of a page what steers a terminal or turns the direction in which is read: no text of ours has any of it, and
// whoever copies a name from a page shall have what it shows.
func plain(page string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, page)
}

// whole writes a sheet that does not change.
func (c *Console) whole(w http.ResponseWriter, d *sheet, status int) {
	if err := d.render(d.Name); err != nil {
		c.o.Log.Error("page not made", "page", d.Name, "error", err)
	}
	c.frame(w, d, status)
}

// frame writes a page with what stands around every page.
func (c *Console) frame(w http.ResponseWriter, d *sheet, status int) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "frame", d); err != nil {
		c.o.Log.Error("page not made", "page", d.Name, "error", err)
		http.Error(w, "The page could not be made; the log of reprotectd says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // fails only when the caller has gone
}

// FullTitle is the title of the window: what presses comes first, so that it shows in a tab.
func (d *sheet) FullTitle() string {
	title := plain(d.Title) + " – Reprotect"
	if d.Press > 0 {
		title = "(" + strconv.Itoa(d.Press) + ") " + title
	}
	return title
}

// refuse says no: to programs as a problem, to people as a page.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, p *journalclient.Problem) {
	if p.Status >= http.StatusInternalServerError {
		c.o.Log.Warn("request not answered", "path", r.URL.Path, "code", p.Code, "error", p.Message)
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="reprotect"`)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeProblem(w, p)
		return
	}
	d := &sheet{Lang: langOf(r), Name: "refused", Now: c.o.Now(), Who: personOf(r), Path: r.URL.Path, Query: url.Values{}, console: c, It: p}
	d.Title = d.Say("page-refused")
	c.whole(w, d, p.Status)
}

// problemOf words what went wrong inside; details of the machine stay in the log.
func problemOf(err error) *journalclient.Problem {
	var p *journalclient.Problem
	if errors.As(err, &p) {
		return p
	}
	return says(http.StatusInternalServerError, "journal.unread", "this could not be read: "+err.Error(), "See the log of reprotectd, and the disk of its dataDir.")
}

func standsBy(err error) *journalclient.Problem {
	if errors.Is(err, errStandsBy) || errors.Is(err, errStarting) {
		return says(http.StatusServiceUnavailable, "journal.stands-by", "this process does not answer for the journal now: another one keeps it, or this one still reads what it has missed", "Ask again in a moment, or ask the process that keeps it: /ready of each says which that is.")
	}
	return says(http.StatusServiceUnavailable, "journal.unread", "the journal's file could not be read", "See the log of reprotectd, and the disk of its dataDir.")
}

// times of a stream.
const (
	streamGap   = 200 * time.Millisecond // between two pages at least
	streamBeat  = 15 * time.Second       // between two signs of life at most
	streamLasts = 30 * time.Minute       // then the browser asks again, and shows once more who it is
	streamTake  = 20 * time.Second       // for a client to take a part
)

// streamed is a page that has changed.
type streamed struct {
	Title string `json:"title"`
	HTML  string `json:"html"`
}

// stream sends a page whenever it has changed.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, v view) {
	out, end := c.openStream(w, r)
	if out == nil {
		return
	}
	defer end()
	var sent string
	for ends := time.After(streamLasts); ; {
		s, changed := c.board.snapshot()
		d, err := c.fill(r, v, s)
		if err != nil {
			p := problemOf(err)
			d = c.sheet(r, v.name, s)
			d.Title, d.Body = d.Say("page-refused"), template.HTML("<p class=\"notice bad\">"+template.HTMLEscapeString(p.Message+". "+p.Remedy)+"</p>") //nolint:gosec // escaped
		}
		if now := d.FullTitle() + string(d.Body); now != sent {
			sent = now
			raw, err := json.Marshal(streamed{d.FullTitle(), string(d.Body)})
			if err != nil || out.send("page", "", raw) != nil {
				return
			}
		}
		again := v.every
		if s.Away != nil {
			again = lookAgain
		}
		if !out.wait(changed, again, ends) || !out.pause(streamGap) {
			return
		}
	}
}

// assets and words

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"stamp":    stamp,
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"duration": cases.Duration,
	"bytes":    size,
	"add":      func(a, b int) int { return a + b },
	"join":     func(all []string) string { return strings.Join(all, ", ") },
	"first":    func(n int, all []string) []string { return all[:min(n, len(all))] },
	"last":     lastPart,
	"lower":    strings.ToLower,
	"has":      func(all []string, one string) bool { return slices.Contains(all, one) },
}).ParseFS(pageFiles, "pages/*.tmpl"))

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// lastPart is the name at the end of an ARM id.
func lastPart(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func size(n int64) string {
	value, units := float64(n), []string{"B", "KB", "MB", "GB", "TB", "PB"}
	for len(units) > 1 && value >= 1000 {
		value, units = value/1024, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%.0f B", value)
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}
