package console

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/preflight"
)

//go:embed openapi.json
var openAPI []byte

// answer is a part of the API: what comes out becomes a JSON document, and a problem an answer that says no.
type answer func(r *http.Request, q query) (any, error)

func (c *Console) routeAPI(mux *http.ServeMux) {
	for path, part := range map[string]struct {
		parameters []string
		answer     answer
	}{
		"session":    {nil, c.apiSession},
		"sites":      {nil, func(*http.Request, query) (any, error) { return append([]string{}, c.o.Sites...), nil }},
		"status":     {[]string{"lang"}, c.apiStatus},
		"requests":   {nil, c.apiRequests},
		"alarms":     {[]string{"state", "site"}, c.apiAlarms},
		"ready":      {[]string{"site"}, c.apiReady},
		"preflight":  {[]string{"machine", "plan", "site", "all", "ahead", "lang"}, c.apiPreflight},
		"datastores": {[]string{"site", "for"}, c.apiDatastores},
		"checks":     {[]string{"lang"}, func(_ *http.Request, q query) (any, error) { return checks.List(q.lang()), nil }},
		"errors":     {[]string{"lang"}, func(_ *http.Request, q query) (any, error) { return faults.List(q.lang()), nil }},
	} {
		mux.HandleFunc("GET /api/v1/"+path, c.api(part.parameters, part.answer))
	}
	mux.HandleFunc("GET /api/v1/openapi.json", c.api(nil, func(*http.Request, query) (any, error) { return json.RawMessage(openAPI), nil }))
	mux.HandleFunc("GET /api/v1/events", c.apiEvents)
	mux.HandleFunc("POST /api/v1/commands/{name}", c.command)
	rest := c.o.JournalAPI
	if rest == nil {
		rest = http.NotFoundHandler()
	}
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		if !personOf(r).Reads {
			c.refuse(w, r, notSignedIn())
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// api makes a handler of a part. A parameter that it does not have is refused rather than passed over.
func (c *Console) api(parameters []string, make answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !personOf(r).Reads {
			c.refuse(w, r, notSignedIn())
			return
		}
		q, problem := queryOf(r, parameters)
		if problem != nil {
			c.refuse(w, r, problem)
			return
		}
		v, err := make(r, q)
		if err != nil {
			c.refuse(w, r, problemOf(err))
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the caller has gone
}

// query are the parameters of a request to the API.
type query map[string][]string

// repeatable are the parameters that may be given more than once.
var repeatable = []string{"machine", "filter"}

const mostRepeated = 64

func queryOf(r *http.Request, parameters []string) (query, *journalclient.Problem) {
	q := query(r.URL.Query())
	for name, all := range q {
		switch {
		case !slices.Contains(parameters, name):
			return nil, says(http.StatusBadRequest, "parameter.unknown", "there is no parameter "+cut(name, 40)+" here", "Parameters of this address: "+strings.Join(append(slices.Clone(parameters), "none else"), ", ")+".")
		case len(all) > 1 && !slices.Contains(repeatable, name), len(all) > mostRepeated:
			return nil, says(http.StatusBadRequest, "parameter.repeated", "parameter "+name+" is given "+strconv.Itoa(len(all))+" times", "Give it once; machine and filter up to 64 times.")
		}
	}
	return q, nil
}

func (q query) get(name string) string {
	if len(q[name]) == 0 {
		return ""
	}
	return q[name][0]
}

func (q query) lang() string {
	if q.get("lang") == japanese {
		return japanese
	}
	return english
}

func (q query) flag(name string) (bool, *journalclient.Problem) {
	switch v := q.get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, says(http.StatusBadRequest, "parameter.wrong", "parameter "+name+" is "+cut(v, 40), "Give true or false.")
	}
}

// stands is what stands now, or why nobody knows.
func (c *Console) stands() (*snapshot, error) {
	s, _ := c.board.snapshot()
	if s.Away != nil {
		return nil, standsBy(s.Away)
	}
	return s, nil
}

// session is who the caller is, and what must come back with a command that a browser sends.
type session struct {
	Name     string `json:"name"`
	Acts     bool   `json:"acts"`
	Approves bool   `json:"approves"`
	CSRF     string `json:"csrf"`
}

func (c *Console) apiSession(r *http.Request, _ query) (any, error) {
	p := personOf(r)
	return session{p.Name, c.mayAct(p, "request") == nil, p.Approves, c.access.formToken(p)}, nil
}

func (c *Console) apiStatus(_ *http.Request, q query) (any, error) {
	s, err := c.stands()
	if err != nil {
		return nil, err
	}
	return s.status(q.lang(), c.o.Now()), nil
}

func (c *Console) apiRequests(*http.Request, query) (any, error) {
	s, err := c.stands()
	if err != nil {
		return nil, err
	}
	return s.status(english, c.o.Now()).Requests, nil
}

// alarm is an alarm with where it belongs.
type alarm struct {
	cases.Alarm
	Case    string `json:"case"`
	Site    string `json:"site"`
	Request string `json:"request"`
	Label   string `json:"label"` // names the machine, or those of the case, for people
}

// alarms lists the alarms of all cases, those that want somebody first, then the newest.
func (s *snapshot) alarms(state, site string) []alarm {
	all := []alarm{}
	for _, c := range s.Cases {
		if site != "" && c.Site != site {
			continue
		}
		for _, a := range c.Alarms {
			if state == "" || a.State == state {
				all = append(all, alarm{a, c.ID, c.Site, c.Request, labelOf(c, a)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b alarm) int {
		if a.Pressing() != b.Pressing() {
			if a.Pressing() {
				return -1
			}
			return 1
		}
		return b.From.Compare(a.From)
	})
	return all
}

func labelOf(c cases.Case, a cases.Alarm) string {
	labels := c.Labels()
	var about []string
	for i, m := range c.Machines {
		if a.About(m) {
			about = append(about, labels[i])
		}
	}
	if len(about) == 0 {
		return a.Machine
	}
	return strings.Join(about, ", ")
}

func (c *Console) apiAlarms(_ *http.Request, q query) (any, error) {
	s, err := c.stands()
	if err != nil {
		return nil, err
	}
	state := q.get("state")
	if state != "" && !slices.Contains(alarmStates, state) {
		return nil, says(http.StatusBadRequest, "parameter.wrong", "parameter state is "+cut(state, 40), "Give one of "+strings.Join(alarmStates, ", ")+".")
	}
	return s.alarms(state, q.get("site")), nil
}

var alarmStates = []string{cases.AlarmOpen, cases.AlarmEnded, cases.AlarmAcknowledged, cases.AlarmCleared}

func (c *Console) apiPreflight(r *http.Request, q query) (any, error) {
	all, problem := q.flag("all")
	if problem != nil {
		return nil, problem
	}
	ahead, problem := q.flag("ahead")
	if problem != nil {
		return nil, problem
	}
	ask, err := askOf(q["machine"], q.get("plan"), q.get("site"), all, ahead, q.lang())
	if err != nil {
		return nil, err
	}
	report, err := c.runs.now(r.Context(), ask)
	if err != nil {
		return nil, notRead(err)
	}
	raw, err := preflight.JSON(report, ask.Lang)
	return json.RawMessage(raw), err
}

func (c *Console) apiDatastores(r *http.Request, q query) (any, error) {
	p, _, err := c.places.of(r.Context(), q.get("site"), q.get("for"))
	return p, err
}

// apiEvents streams the event log as server-sent events: the id of each is its place in the journal, from which a client
// that comes back goes on.
func (c *Console) apiEvents(w http.ResponseWriter, r *http.Request) { //nolint:contextcheck // a stream ends with its request, or when the process does
	if !personOf(r).Reads {
		c.refuse(w, r, notSignedIn())
		return
	}
	q, problem := queryOf(r, []string{"filter", "from"})
	if problem != nil {
		c.refuse(w, r, problem)
		return
	}
	s, err := c.stands()
	if err != nil {
		c.refuse(w, r, problemOf(err))
		return
	}
	from := s.Place + 1
	after := r.Header.Get("Last-Event-ID")
	if text := q.get("from"); text != "" || after != "" {
		if from, err = strconv.ParseUint(text, 10, 63); after != "" {
			from, err = strconv.ParseUint(after, 10, 63)
			from++
		}
		if err != nil {
			c.refuse(w, r, says(http.StatusBadRequest, "parameter.wrong", "parameter from is "+cut(text+after, 40), "Give a place of the log: a whole number."))
			return
		}
	}
	out, end := c.openStream(w, r)
	if out == nil {
		return
	}
	defer end()
	if out.write([]byte(": the journal is "+c.o.Journal.ID()+"\n\n")) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(out.ctx, streamLasts)
	defer cancel()
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	messages := make(chan bus.Received)
	failed := make(chan error, 1)
	go func() {
		failed <- c.o.Journal.Follow(ctx, q["filter"], from, func(m bus.Received) error {
			select {
			case messages <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	for {
		select {
		case m := <-messages:
			e := cases.ReadEntry(m)
			raw, err := json.Marshal(told{cases.Describe(e), m.Subject, event(m.Data)})
			if err != nil || out.send(nameOf(e), strconv.FormatUint(m.Sequence, 10), raw) != nil {
				return
			}
		case <-beat.C:
			if !c.o.Serves() || out.write([]byte(": still there\n\n")) != nil {
				return
			}
		case <-failed: //nolint:errcheck // the client comes again, and is told then what is wrong
			return
		}
	}
}

// told is a message of the log: in a sentence, and as it was published.
type told struct {
	cases.Line
	Subject string          `json:"subject"`
	Event   json.RawMessage `json:"event,omitempty"` // absent where it is no JSON
}

func event(data []byte) json.RawMessage {
	if json.Valid(data) {
		return data
	}
	return nil
}

// nameOf is the name of a kind, which has small letters only; what is no kind that is known is an "other".
func nameOf(e cases.Entry) string {
	if k, ok := events.KindOf(e.Kind.Name); ok {
		return k.Name
	}
	return "other"
}
