package bus

import (
	"encoding/json"
	"strconv"
	"time"
)

// A wake-up is the message itself, with what it needs to be itself again in headers.
const (
	headerWait    = "Reprotect-Wait"
	headerSubject = "Reprotect-Subject"
	headerID      = "Reprotect-Id"
	headerOrigin  = "Reprotect-Sequence"
	headerTime    = "Reprotect-Time"
)

func wrap(in incoming, wait Wait) Message {
	headers := map[string]string{}
	for k, v := range in.Headers {
		headers[k] = v
	}
	state, _ := json.Marshal(wait) // two ints and a string: cannot fail
	headers[headerWait] = string(state)
	headers[headerSubject] = in.Subject
	headers[headerID] = in.ID
	headers[headerOrigin] = strconv.FormatUint(in.Sequence, 10)
	headers[headerTime] = in.Published.UTC().Format(time.RFC3339Nano)
	return Message{Headers: headers, Data: in.Data}
}

// Original is the message that a wake-up wakes a service with; what is no wake-up is its own.
func Original(r Received) Received { return unwrap(r).Received }

func unwrap(r Received) incoming {
	in := incoming{Received: r}
	if !r.Woken || json.Unmarshal([]byte(r.Headers[headerWait]), &in.wait) != nil {
		return in
	}
	in.Headers = map[string]string{}
	for k, v := range r.Headers {
		in.Headers[k] = v
	}
	in.Subject, in.ID = r.Headers[headerSubject], r.Headers[headerID]
	in.Sequence, _ = strconv.ParseUint(r.Headers[headerOrigin], 10, 64)
	in.Published, _ = time.Parse(time.RFC3339Nano, r.Headers[headerTime])
	for _, name := range []string{headerWait, headerSubject, headerID, headerOrigin, headerTime} {
		delete(in.Headers, name)
	}
	return in
}
