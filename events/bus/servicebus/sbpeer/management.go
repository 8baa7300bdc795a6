package sbpeer

import (
	"strings"
	"time"
)

// request is what a management node was asked.
type request struct {
	conn *conn
	node node
	body dict
}

// response is the answer; the zero value says that all is well.
type response struct {
	status      int32
	description string
	condition   symbol
	body        any
}

// operation is a request that a management node knows.
type operation struct {
	need   Rights
	store  bool // it is about messages that are received, not sent
	billed bool // by itself
	handle func(request) response
}

var operations = map[string]operation{
	"schedule-message":           {Send, false, false, scheduleMessages},
	"cancel-scheduled-message":   {Send, false, true, cancelScheduled},
	"renew-lock":                 {Listen, true, true, renewLocks},
	"peek-message":               {Listen, true, true, peek},
	"receive-by-sequence-number": {Listen, true, false, receiveDeferred},
	"update-disposition":         {Listen, true, false, updateDisposition},
	"renew-session-lock":         {Listen, true, true, renewSession},
	"get-session-state":          {Listen, true, true, getSessionState},
	"set-session-state":          {Listen, true, true, setSessionState},
	"get-message-sessions":       {Listen, true, true, listSessions},
}

func failed(status int32, condition symbol, description string) response {
	return response{status, description, condition, nil}
}

func lockLost() response {
	return failed(410, errLockLost, "The lock supplied is invalid. Either the lock expired, or the message has already been removed.")
}

func sessionLost() response {
	return failed(410, errSessionLost, "The session lock has expired, or another receiver holds it.")
}

// manage answers a request of a management node; nil when a fault cut the connection.
func manage(c *conn, n node, message *content) []byte {
	p := c.peer
	p.stats.Management++
	r := respond(c, n, message)
	if c.dropped {
		return nil
	}
	if r.status == 0 {
		r.status, r.description = 200, "OK"
	}
	return reply(message.id(), r.status, r.description, r.condition, r.body)
}

func respond(c *conn, n node, message *content) response {
	name := text(message.application.get("operation"))
	short, ok := strings.CutPrefix(name, "com.microsoft:")
	op, known := operations[short]
	body, isMap := message.value.(dict)
	switch {
	case !ok || !known:
		return failed(400, errNotSupported, "the operation "+name+" is unknown")
	case !isMap:
		return failed(400, errArgument, "the request has no map")
	case c.rights(n.name)&op.need == 0:
		return failed(401, errUnauthorized, "no token of this connection allows "+name+" on "+n.name)
	case op.store && n.store == nil || !op.store && n.entrance == nil:
		return failed(400, errNotAllowed, name+" is not for "+n.name)
	}
	if reason := c.peer.faults.refusal(c.peer, n.name); reason != nil {
		status := int32(503)
		if reason.condition != errBusy {
			status = 400
		}
		return failed(status, reason.condition, reason.description)
	}
	if op.billed {
		c.peer.stats.billable++
	}
	return op.handle(request{conn: c, node: n, body: body})
}

func scheduleMessages(r request) response {
	var messages []*content
	for _, item := range members(r.body.get("messages")) {
		entry, _ := item.(dict)
		encoded, ok := entry.get("message").([]byte)
		if !ok {
			return failed(400, errArgument, "an item without a message")
		}
		if len(encoded) > r.conn.peer.maxSize {
			return failed(400, errTooBig, "a message is over the limit")
		}
		c, err := parseMessage(encoded)
		if err != nil {
			return failed(400, errDecode, err.Error())
		}
		if reason := c.oversized(); reason != nil {
			status := int32(400)
			if reason.condition == errInternal {
				status = 500
			}
			return failed(status, reason.condition, reason.description)
		}
		if _, ok := c.scheduledFor(); !ok {
			return failed(400, errArgument, "a message without the time for which to schedule it")
		}
		messages = append(messages, c)
	}
	if len(messages) == 0 {
		return failed(400, errArgument, "no messages")
	}
	numbers, reason := r.node.entrance.accept(messages)
	if reason != nil {
		return failed(403, reason.condition, reason.description)
	}
	if r.conn.peer.faults.sendLost(r.conn) {
		return response{}
	}
	list := array{of: codeLong, items: make([]any, len(numbers))}
	for i, n := range numbers {
		list.items[i] = n
	}
	return response{body: dict{{"sequence-numbers", list}}}
}

func (r request) numbers() (numbers []int64, ok bool) {
	for _, v := range members(r.body.get("sequence-numbers")) {
		n, ok := v.(int64)
		if !ok {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, len(numbers) > 0
}

func cancelScheduled(r request) response {
	numbers, ok := r.numbers()
	if !ok {
		return failed(400, errArgument, "no sequence numbers")
	}
	missing := false
	for _, n := range numbers {
		if m := r.node.entrance.scheduled[n]; m != nil {
			r.node.entrance.unschedule(m)
		} else {
			missing = true
		}
	}
	if missing {
		return failed(404, errNoMessage, "no message is scheduled under this number")
	}
	return response{}
}

// found is an item of a list of messages.
func found(m *message, token *uuid) dict {
	item := dict{{"message", m.encode(token)}}
	if token != nil {
		item = append(item, pair{"lock-token", *token})
	}
	return item
}

func peek(r request) response {
	from, ok := whole(r.body.get("from-sequence-number"))
	n, isNumber := whole(r.body.get("message-count"))
	if !ok || !isNumber || n <= 0 {
		return failed(400, errArgument, "from which number, and how many?")
	}
	id, inSession := r.body.get("session-id").(string)
	const most = 250 // as the service does
	messages := r.node.store.from(from, int(min(n, most)), func(m *message) bool {
		of, set := m.property(propGroupID)
		return !inSession || set && of == id
	})
	if len(messages) == 0 {
		return response{status: 204, description: "No Content"}
	}
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = found(m, nil)
	}
	return response{body: dict{{"messages", list}}}
}

func receiveDeferred(r request) response {
	numbers, ok := r.numbers()
	if !ok {
		return failed(400, errArgument, "no sequence numbers")
	}
	s := r.node.store
	var messages []*message
	for _, n := range numbers {
		m := s.bySequence[n]
		if m == nil || m.state != stateDeferred || m.lock != nil {
			return failed(404, errNoMessage, "no deferred message has this number")
		}
		if held := s.sessionOf(m); held != nil && (held.holder == nil || held.holder.ch.conn != r.conn) {
			return sessionLost()
		}
		messages = append(messages, m)
	}
	mode, _ := whole(r.body.get("receiver-settle-mode"))
	list := make([]any, 0, len(messages))
	for _, m := range messages {
		if m.gone || m.lock != nil { // a number that was named twice
			continue
		}
		p := r.conn.peer
		p.stats.Deliveries++
		p.stats.units += units(m.size)
		if mode == 0 {
			list = append(list, found(m, nil))
			s.drop(m)
			continue
		}
		s.take(m, s.sessionOf(m))
		list = append(list, found(m, &m.lock.token))
	}
	return response{body: dict{{"messages", list}}}
}

// tokens gives the messages that are locked with the tokens of the request.
func (r request) tokens() (messages []*message, tokens []uuid, ok bool) {
	for _, v := range members(r.body.get("lock-tokens")) {
		token, isUUID := v.(uuid)
		m := r.node.store.locked[token]
		if !isUUID || m == nil {
			return nil, nil, false
		}
		messages, tokens = append(messages, m), append(tokens, token)
	}
	return messages, tokens, len(messages) > 0
}

func renewLocks(r request) response {
	messages, _, ok := r.tokens()
	if !ok {
		return lockLost()
	}
	list := array{of: codeTimestamp}
	for _, m := range messages {
		if m.lock.session != nil {
			return failed(400, errNotAllowed, "the lock of a session is renewed, not that of its messages")
		}
	}
	for _, m := range messages {
		r.conn.peer.stats.Renewals++
		m.store.prolong(m)
		list.items = append(list.items, m.lock.until)
	}
	return response{body: dict{{"expirations", list}}}
}

func updateDisposition(r request) response {
	o := outcome{reason: text(r.body.get("deadletter-reason")), description: text(r.body.get("deadletter-description"))}
	o.changes, _ = r.body.get("properties-to-modify").(dict)
	switch status := text(r.body.get("disposition-status")); status {
	case "completed":
		o.kind = complete
	case "abandoned":
		o.kind = abandon
	case "defered":
		o.kind = postpone
	case "suspended":
		o.kind = deadLetter
	default:
		return failed(400, errArgument, "the disposition "+status+" is unknown")
	}
	f := &r.conn.peer.faults
	if f.settlementLost(r.conn, false) {
		return response{}
	}
	messages, tokens, ok := r.tokens()
	if !ok {
		return lockLost()
	}
	for i, m := range messages {
		if reason := r.node.store.settle(m, tokens[i], o); reason != nil {
			return failed(410, reason.condition, reason.description)
		}
	}
	f.settlementLost(r.conn, true)
	return response{}
}

// session gives the session of the request, which a receiver of this connection holds.
func (r request) session() *session {
	id, ok := r.body.get("session-id").(string)
	held := r.node.store.sessions[id]
	if !ok || held == nil || held.holder == nil || held.holder.ch.conn != r.conn {
		return nil
	}
	return held
}

func renewSession(r request) response {
	held := r.session()
	if held == nil {
		return sessionLost()
	}
	r.conn.peer.stats.Renewals++
	held.prolong()
	return response{body: dict{{"expiration", held.until}}}
}

func getSessionState(r request) response {
	held := r.session()
	if held == nil {
		return sessionLost()
	}
	if held.state == nil {
		return response{body: dict{{"session-state", nil}}}
	}
	return response{body: dict{{"session-state", held.state}}}
}

func setSessionState(r request) response {
	held := r.session()
	if held == nil {
		return sessionLost()
	}
	held.state, _ = r.body.get("session-state").([]byte)
	held.set = r.conn.peer.now()
	return response{}
}

// everySession stands for no time of change: sessions with messages or with a state.
var everySession = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func listSessions(r request) response {
	since, _ := r.body.get("last-updated-time").(time.Time)
	skip, _ := whole(r.body.get("skip"))
	top, _ := whole(r.body.get("top"))
	ids := r.node.store.sessionIDs(since)
	ids = ids[min(max(skip, 0), int64(len(ids))):]
	ids = ids[:min(max(top, 0), int64(len(ids)))]
	if len(ids) == 0 {
		return response{status: 204, description: "No Content"}
	}
	list := array{of: codeString32}
	for _, id := range ids {
		list.items = append(list.items, id)
	}
	return response{body: dict{{"skip", int32(skip)}, {"sessions-ids", list}}}
}
