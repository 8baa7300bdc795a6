package journalclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"reprotect.example/events/bus"
)

// Problem is an answer of the journal that says no.
type Problem struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"` // what to do
}

func (p *Problem) Error() string { return "the journal says: " + p.Message + ". " + p.Remedy }

// Unwrap lets a wrong token be found as bus.ErrNotPermitted, and a journal that cannot answer now as ErrUnreachable.
func (p *Problem) Unwrap() error {
	switch {
	case p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden:
		return bus.ErrNotPermitted
	case p.Status >= 500:
		return ErrUnreachable
	}
	return nil
}

func is(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

const whatToDo = "see that a process of reprotectd with --target journal is running there, and that journal.url is its address"

// unreached words that no answer came, or not all of it.
func (c *Client) unreached(path string, err error) error {
	if errors.Is(err, context.Canceled) { // by the caller, not by the journal
		return fmt.Errorf("journal: ask for %s: %w", path, err)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its address is said here already
	}
	return fmt.Errorf("%w: asked %s%s: %w: %s", ErrUnreachable, c.url, path, err, whatToDo)
}

// stranger words that whoever answers is no journal.
func (c *Client) stranger(path string, err error) error {
	return fmt.Errorf("%w: what %s%s answers is not of a journal: %w: %s", ErrUnreachable, c.url, path, err, whatToDo)
}

// refused reads an answer that is not what was asked for.
func (c *Client) refused(path string, response *http.Response) error {
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	raw, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return c.unreached(path, err)
	}
	p := &Problem{}
	if kind == "application/problem+json" && json.Unmarshal(raw, p) == nil && p.Message != "" {
		p.Status = response.StatusCode
		return p
	}
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %s%s answers %s: see journal.tokenFile", bus.ErrNotPermitted, c.url, path, response.Status)
	}
	return c.stranger(path, errors.New(response.Status))
}
