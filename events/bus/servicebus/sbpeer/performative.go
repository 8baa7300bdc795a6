package sbpeer

import (
	"fmt"
	"math"
)

const (
	codeOpen        = 0x10
	codeBegin       = 0x11
	codeAttach      = 0x12
	codeFlow        = 0x13
	codeTransfer    = 0x14
	codeDisposition = 0x15
	codeDetach      = 0x16
	codeEnd         = 0x17
	codeClose       = 0x18

	codeMechanisms = 0x40
	codeInit       = 0x41
	codeOutcome    = 0x44

	codeAccepted = 0x24
	codeRejected = 0x25
	codeReleased = 0x26
	codeModified = 0x27

	codeSource        = 0x28
	codeTarget        = 0x29
	codeSessionFilter = 0x137000000C
)

// args reads the fields of a composite by their place. The first field of a wrong type is kept as the error.
type args struct {
	name   string
	fields []any
	err    error
}

func (a *args) at(i int) any {
	if i < len(a.fields) {
		return a.fields[i]
	}
	return nil
}

// typed gives field i, or the default when it is null.
func typed[T any](a *args, i int, def T) T {
	switch v := a.at(i).(type) {
	case nil:
		return def
	case T:
		return v
	default:
		if a.err == nil {
			a.err = refuse(errDecode, "field %d of %s is of type %T", i, a.name, v)
		}
		return def
	}
}

// must is typed for a mandatory field.
func must[T any](a *args, i int) (v T) {
	if a.at(i) == nil && a.err == nil {
		a.err = refuse(errDecode, "field %d of %s is missing", i, a.name)
	}
	return typed(a, i, v)
}

// optional gives nil for null.
func optional[T any](a *args, i int) *T {
	if a.at(i) == nil {
		return nil
	}
	v := typed(a, i, *new(T))
	return &v
}

// parse splits a frame's body into the performative and the payload that follows it.
func parse(body []byte) (code uint64, a *args, payload []byte, err error) {
	v, payload, err := decode(body)
	if err != nil {
		return 0, nil, nil, refuse(errDecode, "%v", err)
	}
	code, fields, ok := listOf(v)
	if !ok {
		return 0, nil, nil, refuse(errDecode, "a frame that starts with no performative")
	}
	return code, &args{name: fmt.Sprintf("performative %#02x", code), fields: fields}, payload, nil
}

// listOf takes a composite apart.
func listOf(v any) (code uint64, fields []any, ok bool) {
	d, ok := v.(described)
	if !ok {
		return 0, nil, false
	}
	code, ok = d.descriptor.(uint64)
	if !ok {
		return 0, nil, false
	}
	fields, ok = d.value.([]any)
	return code, fields, ok
}

type open struct {
	maxFrame uint32
	idle     uint32 // milliseconds; 0: none
}

func parseOpen(a *args) (open, error) {
	must[string](a, 0)
	return open{typed[uint32](a, 2, math.MaxUint32), typed[uint32](a, 4, 0)}, a.err
}

type begin struct {
	nextOutgoing   uint32
	incomingWindow uint32
}

func parseBegin(a *args) (begin, error) {
	return begin{must[uint32](a, 1), must[uint32](a, 2)}, a.err
}

type attach struct {
	name           string
	handle         uint32
	receives       bool // the role of the one who sends the attach
	senderMode     any
	receiverMode   any
	source, target any
	properties     dict
}

func parseAttach(a *args) (attach, error) {
	return attach{
		name: must[string](a, 0), handle: must[uint32](a, 1), receives: must[bool](a, 2),
		senderMode: a.at(3), receiverMode: a.at(4), source: a.at(5), target: a.at(6),
		properties: typed[dict](a, 13, nil),
	}, a.err
}

// address of the node that the link is to.
func (at attach) address() string {
	v := at.target
	if at.receives {
		v = at.source
	}
	return addressOf(v)
}

func addressOf(terminus any) string {
	if _, fields, ok := listOf(terminus); ok && len(fields) > 0 {
		return text(fields[0])
	}
	return ""
}

// sessionFilter gives the session that a receiver asks for; wanted is false without such a filter, id nil for any session.
func (at attach) sessionFilter() (id *string, wanted bool) {
	_, fields, _ := listOf(at.source)
	if len(fields) < 8 {
		return nil, false
	}
	filters, _ := fields[7].(dict)
	for _, p := range filters {
		if text(p.key) != sessionFilter {
			continue
		}
		v := p.value
		if d, ok := v.(described); ok {
			v = d.value
		}
		if s, ok := v.(string); ok {
			return &s, true
		}
		return nil, true
	}
	return nil, false
}

const sessionFilter = "com.microsoft:session-filter"

// withSession gives the source with the id in its session filter, in the form in which it was asked for.
func withSession(source any, id string) any {
	code, fields, _ := listOf(source)
	fields = append([]any{}, fields...)
	filters, _ := fields[7].(dict)
	filters = append(dict{}, filters...)
	for i, p := range filters {
		if text(p.key) != sessionFilter {
			continue
		}
		if d, ok := p.value.(described); ok {
			filters[i].value = described{d.descriptor, id}
		} else {
			filters[i].value = id
		}
	}
	fields[7] = filters
	return described{code, fields}
}

type flow struct {
	nextIncoming   *uint32
	incomingWindow uint32
	nextOutgoing   uint32
	handle         *uint32
	count          *uint32
	credit         *uint32
	drain, echo    bool
}

func parseFlow(a *args) (flow, error) {
	return flow{
		nextIncoming: optional[uint32](a, 0), incomingWindow: must[uint32](a, 1), nextOutgoing: must[uint32](a, 2),
		handle: optional[uint32](a, 4), count: optional[uint32](a, 5), credit: optional[uint32](a, 6),
		drain: typed(a, 8, false), echo: typed(a, 9, false),
	}, a.err
}

type transfer struct {
	handle  uint32
	id      *uint32
	format  *uint32
	settled bool
	more    bool
	aborted bool
}

func parseTransfer(a *args) (transfer, error) {
	return transfer{
		handle: must[uint32](a, 0), id: optional[uint32](a, 1), format: optional[uint32](a, 3),
		settled: typed(a, 4, false), more: typed(a, 5, false), aborted: typed(a, 9, false),
	}, a.err
}

type disposition struct {
	receiver    bool
	first, last uint32
	settled     bool
	state       any
}

func parseDisposition(a *args) (disposition, error) {
	d := disposition{receiver: must[bool](a, 0), first: must[uint32](a, 1), settled: typed(a, 3, false), state: a.at(4)}
	d.last = typed(a, 2, d.first)
	return d, a.err
}

type detach struct {
	handle uint32
}

func parseDetach(a *args) (detach, error) {
	return detach{must[uint32](a, 0)}, a.err
}
