package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"reprotect.example/events/bus/servicebus"
	"reprotect.example/events/bus/servicebus/sbpeer"
	"reprotect.example/events/bus/servicebus/sbtest"
	"reprotect.example/services/internal/app"
)

// azureGrants are what the Bicep files grant each role: the entities that it may send to, and receive from. TestBicepGrants
// holds the loops of the files, TestTopologyFile what they run over.
func azureGrants(t servicebus.Topology) map[string]map[string]sbpeer.Rights {
	grants := map[string]map[string]sbpeer.Rights{
		"ops": {servicebus.TopicCommands: sbpeer.Send}, "audit": {}, "services": {},
		"chatbot": {servicebus.TopicNotifications + "/Subscriptions/" + servicebus.SubscriptionChatbot: sbpeer.Listen},
	}
	for _, topic := range t.Topics {
		grants["services"][topic.Name] = sbpeer.Send
		for _, s := range topic.Subscriptions {
			grants["services"][topic.Name+"/Subscriptions/"+s.Name] = sbpeer.Listen
		}
		grants["audit"][topic.Name+"/Subscriptions/"+servicebus.SubscriptionAudit] = sbpeer.Listen
	}
	for _, q := range t.Queues {
		grants["services"][q.Name] = sbpeer.Send | sbpeer.Listen
	}
	return grants
}

// F4, nats-N2 on Service Bus: whatever a role tries, on whatever entity, with whatever a message says of itself or wherever its
// answer shall go, it comes as far as its grants and no further; what ops send is nowhere but among the commands.
func TestAzureRolesReachWhatTheyAreGranted(t *testing.T) {
	topology := app.AzureTopology()
	grants := azureGrants(topology)
	var keys []sbpeer.Key
	for role, of := range grants {
		for entity, rights := range of {
			keys = append(keys, sbpeer.Key{Name: role + " " + entity, Secret: "secret", Rights: rights, Entity: entity})
		}
	}
	p := sbpeer.New(sbpeer.Options{Keys: keys})
	defer p.Close()
	if err := errors.Join(p.Listen(0), sbtest.SetUp(p, topology)); err != nil {
		t.Fatal(err)
	}
	var entities, stores []string
	for _, topic := range topology.Topics {
		entities = append(entities, topic.Name)
		for _, s := range topic.Subscriptions {
			stores = append(stores, topic.Name+"/Subscriptions/"+s.Name)
		}
	}
	for _, q := range topology.Queues {
		entities, stores = append(entities, q.Name), append(stores, q.Name)
	}
	tried, holes := 0, 0
	for _, role := range slices.Sorted(maps.Keys(grants)) {
		for _, entity := range slices.Sorted(maps.Keys(grants[role])) { // a right of its own for each
			client, err := azservicebus.NewClientFromConnectionString(p.ConnectionString(role+" "+entity), &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{MaxRetries: -1}})
			if err != nil {
				t.Fatal(err)
			}
			may := grants[role][entity]
			try := func(operation, on string, granted bool, do func(context.Context) error) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				tried++
				err := do(ctx)
				var known *azservicebus.Error
				switch {
				case granted && err != nil:
					t.Errorf("%s with its right to %s cannot %s %s: %v", role, entity, operation, on, err)
				case !granted && err == nil:
					holes++
					t.Errorf("%s with its right to %s can %s %s", role, entity, operation, on)
				case !granted && (!errors.As(err, &known) || known.Code != azservicebus.CodeUnauthorizedAccess):
					t.Errorf("%s with its right to %s: %s %s is not refused, but fails: %v", role, entity, operation, on, err)
				}
			}
			for _, on := range entities {
				if role == "services" && on != entity && !strings.HasPrefix(on, "reprotect-commands") {
					continue // of its hundred rights, each is tried on itself and on one other
				}
				granted := on == entity && may&sbpeer.Send != 0
				for name, m := range messages() {
					try("send "+name+" to", on, granted, func(ctx context.Context) error {
						s, err := client.NewSender(on, nil)
						if err != nil {
							return err
						}
						defer func() { _ = s.Close(context.WithoutCancel(ctx)) }()
						return s.SendMessage(ctx, m, nil)
					})
				}
				try("schedule on", on, granted, func(ctx context.Context) error {
					s, err := client.NewSender(on, nil)
					if err != nil {
						return err
					}
					defer func() { _ = s.Close(context.WithoutCancel(ctx)) }()
					_, err = s.ScheduleMessages(ctx, []*azservicebus.Message{messages()["a message"]}, time.Now().Add(time.Hour), nil)
					return err
				})
			}
			for _, on := range stores {
				if role == "services" && on != entity && !strings.HasSuffix(on, "/audit") {
					continue
				}
				granted := on == entity && may&sbpeer.Listen != 0
				for _, sub := range []azservicebus.SubQueue{0, azservicebus.SubQueueDeadLetter} {
					if granted && sub == 0 && on == hold {
						continue // only a session of it can be had, and the services are tried on that elsewhere
					}
					try(fmt.Sprint("look into ", sub, " of"), on, granted, func(ctx context.Context) error {
						var r *azservicebus.Receiver
						var err error
						o := &azservicebus.ReceiverOptions{SubQueue: sub}
						if topic, name, of := strings.Cut(on, "/Subscriptions/"); of {
							r, err = client.NewReceiverForSubscription(topic, name, o)
						} else {
							r, err = client.NewReceiverForQueue(on, o)
						}
						if err != nil {
							return err
						}
						defer func() { _ = r.Close(context.WithoutCancel(ctx)) }()
						_, err = r.PeekMessages(ctx, 1, nil)
						return err
					})
				}
			}
			if role == "ops" { // what it sent before anybody else did
				for _, on := range stores {
					if n := p.Count(on); n.Active+n.Scheduled > 0 && !strings.HasPrefix(on, servicebus.TopicCommands+"/") {
						holes++
						t.Errorf("what ops sent stands in %s", on)
					}
				}
			}
			if err := client.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
		if role == "ops" && p.Count(servicebus.TopicCommands+"/Subscriptions/validator").Active == 0 {
			t.Error("nothing of what ops sent is there")
		}
	}
	t.Logf("%d operations tried, %d holes", tried, holes)
}

// hold is the queue whose sessions are the leases of services.
const hold = "reprotect-hold"

// messages are what a role may try to be believed with: by label, by property, by where the answer shall go.
func messages() map[string]*azservicebus.Message {
	fact, to, session := "reprotect.event.tokyo.c1.registration.registered", servicebus.TopicEvents, "s"
	return map[string]*azservicebus.Message{
		"a message":             {Body: []byte("{}"), SessionID: &session},
		"a fact by its label":   {Body: []byte("{}"), SessionID: &session, Subject: &fact},
		"a fact by properties":  {Body: []byte("{}"), SessionID: &session, ApplicationProperties: map[string]any{"subject": fact, "kind": "event", "type": "io.reprotect.registered.v1", "site": "tokyo", "case": "c1", "step": "registration"}},
		"a message to and from": {Body: []byte("{}"), SessionID: &session, ReplyTo: &to, To: &to, Subject: &fact},
	}
}
