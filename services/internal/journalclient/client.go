// Package journalclient reads a journal through its HTTP API (package journal): the event log and the cases.
package journalclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
)

var (
	// ErrUnreachable: the journal did not answer, or not to the end.
	ErrUnreachable = errors.New("the journal is not reached")
	// ErrOther: the journal was made anew while it was followed, so that places mean something else. Read again from
	// the first.
	ErrOther = errors.New("the journal was made anew")
)

// Options of New.
type Options struct {
	URL    string       // of the server, as http://127.0.0.1:8480; a path before /api may follow
	Token  string       // that the journal asks for; empty: none
	CAFile string       // PEM file with the certificates to trust beside the system's; empty: none
	HTTP   *http.Client // empty: one of its own. CAFile is for that one only
}

// Client reads a journal. All methods may be called at once from many goroutines.
type Client struct {
	url   string
	token string
	http  *http.Client
	close func()
	// Pauses between attempts to follow on; a random half is taken off.
	first, most time.Duration
	silence     time.Duration // after which one who follows takes the connection for broken
}

const (
	connect = 10 * time.Second // to be connected, and for TLS
	answer  = 30 * time.Second // for the first line of an answer, and between two
	silence = 45 * time.Second // three of the journal's marks
)

// New makes a client; nothing is asked yet. An error is one of the config.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("journal.url %q is no address of a journal: write it as http://127.0.0.1:8480", redacted(u, o.URL))
	}
	c := &Client{
		url: strings.TrimRight(u.String(), "/") + "/api/v1/", token: o.Token, http: o.HTTP, close: func() {},
		first: 200 * time.Millisecond, most: 10 * time.Second, silence: silence,
	}
	if c.http != nil {
		return c, nil
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: connect}).DialContext, TLSHandshakeTimeout: connect,
		ResponseHeaderTimeout: answer, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	if o.CAFile != "" {
		if transport.TLSClientConfig, err = trust(o.CAFile); err != nil {
			return nil, err
		}
	}
	c.http, c.close = &http.Client{Transport: transport, CheckRedirect: stay}, transport.CloseIdleConnections
	return c, nil
}

// redacted keeps a password in an address out of the error.
func redacted(u *url.URL, raw string) string {
	if u == nil {
		return "…"
	}
	if u.User != nil {
		return u.Redacted()
	}
	return raw
}

// stay keeps the token from being sent on to where a redirect leads.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func trust(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("journal.caFile: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("journal.caFile %s holds no certificate: it must be a PEM file", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// Close closes the connections that stand idle. The client may be used again.
func (c *Client) Close() { c.close() }

// Cases returns where all cases stand, the oldest first, without their history, which Case has.
func (c *Client) Cases(ctx context.Context) (listed []cases.Case, err error) {
	err = c.document(ctx, "cases", &listed)
	return listed, err
}

// Case returns where a case stands, with its whole history.
func (c *Client) Case(ctx context.Context, id string) (one cases.Case, found bool, err error) {
	err = c.document(ctx, "cases/"+url.PathEscape(id), &one)
	if is(err, "case.unknown") {
		return cases.Case{}, false, nil
	}
	return one, err == nil, err
}

// Story returns every fact of a case, in the order of the journal; none when nothing is known of it.
func (c *Client) Story(ctx context.Context, caseID string) (story []bus.Received, err error) {
	err = c.lines(ctx, "cases/"+url.PathEscape(caseID)+"/story", nil, answer, nil, func(l line) error {
		story = append(story, l.received())
		return nil
	})
	if is(err, "case.unknown") {
		return nil, nil
	}
	return story, err
}

// Stats says how much the journal has kept.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	return s, c.document(ctx, "journal", &s)
}

// Checkpoint returns the checkpoint of what the journal has kept, signed now (package audit).
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	response, err := c.get(ctx, "checkpoint", nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, mostCheckpoint))
	if err != nil {
		return nil, c.unreached("checkpoint", err)
	}
	return text, nil
}

// mostCheckpoint is far more than a checkpoint has bytes.
const mostCheckpoint = 64 << 10

// Stats is how much a journal has kept.
type Stats struct {
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"` // of its file
}

// document asks for one JSON document.
func (c *Client) document(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*answer)
	defer cancel()
	response, err := c.get(ctx, path, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return c.unreached(path, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return c.stranger(path, err)
	}
	return nil
}

// get asks; an answer that is not 200 becomes an error.
func (c *Client) get(ctx context.Context, path string, q url.Values) (*http.Response, error) {
	address := c.url + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("journal: ask for %s: %w", path, err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreached(path, err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, c.refused(path, response)
	}
	return response, nil
}
