package bus

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// A wake-up is the message itself, with what it needs to be itself again in headers.
const (
	headerWait    = "Reprotect-Wait"
	headerSubject = "Reprotect-Subject"
	headerID      = "Reprotect-Id"
	headerOrigin  = "Reprotect-Sequence"
	headerTime    = "Reprotect-Time"
	// headerPacked stands alone where the headers are in the data, and tells how many bytes of it they are (pack).
	headerPacked = "Reprotect-Packed"
)

const (
	// mostHeaders is how long the headers of a wake-up may be without being packed. NATS takes 64 KB of them; Service
	// Bus 32 KB in one and 64 KB in all, and what is said of a dead letter comes on top.
	mostHeaders = 4 << 10
	// mostPacked bounds what is unpacked, in bytes, whoever sent it.
	mostPacked = 8 << 20
)

// Wrap makes the message of a wake-up (Broker.Wake): the one that was received, with what its handler keeps for itself
// until then, as JSON. ErrTooLarge: no bus can carry both.
func Wrap(in Received, state string) (Message, error) {
	headers := map[string]string{}
	for k, v := range in.Headers {
		headers[k] = v
	}
	delete(headers, headerPacked)
	headers[headerWait] = state
	headers[headerSubject] = in.Subject
	headers[headerID] = in.ID
	headers[headerOrigin] = strconv.FormatUint(in.Sequence, 10)
	headers[headerTime] = in.Published.UTC().Format(time.RFC3339Nano)
	m := Message{Headers: headers, Data: in.Data}
	size := 0
	for k, v := range headers {
		size += len(k) + len(v)
	}
	if size <= mostHeaders {
		return m, nil
	}
	return pack(m)
}

// pack puts the headers of a message before its data, and compresses both.
func pack(m Message) (Message, error) {
	headers, err := json.Marshal(m.Headers)
	if err != nil {
		return Message{}, err
	}
	if size := len(headers) + len(m.Data); size > mostPacked {
		return Message{}, fmt.Errorf("the message and what its handler left take %d bytes, of %d at most: %w", size, mostPacked, ErrTooLarge)
	}
	var data bytes.Buffer
	w, err := flate.NewWriter(&data, flate.DefaultCompression)
	if err != nil {
		return Message{}, err
	}
	_, err = w.Write(headers)
	_, err2 := w.Write(m.Data)
	if err := errors.Join(err, err2, w.Close()); err != nil {
		return Message{}, err
	}
	return Message{Headers: map[string]string{headerPacked: strconv.Itoa(len(headers))}, Data: data.Bytes()}, nil
}

// unpack undoes pack. What is not packed, or cannot be read, stays as it is.
func unpack(m Message) Message {
	n, err := strconv.Atoi(m.Headers[headerPacked])
	if err != nil {
		return m
	}
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(m.Data)), mostPacked+1))
	var headers map[string]string
	if err != nil || len(data) > mostPacked || n < 0 || n > len(data) || json.Unmarshal(data[:n], &headers) != nil {
		return m
	}
	m.Headers, m.Data = headers, data[n:]
	return m
}

// Original is the message that a wake-up wakes a service with; what is no wake-up is its own.
func Original(r Received) Received {
	original, _ := Unwrap(r)
	return original
}

// Unwrap undoes Wrap. What is no wake-up comes back as it is, and with an empty state.
func Unwrap(r Received) (original Received, state string) {
	if !r.Woken {
		return r, ""
	}
	m := unpack(r.Message)
	state = m.Headers[headerWait]
	if !json.Valid([]byte(state)) {
		return r, ""
	}
	r.Data, r.Headers = m.Data, map[string]string{}
	for k, v := range m.Headers {
		r.Headers[k] = v
	}
	r.Subject, r.ID = m.Headers[headerSubject], m.Headers[headerID]
	r.Sequence, _ = strconv.ParseUint(m.Headers[headerOrigin], 10, 64)
	r.Published, _ = time.Parse(time.RFC3339Nano, m.Headers[headerTime])
	for _, name := range []string{headerWait, headerSubject, headerID, headerOrigin, headerTime} {
		delete(r.Headers, name)
	}
	return r, state
}
