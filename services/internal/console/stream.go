package console

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// outlet sends server-sent events to one client, who may be slow, or gone.
type outlet struct {
	w       http.ResponseWriter
	control *http.ResponseController
	ctx     context.Context
}

// openStream begins a stream; nil: it was refused. It ends with its client, or when the server is to stop.
func (c *Console) openStream(w http.ResponseWriter, r *http.Request) (*outlet, func()) {
	select {
	case c.streams <- struct{}{}:
	default:
		c.refuse(w, r, says(http.StatusServiceUnavailable, "console.busy", "too many pages are followed at once", "Close some, and try again in a moment."))
		return nil, nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	if c.o.Drain != nil {
		go func() {
			select {
			case <-c.o.Drain:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy in between must not wait for more
	return &outlet{w, http.NewResponseController(w), ctx}, func() {
		cancel()
		<-c.streams
	}
}

// send writes one event; its data has no line ends of its own beyond those of JSON, which has none.
func (o *outlet) send(name, id string, data []byte) error {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return o.write(b.Bytes())
}

func (o *outlet) write(raw []byte) error {
	_ = o.control.SetWriteDeadline(time.Now().Add(streamTake)) // not every connection knows deadlines
	if _, err := o.w.Write(raw); err != nil {
		return err
	}
	return o.control.Flush()
}

// wait blocks until something has changed, or again has passed when it is more than nothing. It gives signs of life
// meanwhile, and says whether the stream goes on.
func (o *outlet) wait(changed <-chan struct{}, again time.Duration, ends <-chan time.Time) bool {
	var due <-chan time.Time
	if again > 0 {
		timer := time.NewTimer(again)
		defer timer.Stop()
		due = timer.C
	}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		select {
		case <-changed:
			return true
		case <-due:
			return true
		case <-beat.C:
			if o.write([]byte(": still there\n\n")) != nil {
				return false
			}
		case <-ends:
			return false
		case <-o.ctx.Done():
			return false
		}
	}
}

func (o *outlet) pause(d time.Duration) bool {
	pause(o.ctx, d)
	return o.ctx.Err() == nil
}
