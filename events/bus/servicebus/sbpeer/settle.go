package sbpeer

import "slices"

// takeDisposition settles deliveries as the client says, and confirms it.
func (ch *channel) takeDisposition(d disposition) error {
	if !d.receiver {
		return nil // the peer settles what it receives at once, and awaits nothing more
	}
	code, fields, ok := listOf(d.state)
	switch {
	case d.state == nil && !d.settled:
		return nil
	case d.state == nil:
		code = codeReleased
	case !ok:
		return refuse(errDecode, "an outcome of type %T", d.state)
	}
	o, reason := outcomeOf(code, fields)
	if reason != nil {
		return reason
	}
	ids := ch.underWay(d.first, d.last)
	if len(ids) == 0 {
		return nil
	}
	p := ch.conn.peer
	if p.faults.settlementLost(ch.conn, false) {
		return nil
	}
	refused := make([]*amqpError, len(ids))
	same := true
	for i, id := range ids {
		under := ch.unsettled[id]
		delete(ch.unsettled, id)
		refused[i] = under.message.store.settle(under.message, under.token, o)
		same = same && refused[i] == nil && id == ids[0]+uint32(i)
	}
	if p.faults.settlementLost(ch.conn, true) || d.settled {
		return nil
	}
	if same {
		ch.perform(codeDisposition, false, ids[0], ids[len(ids)-1], true, confirmation(code, fields, nil))
		return nil
	}
	for i, id := range ids {
		ch.perform(codeDisposition, false, id, id, true, confirmation(code, fields, refused[i]))
	}
	return nil
}

// underWay lists the deliveries of a range that are not settled, in order.
func (ch *channel) underWay(first, last uint32) (ids []uint32) {
	span := last - first // ids wrap around
	if span > 1<<31 {
		return nil
	}
	if int(span) < len(ch.unsettled) {
		for i := range span + 1 {
			if ch.unsettled[first+i] != nil {
				ids = append(ids, first+i)
			}
		}
		return ids
	}
	for id := range ch.unsettled {
		if id-first <= span {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uint32) int { return int(a-first) - int(b-first) })
	return ids
}

// outcomeOf reads a delivery state.
func outcomeOf(code uint64, fields []any) (o outcome, err *amqpError) {
	a := &args{name: "outcome", fields: fields}
	switch code {
	case codeAccepted:
		o.kind = complete
	case codeReleased:
		o.kind = release
	case codeModified:
		o.kind = abandon
		if typed(a, 1, false) {
			o.kind = postpone
		}
		o.changes = typed[dict](a, 2, nil)
	case codeRejected:
		o.kind = deadLetter
		_, e, _ := listOf(a.at(0))
		info := typed[dict](&args{name: "error", fields: e}, 2, nil)
		o.reason, o.description, o.changes = burial(info)
		if o.reason == "" && len(e) > 0 && text(e[0]) != string(deadLetterDemand) {
			o.reason = text(e[0])
		}
	default:
		return o, refuse(errNotSupported, "the outcome %#02x", code)
	}
	if a.err != nil {
		return o, refuse(errDecode, "%v", a.err)
	}
	return o, nil
}

// burial splits what a client says about a dead letter.
func burial(info dict) (reason, description string, changes dict) {
	for _, p := range info {
		switch key := text(p.key); key {
		case "DeadLetterReason":
			reason = text(p.value)
		case "DeadLetterErrorDescription":
			description = text(p.value)
		default:
			changes = append(changes, p)
		}
	}
	return reason, description, changes
}

// confirmation is the outcome as it goes back: the same without the client's error, or the peer's.
func confirmation(code uint64, fields []any, refused *amqpError) described {
	switch {
	case refused != nil:
		return described{uint64(codeRejected), []any{refused.wire()}}
	case code == codeRejected:
		return described{code, []any{}}
	}
	if fields == nil {
		fields = []any{}
	}
	return described{code, fields}
}
