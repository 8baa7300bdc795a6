package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"reprotect.example/services/lab"
)

// programFigures measures the programs of a folder, reprotect and reprotectd, against a lab that is a process of its
// own, through a proxy that counts what they ask vCenter.
func programFigures(ctx context.Context, folder string, machines, watched int) (err error) {
	dir, err := os.MkdirTemp("", "reprotect-bench-lab-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ready, stop, err := labOf(ctx, folder, dir, machines)
	if err != nil {
		return err
	}
	defer stop()
	p, err := newCountingProxy(ready, dir)
	if err != nil {
		return err
	}
	defer p.close()
	if err := preflightFigures(ctx, folder, ready, p); err != nil || watched == 0 {
		return err
	}
	return guardFigures(ctx, folder, ready, p, watched)
}

// labOf runs the lab of a folder's reprotect until stop.
func labOf(ctx context.Context, folder, dir string, machines int) (ready lab.Ready, stop func(), err error) {
	c := exec.CommandContext(ctx, filepath.Join(folder, "reprotect"), "lab", "--dir", dir, "--machines", strconv.Itoa(machines), "--bus", "nats") //nolint:gosec // of the folder that was named
	c.Stderr = os.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	out, err := c.StdoutPipe()
	if err != nil {
		return ready, nil, err
	}
	if err := c.Start(); err != nil {
		return ready, nil, err
	}
	stop = func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = c.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		stop()
		return ready, nil, fmt.Errorf("the lab of %s does not get ready: %w", folder, err)
	}
	return ready, stop, nil
}

// countingProxy stands between the programs and the lab's vCenter.
type countingProxy struct {
	config string // as the lab's own, but vCenter is behind the proxy
	calls  atomic.Int64
	bytes  atomic.Int64 // of bodies, as they are sent
	server *http.Server
}

func newCountingProxy(ready lab.Ready, dir string) (*countingProxy, error) {
	target, err := url.Parse(ready.VCenter.URL)
	if err != nil {
		return nil, err
	}
	certificate, ca, err := lab.NewCertificate()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &countingProxy{config: filepath.Join(dir, "counted.yaml")}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) },
		Transport: &http.Transport{
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the lab's own, on loopback
			DisableCompression: true, MaxIdleConnsPerHost: 64,
		},
		ModifyResponse: func(r *http.Response) error {
			r.Body = counting{r.Body, &p.bytes}
			return nil
		},
		ErrorLog: log.New(io.Discard, "", 0), // a program that has ended is no news
	}
	p.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.calls.Add(1)
			r.Body = counting{r.Body, &p.bytes}
			reverse.ServeHTTP(w, r)
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:  log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = p.server.ServeTLS(listener, "", "") }() // until close
	text, err := os.ReadFile(ready.Config)
	if err != nil {
		return nil, err
	}
	behind := strings.Replace(string(text), ready.VCenter.URL, "https://"+listener.Addr().String()+"/sdk", 1)
	behind = strings.Replace(behind, "passwordFile: vcenter-password\n      caFile: ca.pem", "passwordFile: vcenter-password\n      caFile: proxy.pem", 1)
	if !strings.Contains(behind, "proxy.pem") || strings.Contains(behind, ready.VCenter.URL) {
		return nil, errors.New("the lab's config does not look as this measurement knows it")
	}
	return p, errors.Join(os.WriteFile(filepath.Join(dir, "proxy.pem"), ca, 0o600), os.WriteFile(p.config, []byte(behind), 0o600)) //nolint:gosec // beside the lab's own, in its folder
}

func (p *countingProxy) close() { _ = p.server.Close() }

type counting struct {
	io.ReadCloser

	bytes *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// preflightFigures lets reprotect check some machines, and takes what it asks and what it needs.
func preflightFigures(ctx context.Context, folder string, ready lab.Ready, p *countingProxy) error {
	names := ready.Machines[len(ready.Machines)/2:][:asked]
	c := exec.CommandContext(ctx, filepath.Join(folder, "reprotect"), append([]string{"preflight", "--config", p.config, "-o", "json"}, names...)...) //nolint:gosec // of the folder that was named
	calls, bytes, begun := p.calls.Load(), p.bytes.Load(), time.Now()
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: something blocks
		return fmt.Errorf("%w: %s", err, cmp.Or(string(out), string(exit.Stderr)))
	}
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not say what a process needed")
	}
	common := func(figure, unit string, product float64, aim string) {
		emit(map[string]any{"figure": figure, "unit": unit, "machines": asked, "inventory": len(ready.Machines), "product": round(product), "aim": aim})
	}
	common("preflight_command_calls", "calls", float64(p.calls.Load()-calls), "8")
	common("preflight_command_bytes", "MB", float64(p.bytes.Load()-bytes)/1e6, "1")
	common("preflight_command_memory", "MB", float64(usage.Maxrss)/1024, "90")
	common("preflight_command_time", "ms", time.Since(begun).Seconds()*1000, "")
	return nil
}
