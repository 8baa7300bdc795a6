package sbpeer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// maxDepth bounds how deep values may be nested.
const maxDepth = 32

var (
	errShort = errors.New("the value ends early")
	errDeep  = errors.New("the value is nested too deep")
)

// decode reads one value and gives what follows it. What it allocates is bounded by the size of b.
func decode(b []byte) (v any, rest []byte, err error) { return decodeAt(b, 0) }

func decodeAt(b []byte, depth int) (v any, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, errDeep
	}
	if len(b) == 0 {
		return nil, nil, errShort
	}
	if b[0] != codeDescribed {
		return decodeBody(b[0], b[1:], depth)
	}
	descriptor, rest, err := decodeAt(b[1:], depth+1)
	if err != nil {
		return nil, nil, err
	}
	value, rest, err := decodeAt(rest, depth+1)
	return described{descriptor, value}, rest, err
}

// width says how many bytes follow a constructor: fixed ones, or a size of so many bytes in front of them.
func width(code byte) (fixed, size int, ok bool) {
	switch code >> 4 {
	case 0x4:
		return 0, 0, true
	case 0x5:
		return 1, 0, true
	case 0x6:
		return 2, 0, true
	case 0x7:
		return 4, 0, true
	case 0x8:
		return 8, 0, true
	case 0x9:
		return 16, 0, true
	case 0xa, 0xc, 0xe:
		return 0, 1, true
	case 0xb, 0xd, 0xf:
		return 0, 4, true
	}
	return 0, 0, false
}

// cut splits what belongs to a value of this constructor from what follows.
func cut(code byte, b []byte) (body, rest []byte, err error) {
	n, size, ok := width(code)
	if !ok {
		return nil, nil, fmt.Errorf("no type has the constructor %#02x", code)
	}
	if len(b) < size {
		return nil, nil, errShort
	}
	switch size {
	case 1:
		n = int(b[0])
	case 4:
		n = int(binary.BigEndian.Uint32(b))
	}
	if b = b[size:]; n > len(b) {
		return nil, nil, errShort
	}
	return b[:n], b[n:], nil
}

func decodeBody(code byte, b []byte, depth int) (v any, rest []byte, err error) {
	body, rest, err := cut(code, b)
	if err != nil {
		return nil, nil, err
	}
	switch code {
	case codeList0:
		v = []any{}
	case codeList8, codeList32:
		v, err = decodeList(body, code == codeList8, depth)
	case codeMap8, codeMap32:
		v, err = decodeMap(body, code == codeMap8, depth)
	case codeArray8, codeArray32:
		v, err = decodeArray(body, code == codeArray8, depth)
	default:
		v, err = scalar(code, body)
	}
	return v, rest, err
}

func scalar(code byte, b []byte) (any, error) {
	switch code {
	case codeNull:
		return nil, nil
	case codeTrue, codeFalse:
		return code == codeTrue, nil
	case codeBool:
		return b[0] != 0, nil
	case codeUint0:
		return uint32(0), nil
	case codeUlong0:
		return uint64(0), nil
	case codeUbyte:
		return b[0], nil
	case codeByte:
		return int8(b[0]), nil
	case codeSmallUint:
		return uint32(b[0]), nil
	case codeSmallUlong:
		return uint64(b[0]), nil
	case codeSmallInt:
		return int32(int8(b[0])), nil
	case codeSmallLong:
		return int64(int8(b[0])), nil
	case codeUshort:
		return binary.BigEndian.Uint16(b), nil
	case codeShort:
		return int16(binary.BigEndian.Uint16(b)), nil
	case codeUint:
		return binary.BigEndian.Uint32(b), nil
	case codeInt:
		return int32(binary.BigEndian.Uint32(b)), nil
	case codeFloat:
		return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
	case codeChar:
		return char(binary.BigEndian.Uint32(b)), nil
	case codeDecimal32:
		return decimal32(b), nil
	case codeUlong:
		return binary.BigEndian.Uint64(b), nil
	case codeLong:
		return int64(binary.BigEndian.Uint64(b)), nil
	case codeDouble:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case codeTimestamp:
		return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), nil
	case codeDecimal64:
		return decimal64(b), nil
	case codeDecimal128:
		return decimal128(b), nil
	case codeUUID:
		return uuid(b), nil
	case codeBinary8, codeBinary32:
		return append([]byte{}, b...), nil
	case codeString8, codeString32:
		return string(b), nil
	case codeSymbol8, codeSymbol32:
		return symbol(b), nil
	}
	return nil, fmt.Errorf("no type has the constructor %#02x", code)
}

// count reads how many items a compound value announces; each takes at least one byte of the body.
func count(b []byte, small bool) (n int, rest []byte, err error) {
	switch {
	case small && len(b) >= 1:
		n, rest = int(b[0]), b[1:]
	case !small && len(b) >= 4:
		n, rest = int(binary.BigEndian.Uint32(b)), b[4:]
	default:
		return 0, nil, errShort
	}
	if n > len(rest) {
		return 0, nil, fmt.Errorf("%d items in %d bytes", n, len(rest))
	}
	return n, rest, nil
}

func decodeList(b []byte, small bool, depth int) ([]any, error) {
	n, b, err := count(b, small)
	if err != nil {
		return nil, err
	}
	items := make([]any, n)
	for i := range items {
		if items[i], b, err = decodeAt(b, depth+1); err != nil {
			return nil, err
		}
	}
	return items, spent(b)
}

func decodeMap(b []byte, small bool, depth int) (dict, error) {
	n, b, err := count(b, small)
	if err != nil {
		return nil, err
	}
	if n%2 != 0 {
		return nil, errors.New("a map with a key and no value")
	}
	d := make(dict, n/2)
	for i := range d {
		if d[i].key, b, err = decodeAt(b, depth+1); err != nil {
			return nil, err
		}
		if d[i].value, b, err = decodeAt(b, depth+1); err != nil {
			return nil, err
		}
	}
	return d, spent(b)
}

func decodeArray(b []byte, small bool, depth int) (a array, err error) {
	n, b, err := count(b, small)
	if err != nil {
		return a, err
	}
	if len(b) == 0 {
		return a, errShort
	}
	code := b[0]
	b = b[1:]
	if code == codeDescribed {
		if a.descriptor, b, err = decodeAt(b, depth+1); err != nil {
			return a, err
		}
		if len(b) == 0 {
			return a, errShort
		}
		code, b = b[0], b[1:]
	}
	if _, _, ok := width(code); !ok {
		return a, fmt.Errorf("no type has the constructor %#02x", code)
	}
	if n > len(b) { // items of no width could be any number
		return a, fmt.Errorf("%d items in %d bytes", n, len(b))
	}
	a.of = wide(code)
	a.items = make([]any, n)
	for i := range a.items {
		if depth+1 > maxDepth {
			return a, errDeep
		}
		if a.items[i], b, err = decodeBody(code, b, depth+1); err != nil {
			return a, err
		}
	}
	return a, spent(b)
}

func spent(rest []byte) error {
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes after the last item", len(rest))
	}
	return nil
}
