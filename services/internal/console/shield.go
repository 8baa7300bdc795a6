package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"reprotect.example/services/internal/journalclient"
)

// Limits of what is taken from outside.
const (
	mostQuery   = 4096             // letters of a query
	mostLetters = 512              // of one parameter
	mostBody    = 1 << 20          // bytes: a request for 10,000 machines fits
	readTime    = 30 * time.Second // for a body to come
	writeTime   = 60 * time.Second // for a client to take an answer; streams have a limit for each part
)

// policy lets a page load nothing from elsewhere, run no script but the console's own, and stand in no other site's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

type personKey struct{}

func personOf(r *http.Request) person {
	p, _ := r.Context().Value(personKey{}).(person)
	return p
}

// shield stands before all pages and the API.
func (c *Console) shield(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	if c.access.PublicURL != "" {
		if u, err := url.Parse(c.access.PublicURL); err == nil {
			_ = cross.AddTrustedOrigin(u.Scheme + "://" + u.Host) // an address of the config is one
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		if c.access.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		p := c.access.knows(r, c.o.Now())
		if !p.BySecret { // who sends a token is no browser that was led here
			if !c.access.hostKnown(r.Host) {
				c.refuse(w, r, says(http.StatusMisdirectedRequest, "console.host", "this server is not known under that name", "Use the address that http.publicURL of the config names, or the server's IP address."))
				return
			}
			if err := cross.Check(r); err != nil {
				c.refuse(w, r, says(http.StatusForbidden, "console.cross-site", "another site sent this", "Open the console itself, and send it from there."))
				return
			}
		}
		if problem := sizes(r); problem != nil {
			c.refuse(w, r, problem)
			return
		}
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(writeTime)) // not every connection knows deadlines
		if r.Method == http.MethodPost {
			_ = control.SetReadDeadline(time.Now().Add(readTime))
			r.Body = http.MaxBytesReader(w, r.Body, mostBody)
			defer func() { _ = control.SetReadDeadline(time.Time{}) }()
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), personKey{}, p)))
		_ = control.SetWriteDeadline(time.Time{})
	})
}

func sizes(r *http.Request) *journalclient.Problem {
	if len(r.URL.RawQuery) > mostQuery {
		return says(http.StatusBadRequest, "parameter.too-long", "the query is too long", "Ask for less.")
	}
	for name, all := range r.URL.Query() {
		for _, v := range all {
			if len(v) > mostLetters {
				return says(http.StatusBadRequest, "parameter.too-long", "parameter "+cut(name, 40)+" is too long", "Keep it to 512 letters.")
			}
		}
	}
	return nil
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// says makes an answer that says no.
func says(status int, code, message, remedy string) *journalclient.Problem {
	return &journalclient.Problem{Status: status, Code: code, Message: message, Remedy: remedy}
}

func writeProblem(w http.ResponseWriter, p *journalclient.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // fails only when the caller has gone
}
