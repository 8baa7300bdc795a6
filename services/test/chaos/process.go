package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started anew whenever it has ended, until it is stopped.
type process struct {
	name string
	path string
	args []string
	env  []string
	log  string // what it writes is added to this file

	mu      sync.Mutex
	cmd     *exec.Cmd
	frozen  bool
	stopped bool
	over    chan struct{}
}

// startAgain is the pause before a program that has ended is started again.
const startAgain = 500 * time.Millisecond

// begin starts it, and keeps it running.
func (p *process) begin() error {
	p.over = make(chan struct{})
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := p.launch(out); err != nil {
		_ = out.Close() // the error says what is wrong
		return err
	}
	go func() {
		defer close(p.over)
		defer func() { _ = out.Close() }() // it has ended
		for {
			_ = p.cmd.Wait() // killed, most of the time
			<-time.After(startAgain)
			p.mu.Lock()
			over := p.stopped
			p.mu.Unlock()
			if over {
				return
			}
			if err := p.launch(out); err != nil {
				fmt.Fprintln(os.Stderr, "chaos:", err)
				return
			}
		}
	}()
	return nil
}

func (p *process) launch(out *os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	p.cmd = exec.Command(p.path, p.args...) //nolint:gosec // of the folder that was named
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), p.env...), out, out
	p.frozen = false
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s) // it may have ended by itself
	p.frozen = s == syscall.SIGSTOP
}

// kill ends it without a word; it starts again.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

// thaw lets it go on where it was frozen.
func (p *process) thaw() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen {
		p.signal(syscall.SIGCONT)
	}
}

// stop ends it for good.
func (p *process) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.kill()
	<-p.over
}

// program is the path of a program of the folder.
func program(folder, name string) string { return filepath.Join(folder, name) }
