package sbpeer

import "time"

// AMQP types without a counterpart in Go. The others are nil, bool, the integers, the floats, time.Time (timestamp),
// string, []byte (binary) and []any (list).
type (
	symbol     string
	uuid       [16]byte
	char       rune
	decimal32  [4]byte
	decimal64  [8]byte
	decimal128 [16]byte
	dict       []pair // a map, in the order of the wire
	pair       struct{ key, value any }
	described  struct{ descriptor, value any }
	// array holds values of one type, as the decoder makes them of that type; descriptor is set when each of them is described.
	array struct {
		of         byte // a constructor of the wide form
		descriptor any
		items      []any
	}
)

const (
	codeDescribed  = 0x00
	codeNull       = 0x40
	codeTrue       = 0x41
	codeFalse      = 0x42
	codeUint0      = 0x43
	codeUlong0     = 0x44
	codeList0      = 0x45
	codeUbyte      = 0x50
	codeByte       = 0x51
	codeSmallUint  = 0x52
	codeSmallUlong = 0x53
	codeSmallInt   = 0x54
	codeSmallLong  = 0x55
	codeBool       = 0x56
	codeUshort     = 0x60
	codeShort      = 0x61
	codeUint       = 0x70
	codeInt        = 0x71
	codeFloat      = 0x72
	codeChar       = 0x73
	codeDecimal32  = 0x74
	codeUlong      = 0x80
	codeLong       = 0x81
	codeDouble     = 0x82
	codeTimestamp  = 0x83
	codeDecimal64  = 0x84
	codeDecimal128 = 0x94
	codeUUID       = 0x98
	codeBinary8    = 0xa0
	codeString8    = 0xa1
	codeSymbol8    = 0xa3
	codeBinary32   = 0xb0
	codeString32   = 0xb1
	codeSymbol32   = 0xb3
	codeList8      = 0xc0
	codeMap8       = 0xc1
	codeList32     = 0xd0
	codeMap32      = 0xd1
	codeArray8     = 0xe0
	codeArray32    = 0xf0
)

// wide gives the constructor that holds every value of the type.
func wide(code byte) byte {
	switch code {
	case codeTrue, codeFalse:
		return codeBool
	case codeUint0, codeSmallUint:
		return codeUint
	case codeUlong0, codeSmallUlong:
		return codeUlong
	case codeSmallInt:
		return codeInt
	case codeSmallLong:
		return codeLong
	case codeBinary8, codeString8, codeSymbol8:
		return code + 0x10
	case codeList0:
		return codeList32
	case codeList8, codeMap8, codeArray8:
		return code + 0x10
	}
	return code
}

// get looks a key up that is a string or a symbol.
func (d dict) get(key string) any {
	for _, p := range d {
		if text(p.key) == key {
			return p.value
		}
	}
	return nil
}

// set replaces the value of a key, or adds it at the end.
func (d dict) set(key, value any) dict {
	for i, p := range d {
		if text(p.key) == text(key) {
			d[i].value = value
			return d
		}
	}
	return append(d, pair{key, value})
}

// text gives strings and symbols; everything else is "".
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case symbol:
		return string(v)
	}
	return ""
}

// whole gives any integer; ok is false for everything else.
func whole(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(v), v < 1<<63
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// members gives what a list or an array holds.
func members(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case array:
		return v.items
	}
	return nil
}

// swapped turns a UUID of RFC order into .NET's order of bytes, and back.
func (u uuid) swapped() uuid {
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u
}

// ticks counts 100 ns since year 1, as .NET does.
func ticks(t time.Time) int64 { return t.UnixMilli()*10_000 + 621_355_968_000_000_000 }
