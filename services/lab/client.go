package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Do lets the lab that runs in a folder do one of its Actions. The lab's own refusal is an error that is a Refusal.
func Do(ctx context.Context, dir, action string, args ...string) error {
	return ask(ctx, dir, http.MethodPost, "/do", doing{action, args}, &struct{}{})
}

// Actions lists what the lab that runs in a folder can do.
func Actions(ctx context.Context, dir string) ([]Action, error) {
	var list []Action
	return list, ask(ctx, dir, http.MethodGet, "/actions", nil, &list)
}

// Machines asks the lab that runs in a folder where its machines stand.
func Machines(ctx context.Context, dir string) ([]Standing, error) {
	var all []Standing
	return all, ask(ctx, dir, http.MethodGet, "/machines", nil, &all)
}

// Submissions asks the lab that runs in a folder how many reprotects of each machine Site Recovery accepted.
func Submissions(ctx context.Context, dir string) (map[string]int, error) {
	var n map[string]int
	return n, ask(ctx, dir, http.MethodGet, "/submissions", nil, &n)
}

// handle is lab.json: how to reach the lab of a folder.
type handle struct {
	Control string `json:"control"`
	Token   string `json:"token"`
	CAFile  string `json:"caFile"`
}

const handleName = "lab.json"

// running tells whether a lab answers from that folder.
func running(ctx context.Context, dir string) (address string, runs bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := Actions(ctx, dir); err != nil {
		return "", false
	}
	h, err := readHandle(dir)
	return h.Control, err == nil
}

func readHandle(dir string) (handle, error) {
	var h handle
	text, err := os.ReadFile(filepath.Join(dir, handleName))
	if errors.Is(err, os.ErrNotExist) {
		return h, fmt.Errorf("no lab runs in %s: start one with 'reprotect lab --dir %s', or name its folder with --dir", dir, dir)
	}
	if err != nil {
		return h, fmt.Errorf("lab: %w", err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("lab: %s in %s was not written by a lab: %w", handleName, dir, err)
	}
	return h, nil
}

func ask(ctx context.Context, dir, method, path string, body, answer any) error {
	h, err := readHandle(dir)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(h.CAFile)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("lab: %s holds no certificate", h.CAFile)
	}
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, h.Control+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+h.Token)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the lab of %s does not answer; has it been stopped? %w", dir, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			return fmt.Errorf("lab: answer of %s: %w", h.Control, err)
		}
		return nil
	}
	var r refusal
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(&r); err != nil || r.Error == "" {
		return fmt.Errorf("lab: %s answers %s", h.Control, response.Status)
	}
	return Refusal("lab: " + r.Error)
}

// Refusal is the lab's answer that it was asked for something that it does not do, or not so.
type Refusal string

func (r Refusal) Error() string { return string(r) }
