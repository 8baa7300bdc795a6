package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/observed"
)

// Exit statuses, as scripts rely on them.
const (
	exitGood         = 0
	exitNo           = 1   // done, and the answer is no
	exitUsage        = 2   // wrong use or config
	exitNotReached   = 3   // bus, Azure or vCenter
	exitNotPermitted = 4   // by any of them
	exitInterrupted  = 130 // by Ctrl-C, as shells say it
)

// failure is an error with the exit status that it means, and what to do.
type failure struct {
	status int
	err    error
	remedy string
	silent bool // the output of the command says it already
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// Usage marks an error as one of wrong use or config: exit status 2.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &failure{status: exitUsage, err: err}
}

func usage(remedy, format string, args ...any) error {
	return &failure{status: exitUsage, err: fmt.Errorf(format, args...), remedy: remedy}
}

// errNo ends a command whose output says already that the answer is no.
var errNo = &failure{status: exitNo, err: errors.New("the answer is no"), silent: true}

// errUnknown is errNo where what was asked for names nothing, or cannot be meant: wrong use.
var errUnknown = &failure{status: exitUsage, err: errors.New("it names nothing that is known"), silent: true}

// refusal says what it means that a service refused for these reasons.
func refusal(problems []events.Problem) error {
	for _, p := range problems {
		if faults[p.Code] != exitUsage {
			return errNo
		}
	}
	if len(problems) == 0 {
		return errNo
	}
	return errUnknown
}

// isSilent says whether the output of a command tells the error already.
func isSilent(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.silent
}

func no(remedy, format string, args ...any) error {
	return &failure{status: exitNo, err: fmt.Errorf(format, args...), remedy: remedy}
}

// statusOf maps an error to the exit status. An error that nobody classed comes from outside: not reached.
func statusOf(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitGood
	case errors.As(err, &f):
		return f.status
	case errors.Is(err, bus.ErrNotPermitted):
		return exitNotPermitted
	}
	if fault, ok := observed.FaultOf(err); ok {
		return cmp.Or(faults[fault.Code], exitNotReached)
	}
	return exitNotReached
}

// faults are the codes that mean something else than: not reached.
var faults = map[string]int{
	"azure.login": exitNotPermitted, "azure.forbidden": exitNotPermitted,
	"vcenter.login": exitNotPermitted, "vcenter.permission": exitNotPermitted,
	"azure.options": exitUsage, "azure.input": exitUsage, "azure.not-found": exitUsage,
	"machine.unknown": exitUsage, "machine.ambiguous": exitUsage, "machine.twice": exitUsage, "machine.none": exitUsage, "plan.unknown": exitUsage,
	"site.unknown": exitUsage, "case.unknown": exitUsage, "command.unknown": exitUsage, "event.invalid": exitUsage, "event.not-json": exitUsage,
	"event.duplicate": exitUsage, "event.too-large": exitUsage, "event.incomplete": exitUsage, "event.data": exitUsage, "event.type": exitUsage,
	"request.too-many-together": exitUsage, "option.no-effect": exitUsage, "token.wrong": exitNotPermitted,
}

// explain words an error for stderr: one line that says what happened, one that says what to do.
func explain(err error) string {
	what := err.Error()
	if fault, ok := observed.FaultOf(err); ok {
		short := *fault
		short.Remedy = ""
		what = strings.Replace(what, fault.Error(), short.Error(), 1)
	}
	text := "reprotect: " + cases.OneLine(what) + "\n"
	if todo := remedyOf(err); todo != "" {
		text += "  " + cases.OneLine(todo) + "\n"
	}
	return text
}

// remedyOf is what is to be done about an error.
func remedyOf(err error) string {
	var f *failure
	todo := ""
	if errors.As(err, &f) {
		todo = f.remedy
	} else if fault, ok := observed.FaultOf(err); ok {
		todo = fault.Remedy
	}
	return cmp.Or(todo, remedies[statusOf(err)])
}

var remedies = map[int]string{
	exitUsage:        "See 'reprotect --help'.",
	exitNotReached:   "Check that it runs and that the address in the config is right; then try again.",
	exitNotPermitted: "Ask whoever runs it for the rights of this command, or use another account in the config.",
}
