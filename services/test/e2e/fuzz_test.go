package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
	"reprotect.example/services/internal/app"
)

const (
	fuzzBatch    = 1000 // messages
	fuzzMachines = 12   // ten for the good requests, two that what is random may name
)

// Whatever a foreign client may legally send to the commands, of any type in any place, with any ids, headers and bytes: behind
// each batch a good request of ten machines goes through, and /ready, 'bus status' and 'list' answer. REPROTECT_FUZZ sets how
// many batches there are; the last request is a real one, those before it are dry runs. REPROTECT_SEED sets what is drawn.
func TestWhateverIsSentAGoodRequestGoesThrough(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	batches, seed := fuzzing(t, "REPROTECT_FUZZ", 1), uint64(fuzzing(t, "REPROTECT_SEED", 1))
	for _, kind := range []string{"nats", "servicebus"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := &dice{rand.New(rand.NewPCG(seed, 13))}
			w := newWorld(t)
			var send func() error
			if kind == "nats" {
				w.launchLab(fuzzMachines, 600)
				send = w.sendsToNATS(d)
			} else {
				w.launchLab(fuzzMachines, 600, "--bus", "none")
				send = w.sendsToAzure(d)
			}
			w.secrets = w.readSecrets()
			p, address := w.daemon("all")
			w.getsReady(p, address)
			good := w.ready.Machines[:10]
			for batch := range batches {
				begun, taken := time.Now(), 0
				for range fuzzBatch {
					if send() == nil {
						taken++
					}
				}
				if taken < fuzzBatch*9/10 {
					t.Fatalf("the bus took %d of %d messages", taken, fuzzBatch)
				}
				sent := time.Since(begun)
				request := append([]string{"request", "--wait", "--timeout", "2m", "--reason", fmt.Sprintf("batch %d", batch)}, good...)
				if batch < batches-1 {
					request = append(request, "--dry-run")
				}
				w.command(0, request...)
				t.Logf("batch %d: %d messages in %s, the good request behind them in %s", batch, taken, sent.Round(time.Millisecond), (time.Since(begun) - sent).Round(time.Millisecond))
				w.getsReady(p, address)
				if status := w.command(0, "bus", "status"); !strings.Contains(status, "executor") {
					t.Errorf("batch %d: bus status says %s", batch, status)
				}
				var listed []struct {
					State    string
					Machines []struct{ Name string }
				}
				if err := json.Unmarshal([]byte(w.command(0, "list", "-o", "json")), &listed); err != nil || len(listed) < 10 {
					t.Fatalf("batch %d: list has %d cases: %v", batch, len(listed), err)
				}
			}
			for _, name := range good {
				w.submissions(name, 1)
			}
			w.secretFree("the log", w.logged.String())
		})
	}
}

// fuzzing reads how much is to be done, beyond what the whole check does.
func fuzzing(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, no number from 1 on", name, text)
	}
	return n
}

// sendsToNATS publishes what is drawn, as any client with the rights of ops can.
func (w *world) sendsToNATS(d *dice) func() error {
	w.t.Helper()
	conn, err := nats.Connect(w.config.Bus.NATS.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(conn.Close)
	return func() error {
		m := nats.NewMsg(d.subject())
		m.Data = d.body()
		if id := d.id(); id != "" && d.IntN(2) == 0 {
			m.Header.Set(nats.MsgIdHdr, strings.Map(printable, id))
		}
		for range d.IntN(4) {
			m.Header.Add(strings.Map(printable, d.pick("ce-id", "ce-type", "ce-specversion", "ce-source", "ce-time", "ce-subject", "content-type", "Content-Type", "Reprotect-Wait", "Reprotect-Subject",
				"Reprotect-Packed", "Status", "Nats-Sequence", "Nats-Subject", "Nats-Time-Stamp", "Nats-Stream", "traceparent", d.text(12)+"x")), strings.Map(printable, d.value()))
		}
		// Its answer may be that it is not taken: an id that was seen, a header that the server refuses.
		_, err := conn.RequestMsg(m, limit)
		return err
	}
}

// printable keeps what a header may have.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == ':' {
		return '_'
	}
	return r
}

// sendsToAzure starts a stand-in for Service Bus, points the config at it, and sends what is drawn, byte by byte, as a client of
// any language may.
func (w *world) sendsToAzure(d *dice) func() error {
	w.t.Helper()
	p := sbpeer.New(sbpeer.Options{})
	w.t.Cleanup(p.Close)
	if err := p.Listen(0); err != nil {
		w.t.Fatal(err)
	}
	if err := sbtest.SetUp(p, app.AzureTopology()); err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	secret := filepath.Join(dir, "bus")
	if err := os.WriteFile(secret, []byte(p.ConnectionString()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	text, err := os.ReadFile(w.ready.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.ready.Config, append(text, fmt.Sprintf("\nbus: {serviceBus: {connectionStringFile: %q}}\njournal: {listen: %q}\n", secret, freeAddress(w.t))...), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.load(w.ready)
	return func() error { return p.Put(servicebus.TopicCommands, d.amqp()) }
}

// freeAddress is one of loopback that nobody listens to now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// dice draws what foreign clients may send.
type dice struct{ *rand.Rand }

func (d *dice) pick(of ...string) string { return of[d.IntN(len(of))] }

func (d *dice) subject() string {
	return "reprotect.command." + d.pick("request", "request", "request", "cancel", "retry", "acknowledge", "unknown", "request.more", "REQUEST", "x")
}

func (d *dice) id() string {
	return d.pick("", "", "a", "CHG1", "same", "r-1/request", "batch--web01/validation", strings.Repeat("x", 300), "ü\x00", d.text(20), fmt.Sprint(d.Uint64()))
}

func (d *dice) text(most int) string {
	letters := []rune("ab01-_/.*> \"\\{}[]<&\x1b\x00\u202eüß漢😀")
	b := make([]rune, d.IntN(most+1))
	for i := range b {
		b[i] = letters[d.IntN(len(letters))]
	}
	return string(b)
}

func (d *dice) value() string {
	return d.pick("1.0", "io.reprotect.request.v1", "io.reprotect.completed.v1", "application/json", "application/cloudevents+json", "application/cloudevents+json; charset=utf-8",
		"text/plain", "2026-11-27T11:34:22Z", "99999999", "true", "reprotect.event.tokyo.c1.validation.validated", "/x", "503", d.text(40), string(d.body()))
}

// body is a command, more or less.
func (d *dice) body() []byte {
	good := d.pick(
		`{"machines":[{"name":"nobody"}],"dryRun":true}`, `{"machines":[{"name":"nobody","datastore":"auto"}],"plan":"ERP"}`, `{"case":"c1","reason":"x"}`, `{"alarm":"c1/guard/1","reason":"x"}`,
		`{"specversion":"1.0","id":"e1","source":"/x","type":"io.reprotect.request.v1","data":{"machines":[{"name":"nobody"}]}}`,
		`{"specversion":"1.0","id":"e2","source":"/x","type":"io.reprotect.cancel.v1","datacontenttype":"application/json","data_base64":"e30="}`)
	b := []byte(good)
	switch d.IntN(8) {
	case 0:
		return b
	case 1:
		return b[:d.IntN(len(b)+1)]
	case 2: // a JSON string inside
		b, _ = json.Marshal(good)
		return b
	case 3:
		return []byte(d.text(200))
	case 4:
		return slices.Concat([]byte(`{"together":`), []byte(d.pick("1e400", strings.Repeat("9", 5000), "nil", `"yes"`, "[[[[]]]]", "-0", "\xff")), []byte("}"))
	case 5:
		return []byte(strings.Repeat("[", 1+d.IntN(20000)))
	}
	for range 1 + d.IntN(4) {
		switch i := d.IntN(len(b)); d.IntN(3) {
		case 0:
			b[i] = byte(d.Uint32())
		case 1:
			b = slices.Insert(b, i, byte(d.Uint32()))
		case 2:
			if len(b) > 2 {
				b = slices.Delete(b, i, i+1)
			}
		}
	}
	return b
}

// amqp is an encoded message of AMQP 1.0: each section there or not, with values of every type.
func (d *dice) amqp() []byte {
	var m []byte
	section := func(code byte, body []byte) { m = append(append(m, 0x00, 0x53, code), body...) }
	maybe := func(otherwise []byte, odds int) []byte {
		if d.IntN(odds) > 0 {
			return []byte{0x40}
		}
		return otherwise
	}
	if d.IntN(3) == 0 { // header: durable, priority, ttl, first acquirer, deliveries
		section(0x70, listed(maybe([]byte{0x41}, 2), maybe([]byte{0x50, 9}, 2), maybe(uint32Of(60_000+d.Uint32N(1<<31)), 2), maybe([]byte{0x42}, 2), maybe([]byte{0x52, byte(d.IntN(3))}, 2)))
	}
	if d.IntN(3) == 0 {
		section(0x71, d.mapped(symbolOf))
	}
	if d.IntN(3) == 0 {
		section(0x72, d.mapped(symbolOf))
	}
	if d.IntN(10) > 0 { // properties
		id := d.pick2(stringOf(strings.ToValidUTF8(d.id(), "?")), []byte{0x80, 0, 0, 0, 0, 0, 0, 0, byte(d.Uint32())}, append([]byte{0x98}, make([]byte, 16)...), binaryOf([]byte(d.id())))
		section(0x73, listed(maybe(id, 2), maybe(binaryOf([]byte(d.text(10))), 4), maybe(stringOf(d.pick("reprotect", "x")), 4), maybe(stringOf(d.pick(d.subject(), d.subject(), "reprotect.event.tokyo.c1.validation.validated", "orders", d.text(30))), 2),
			maybe(stringOf(d.pick("reprotect", "reprotect-wake-executor", d.text(9))), 3), maybe(id, 4), maybe(symbolOf(d.pick("application/json", "application/cloudevents+json", "text/xml", "x")), 2),
			maybe(symbolOf("gzip"), 5), maybe([]byte{0x83, 0, 0, 1, 0x90, 0, 0, 0, 0}, 9), maybe([]byte{0x83, 0, 0, 1, 0x90, 0, 0, 0, 0}, 5), maybe(stringOf(d.text(9)), 5), maybe([]byte{0x52, 7}, 5), maybe(stringOf("g"), 5)))
	}
	if d.IntN(4) > 0 {
		section(0x74, d.mapped(stringOf))
	}
	switch d.IntN(6) {
	case 0: // several sections
		for range 1 + d.IntN(3) {
			section(0x75, binaryOf(d.body()))
		}
	case 1:
		section(0x77, stringOf(strings.ToValidUTF8(string(d.body()), "?")))
	case 2:
		section(0x77, d.any(2))
	case 3:
		section(0x76, listed(d.any(1), d.any(1)))
	default:
		section(0x75, binaryOf(d.body()))
	}
	if d.IntN(9) == 0 {
		section(0x78, d.mapped(symbolOf))
	}
	return m
}

func (d *dice) pick2(of ...[]byte) []byte { return of[d.IntN(len(of))] }

// mapped is a map whose keys are those that the product reads, and others.
func (d *dice) mapped(key func(string) []byte) []byte {
	var items [][]byte
	seen := map[string]bool{}
	for range d.IntN(6) {
		name := d.pick("cloudEvents:type", "cloudEvents_type", "cloudEvents:id", "cloudEvents_id", "cloudEvents:time", "cloudEvents:specversion", "cloudEvents_specversion", "cloudEvents:source", "cloudEvents_source", "type", "site", "case", "step",
			"kind", "subject", "reprotect-id", "reprotect-key", "reprotect-woken", "reprotect-attempts", "reprotect-sequence", "reprotect-published", "reprotect-dead", "DeadLetterReason", "DeadLetterErrorDescription",
			"x-opt-partition-key", "price", "price", strings.ToValidUTF8(d.text(9), "?")+"k")
		if seen[name] {
			continue
		}
		seen[name] = true
		value := d.any(1)
		if d.IntN(2) == 0 {
			value = stringOf(strings.ToValidUTF8(d.value(), "?"))
		}
		items = append(items, key(name), value)
	}
	return compound(0xd1, items)
}

// any is a value of any type, so deep at most.
func (d *dice) any(deep int) []byte {
	simple := [][]byte{
		{0x40}, {0x41}, {0x42}, {0x56, 1}, {0x50, 7}, {0x60, 0, 7}, {0x70, 0, 0, 0, 7}, {0x52, 7}, {0x43}, {0x80, 0, 0, 0, 0, 0, 0, 0, 7}, {0x53, 7}, {0x44}, {0x51, 0xff}, {0x61, 0xff, 0xff},
		{0x71, 0xff, 0xff, 0xff, 0xff}, {0x54, 0xff}, {0x81, 0x80, 0, 0, 0, 0, 0, 0, 7}, {0x55, 7}, {0x72, 0x7f, 0xc0, 0, 0}, {0x82, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0}, {0x74, 0x32, 0, 0, 125},
		{0x84, 0x31, 0xa0, 0, 0, 0, 0, 0, 125}, append([]byte{0x94, 0x30, 0x3e}, make([]byte, 14)...), {0x73, 0, 1, 0xf6, 0}, {0x83, 0, 0, 1, 0x90, 0, 0, 0, 0}, {0x83, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		append([]byte{0x98}, make([]byte, 16)...), {0xa0, 2, 0xff, 0}, {0xa1, 1, 'x'}, symbolOf("x"), {0x45},
	}
	if deep == 0 || d.IntN(4) > 0 {
		return simple[d.IntN(len(simple))]
	}
	switch d.IntN(4) {
	case 0:
		return listed(d.any(deep-1), d.any(deep-1))
	case 1:
		return compound(0xd1, [][]byte{d.any(0), d.any(deep - 1)})
	case 2:
		return []byte{0xe0, 4, 2, 0x50, 1, 2} // an array
	}
	return append([]byte{0x00, 0xa3, 1, 'd'}, d.any(deep-1)...) // described
}

func listed(items ...[]byte) []byte { return compound(0xd0, items) }

func compound(code byte, items [][]byte) []byte {
	body := slices.Concat(items...)
	b := binary.BigEndian.AppendUint32([]byte{code}, uint32(len(body)+4))
	return append(binary.BigEndian.AppendUint32(b, uint32(len(items))), body...)
}

func long(code byte, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{code}, uint32(len(b))), b...)
}

func stringOf(s string) []byte { return long(0xb1, []byte(s)) }
func symbolOf(s string) []byte { return long(0xb3, []byte(strings.Map(ascii, s))) }
func binaryOf(b []byte) []byte { return long(0xb0, b) }
func uint32Of(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0x70}, n) }

func ascii(r rune) rune {
	if r > 0x7e {
		return '?'
	}
	return r
}
