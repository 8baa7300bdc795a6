package sbpeer

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// encode appends a value in the shortest form. It panics on a Go type that stands for no AMQP type, which no input can bring about.
func encode(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, codeNull)
	case bool:
		if v {
			return append(b, codeTrue)
		}
		return append(b, codeFalse)
	case uint32:
		switch {
		case v == 0:
			return append(b, codeUint0)
		case v <= math.MaxUint8:
			return append(b, codeSmallUint, byte(v))
		}
	case uint64:
		switch {
		case v == 0:
			return append(b, codeUlong0)
		case v <= math.MaxUint8:
			return append(b, codeSmallUlong, byte(v))
		}
	case int32:
		if v == int32(int8(v)) {
			return append(b, codeSmallInt, byte(v))
		}
	case int64:
		if v == int64(int8(v)) {
			return append(b, codeSmallLong, byte(v))
		}
	case []byte:
		if len(v) <= math.MaxUint8 {
			return append(append(b, codeBinary8, byte(len(v))), v...)
		}
	case string:
		if len(v) <= math.MaxUint8 {
			return append(append(b, codeString8, byte(len(v))), v...)
		}
	case symbol:
		if len(v) <= math.MaxUint8 {
			return append(append(b, codeSymbol8, byte(len(v))), v...)
		}
	case []any:
		if len(v) == 0 {
			return append(b, codeList0)
		}
	case described:
		return encode(encode(append(b, codeDescribed), v.descriptor), v.value)
	}
	return encodeBody(append(b, constructor(v)), v)
}

// constructor is the wide one of the value's type.
func constructor(v any) byte {
	switch v.(type) {
	case nil:
		return codeNull
	case bool:
		return codeBool
	case uint8:
		return codeUbyte
	case int8:
		return codeByte
	case uint16:
		return codeUshort
	case int16:
		return codeShort
	case uint32:
		return codeUint
	case int32:
		return codeInt
	case float32:
		return codeFloat
	case char:
		return codeChar
	case decimal32:
		return codeDecimal32
	case uint64:
		return codeUlong
	case int64:
		return codeLong
	case float64:
		return codeDouble
	case time.Time:
		return codeTimestamp
	case decimal64:
		return codeDecimal64
	case decimal128:
		return codeDecimal128
	case uuid:
		return codeUUID
	case []byte:
		return codeBinary32
	case string:
		return codeString32
	case symbol:
		return codeSymbol32
	case []any:
		return codeList32
	case dict:
		return codeMap32
	case array:
		return codeArray32
	}
	panic(fmt.Sprintf("%T stands for no AMQP type", v))
}

// encodeBody appends what follows the wide constructor.
func encodeBody(b []byte, v any) []byte {
	order := binary.BigEndian
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case uint8:
		return append(b, v)
	case int8:
		return append(b, byte(v))
	case uint16:
		return order.AppendUint16(b, v)
	case int16:
		return order.AppendUint16(b, uint16(v))
	case uint32:
		return order.AppendUint32(b, v)
	case int32:
		return order.AppendUint32(b, uint32(v))
	case float32:
		return order.AppendUint32(b, math.Float32bits(v))
	case char:
		return order.AppendUint32(b, uint32(v))
	case decimal32:
		return append(b, v[:]...)
	case uint64:
		return order.AppendUint64(b, v)
	case int64:
		return order.AppendUint64(b, uint64(v))
	case float64:
		return order.AppendUint64(b, math.Float64bits(v))
	case time.Time:
		return order.AppendUint64(b, uint64(v.UnixMilli()))
	case decimal64:
		return append(b, v[:]...)
	case decimal128:
		return append(b, v[:]...)
	case uuid:
		return append(b, v[:]...)
	case []byte:
		return append(order.AppendUint32(b, uint32(len(v))), v...)
	case string:
		return append(order.AppendUint32(b, uint32(len(v))), v...)
	case symbol:
		return append(order.AppendUint32(b, uint32(len(v))), v...)
	case []any:
		return sized(b, len(v), func(b []byte) []byte {
			for _, item := range v {
				b = encode(b, item)
			}
			return b
		})
	case dict:
		return sized(b, 2*len(v), func(b []byte) []byte {
			for _, p := range v {
				b = encode(encode(b, p.key), p.value)
			}
			return b
		})
	case array:
		return sized(b, len(v.items), func(b []byte) []byte {
			if v.descriptor != nil {
				b = encode(append(b, codeDescribed), v.descriptor)
			}
			b = append(b, v.of)
			for _, item := range v.items {
				b = encodeBody(b, item)
			}
			return b
		})
	}
	return b
}

// sized puts the size and the number of items in front of what body appends.
func sized(b []byte, items int, body func([]byte) []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0), uint32(items))
	b = body(b)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// composite encodes a described list, without the nulls at its end.
func composite(b []byte, descriptor uint64, fields ...any) []byte {
	for len(fields) > 0 && fields[len(fields)-1] == nil {
		fields = fields[:len(fields)-1]
	}
	return encode(b, described{descriptor, fields})
}
