package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"reprotect.example/events/bus"
)

// pageSize is how many messages are asked for at a time.
const pageSize = 256

// pageRequest is the server's question for several messages at once: those of a filter from a sequence on, or the last
// ones of subjects.
type pageRequest struct {
	Seq    uint64   `json:"seq,omitempty"`
	Next   string   `json:"next_by_subj,omitempty"`
	Latest []string `json:"multi_last,omitempty"`
	Batch  int      `json:"batch"`
}

// page reads messages of a stream by direct get.
func (c *Conn) page(ctx context.Context, stream string, r pageRequest) (page []*nats.Msg, last uint64, err error) {
	request, err := json.Marshal(r)
	if err != nil {
		return nil, 0, err
	}
	err = c.ask(ctx, api+"DIRECT.GET."+stream, request, func(msg *nats.Msg) (bool, error) {
		var err error
		last, err = sequenceOf(msg)
		page = append(page, msg)
		return false, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", stream, err)
	}
	return page, last, nil
}

// newest asks the server for the last message of a subject.
func (c *Conn) newest(ctx context.Context, question string, body []byte) (r bus.Received, found bool, err error) {
	begun := time.Now()
	err = c.ask(ctx, question, body, func(msg *nats.Msg) (bool, error) {
		found = true
		var err error
		r, err = stored(msg)
		return true, err
	})
	if err != nil {
		return r, false, fmt.Errorf("read %s: %w", question, c.explain(err, question, begun))
	}
	return r, found, nil
}

// ask hands on the stored messages with which the server answers, until it says that there are no more or each has
// enough. What stands in the headers of a stored message is its sender's, a status too; that it is one shows by its
// subject, which the server adds behind all of them.
func (c *Conn) ask(ctx context.Context, question string, body []byte, each func(*nats.Msg) (enough bool, err error)) (err error) {
	answers := make(chan *nats.Msg, 2*pageSize)
	inbox := c.nc.NewInbox()
	// By channel: a subscription that is waited on takes a sender's status for one of the server.
	subscription, err := c.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, subscription.Unsubscribe()) }()
	if err := c.nc.PublishRequest(question, inbox, body); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case msg := <-answers:
			if told(msg, jetstream.SubjectHeader) != "" {
				if enough, err := each(msg); enough || err != nil {
					return err
				}
				continue
			}
			switch status := msg.Header.Get("Status"); status {
			case "204", "404": // the end of a batch; nothing there
				return nil
			case "503": // nobody answers for a stream that is not there
				return bus.ErrMissing
			default:
				return fmt.Errorf("the server answers %s %s", status, msg.Header.Get("Description"))
			}
		}
	}
}

// told is what the server says of a message in its answer: behind the headers that the sender may have made.
func told(msg *nats.Msg, header string) string {
	values := msg.Header.Values(header)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

func sequenceOf(msg *nats.Msg) (uint64, error) {
	n, err := strconv.ParseUint(told(msg, jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("message on %s: sequence: %w", told(msg, jetstream.SubjectHeader), err)
	}
	return n, nil
}

// stored turns an answer of the server's direct get into the bus's form.
func stored(msg *nats.Msg) (r bus.Received, err error) {
	r = received(told(msg, jetstream.SubjectHeader), msg.Header, msg.Data)
	if r.Sequence, err = sequenceOf(msg); err != nil {
		return r, err
	}
	if r.Published, err = time.Parse(time.RFC3339Nano, told(msg, jetstream.TimeStampHeaer)); err != nil {
		return r, fmt.Errorf("message on %s: %w", r.Subject, err)
	}
	return r, nil
}
