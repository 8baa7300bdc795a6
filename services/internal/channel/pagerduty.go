package channel

import (
	"context"
	"errors"
	"net/url"
	"regexp"

	"reprotect.example/events"
	"reprotect.example/services/notifier"
)

const pagerDutyAPI = "https://events.pagerduty.com/v2/enqueue"

var routingKey = regexp.MustCompile(`^[0-9A-Za-z]{32}$`)

// pagerDuty triggers an incident for what needs a person, and resolves it when that is over. The address is the routing
// key of the integration alone, or stands as the user of an address: https://KEY@events.eu.pagerduty.com/v2/enqueue.
func pagerDuty(o Options) (func(context.Context, notifier.Message) error, error) {
	key, api := o.Address, pagerDutyAPI
	if u, err := url.Parse(o.Address); err == nil && u.User != nil {
		key, u.User = u.User.Username(), nil
		if api, err = webAddress(u.String()); err != nil {
			return nil, err
		}
	}
	if o.API != "" {
		api = o.API
	}
	if !routingKey.MatchString(key) {
		return nil, errors.New("the address must be the integration's routing key, of 32 letters and digits")
	}
	return func(ctx context.Context, m notifier.Message) error {
		if len(m.Causes) == 0 || m.Kind == "request" || m.Thread == "" { // how a request goes on wakes nobody
			return nil
		}
		p := pageOf(m, o.Notify.Lang)
		event := object{"routing_key": key, "dedup_key": cut(m.Thread, 255), "event_action": "trigger"}
		if m.State == events.NoteClosed {
			event["event_action"] = "resolve"
		} else {
			event["payload"] = object{
				"summary": cut(p.title, 1024), "source": "reprotect " + m.Site, "severity": m.Level, "timestamp": m.Since.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
				"component": few(m.Machines), "class": m.Causes[0].Code, "custom_details": object{"text": cut(m.Text, 8<<10), "what_to_do": p.do(m), "machines": few(m.Machines)},
			}
			if p.link != "" {
				event["links"] = []object{{"href": p.link, "text": p.open}}
			}
		}
		body, err := encode(event)
		if err != nil {
			return err
		}
		return post(ctx, o, api, map[string]string{"Content-Type": "application/json"}, body)
	}, nil
}

func (p page) do(m notifier.Message) string {
	if len(p.causes) > 0 {
		return p.causes[0].do
	}
	return line(m.Causes[0].Do)
}
