package observed

import (
	"errors"
	"fmt"
	"time"
)

// Class says who can do something about an error.
type Class string

const (
	// Temporary passes by itself: retry.
	Temporary Class = "temporary"
	// Operator needs a person, then goes on: wait and say so.
	Operator Class = "operator"
	// Permanent does not pass.
	Permanent Class = "permanent"
)

// Fault is an error of Azure or vCenter with what a person needs: made where it arises (internal/asr,
// internal/vsphere), shown where it is handled. It never holds a secret.
type Fault struct {
	Class  Class
	Code   string        // Azure's or vSphere's code, or ours ("vcenter.login", "azure.unreachable")
	What   string        // what happened, to which machine or server
	Words  string        // the other side's own words
	Remedy string        // what to do
	After  time.Duration // when to try again, as the other side asked (Retry-After); 0 when it did not
	Err    error
}

func (f *Fault) Error() string {
	s := f.What
	if f.Words != "" {
		s = fmt.Sprintf("%s: %s", s, f.Words)
	}
	if f.Code != "" {
		s = fmt.Sprintf("%s (%s)", s, f.Code)
	}
	if f.Remedy != "" {
		s = fmt.Sprintf("%s: %s", s, f.Remedy)
	}
	return s
}

func (f *Fault) Unwrap() error { return f.Err }

// FaultOf returns the Fault in err's chain; ok is false when there is none.
func FaultOf(err error) (f *Fault, ok bool) {
	ok = errors.As(err, &f)
	return f, ok
}
