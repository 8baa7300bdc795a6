package servicebus

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"

	"reprotect.example/events/bus"
)

// ErrStandIn says that a connection string leads to a stand-in for Service Bus. It has no API to set it up with.
var ErrStandIn = errors.New("the connection string is of a stand-in for Service Bus (UseDevelopmentEmulator=true), which whoever starts it sets up")

// NewAdmin makes a client that sets the namespace up and counts what stands in it: with a connection string whose key
// may manage, or with the namespace's name (contoso.servicebus.windows.net) and a credential. Nothing is asked yet.
// Options may be nil.
func NewAdmin(connectionString, namespace string, cred azcore.TokenCredential, options *admin.ClientOptions) (*admin.Client, error) {
	if options == nil {
		// Setting up takes some hundred calls, more than a namespace takes in a burst.
		options = &admin.ClientOptions{ClientOptions: azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: 5}}}
	}
	switch {
	case connectionString != "":
		if standsIn(connectionString) {
			return nil, fmt.Errorf("bus: %w", ErrStandIn)
		}
		c, err := admin.NewClientFromConnectionString(connectionString, options)
		if err != nil { // the SDK's own error may quote the string, which holds a key
			return nil, errors.New("bus: the connection string of Service Bus is not valid: copy it from the namespace's shared access policies")
		}
		return c, nil
	case namespace != "" && cred != nil:
		if !hostName.MatchString(namespace) { // not quoted: it may be a connection string in the wrong place
			return nil, errors.New("bus: Service Bus namespace: give its host name, as in contoso.servicebus.windows.net")
		}
		c, err := admin.NewClient(namespace, cred, options)
		if err != nil {
			return nil, fmt.Errorf("bus: Service Bus namespace %s: %w", namespace, err)
		}
		return c, nil
	}
	return nil, errors.New("bus: Service Bus needs a connection string, or a namespace and a credential")
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9.-]+(:\d+)?$`)

// State is what stands in the namespace.
type State struct {
	Services []ServiceState // in the order of their names
	// The sums over all services.
	Pending, Dead, Waiting uint64
	Messages               uint64 // in the audit subscriptions, which is what the namespace still has of the event log
	Bytes                  uint64 // of the topics, with all their subscriptions
	Topics                 []Room // what of its room each topic has taken
}

// Room is what an entity has taken of what it may, in bytes.
type Room struct {
	Name         string
	Bytes, Limit uint64
}

// ServiceState is what stands in the subscriptions and the queue of a service. Azure does not count what is under way
// apart: a message is pending until it is settled.
type ServiceState struct {
	Service string
	Pending uint64 // in its subscriptions
	Dead    uint64 // dead letters of its subscriptions and its queue
	Waiting uint64 // wake-ups and further tries: scheduled, due, or under way
}

// Status counts what stands in the namespace, for every service that has a queue for wake-ups there, whichever sites it
// is for. Like Provision it needs the right to manage. It reads Azure's counters, however much stands there; they lag
// by a moment.
func Status(ctx context.Context, c *admin.Client) (State, error) {
	var s State
	queues, err := wakeQueues(ctx, c)
	if err != nil {
		return s, err
	}
	at := map[string]int{} // of each service in s.Services
	for _, q := range queues {
		service := strings.TrimPrefix(q.QueueName, wakePrefix)
		at[service] = len(s.Services)
		s.Services = append(s.Services, ServiceState{
			Service: service, Waiting: count(q.ActiveMessageCount) + count(q.ScheduledMessageCount), Dead: count(q.DeadLetterMessageCount),
		})
	}
	unread := maps.Clone(at)
	for _, topic := range topics {
		name := "topic " + topic
		got, err := c.GetTopicRuntimeProperties(ctx, topic, nil)
		switch {
		case err != nil:
			return State{}, worded(name, err)
		case got == nil:
			return State{}, missing(name)
		}
		settings, err := c.GetTopic(ctx, topic, nil)
		if err != nil || settings == nil || settings.MaxSizeInMegabytes == nil {
			return State{}, cmp.Or(worded(name, err), missing(name))
		}
		room := Room{Name: topic, Bytes: uint64(max(got.SizeInBytes, 0)), Limit: uint64(max(*settings.MaxSizeInMegabytes, 0)) << 20}
		s.Bytes += room.Bytes
		s.Topics = append(s.Topics, room)
		pager := c.NewListSubscriptionsRuntimePropertiesPager(topic, &admin.ListSubscriptionsRuntimePropertiesOptions{MaxPageSize: listPage})
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				return State{}, worded("subscriptions of "+name, err)
			}
			for _, sub := range page.SubscriptionRuntimeProperties {
				if sub.SubscriptionName == SubscriptionAudit {
					s.Messages += count(sub.ActiveMessageCount)
				} else if i, is := at[sub.SubscriptionName]; is {
					s.Services[i].Pending += count(sub.ActiveMessageCount)
					s.Services[i].Dead += count(sub.DeadLetterMessageCount)
					delete(unread, sub.SubscriptionName)
				}
			}
		}
	}
	for service := range unread {
		return State{}, missing("subscription " + service)
	}
	for _, one := range s.Services {
		s.Pending += one.Pending
		s.Dead += one.Dead
		s.Waiting += one.Waiting
	}
	return s, nil
}

// Services lists the services that are set up in the namespace, in the order of their names, which say for which sites
// they are: executor, executor-tokyo. It needs the right to manage.
func Services(ctx context.Context, c *admin.Client) (services []string, err error) {
	queues, err := wakeQueues(ctx, c)
	for _, q := range queues {
		services = append(services, strings.TrimPrefix(q.QueueName, wakePrefix))
	}
	return services, err
}

// listPage is how many entities are listed with one call: as many as Azure hands out at once.
const listPage = 100

// wakeQueues lists the queues for wake-ups, of which each service has one.
func wakeQueues(ctx context.Context, c *admin.Client) (queues []admin.QueueRuntimePropertiesItem, err error) {
	const name = "queues " + wakePrefix + "…"
	pager := c.NewListQueuesRuntimePropertiesPager(&admin.ListQueuesRuntimePropertiesOptions{MaxPageSize: listPage})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, worded(name, err)
		}
		for _, q := range page.QueueRuntimeProperties {
			if strings.HasPrefix(q.QueueName, wakePrefix) {
				queues = append(queues, q)
			}
		}
	}
	if len(queues) == 0 {
		return nil, missing(name)
	}
	slices.SortFunc(queues, func(a, b admin.QueueRuntimePropertiesItem) int { return cmp.Compare(a.QueueName, b.QueueName) })
	return queues, nil
}

func count(n int32) uint64 { return uint64(max(n, 0)) }

func missing(entity string) error {
	return fmt.Errorf("bus: %s: %w: run 'reprotect bus setup'", entity, bus.ErrMissing)
}

// status is the HTTP status of the answer that an error of the admin client tells of; 0 when it is of none.
func status(err error) int {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// worded says which entity an error of the admin client is about, what it means, and what to do; nil stays nil. The
// SDK's own error goes on for a page, so that only what Azure says is taken over.
func worded(entity string, err error) error {
	if err == nil {
		return nil
	}
	about := func(format string, args ...any) error {
		return fmt.Errorf("bus: %s: %w", entity, fmt.Errorf(format, args...))
	}
	switch code := status(err); {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return about("%w: it takes a key with the right Manage, or the role Azure Service Bus Data Owner on the namespace (%s)", bus.ErrNotPermitted, said(err))
	case code == http.StatusConflict:
		return about("somebody else changes it at the same time: run it again (%s)", said(err))
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return about("Service Bus is busy: run it again in a minute (%s)", said(err))
	case code != 0:
		return about("Service Bus refuses (%s)", said(err))
	case errors.Is(err, context.Canceled):
		return about("%w", err)
	}
	// What the SDK marks so is no answer and no broken connection: the credential gave no token.
	var login interface{ NonRetriable() }
	if errors.As(err, &login) {
		return about("%w: no login to Azure: %w", bus.ErrNotPermitted, err)
	}
	return about("Service Bus not reached: %w", err)
}

// said is what Azure says in an answer, on one line.
func said(err error) string {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return ""
	}
	text := fmt.Sprintf("HTTP %d", answer.StatusCode)
	if answer.RawResponse == nil {
		return text
	}
	raw, err := runtime.Payload(answer.RawResponse)
	var body struct{ Detail string }
	if err == nil && xml.Unmarshal(raw, &body) == nil && body.Detail != "" {
		text += ": " + strings.Join(strings.Fields(body.Detail), " ")
	}
	return text
}
