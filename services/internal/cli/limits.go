package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"reprotect.example/services/cases"
)

// Above so many, a command asks before it goes on.
const (
	manyMachines = 25
	manyCases    = 25
)

// confirm asks whether a command goes on that does something to n of them. Where nobody can answer, it must be said with --yes.
func (a *app) confirm(yes bool, n, most int, what string) error {
	if yes || n <= most {
		return nil
	}
	if a.answers == nil && most == 0 {
		return usage("Say so with --yes.", "%s: nobody can be asked here", what)
	}
	if a.answers == nil {
		return usage("Say so with --yes.", "%s: that are more than %d, and nobody can be asked here", what, most)
	}
	fmt.Fprintf(a.stderr, "%s? [y/N] ", what)
	line, err := bufio.NewReader(a.answers).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	return no("", "not done: nothing was sent")
}

// person is the terminal of somebody who can answer; nil: nobody is there.
func person(stdin io.Reader, stderr io.Writer) io.Reader {
	if f, ok := stdin.(*os.File); ok && terminal(stderr) && terminal(f) {
		return f
	}
	return nil
}

// addTimeout adds the flag that every command has that waits.
func addTimeout(flags *pflag.FlagSet, to *time.Duration) {
	flags.DurationVar(to, "timeout", 0, "end with 3 when it is not over after `TIME`, as 90s, 20m or 2h (default: wait on)")
}

var errTimeout = errors.New("it was not over in time")

// within ends what waits after a time; 0: never.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, &timeout{limit})
}

type timeout struct{ limit time.Duration }

func (t *timeout) Error() string { return "not over within " + cases.Duration(t.limit) }
func (t *timeout) Unwrap() error { return errTimeout }

// timedOut words an error that comes of a --timeout.
func timedOut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errTimeout) {
		return &failure{status: exitNotReached, err: cause, remedy: "The cases go on by themselves: 'reprotect status' says where they stand and what needs you."}
	}
	return err
}
