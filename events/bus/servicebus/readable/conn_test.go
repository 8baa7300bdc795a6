package readable

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// part is a frame with a transfer on a link.
func part(channel uint16, handle byte, more, aborted bool, payload []byte) []byte {
	flag := func(yes bool) []byte { return []byte{map[bool]byte{true: 0x41, false: 0x42}[yes]} }
	null := []byte{0x40}
	return wire(channel, append(append([]byte{0x00, 0x53, transfer},
		listOf([]byte{0x52, handle}, null, null, null, null, flag(more), null, null, null, flag(aborted))...), payload...))
}

func wire(channel uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+frameHeader))
	return append(binary.BigEndian.AppendUint16(append(b, 2, 0), channel), body...)
}

func performative(channel uint16, code byte) []byte {
	return wire(channel, append([]byte{0x00, 0x53, code}, listOf([]byte{0x52, 0})...))
}

// through is what comes out of what goes in, in pieces of random sizes.
func through(t *testing.T, in []byte, told func(string)) []byte {
	t.Helper()
	client, server := net.Pipe()
	go func() {
		r := rand.New(rand.NewPCG(1, 2))
		for len(in) > 0 {
			n := min(len(in), 1+r.IntN(700))
			if _, err := server.Write(in[:n]); err != nil {
				return
			}
			in = in[n:]
		}
		server.Close()
	}()
	out, err := io.ReadAll(Conn(client, told))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func payloads(b []byte) (all map[link][]byte, frames int) {
	all = map[link][]byte{}
	for len(b) > 0 {
		if string(b[:4]) == "AMQP" {
			b = b[8:]
			continue
		}
		f := read(b[:size(b)])
		if f.transfer {
			all[f.of] = append(all[f.of], f.raw[f.payload:]...)
		}
		frames++
		b = b[size(b):]
	}
	return all, frames
}

// F1: what cannot be read becomes readable also where it comes in parts, between those of others; all else passes byte by byte.
func TestFrames(t *testing.T) {
	poison := append(append(sequenced(), section(sectionApplication, mapOf(text("price"), encodings["decimal128"]))...), section(sectionData, append([]byte{0xb0, 0, 0, 0x40, 0}, make([]byte, 0x4000)...))...)
	good := append(sequenced(), section(sectionData, append([]byte{0xb0, 0, 0, 0x40, 0}, bytes.Repeat([]byte{7}, 0x4000)...))...)
	in := bytes.Join([][]byte{
		[]byte("AMQP\x03\x01\x00\x00"), wire(0, []byte{0x00, 0x53, 0x44, 0xc0, 3, 1, 0x50, 0}), []byte("AMQP\x00\x01\x00\x00"),
		part(0, 1, true, false, good[:100]), part(0, 2, true, false, poison[:30]), performative(0, 0x13), part(0, 2, true, false, poison[30:200]), part(1, 1, false, false, poison),
		part(0, 1, true, false, good[100:5000]), part(0, 2, false, false, poison[200:]), part(0, 1, false, false, good[5000:]), wire(0, nil),
		part(0, 3, true, false, good[:50]), part(0, 3, false, true, nil),
	}, nil)
	told := 0
	out := through(t, in, func(string) { told++ })
	got, frames := payloads(out)
	_, before := payloads(in)
	if told != 2 || frames != before {
		t.Errorf("told of %d; %d frames of %d", told, frames, before)
	}
	if !bytes.Equal(got[link{0, 1}], good) {
		t.Error("a neighbour was changed")
	}
	for _, of := range []link{{0, 2}, {1, 1}} {
		m, err := decoded(got[of])
		if err != nil || m.ApplicationProperties["price"] != "12.5" || len(m.GetData()) != 0x4000 {
			t.Errorf("%v: %v", of, err)
		}
	}
}

// A delivery whose link goes away in its midst holds nothing up; what is no AMQP passes as it is.
func TestFramesThatEnd(t *testing.T) {
	good := section(sectionData, []byte{0xa0, 2, '{', '}'})
	for name, in := range map[string][]byte{
		"detached": bytes.Join([][]byte{part(0, 1, true, false, good[:3]), performative(0, detach), part(0, 2, false, false, good)}, nil),
		"the end":  append(part(0, 1, true, false, good[:3]), performative(0, 0x13)...),
		"no AMQP":  []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"too long": {0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, 2, 3},
		"no list":  wire(0, []byte{0x00, 0x53, transfer, 0x41, 0x41}),
	} {
		t.Run(name, func(t *testing.T) {
			if out := through(t, bytes.Clone(in), nil); !bytes.Equal(out, in) {
				t.Errorf("% x, want % x", out, in)
			}
		})
	}
}

// What is written in place of a message keeps to the frames that it came in.
func TestFramesAreNotTooLong(t *testing.T) {
	entries := [][]byte{}
	for i := range 2200 {
		entries = append(entries, text(string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676))), append([]byte{0x94, 0x2f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, byte(i)))
	}
	poison := append(sequenced(), section(sectionApplication, mapOf(entries...))...)
	out := through(t, part(0, 1, false, false, poison), nil)
	if size(out) > mostFrame || size(out) != len(out) {
		t.Fatalf("a frame of %d bytes, %d in all", size(out), len(out))
	}
	got, _ := payloads(out)
	m, err := decoded(got[link{0, 1}])
	if err != nil || m.Annotations["x-opt-sequence-number"] != int64(42) {
		t.Errorf("%v", err)
	}
}
