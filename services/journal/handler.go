package journal

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// HandlerOptions of the HTTP API.
type HandlerOptions struct {
	// Token is what callers must send as a bearer token; empty: none.
	Token string
	// Hosts are the names by which it may be asked without a token, beside localhost and IP addresses: a page elsewhere may have
	// led a browser here, by a name of its own that it gave this address. nil: any name, for who checks that itself.
	Hosts []string
	// Drain ends the answers that follow the log when it is closed; http.Server.Shutdown would wait for them. nil:
	// they end with their clients, or when the store is closed.
	Drain <-chan struct{}
	// Serves says whether this process keeps the journal and has caught up: else every question is answered with 503 and
	// "journal.stands-by", and the answers that follow the log end so. nil: it always does.
	Serves func() bool
	// Failed is told of what went wrong inside and is answered with 500, or ends an answer with it; nil: nobody is.
	Failed func(path string, err error)
	// Checkpoint makes a signed checkpoint of what is kept; nil: there is no key.
	Checkpoint func(context.Context) ([]byte, error)
}

// HeaderJournal is the response header with the ID of the journal. Places of another journal mean nothing in it.
const HeaderJournal = "Reprotect-Journal"

// Limits of what callers may ask.
const (
	mostFilters = 64
	mostLetters = 512 // of one parameter
)

// Handler serves the API of a journal, and nothing else. It answers GET and HEAD only, changes nothing, and says
// what went wrong as application/problem+json.
//
//	GET /api/v1/log?filter=&from=&latest=&follow=   messages, one JSON object a line
//	GET /api/v1/cases?state=&site=&request=         an array of cases without their history
//	GET /api/v1/cases/{id}                          a case with its history
//	GET /api/v1/cases/{id}/story                    the facts of a case, as in log
//	GET /api/v1/subjects/{subject}                  the newest message of exactly this subject
//	GET /api/v1/journal                             what the journal holds
//	GET /api/v1/checkpoint                          its signed checkpoint, as text (package audit)
func Handler(s *Store, o HandlerOptions) http.Handler {
	mux := http.NewServeMux()
	Register(mux, s, o)
	return mux
}

// Register adds the API, which is everything below /api/v1/, to the routes of a server.
func Register(mux *http.ServeMux, s *Store, o HandlerOptions) {
	a := api{s, o.Drain, o.Serves, o.Checkpoint, o.Failed}
	for pattern, answer := range map[string]func(http.ResponseWriter, *http.Request) error{
		"/api/v1/":                   nowhere,
		"/api/v1/log":                a.log,
		"/api/v1/cases":              a.cases,
		"/api/v1/cases/{id}":         a.oneCase,
		"/api/v1/cases/{id}/story":   a.story,
		"/api/v1/subjects/{subject}": a.subject,
		"/api/v1/journal":            a.stats,
		"/api/v1/checkpoint":         a.signed,
	} {
		mux.Handle(pattern, Guard(o, a.answering(answer)))
	}
}

// Guard lets through to h who only reads and, when there is one, has the token. It suits other routes beside the
// API that show what the journal holds.
func Guard(o HandlerOptions, h http.Handler) http.Handler {
	want := sha256.Sum256([]byte(o.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			(&Problem{http.StatusMethodNotAllowed, "method.not-allowed", "this address can only be read, not " + r.Method, "Use GET. Commands go to the bus: 'reprotect request', 'cancel', 'retry' and 'acknowledge'."}).write(w)
			return
		}
		if o.Token == "" && o.Hosts != nil && !hostKnown(o.Hosts, r.Host) {
			(&Problem{http.StatusMisdirectedRequest, "journal.host", "this server is not known under that name", "Use the server's IP address, or the name that journal.url of its config has."}).write(w)
			return
		}
		if o.Token != "" {
			scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			given := sha256.Sum256([]byte(strings.TrimSpace(token))) // of one length, so that the time tells nothing of the token
			if subtle.ConstantTimeCompare(given[:], want[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
				w.Header().Set("WWW-Authenticate", `Bearer realm="reprotect"`)
				(&Problem{http.StatusUnauthorized, "token.wrong", "the bearer token is missing or wrong", "Send the token of the journal's config as 'Authorization: Bearer …'."}).write(w)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// hostKnown says whether a request was meant for this server.
func hostKnown(hosts []string, host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// Problem is an answer that says no, as in RFC 9457 with a code, a message and what to do.
type Problem struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

func (p *Problem) Error() string { return p.Message + ". " + p.Remedy }

func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // fails only when the caller has gone
}

func wrong(code, message, remedy string) error {
	return &Problem{http.StatusBadRequest, code, message, remedy}
}

// problemOf words what went wrong inside; details of the machine stay here.
func problemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrFilter):
		return &Problem{http.StatusBadRequest, "filter.wrong", strings.TrimPrefix(err.Error(), "journal: "), "Filters have the syntax of NATS: reprotect.event.*.CASE.>"}
	case errors.Is(err, ErrClosed):
		return &Problem{http.StatusServiceUnavailable, "journal.closing", "the journal is being stopped", "Ask again in a moment."}
	}
	return &Problem{http.StatusInternalServerError, "journal.unread", "the journal's file could not be read", "See the log of reprotectd, and the disk of its dataDir."}
}

// answering turns an error into a problem; nothing must have been written then.
func (a api) answering(answer func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(HeaderJournal, a.store.ID())
		err := a.standsBy()
		if err == nil {
			err = answer(w, r)
		}
		if err != nil {
			a.problem(r, err).write(w)
		}
	})
}

// problem words an error, and lets who runs this know of one that the caller can do nothing about.
func (a api) problem(r *http.Request, err error) *Problem {
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError && a.failed != nil {
		a.failed(r.URL.Path, err)
	}
	return p
}

type api struct {
	store  *Store
	drain  <-chan struct{}
	serves func() bool
	sign   func(context.Context) ([]byte, error)
	failed func(path string, err error)
}

// standsBy says why nothing is answered: what is missing here would pass for what was never there.
func (a api) standsBy() error {
	if a.serves == nil || a.serves() {
		return nil
	}
	return &Problem{http.StatusServiceUnavailable, "journal.stands-by", "this process does not answer for the journal now: another one keeps it, or this one still reads what it has missed", "Ask again in a moment, or ask the process that keeps it: /ready of each says which that is."}
}

func nowhere(_ http.ResponseWriter, r *http.Request) error {
	return &Problem{http.StatusNotFound, "address.unknown", "there is nothing at this address", "The API has /api/v1/log, cases, cases/{id}, cases/{id}/story, subjects/{subject}, journal and checkpoint."}
}

func (a api) cases(w http.ResponseWriter, r *http.Request) error {
	q, err := queryOf(r, "state", "site", "request")
	if err != nil {
		return err
	}
	cases, err := a.store.Cases(r.Context(), CaseFilter{State: q.Get("state"), Site: q.Get("site"), Request: q.Get("request")})
	if err != nil {
		return err
	}
	return document(w, cases)
}

func (a api) oneCase(w http.ResponseWriter, r *http.Request) error {
	id, err := caseOf(r)
	if err != nil {
		return err
	}
	c, found, err := a.store.Case(r.Context(), id)
	if err != nil {
		return err
	}
	if !found {
		return noCase(id)
	}
	return document(w, c)
}

func (a api) subject(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	subject := r.PathValue("subject")
	if err := checkFilter(subject); err != nil {
		return err
	}
	if len(subject) > mostLetters || strings.ContainsAny(subject, "*>") {
		return wrong("subject.wrong", "this is no subject: it has a wildcard, or is too long", "Read by filters at /api/v1/log?filter=…")
	}
	m, found, err := a.store.stands(r.Context(), subject)
	if err != nil {
		return err
	}
	if !found {
		return &Problem{http.StatusNotFound, "subject.empty", "no message was kept on " + subject, "See which subjects there are with /api/v1/log?latest=true."}
	}
	return document(w, lineOf(m))
}

func (a api) stats(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	st, err := a.store.Stats(r.Context())
	if err != nil {
		return err
	}
	return document(w, st)
}

func (a api) signed(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	if a.sign == nil {
		return &Problem{http.StatusNotFound, "checkpoint.unsigned", "this journal signs no checkpoints: its config names no key", "Make a key with 'reprotect log key FILE', and name the file under audit.keyFile."}
	}
	text, err := a.sign(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // fails only when the caller has gone
	return nil
}

func document(w http.ResponseWriter, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("journal: write an answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)+1))
	_, _ = w.Write(append(raw, '\n')) // fails only when the caller has gone
	return nil
}

var caseID = regexp.MustCompile(`^[a-z0-9-]{1,128}$`)

func caseOf(r *http.Request) (string, error) {
	if _, err := queryOf(r); err != nil {
		return "", err
	}
	id := r.PathValue("id")
	if !caseID.MatchString(id) {
		return "", wrong("case.wrong", "this is no case id: those have small letters, digits and hyphens only", "See /api/v1/cases for the ids of all cases.")
	}
	return id, nil
}

func noCase(id string) error {
	return &Problem{http.StatusNotFound, "case.unknown", "there is no case " + id, "See /api/v1/cases for the ids of all cases."}
}

// values are the parameters of a request.
type values map[string][]string

// queryOf reads the parameters; one that is not among the names is refused rather than passed over, as the answer
// would not be what was asked for.
func queryOf(r *http.Request, names ...string) (values, error) {
	q := values(r.URL.Query())
	for name, all := range q {
		switch {
		case !slices.Contains(names, name):
			return nil, wrong("parameter.unknown", fmt.Sprintf("there is no parameter %.40q here", name), "Parameters of this address: "+strings.Join(append(names, "none else"), ", ")+".")
		case name != "filter" && len(all) > 1, len(all) > mostFilters:
			return nil, wrong("parameter.repeated", fmt.Sprintf("parameter %s is given %d times", name, len(all)), fmt.Sprintf("Give it once; filter up to %d times.", mostFilters))
		case slices.ContainsFunc(all, func(v string) bool { return len(v) > mostLetters }):
			return nil, wrong("parameter.too-long", "parameter "+name+" is too long", fmt.Sprintf("Keep it to %d letters.", mostLetters))
		}
	}
	return q, nil
}

// Get returns the only value of a parameter, or "".
func (q values) Get(name string) string {
	if len(q[name]) == 0 {
		return ""
	}
	return q[name][0]
}

func (q values) flag(name string) (bool, error) {
	switch v := q.Get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, wrong("parameter.wrong", fmt.Sprintf("parameter %s is %.40q", name, v), "Give true or false.")
	}
}
