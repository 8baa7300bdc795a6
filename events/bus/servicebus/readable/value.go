package readable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/Azure/go-amqp"
)

// deepest bounds how deep values may be nested.
const deepest = 32

var errEnds = errors.New("a value ends early")

// pair is an entry of a map: AMQP allows any key.
type pair struct{ key, value any }

// value reads one AMQP value of any type into what the client library writes again: what it has no type for becomes text,
// a described value loses its descriptor, and a map is a []pair. What it allocates is bounded by the size of b.
func value(b []byte, depth int) (v any, rest []byte, err error) {
	if depth > deepest {
		return nil, nil, errors.New("values are nested too deep")
	}
	if len(b) == 0 {
		return nil, nil, errEnds
	}
	if b[0] != 0x00 {
		return bare(b[0], b[1:], depth)
	}
	if _, rest, err = value(b[1:], depth+1); err != nil {
		return nil, nil, err
	}
	return value(rest, depth+1)
}

// cut splits what belongs to a value of this constructor from what follows.
func cut(code byte, b []byte) (body, rest []byte, err error) {
	fixed := map[byte]int{0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
	n, known := fixed[code>>4]
	switch code >> 4 {
	case 0xa, 0xc, 0xe:
		if len(b) < 1 {
			return nil, nil, errEnds
		}
		n, b = int(b[0]), b[1:]
	case 0xb, 0xd, 0xf:
		if len(b) < 4 {
			return nil, nil, errEnds
		}
		n, b = int(binary.BigEndian.Uint32(b)), b[4:]
	default:
		if !known {
			return nil, nil, fmt.Errorf("no AMQP type has the constructor %#02x", code)
		}
	}
	if n > len(b) {
		return nil, nil, errEnds
	}
	return b[:n], b[n:], nil
}

// bare reads a value behind its constructor.
func bare(code byte, b []byte, depth int) (v any, rest []byte, err error) {
	body, rest, err := cut(code, b)
	if err != nil {
		return nil, nil, err
	}
	switch code {
	case 0x45:
		v = []any{}
	case 0xc0, 0xd0:
		v, err = list(body, code == 0xc0, depth)
	case 0xc1, 0xd1:
		v, err = pairs(body, code == 0xc1, depth)
	case 0xe0, 0xf0:
		v, err = array(body, code == 0xe0, depth)
	default:
		v, err = scalar(code, body)
	}
	return v, rest, err
}

func scalar(code byte, b []byte) (any, error) {
	switch code {
	case 0x40:
		return nil, nil
	case 0x41, 0x42:
		return code == 0x41, nil
	case 0x56:
		return b[0] != 0, nil
	case 0x43:
		return uint32(0), nil
	case 0x44:
		return uint64(0), nil
	case 0x50:
		return b[0], nil
	case 0x51:
		return int8(b[0]), nil //nolint:gosec // the same bits, with a sign
	case 0x52:
		return uint32(b[0]), nil
	case 0x53:
		return uint64(b[0]), nil
	case 0x54:
		return int32(int8(b[0])), nil //nolint:gosec // as above
	case 0x55:
		return int64(int8(b[0])), nil //nolint:gosec // as above
	case 0x60:
		return binary.BigEndian.Uint16(b), nil
	case 0x61:
		return int16(binary.BigEndian.Uint16(b)), nil //nolint:gosec // as above
	case 0x70:
		return binary.BigEndian.Uint32(b), nil
	case 0x71:
		return int32(binary.BigEndian.Uint32(b)), nil //nolint:gosec // as above
	case 0x72:
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	case 0x73:
		return string(rune(binary.BigEndian.Uint32(b))), nil //nolint:gosec // what is no rune becomes U+FFFD
	case 0x74, 0x84, 0x94:
		return decimal(b), nil
	case 0x80:
		return binary.BigEndian.Uint64(b), nil
	case 0x81:
		return int64(binary.BigEndian.Uint64(b)), nil //nolint:gosec // as above
	case 0x82:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case 0x83:
		return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), nil //nolint:gosec // as above
	case 0x98:
		return amqp.UUID(b), nil
	case 0xa0, 0xb0:
		return append([]byte{}, b...), nil
	case 0xa1, 0xa3, 0xb1, 0xb3:
		return string(b), nil
	}
	return nil, fmt.Errorf("no AMQP type has the constructor %#02x", code)
}

// count reads how many items a compound value announces. Items of no width are not believed: they could be any number.
func count(b []byte, small bool) (n int, rest []byte, err error) {
	switch {
	case small && len(b) >= 1:
		n, rest = int(b[0]), b[1:]
	case !small && len(b) >= 4:
		n, rest = int(binary.BigEndian.Uint32(b)), b[4:]
	default:
		return 0, nil, errEnds
	}
	if n > len(rest) {
		return 0, nil, fmt.Errorf("%d items in %d bytes", n, len(rest))
	}
	return n, rest, nil
}

func list(b []byte, small bool, depth int) (items []any, err error) {
	n, b, err := count(b, small)
	if err != nil {
		return nil, err
	}
	items = make([]any, n)
	for i := range items {
		if items[i], b, err = value(b, depth+1); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func pairs(b []byte, small bool, depth int) ([]pair, error) {
	items, err := list(b, small, depth)
	if err == nil && len(items)%2 != 0 {
		err = errors.New("a map has a key without a value")
	}
	if err != nil {
		return nil, err
	}
	m := make([]pair, len(items)/2)
	for i := range m {
		m[i] = pair{items[2*i], items[2*i+1]}
	}
	return m, nil
}

func array(b []byte, small bool, depth int) (items []any, err error) {
	n, b, err := count(b, small)
	if err != nil || n == 0 {
		return []any{}, err
	}
	if b[0] == 0x00 { // each item is described so
		if _, b, err = value(b[1:], depth+1); err != nil {
			return nil, err
		}
	}
	if len(b) == 0 || n > len(b) {
		return nil, errEnds
	}
	code := b[0]
	b = b[1:]
	items = make([]any, n)
	for i := range items {
		if depth+1 > deepest {
			return nil, errors.New("values are nested too deep")
		}
		if items[i], b, err = bare(code, b, depth+1); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// decimal writes an IEEE 754 decimal of 4, 8 or 16 bytes in the binary encoding, as AMQP has it.
func decimal(b []byte) string {
	form := map[int]struct{ exponent, bias uint }{4: {8, 101}, 8: {10, 398}, 16: {14, 6176}}[len(b)]
	all := new(big.Int).SetBytes(b)
	bits := uint(8 * len(b))
	field := func(from, n uint) uint {
		mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1))
		return uint(new(big.Int).And(new(big.Int).Rsh(all, bits-from-n), mask).Uint64())
	}
	sign := ""
	if field(0, 1) == 1 {
		sign = "-"
	}
	switch {
	case field(1, 5) == 0b11111:
		return "NaN"
	case field(1, 4) == 0b1111:
		return sign + "Infinity"
	}
	at, lead := uint(1), big.NewInt(0)
	if field(1, 2) == 0b11 { // a coefficient that begins with 100
		at, lead = 3, big.NewInt(0b100)
	}
	width := bits - at - form.exponent
	mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), width), big.NewInt(1))
	coefficient := new(big.Int).Or(new(big.Int).And(all, mask), new(big.Int).Lsh(lead, width))
	exponent := int(field(at, form.exponent)) - int(form.bias)
	digits := coefficient.String()
	switch {
	case exponent == 0:
		return sign + digits
	case exponent < 0 && exponent >= -40:
		for len(digits) <= -exponent {
			digits = "0" + digits
		}
		point := len(digits) + exponent
		return sign + digits[:point] + "." + digits[point:]
	}
	return fmt.Sprintf("%s%sE%+d", sign, digits, exponent)
}
