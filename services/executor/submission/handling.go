package submission

import (
	"strings"
	"time"

	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

// Handling is what is done about a refusal, or about what made a job fail.
type Handling int

// Handlings. Those that wait do so until a bound, then the machine's way ends with what was refused.
const (
	Bear          Handling = iota + 1 // borne for as long as it lasts: nothing else can be done meanwhile either
	LookAfresh                        // a look from now on tells what to do
	AwaitAgent                        // tried again at growing pauses until its agent registers, within the site's agentWait
	AwaitAzure                        // tried again at growing pauses, within the site's jobWait
	AwaitOperator                     // the same, and at once when somebody asks for it
	TryAgain                          // tried again a few times (MostTries), at growing pauses
	GiveUp                            // the machine's way ends
)

// table says what is done about an error, by what it keeps from going on and by who can do something about it. The
// first row that fits counts.
var table = []struct {
	reach faults.Reach
	class observed.Class // "": any
	do    Handling
}{
	{faults.OfAccess, observed.Temporary, Bear},
	{faults.OfAccess, observed.Operator, AwaitAzure},
	{faults.OfCall, "", AwaitAzure},
	{faults.OfPlace, "", LookAfresh},
	{faults.OfAgent, "", AwaitAgent},
	{faults.OfMachine, observed.Temporary, TryAgain},
	{faults.OfMachine, observed.Operator, AwaitOperator},
	{faults.OfMachine, observed.Permanent, GiveUp},
}

// Handle says what is done about an error of Azure. A code that the catalogue does not know is about the machine.
func Handle(code string, class observed.Class) Handling {
	return handling(reachOf(code), class)
}

// HandleJob says what is done about what made a job fail. A job has no call that could be borne, or an item that a
// fresh look finds: but for its agent, its error is about the machine.
func HandleJob(code string, class observed.Class) Handling {
	reach := reachOf(code)
	if reach != faults.OfAgent {
		reach = faults.OfMachine
	}
	return handling(reach, class)
}

func reachOf(code string) faults.Reach {
	if row, known := faults.Lookup(code); known {
		return row.Reach
	}
	return faults.OfMachine
}

func handling(reach faults.Reach, class observed.Class) Handling {
	for _, row := range table {
		if row.reach == reach && (row.class == "" || row.class == class) {
			return row.do
		}
	}
	return GiveUp
}

// Cause is what a failed job says of its failure: the first of its problems that is no warning, as the catalogue knows
// it; else that it failed.
func Cause(job observed.Job) observed.Problem {
	for _, p := range job.Errors {
		known, isKnown := faults.Recognize(faults.Azure, p.Code, p.Message)
		switch {
		case p.Severity == "Warning" || isKnown && known.Warning:
			continue
		case isKnown:
			p.Code, p.Class = known.Code, known.Class
		case p.Code == "":
			p.Code = jobFailed
		}
		return p
	}
	return observed.Problem{Code: jobFailed, Class: observed.Operator, Message: job.StateText}
}

const jobFailed = "job.failed"

// ClassOf is the class of a code that was told before; what nobody knows is the operator's.
func ClassOf(code, message string) observed.Class {
	if row, ok := faults.Recognize(faults.Azure, code, message); ok {
		return row.Class
	}
	return observed.Operator
}

// Uncertain says whether a submission that met this error may have arrived all the same, or somebody else may have
// been quicker: only a fresh look tells.
func (h Handling) Uncertain() bool {
	switch h {
	case Bear, LookAfresh, AwaitAzure, TryAgain:
		return true
	case AwaitAgent, AwaitOperator, GiveUp:
	}
	return false
}

// MostTries is how often is tried again what passes by itself, and what a fresh look ought to have cleared up.
const MostTries = 5

// Counted says whether what is tried again ends with so many tries alike, whatever time has passed.
func (h Handling) Counted() bool { return h == TryAgain || h == LookAfresh }

// Pause is the time until the next try, after so many alike. Look is the pause between looks at the vault.
func (h Handling) Pause(look time.Duration, tries int) time.Duration {
	doubling := func(first, most time.Duration) time.Duration { return min(first<<min(tries, 10), most) }
	switch h {
	case AwaitOperator: // somebody who sees to a cause takes longer than what passes
		return doubling(20*look, 120*look)
	case AwaitAzure:
		return doubling(2*look, 120*look)
	case TryAgain, AwaitAgent:
		return doubling(look, 10*look)
	default:
		return look
	}
}

// Words are what a fault says: what happened, and the other side's own words.
func Words(f *observed.Fault) string {
	if f.Words == "" {
		return f.What
	}
	return f.What + ": " + f.Words
}

// longest is how much of Azure's words is kept between looks.
const longest = 240

// Cut shortens words that are kept between looks.
func Cut(words string) string {
	if len(words) <= longest {
		return words
	}
	return strings.ToValidUTF8(words[:longest], "") + "…"
}
