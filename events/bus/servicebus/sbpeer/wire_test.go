package sbpeer

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func newPeer(t *testing.T) *Peer {
	t.Helper()
	p := New(Options{MaxMessageSize: 4096})
	t.Cleanup(p.Close)
	if err := p.Setup(Topology{Topics: []Topic{{Name: "topic"}}, Queues: []Queue{{Name: "queue"}}}); err != nil {
		t.Fatal(err)
	}
	return p
}

func body(id string) []byte {
	b := composite(nil, sectionProperties, id)
	return encode(b, described{uint64(sectionData), []byte("body of " + id)})
}

func TestRefusesConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		say       func(r *raw)
		condition symbol
	}{
		"a frame too large":       {func(r *raw) { r.open(); r.write([]byte{0, 1, 0, 1, 2, 0, 0, 0}) }, errFraming},
		"a frame too small":       {func(r *raw) { r.open(); r.write([]byte{0, 0, 0, 4, 2, 0, 0, 0}) }, errFraming},
		"a body that starts late": {func(r *raw) { r.open(); r.write([]byte{0, 0, 0, 9, 3, 0, 0, 0}) }, errFraming},
		"a frame of SASL":         {func(r *raw) { r.open(); r.write([]byte{0, 0, 0, 8, 2, 1, 0, 0}) }, errFraming},
		"no performative": {func(r *raw) {
			r.open()
			r.write(appendFrame(nil, 0, 0, func(b []byte) []byte { return encode(b, "x") }))
		}, errDecode},
		"half a performative": {func(r *raw) { r.open(); r.write([]byte{0, 0, 0, 10, 2, 0, 0, 0, 0, 0x53}) }, errDecode},
		"a second open":       {func(r *raw) { r.open(); r.perform(0, codeOpen, "test") }, errNotAllowed},
		"a session twice":     {func(r *raw) { r.open(); r.perform(0, codeBegin, nil, uint32(0), uint32(9), uint32(9)) }, errNotAllowed},
		"no session":          {func(r *raw) { r.open(); r.perform(7, codeFlow, uint32(0), uint32(9), uint32(0), uint32(9)) }, errNotAllowed},
		"a channel over the limit": {func(r *raw) {
			r.open()
			r.perform(5000, codeBegin, nil, uint32(0), uint32(9), uint32(9))
		}, errFraming},
		"a begin of wrong types": {func(r *raw) { r.open(); r.perform(1, codeBegin, nil, "0", uint32(9), uint32(9)) }, errDecode},
		"a begin without fields": {func(r *raw) { r.open(); r.perform(1, codeBegin) }, errDecode},
	} {
		t.Run(name, func(t *testing.T) {
			r := dial(t, newPeer(t), true)
			tt.say(r)
			r.refused(codeClose, 0, tt.condition)
			r.gone()
		})
	}
}

func TestRefusesSessions(t *testing.T) {
	for name, tt := range map[string]struct {
		say       func(r *raw)
		condition symbol
	}{
		"a handle twice":          {func(r *raw) { r.perform(0, codeAttach, "again", uint32(0), true) }, errHandleInUse},
		"a transfer to no link":   {func(r *raw) { r.transfer(body("1"), uint32(9), uint32(0), []byte{1}) }, errUnattached},
		"a flow to no link":       {func(r *raw) { r.perform(0, codeFlow, uint32(0), uint32(9), uint32(0), uint32(9), uint32(5)) }, errUnattached},
		"a detach of no link":     {func(r *raw) { r.perform(0, codeDetach, uint32(9), true) }, errUnattached},
		"an unknown performative": {func(r *raw) { r.perform(0, 0x19) }, errNotSupported},
		"an attach without name":  {func(r *raw) { r.perform(0, codeAttach, nil, uint32(1), true) }, errDecode},
		"a wrong outcome":         {func(r *raw) { r.perform(0, codeDisposition, true, uint32(0), nil, false, "no") }, errDecode},
	} {
		t.Run(name, func(t *testing.T) {
			r := linked(t, newPeer(t), "queue", false)
			tt.say(r)
			r.refused(codeEnd, 0, tt.condition)
			r.perform(0, codeFlow, uint32(0), uint32(9), uint32(0), uint32(9)) // was on its way
			r.perform(0, codeEnd)
			r.perform(0, codeBegin, nil, uint32(0), uint32(9), uint32(9))
			r.expect(codeBegin)
		})
	}
}

func TestRefusesTransfers(t *testing.T) {
	for name, tt := range map[string]struct {
		say       func(r *raw)
		condition symbol
	}{
		"without an id": {func(r *raw) { r.transfer(body("1"), uint32(0)) }, errNotAllowed},
		"two at once": {func(r *raw) {
			r.transfer(body("1"), uint32(0), uint32(0), []byte{1}, nil, nil, true)
			r.transfer(nil, uint32(0), uint32(1))
		}, errNotAllowed},
		"over the limit": {func(r *raw) { r.transfer(make([]byte, 5000), uint32(0), uint32(0), []byte{1}) }, errTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			r := linked(t, newPeer(t), "queue", false)
			tt.say(r)
			r.refused(codeDetach, 2, tt.condition)
			r.transfer(body("2"), uint32(0), uint32(1), []byte{1}) // was on its way
			r.perform(0, codeDetach, uint32(0), true)
			r.attach(0, "queue", false)
		})
	}
	t.Run("to a receiver", func(t *testing.T) {
		r := linked(t, newPeer(t), "queue", true)
		r.transfer(body("1"), uint32(0), uint32(0), []byte{1})
		r.refused(codeDetach, 2, errNotAllowed)
	})
	t.Run("that is no message", func(t *testing.T) {
		r := linked(t, newPeer(t), "queue", false)
		r.transfer([]byte("nonsense"), uint32(0), uint32(0), []byte{1})
		state := r.expect(codeDisposition)[4]
		if code, _, _ := listOf(state); code != codeRejected {
			t.Fatalf("got %v", state)
		}
	})
}

func TestRefusesAttach(t *testing.T) {
	for name, tt := range map[string]struct {
		address   string
		receives  bool
		condition symbol
	}{
		"unknown":            {"nowhere", true, errNotFound},
		"receive from topic": {"topic", true, errNotAllowed},
		"send to dead":       {"queue/$deadletterqueue", false, errNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			r := dial(t, p, true)
			r.open()
			r.authorized(p)
			if fields := r.attach(0, tt.address, tt.receives); fields[5] != nil || fields[6] != nil {
				t.Fatalf("a refusal with a terminus: %v", fields)
			}
			r.refused(codeDetach, 2, tt.condition)
		})
	}
	t.Run("without a token", func(t *testing.T) {
		r := dial(t, newPeer(t), false)
		r.open()
		r.attach(0, "queue", true)
		r.refused(codeDetach, 2, errUnauthorized)
	})
}

func TestAttachReply(t *testing.T) {
	p := newPeer(t)
	sender := linked(t, p, "queue", false)
	sender.perform(0, codeDetach, uint32(0), true)
	sender.expect(codeDetach)
	at := sender.attach(0, "QUEUE", false)
	if at[2] != true || at[3] != uint8(2) || at[4] != uint8(1) || at[10] != uint64(4096) || addressOf(at[6]) != "QUEUE" {
		t.Errorf("to a sender: %v", at)
	}
	receiver := linked(t, p, "topic", false)
	at = receiver.attach(1, "/queue/", true)
	if at[2] != false || at[9] != uint32(0) || at[10] != nil || addressOf(at[5]) != "/queue/" {
		t.Errorf("to a receiver: %v", at)
	}
}

// TestDelivery looks at what the SDK does not tell: the order of the tag's bytes, windows, frames, drain.
func TestDelivery(t *testing.T) {
	p := newPeer(t)
	s := linked(t, p, "queue", false)
	long := encode(composite(nil, sectionProperties, "1"), described{uint64(sectionData), bytes.Repeat([]byte("x"), 1500)})
	for i, m := range [][]byte{long, body("2"), body("3")} {
		s.transfer(m, uint32(0), uint32(i), []byte{byte(i)})
		if d := s.expect(codeDisposition); d[0] != true || d[1] != uint32(i) || d[3] != true {
			t.Fatalf("disposition %v", d)
		}
	}
	r := linked(t, p, "queue", true)
	r.perform(0, codeFlow, uint32(1), uint32(2), uint32(0), uint32(100), uint32(0), uint32(0), uint32(10)) // a window of two
	var payload []byte
	code, first, part := r.frame()
	payload = append(payload, part...)
	if code != codeTransfer || first[5] != true || len(part) > minFrame {
		t.Fatalf("first frame: %#02x %v, %d bytes", code, first, len(part))
	}
	tag := first[2].([]byte)
	_, next, part := r.frame()
	if next[2] != nil || next[5] != true || next[1] != first[1] {
		t.Fatalf("second frame: %v", next)
	}
	payload = append(payload, part...)
	if c := p.Count("queue"); c.Locked != 1 || c.Active != 2 {
		t.Fatalf("with the window closed: %+v", c)
	}
	r.perform(0, codeFlow, uint32(3), uint32(100), uint32(0), uint32(100))
	for more := true; more; {
		var fields []any
		_, fields, part = r.frame()
		more, _ = fields[5].(bool)
		payload = append(payload, part...)
	}
	c, err := parseMessage(payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.annotations.get("x-opt-sequence-number").(int64); !ok || !bytes.HasSuffix(payload, long[len(long)-1500:]) {
		t.Fatalf("annotations %v", c.annotations)
	}
	p.mu.Lock()
	token := p.stores["queue"].bySequence[1].lock.token
	p.mu.Unlock()
	if want := token.swapped(); !bytes.Equal(tag, want[:]) || bytes.Equal(tag, token[:]) || tag[0] != token[3] || tag[4] != token[5] || tag[6] != token[7] || tag[8] != token[8] {
		t.Fatalf("tag %x of token %x", tag, token)
	}
	r.expect(codeTransfer)
	r.expect(codeTransfer)
	r.perform(0, codeFlow, uint32(9), uint32(100), uint32(0), uint32(100), uint32(0), uint32(3), uint32(10), nil, true)
	f := r.expect(codeFlow)
	if f[4] != uint32(0) || f[5] != uint32(13) || f[6] != uint32(0) || f[8] != true {
		t.Fatalf("after the drain: %v", f)
	}
	r.perform(0, codeDisposition, true, uint32(0), uint32(0xfffffff), false, described{uint64(codeAccepted), []any{}})
	if d := r.expect(codeDisposition); d[0] != false || d[1] != uint32(0) || d[2] != uint32(2) || d[3] != true {
		t.Fatalf("disposition %v", d)
	}
	if c := p.Count("queue"); c != (Counts{}) {
		t.Fatalf("left: %+v", c)
	}
}

func TestWindowAndCredit(t *testing.T) {
	p := newPeer(t)
	r := linked(t, p, "queue", false)
	frames := make(chan uint64, 4*windowSize)
	go func() {
		defer close(frames)
		for {
			f, err := readFrame(r.nc, maxFrame)
			if err != nil {
				return
			}
			if code, _, _, err := parse(f.body); err == nil {
				frames <- code
			}
		}
	}()
	until := func(want uint64) (n int) {
		for code := range frames {
			if code == want {
				return n
			}
			n++
		}
		t.Fatalf("no performative %#02x after %d others", want, n)
		return 0
	}
	for i := range 2 * windowSize {
		r.transfer(body("1"), uint32(0), uint32(i), []byte{1}, nil, true)
	}
	p.WithholdCredit(true)
	for i := range linkCredit + 1 {
		r.transfer(body("1"), uint32(0), uint32(2*windowSize+i), []byte{1}, nil, true)
	}
	if n := until(codeDetach); n < 3*windowSize/linkCredit {
		t.Errorf("only %d flows", n)
	}
	if st := p.Stats(); st.Sends < 2*windowSize || st.Sends > 2*windowSize+linkCredit {
		t.Errorf("%d were taken", st.Sends)
	}
	p.WithholdCredit(false)
	r.perform(0, codeDetach, uint32(0), true)
	r.perform(0, codeAttach, "link", uint32(1), false, uint8(2), uint8(0), described{uint64(codeSource), []any{}}, described{uint64(codeTarget), []any{"queue"}})
	until(codeAttach)
	until(codeFlow)
	p.WithholdCredit(true)
	for range windowSize + 1 { // parts of one message
		r.transfer(nil, uint32(1), uint32(0), []byte{1}, nil, true, true)
	}
	until(codeEnd)
}

func TestStrangers(t *testing.T) {
	r := &raw{t, newPeer(t).Pipe()}
	_ = r.nc.SetDeadline(time.Now().Add(10 * time.Second))
	r.write([]byte("GET / HT"))
	r.header(headerSASL)
	r.gone()

	r = &raw{t, newPeer(t).Pipe()}
	_ = r.nc.SetDeadline(time.Now().Add(10 * time.Second))
	r.write(headerSASL[:])
	r.header(headerSASL)
	r.expect(codeMechanisms)
	r.write(appendFrame(nil, frameSASL, 0, func(b []byte) []byte { return composite(b, codeInit, symbol("PLAIN")) }))
	if fields := r.expect(codeOutcome); fields[0] != uint8(1) {
		t.Fatalf("outcome %v", fields)
	}
	r.gone()
}

// F13e: plain AMQP clients give a key's name and its secret.
func TestPlain(t *testing.T) {
	for response, ok := range map[string]bool{
		"\x00k\x00secret": true, "\x00k\x00other": false, "\x00other\x00secret": false, "k\x00secret": false, "": false, "x\x00k\x00secret": true,
	} {
		r := &raw{t, New(Options{Keys: []Key{{Name: "k", Secret: "secret"}}}).Pipe()}
		_ = r.nc.SetDeadline(time.Now().Add(10 * time.Second))
		r.write(headerSASL[:])
		r.header(headerSASL)
		r.expect(codeMechanisms)
		r.write(appendFrame(nil, frameSASL, 0, func(b []byte) []byte { return composite(b, codeInit, symbol("PLAIN"), []byte(response)) }))
		if fields := r.expect(codeOutcome); (fields[0] == uint8(0)) != ok {
			t.Errorf("%q: outcome %v", response, fields)
		}
		_ = r.nc.Close()
	}
}

func TestTokens(t *testing.T) {
	p := New(Options{Keys: []Key{{Name: "k", Secret: "secret", Entity: "topic"}}})
	token := func(resource, expiry, secret string) string {
		return "SharedAccessSignature sr=" + resource + "&sig=" + strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(sign(secret, resource, expiry), "+", "%2b"), "/", "%2f"), "=", "%3d") + "&se=" + expiry + "&skn=k"
	}
	const sr = "amqp%3a%2f%2fhost%2ftopic"
	for name, tt := range map[string]struct {
		kind, token, audience string
		ok                    bool
	}{
		"good":          {tokenSAS, token(sr, "9999999999", "secret"), "topic", true},
		"below":         {tokenSAS, token(sr, "9999999999", "secret"), "topic/subscriptions/s", true},
		"wrong key":     {tokenSAS, token(sr, "9999999999", "other"), "topic", false},
		"over":          {tokenSAS, token(sr, "1", "secret"), "topic", false},
		"no number":     {tokenSAS, token(sr, "soon", "secret"), "topic", false},
		"other entity":  {tokenSAS, token("amqp%3a%2f%2fhost", "9999999999", "secret"), "queue", false},
		"other scope":   {tokenSAS, token(sr, "9999999999", "secret"), "topical", false},
		"web token":     {tokenJWT, "a.b.c", "topic", false},
		"nothing":       {tokenSAS, "", "topic", false},
		"other kind":    {"kind", token(sr, "9999999999", "secret"), "topic", false},
		"bad signature": {tokenSAS, "SharedAccessSignature sr=a&sig=%zz&se=1&skn=k", "topic", false},
	} {
		if _, reason := p.verify(tt.kind, tt.token, tt.audience); (reason == "") != tt.ok {
			t.Errorf("%s: %q", name, reason)
		}
	}
	p.allowJWT = true
	if g, reason := p.verify(tokenJWT, "a.b.c", "topic"); reason != "" || g.rights != Manage {
		t.Errorf("web token: %q", reason)
	}
}

// TestTwoLinksOneWindow has two receivers in a session; the flow of one opens the window for the other, too.
func TestTwoLinksOneWindow(t *testing.T) {
	p := newPeer(t)
	s := linked(t, p, "queue", false)
	r := dial(t, p, true)
	r.open()
	r.authorized(p)
	for handle := range uint32(2) {
		r.attach(handle, "queue", true)
		r.perform(0, codeFlow, uint32(1), uint32(0), uint32(0), uint32(100), handle, uint32(0), handle, nil, nil, true)
		if f := r.expect(codeFlow); f[4] != handle || f[6] != handle {
			t.Fatalf("echo %v", f)
		}
	}
	s.transfer(body("1"), uint32(0), uint32(0), []byte{1})
	s.expect(codeDisposition)
	if c := p.Count("queue"); c.Active != 1 {
		t.Fatalf("with the window closed: %+v", c)
	}
	r.perform(0, codeFlow, uint32(1), uint32(10), uint32(0), uint32(100), uint32(0), uint32(0), uint32(0))
	if f := r.expect(codeTransfer); f[0] != uint32(1) {
		t.Fatalf("transfer %v", f)
	}
	r.perform(0, codeDisposition, true, uint32(0), nil, false, described{uint64(codeRejected), []any{described{uint64(0x1d), []any{symbol("my:reason"), "d"}}}})
	if d := r.expect(codeDisposition); len(d[4].(described).value.([]any)) != 0 {
		t.Fatalf("disposition %v", d)
	}
	if c := p.Count("queue"); c != (Counts{Dead: 1}) {
		t.Fatalf("left: %+v", c)
	}
}

// TestOtherClients looks at what other SDKs do otherwise: a bare session filter, an unknown address to reply to.
func TestOtherClients(t *testing.T) {
	p := newPeer(t)
	if err := p.Setup(Topology{Queues: []Queue{{Name: "sessions", Receiving: Receiving{RequiresSession: true}}}}); err != nil {
		t.Fatal(err)
	}
	r := linked(t, p, "queue/$management", false)
	r.attach(1, "queue/$management", true)
	r.perform(0, codeFlow, uint32(1), uint32(10), uint32(0), uint32(100), uint32(1), uint32(0), uint32(10))
	request := composite(nil, sectionProperties, "q", nil, nil, nil, "somewhere")
	request = encode(request, described{uint64(sectionApplication), dict{{"operation", "com.microsoft:peek-message"}}})
	request = encode(request, described{uint64(sectionValue), dict{{"from-sequence-number", int64(0)}, {"message-count", int32(1)}}})
	r.transfer(request, uint32(0), uint32(0), []byte{1})
	r.expect(codeDisposition)
	code, fields, payload := r.frame()
	c, err := parseMessage(payload)
	if err != nil || code != codeTransfer || fields[4] != true || c.application.get("statusCode") != int32(204) || c.fields[propCorrelationID] != "q" {
		t.Fatalf("got %#02x %v, %v", code, fields, err)
	}
	source := func(id any) described {
		return described{uint64(codeSource), []any{"sessions", nil, nil, nil, nil, nil, nil, dict{{symbol(sessionFilter), id}}}}
	}
	r.perform(0, codeAttach, "s", uint32(2), true, uint8(2), uint8(1), source("bare"), described{uint64(codeTarget), []any{}})
	at := attach{source: r.expect(codeAttach)[5]}
	if id, ok := at.sessionFilter(); !ok || *id != "bare" {
		t.Fatalf("source %v", at.source)
	}
	r.perform(0, codeAttach, "w", uint32(3), true, uint8(2), uint8(1), source(nil), described{uint64(codeTarget), []any{}})
	r.perform(0, codeDetach, uint32(3), true) // while it waits
	if at := r.expect(codeAttach); at[5] != nil {
		t.Fatalf("attach %v", at)
	}
	r.expect(codeDetach)
}
