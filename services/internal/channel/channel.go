// Package channel brings notifications to where people are: Microsoft Teams, Slack, mailboxes, PagerDuty, and whatever takes a
// signed webhook. Each posts one message once; the notifier decides what is posted, and when it is tried again.
//
// What a message says comes from elsewhere, and is text on every screen: no name is ever read as markup, a link or a header.
package channel

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"reprotect.example/services/internal/config"
	"reprotect.example/services/notifier"
)

// Options of New.
type Options struct {
	Notify  config.Notify
	Address string // the secret that Notify names
	Secret  string // with which a webhook is signed; "": it is not
	HTTP    *http.Client
	Now     func() time.Time
	API     string // of Slack or PagerDuty, where it is not the public one
}

// New makes a channel.
func New(o Options) (*notifier.Channel, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	n := o.Notify
	from, to, zone, err := n.QuietHours()
	if err != nil {
		return nil, fmt.Errorf("notify %s: quiet: %w", n.Name, err)
	}
	c := &notifier.Channel{
		Name: n.Name, Detail: n.Detail == config.DetailMachine, Stale: n.Stale, Digest: n.Digest, Quiet: notifier.Quiet{From: from, To: to, Zone: zone},
		Route: notifier.Route{Levels: n.Levels, Sites: n.Route.Sites, Plans: n.Route.Plans, Machines: n.Route.Machines},
	}
	switch n.Kind {
	case config.KindTeams:
		c.Post, err = teams(o)
	case config.KindSlack:
		c.Rate = 1 // a message a second and channel
		c.Post, err = slackTo(o)
	case config.KindWebhook:
		c.Post, err = webhook(o)
	case config.KindEmail:
		c.Rate = rate.Every(2 * time.Second)
		c.Post, err = email(o)
	case config.KindPagerDuty:
		c.Stale = 24 * time.Hour // an incident that is open is no old news
		c.Post, err = pagerDuty(o)
	default:
		err = fmt.Errorf("there is no kind %q", n.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("notify %s: %w", n.Name, err)
	}
	return c, nil
}

// All makes the channels of a config.
func All(c config.Config) ([]*notifier.Channel, error) {
	var all []*notifier.Channel
	for _, n := range c.Notify {
		if n.Kind == config.KindBus {
			continue
		}
		channel, err := Named(c, n.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, channel)
	}
	return all, nil
}

// Named makes one channel of a config.
func Named(c config.Config, name string) (*notifier.Channel, error) {
	for _, n := range c.Notify {
		if n.Name != name {
			continue
		}
		address, err := c.NotifyURL(name)
		if err != nil {
			return nil, err
		}
		secret, err := c.NotifySecret(name)
		if err != nil {
			return nil, err
		}
		return New(Options{Notify: n, Address: strings.TrimSpace(address), Secret: strings.TrimSpace(secret)})
	}
	return nil, fmt.Errorf("notify: no channel is named %q", name)
}

// webAddress reads an address of HTTP. The error never repeats it: whoever knows it can write there.
func webAddress(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", errors.New("the address must begin with https:// and name a host")
	}
	return address, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// post sends a body, and reads the answer as all of these interfaces give it.
func post(ctx context.Context, o Options, address string, headers map[string]string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return refused(errors.New("the address cannot be read"))
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", "reprotect")
	answer, err := o.HTTP.Do(request)
	if err != nil {
		return withoutAddress(err)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 512)) // what it says is for people; the status counts
	return judge(answer.StatusCode, answer.Header.Get("Retry-After"), string(said), o.Now())
}

// withoutAddress takes the address out of an error: it is a secret.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("not reached: %w", u.Err)
	}
	return err
}

func refused(err error) error { return &notifier.Refusal{Permanent: true, Err: err} }

// judge says what an answer means: 400, 413, 415 and 422 are of this message, 429 and 503 ask for patience, and whatever
// else is no success is of the channel, which somebody may correct.
func judge(status int, retryAfter, said string, now time.Time) error {
	if status >= 200 && status < 300 {
		return nil
	}
	r := &notifier.Refusal{Status: status, Err: fmt.Errorf("answered %d: %s", status, cmp.Or(strings.TrimSpace(printable(said)), http.StatusText(status)))}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		r.Permanent = true
	}
	if seconds, err := strconv.Atoi(retryAfter); err == nil && seconds > 0 {
		r.After = time.Duration(min(seconds, 3600)) * time.Second
	} else if at, err := http.ParseTime(retryAfter); err == nil {
		r.After = max(at.Sub(now), 0)
	}
	return r
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, refused(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
