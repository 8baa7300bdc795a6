package sbpeer

import (
	"bytes"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, v := range []any{
		nil, true, false, uint8(200), int8(-5), uint16(60000), int16(-300), uint32(0), uint32(255), uint32(256), int32(-1), int32(70000),
		uint64(0), uint64(255), uint64(1 << 40), int64(-128), int64(-129), float32(1.5), 2.5, char('ü'), decimal32{1}, decimal64{2}, decimal128{3},
		time.UnixMilli(1234567890123).UTC(), time.UnixMilli(math.MinInt64).UTC(), uuid{1, 2, 3}, []byte{}, []byte(long), "", "text", long, symbol("s"), symbol(long),
		[]any{}, []any{nil, "a", []any{uint32(1)}}, dict{}, dict{{symbol("k"), int64(1)}, {"l", nil}},
		array{of: codeLong, items: []any{int64(1), int64(-1)}}, array{of: codeSymbol32, items: []any{symbol("a")}}, array{of: codeBool, items: []any{true, false}},
		array{of: codeList32, items: []any{[]any{"a"}, []any{}}}, array{of: codeUUID, items: []any{}},
		array{of: codeUint, descriptor: uint64(5), items: []any{uint32(1)}},
		described{uint64(0x24), []any{}}, described{symbol("d"), described{uint64(1), "x"}},
	} {
		b := encode(nil, v)
		got, rest, err := decode(append(b, 0xff))
		if err != nil || len(rest) != 1 || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v came back as %#v, %d bytes over, %v", v, got, len(rest), err)
		}
	}
}

func TestRefusesValues(t *testing.T) {
	deep := append(bytes.Repeat([]byte{codeDescribed, codeNull}, 40), codeNull)
	lists := []byte{codeNull}
	for range 40 {
		lists = append([]byte{codeList8, byte(len(lists) + 1), 1}, lists...)
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "unknown constructor": {0x3f}, "reserved width": {0x57, 0}, "short int": {codeUint, 0}, "short size": {codeString32, 0, 0},
		"size over the end": {codeString8, 5, 'a'}, "more items than bytes": {codeList32, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff},
		"bytes after the items": {codeList8, 2, 0, codeNull}, "odd map": {codeMap8, 2, 1, codeNull},
		"array of nothings": {codeArray32, 0, 0, 0, 5, 0x7f, 0xff, 0xff, 0xff, codeNull}, "array without a type": {codeArray8, 1, 0},
		"array of no type": {codeArray8, 2, 0, 0x30}, "nested descriptors": deep, "nested lists": lists,
	} {
		if v, _, err := decode(b); err == nil {
			t.Errorf("%s: %#v", name, v)
		}
	}
}

func TestMessageKeepsWhatWasSent(t *testing.T) {
	properties := composite(nil, sectionProperties, uuid{1}, nil, nil, symbol("subject"), nil, uint64(5))
	application := encode(nil, described{uint64(sectionApplication), dict{{"cloudEvents:id", "1"}, {"n", uint8(3)}}})
	data := encode(nil, described{uint64(sectionData), []byte("data")})
	footer := encode(nil, described{uint64(sectionFooter), dict{{symbol("f"), true}}})
	sent := bytes.Join([][]byte{composite(nil, sectionHeader, true, uint8(4), uint32(1000)), properties, application, data, footer}, nil)
	c, err := parseMessage(sent)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := c.property(propCorrelationID); s != "5" || c.ttl != time.Second {
		t.Fatalf("got %+v", c)
	}
	got := (&message{content: c, failed: 2}).encode(nil)
	for _, part := range [][]byte{properties, application, data, footer} {
		if !bytes.Contains(got, part) {
			t.Errorf("%x is not in %x", part, got)
		}
	}
	again, err := parseMessage(got)
	if err != nil || again.durable != true || again.priority != uint8(4) || again.ttl != time.Second {
		t.Fatalf("got %+v, %v", again, err)
	}
	for name, b := range map[string][]byte{
		"sections out of order":   bytes.Join([][]byte{application, properties}, nil),
		"a section of another":    encode(nil, described{uint64(0x99), []any{}}),
		"a body cut off":          sent[:len(sent)-1],
		"properties of a map":     encode(nil, described{uint64(sectionProperties), dict{}}),
		"a header of wrong types": composite(nil, sectionHeader, nil, nil, "soon"),
	} {
		if _, err := parseMessage(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzDecodeValue(f *testing.F) {
	for _, v := range []any{nil, "x", []any{uint32(1), dict{{symbol("a"), int64(2)}}}, array{of: codeLong, items: []any{int64(1)}}, described{uint64(1), 2.5}} {
		f.Add(encode(nil, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := decode(b)
		if err != nil {
			return
		}
		if len(rest) >= len(b) {
			t.Fatal("nothing was read")
		}
		once := encode(nil, v)
		again, rest, err := decode(once)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%#v cannot be read back: %v", v, err)
		}
		if twice := encode(nil, again); !bytes.Equal(once, twice) {
			t.Fatalf("%x became %x", once, twice)
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add(composite(encode(nil, described{uint64(sectionApplication), dict{{"k", "v"}}}), sectionValue))
	f.Add(body("1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseMessage(b)
		if err != nil {
			return
		}
		_, _ = c.batch()
		m := &message{content: c, changes: dict{{"a", "b"}}}
		if _, err := parseMessage(m.encode(&uuid{1})); err != nil {
			t.Fatalf("what the peer sends cannot be read: %v", err)
		}
	})
}

// FuzzDecodeFrames lets a client say anything after a proper start. The peer must neither panic nor hang.
func FuzzDecodeFrames(f *testing.F) {
	frame := func(code uint64, payload []byte, fields ...any) []byte {
		return appendFrame(nil, frameAMQP, 0, func(b []byte) []byte { return append(composite(b, code, fields...), payload...) })
	}
	source := described{uint64(codeSource), []any{"sessions", nil, nil, nil, nil, nil, nil, dict{{symbol(sessionFilter), described{uint64(codeSessionFilter), "s"}}}}}
	f.Add(bytes.Join([][]byte{
		frame(codeAttach, nil, "s", uint32(0), false, uint8(2), uint8(0), nil, described{uint64(codeTarget), []any{"queue"}}),
		frame(codeTransfer, body("1"), uint32(0), uint32(0), []byte{1}),
		frame(codeAttach, nil, "r", uint32(1), true, uint8(2), uint8(1), described{uint64(codeSource), []any{"queue"}}),
		frame(codeFlow, nil, uint32(0), uint32(9), uint32(0), uint32(9), uint32(1), uint32(0), uint32(5)),
		frame(codeDisposition, nil, true, uint32(0), nil, false, described{uint64(codeModified), []any{true, true, dict{{symbol("a"), "b"}}}}),
		frame(codeDetach, nil, uint32(0), true), frame(codeEnd, nil), frame(codeClose, nil),
	}, nil))
	f.Add(bytes.Join([][]byte{
		frame(codeAttach, nil, "r", uint32(1), true, uint8(2), uint8(1), source),
		frame(codeAttach, nil, "m", uint32(2), false, nil, nil, nil, described{uint64(codeTarget), []any{"queue/$management"}}),
		frame(codeTransfer, reply("1", 0, "", "", dict{{"lock-tokens", array{of: codeUUID, items: []any{uuid{}}}}}), uint32(2), uint32(0), []byte{1}),
	}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := New(Options{})
		if err := p.Setup(Topology{Queues: []Queue{{Name: "queue"}, {Name: "sessions", Receiving: Receiving{RequiresSession: true}}}}); err != nil {
			t.Fatal(err)
		}
		client := p.Pipe()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		start := append([]byte{}, headerAMQP[:]...)
		start = append(start, frame(codeOpen, nil, "fuzz")...)
		start = append(start, frame(codeBegin, nil, nil, uint32(0), uint32(9), uint32(9))...)
		write(client, start)
		p.mu.Lock()
		for c := range p.conns {
			c.grants = []grant{{rights: Manage}}
		}
		p.mu.Unlock()
		write(client, b)
		client.Close()
		p.Close()
	})
}

func write(nc net.Conn, b []byte) { _, _ = nc.Write(b) }
