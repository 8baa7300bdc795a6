package readable

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
)

// encodings of each type of AMQP 1.0, in each of its forms.
var encodings = map[string][]byte{
	"null": {0x40}, "true": {0x41}, "false": {0x42}, "boolean": {0x56, 1}, "ubyte": {0x50, 7}, "ushort": {0x60, 0, 7}, "uint": {0x70, 0, 0, 0, 7},
	"small uint": {0x52, 7}, "uint0": {0x43}, "ulong": {0x80, 0, 0, 0, 0, 0, 0, 0, 7}, "small ulong": {0x53, 7}, "ulong0": {0x44}, "byte": {0x51, 0xff},
	"short": {0x61, 0xff, 0xff}, "int": {0x71, 0xff, 0xff, 0xff, 0xff}, "small int": {0x54, 0xff}, "long": {0x81, 0, 0, 0, 0, 0, 0, 0, 7}, "small long": {0x55, 7},
	"float": {0x72, 0x3f, 0x80, 0, 0}, "double": {0x82, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0}, "decimal32": {0x74, 0x32, 0, 0, 125}, "decimal64": {0x84, 0x31, 0xa0, 0, 0, 0, 0, 0, 125},
	"decimal128": append([]byte{0x94, 0x30, 0x3e}, append(make([]byte, 13), 125)...), "char": {0x73, 0, 1, 0xf6, 0}, "timestamp": {0x83, 0, 0, 1, 0x90, 0, 0, 0, 0},
	"uuid": append([]byte{0x98}, make([]byte, 16)...), "binary": {0xa0, 2, 0xff, 0}, "binary32": {0xb0, 0, 0, 0, 1, 9}, "string": {0xa1, 1, 'x'}, "string32": {0xb1, 0, 0, 0, 1, 'x'},
	"string of no UTF-8": {0xa1, 2, 0xff, 0xfe}, "symbol": {0xa3, 1, 'x'}, "symbol32": {0xb3, 0, 0, 0, 1, 'x'}, "list0": {0x45}, "list": {0xc0, 3, 1, 0x52, 7}, "list32": {0xd0, 0, 0, 0, 5, 0, 0, 0, 1, 0x41},
	"map": {0xc1, 5, 2, 0x52, 7, 0x52, 8}, "map32": {0xd1, 0, 0, 0, 6, 0, 0, 0, 2, 0x41, 0x42}, "array": {0xe0, 4, 2, 0x50, 1, 2},
	"array32": {0xf0, 0, 0, 0, 7, 0, 0, 0, 2, 0x50, 1, 2}, "array of decimals": {0xe0, 6, 1, 0x74, 0x32, 0, 0, 125}, "array of lists": {0xe0, 5, 1, 0xc0, 2, 1, 0x41},
	"array of described": {0xe0, 8, 1, 0x00, 0xa3, 1, 'd', 0xa1, 1, 'v'}, "described": {0x00, 0xa3, 1, 'd', 0xa1, 1, 'v'}, "described by a number": {0x00, 0x53, 9, 0x41},
	"map with a map for a key": {0xc1, 5, 2, 0xc1, 1, 0, 0x41},
}

// section encodes one; body is a whole value.
func section(code byte, body []byte) []byte { return append([]byte{0x00, 0x53, code}, body...) }

func listOf(items ...[]byte) []byte { return compound(0xd0, len(items), bytes.Join(items, nil)) }
func mapOf(items ...[]byte) []byte  { return compound(0xd1, len(items), bytes.Join(items, nil)) }

func compound(code byte, n int, items []byte) []byte {
	b := append([]byte{code}, binary.BigEndian.AppendUint32(nil, uint32(len(items)+4))...)
	return append(binary.BigEndian.AppendUint32(b, uint32(n)), items...)
}

func text(s string) []byte { return append([]byte{0xa1, byte(len(s))}, s...) }

// sequenced is what the broker says of a message.
func sequenced() []byte {
	return section(sectionAnnotations, mapOf(append([]byte{0xa3, 21}, "x-opt-sequence-number"...), []byte{0x81, 0, 0, 0, 0, 0, 0, 0, 42}))
}

const most = 1 << 20

// F1: whatever type stands in whatever place, the client library reads the message, and what the broker says of it stays.
func TestEveryTypeInEveryPlace(t *testing.T) {
	null := []byte{0x40}
	for place, put := range map[string]func(v []byte) []byte{
		"property":          func(v []byte) []byte { return section(sectionApplication, mapOf(text("price"), v)) },
		"key of a property": func(v []byte) []byte { return section(sectionApplication, mapOf(v, text("price"))) },
		"dead letter's":     func(v []byte) []byte { return section(sectionApplication, mapOf(text("DeadLetterReason"), v)) },
		"annotation":        func(v []byte) []byte { return section(sectionAnnotations, mapOf([]byte{0xa3, 1, 'a'}, v)) },
		"partition key": func(v []byte) []byte {
			return section(sectionAnnotations, mapOf(append([]byte{0xa3, 19}, "x-opt-partition-key"...), v))
		},
		"delivery annotation": func(v []byte) []byte { return section(sectionDelivery, mapOf([]byte{0xa3, 1, 'a'}, v)) },
		"footer":              func(v []byte) []byte { return section(sectionFooter, mapOf([]byte{0xa3, 1, 'a'}, v)) },
		"id":                  func(v []byte) []byte { return section(sectionProperties, listOf(v)) },
		"correlation id":      func(v []byte) []byte { return section(sectionProperties, listOf(null, null, null, null, null, v)) },
		"subject":             func(v []byte) []byte { return section(sectionProperties, listOf(null, null, null, v)) },
		"time of its end": func(v []byte) []byte {
			return section(sectionProperties, listOf(null, null, null, null, null, null, null, null, v))
		},
		"value":         func(v []byte) []byte { return section(sectionValue, v) },
		"sequence":      func(v []byte) []byte { return section(sectionSequence, listOf(v)) },
		"data":          func(v []byte) []byte { return section(sectionData, v) },
		"named section": func(v []byte) []byte { return append(append([]byte{0x00, 0xa3, 16}, "amqp:amqp-value:"...), v...) },
	} {
		for name, v := range encodings {
			t.Run(place+" "+name, func(t *testing.T) {
				raw := append(sequenced(), put(v)...)
				if place == "footer" {
					raw = append(append(sequenced(), section(sectionData, []byte{0xa0, 2, '{', '}'})...), put(v)...)
				}
				got, why := Message(raw, most)
				m, err := decoded(got)
				if err != nil {
					t.Fatalf("%v (%s): % x", err, why, got)
				}
				if why == "" && !bytes.Equal(got, raw) {
					t.Error("changed without a word")
				}
				if place != "annotation" && place != "partition key" && m.Annotations["x-opt-sequence-number"] != int64(42) {
					t.Errorf("its number is %v", m.Annotations["x-opt-sequence-number"])
				}
			})
		}
	}
}

// F1: what is written in place of a value says the same.
func TestDecimalsAsText(t *testing.T) {
	for name, want := range map[string]string{"decimal32": "12.5", "decimal64": "12.5", "decimal128": "12.5", "char": "😀", "array of decimals": "[12.5]", "array of lists": "[[true]]", "map with a map for a key": "{{}: true}"} {
		got, _ := Message(section(sectionApplication, mapOf(text("price"), encodings[name])), most)
		m, err := decoded(got)
		if err != nil {
			t.Fatal(err)
		}
		if is := written(m.ApplicationProperties["price"]); is != want && name != "char" || name == "char" && is != "\U0001f600" {
			t.Errorf("%s: %q, want %q", name, is, want)
		}
	}
	for raw, want := range map[string]string{
		"\x78\x00\x00\x00": "Infinity", "\xf8\x00\x00\x00": "-Infinity", "\x7c\x00\x00\x00": "NaN", "\x32\x80\x00\x07": "7", "\xb2\x80\x00\x07": "-7", "\x5f\x00\x00\x01": "1E+89",
		"\x6c\xa0\x00\x01": "8388609", "\x31\x80\x00\x07": "0.07",
	} {
		if got := decimal([]byte(raw)); got != want {
			t.Errorf("% x: %s, want %s", raw, got, want)
		}
	}
}

// What is no message at all is one that says so, with what could be read before.
func TestBrokenMessages(t *testing.T) {
	whole := append(append(sequenced(), section(sectionApplication, mapOf(text("price"), encodings["decimal128"]))...), section(sectionData, []byte{0xa0, 2, '{', '}'})...)
	for n := range whole {
		got, _ := Message(whole[:n], most)
		if _, err := decoded(got); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	got, why := Message(append(sequenced(), 0x00, 0x53, 0x10, 0x45), most)
	m, err := decoded(got)
	if err != nil || why == "" || !strings.HasPrefix(string(m.GetData()), "(a message that is not read: ") || m.Annotations["x-opt-sequence-number"] != int64(42) {
		t.Errorf("%v %q %s", err, why, m.GetData())
	}
}

// F1b: an answer to a look is made readable message by message.
func TestAnswersToALook(t *testing.T) {
	poison := append(sequenced(), section(sectionApplication, mapOf(text("price"), encodings["decimal128"]))...)
	good := section(sectionData, []byte{0xa0, 2, '{', '}'})
	answer := amqp.Message{
		Properties: &amqp.MessageProperties{CorrelationID: "7"}, ApplicationProperties: map[string]any{"statusCode": int32(200)},
		Value: map[string]any{"messages": []any{map[string]any{"message": good}, map[string]any{"message": poison, "lock-token": amqp.UUID{1}}}},
	}
	raw, err := answer.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got, why := Message(raw, most)
	m, err := decoded(got)
	if err != nil || !strings.Contains(why, "decimal128") || m.ApplicationProperties["statusCode"] != int32(200) || m.Properties.CorrelationID != "7" {
		t.Fatalf("%v %q %+v", err, why, m)
	}
	inner, _ := answered(m)
	if len(inner) != 2 || !bytes.Equal(inner[0]["message"].([]byte), good) || inner[1]["lock-token"] != (amqp.UUID{1}) {
		t.Fatalf("%+v", inner)
	}
	one, err := decoded(inner[1]["message"].([]byte))
	if err != nil || one.ApplicationProperties["price"] != "12.5" || one.Annotations["x-opt-sequence-number"] != int64(42) {
		t.Errorf("%v %+v", err, one)
	}
}

// anyValue writes a value of any type, nested as deep as allowed, from what random decides.
func anyValue(r *rand.Rand, depth int) []byte {
	n := r.IntN(4)
	if depth == 0 {
		n = 3
	}
	items := func(n int) (all [][]byte) {
		for range n {
			all = append(all, anyValue(r, depth-1))
		}
		return all
	}
	switch n {
	case 0:
		return listOf(items(r.IntN(4))...)
	case 1:
		return mapOf(items(2 * r.IntN(3))...)
	case 2:
		return append(append([]byte{0x00}, anyValue(r, depth-1)...), anyValue(r, depth-1)...)
	}
	names := slices.Sorted(maps.Keys(encodings))
	return encodings[names[r.IntN(len(names))]]
}

// anyMessage is a whole message, of sections in any number and order, and what damage leaves of them.
func anyMessage(r *rand.Rand) (raw []byte) {
	for range r.IntN(6) {
		raw = append(raw, section(byte(sectionHeader+r.IntN(10)), anyValue(r, 3))...)
	}
	for range r.IntN(3) * r.IntN(2) {
		if len(raw) > 0 {
			raw[r.IntN(len(raw))] = byte(r.IntN(256))
		}
	}
	return raw
}

// FuzzMessage: whatever comes, the client library reads what is made of it, in the room that there is.
func FuzzMessage(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(anyMessage(rand.New(rand.NewPCG(seed, 1))), 0)
	}
	f.Fuzz(func(t *testing.T, raw []byte, more int) {
		room := len(raw) + 64 + max(0, more%4096)
		got, why := Message(raw, room)
		if _, err := decoded(got); err != nil {
			t.Fatalf("%v (%s)", err, why)
		}
		if why == "" && !bytes.Equal(got, raw) || len(got) > room {
			t.Fatalf("%d bytes in room for %d, %q", len(got), room, why)
		}
	})
}

// F1: thousands of messages of all types at random.
func TestAnyMessage(t *testing.T) {
	for seed := range uint64(5000) {
		raw := anyMessage(rand.New(rand.NewPCG(seed, 2)))
		got, why := Message(raw, most)
		if _, err := decoded(got); err != nil {
			t.Fatalf("seed %d: %v (%s): % x", seed, err, why, raw)
		}
	}
}
