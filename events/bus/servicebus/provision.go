package servicebus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"

	"reprotect.example/events"
	"reprotect.example/events/bus"
)

// Provision makes what is missing in the namespace and brings what exists to the topology's settings; called twice, the
// second call changes nothing. What the topology does not name stays: entities, settings, and rules of other people.
// What Azure cannot change and differs is an error, and then nothing is changed at all.
//
// While rules are exchanged a subscription takes more than it should, never less: who receives looks again.
func (t Topology) Provision(ctx context.Context, c *admin.Client) error {
	_, err := t.Update(ctx, c)
	return err
}

// Update is Provision, and says what it did.
func (t Topology) Update(ctx context.Context, c *admin.Client) (done []bus.Difference, err error) {
	entities, err := t.look(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, e := range entities {
		made, err := e.make(ctx)
		if err != nil {
			return done, err
		}
		d := bus.Difference{Entity: e.name, Missing: made, Changes: e.changes}
		err = errors.Join(e.fixed...) // of what somebody else has made just now
		if err == nil && len(e.changes) > 0 {
			err = worded(e.name, e.update(ctx))
		}
		if err == nil && e.rules != nil {
			var rules []string
			rules, err = e.rules.set(ctx, true)
			d.Changes = append(d.Changes, rules...)
		}
		if err != nil {
			return done, err
		}
		done = add(done, d)
	}
	return done, nil
}

// Differences says what Provision would do, and changes nothing.
func (t Topology) Differences(ctx context.Context, c *admin.Client) (found []bus.Difference, err error) {
	entities, err := t.look(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, e := range entities {
		d := bus.Difference{Entity: e.name, Missing: !e.found, Changes: e.changes}
		if e.found && e.rules != nil {
			rules, err := e.rules.set(ctx, false)
			if err != nil {
				return nil, err
			}
			d.Changes = append(d.Changes, rules...)
		}
		found = add(found, d)
	}
	return found, nil
}

// add leaves out what is as it must be. Of what is made, all is new.
func add(all []bus.Difference, d bus.Difference) []bus.Difference {
	if d.Missing {
		d.Changes = nil
	}
	if !d.Missing && len(d.Changes) == 0 {
		return all
	}
	return append(all, d)
}

// look reads all entities; what Azure cannot change and differs is an error.
func (t Topology) look(ctx context.Context, c *admin.Client) ([]*entity, error) {
	entities := t.entities(c)
	var fixed []error
	for _, e := range entities {
		if err := e.look(ctx); err != nil {
			return nil, err
		}
		fixed = append(fixed, e.fixed...)
	}
	return entities, errors.Join(fixed...)
}

// AddMissing makes the topics, subscriptions and queues that do not exist, the subscriptions with their rules. What
// exists is left as it is: changing it is for Provision.
func (t Topology) AddMissing(ctx context.Context, c *admin.Client) error {
	for _, e := range t.entities(c) {
		if err := e.look(ctx); err != nil {
			return err
		}
		made, err := e.make(ctx)
		if made && e.rules != nil {
			_, err = e.rules.set(ctx, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entity is a topic, a subscription or a queue: as the topology wants it, beside what is in the namespace.
type entity struct {
	name string // for errors
	// get reads what exists, says whether anything does, and prepares update.
	get            func(context.Context) (found bool, c comparison, err error)
	create, update func(context.Context) error
	rules          *rules // of a subscription

	found   bool
	changes []string
	fixed   []error // what differs and cannot be changed
}

func (e *entity) look(ctx context.Context) error {
	found, c, err := e.get(ctx)
	if err != nil {
		return worded(e.name, err)
	}
	e.found, e.changes, e.fixed = found, c.changes, nil
	for _, what := range c.fixed {
		e.fixed = append(e.fixed, fmt.Errorf("bus: %s: %s", e.name, what))
	}
	return nil
}

// make creates the entity where it is missing, and says whether it did.
func (e *entity) make(ctx context.Context) (made bool, err error) {
	if e.found {
		return false, nil
	}
	err = e.create(ctx)
	if status(err) != http.StatusConflict {
		return err == nil, worded(e.name, err)
	}
	// Somebody else was faster, or is in the middle of it.
	if looked := e.look(ctx); looked != nil || e.found {
		return false, looked
	}
	return false, worded(e.name, err)
}

// entities lists what the topology needs, topics before their subscriptions.
func (t Topology) entities(c *admin.Client) []*entity {
	var all []*entity
	for _, topic := range t.Topics {
		all = append(all, topicEntity(c, topic))
		for _, s := range topic.Subscriptions {
			all = append(all, subscriptionEntity(c, topic.Name, s))
		}
	}
	for _, q := range t.Queues {
		all = append(all, queueEntity(c, q))
	}
	return all
}

func topicEntity(c *admin.Client, t Topic) *entity {
	bring := func(p *admin.TopicProperties) (changes []string) {
		if t.DuplicateWindow != "" {
			changes = setDuration(changes, "window of duplicate detection", &p.DuplicateDetectionHistoryTimeWindow, t.DuplicateWindow)
		}
		if p.MaxSizeInMegabytes == nil || *p.MaxSizeInMegabytes < t.MaxSize { // an administrator may give it more
			changes = set(changes, "size in MB", &p.MaxSizeInMegabytes, t.MaxSize)
		}
		return changes
	}
	duplicates := t.DuplicateWindow != ""
	var now admin.TopicProperties
	return &entity{
		name: "topic " + t.Name,
		get: func(ctx context.Context) (bool, comparison, error) {
			got, err := c.GetTopic(ctx, t.Name, nil)
			if err != nil || got == nil {
				return false, comparison{}, err
			}
			now = got.TopicProperties
			cmp := comparison{changes: bring(&now)}
			// The numbers of a partitioned one do not rise from one end to the other: who looks for marks would pass some by.
			cmp.always("partitioning", now.EnablePartitioning, false, "delete the topic when no case is under way (its subscriptions go with it, other people's too)")
			if cmp.kind(now.RequiresDuplicateDetection, "topic") {
				cmp.always("duplicate detection", now.RequiresDuplicateDetection, duplicates, "delete the topic when no case is under way (its subscriptions go with it, other people's too)")
			}
			return true, cmp, nil
		},
		create: func(ctx context.Context) error {
			p := admin.TopicProperties{RequiresDuplicateDetection: &duplicates}
			bring(&p)
			_, err := c.CreateTopic(ctx, t.Name, &admin.CreateTopicOptions{Properties: &p})
			return err
		},
		update: func(ctx context.Context) error {
			_, err := c.UpdateTopic(ctx, t.Name, now, nil)
			return err
		},
	}
}

func subscriptionEntity(c *admin.Client, topic string, s Subscription) *entity {
	bring := func(p *admin.SubscriptionProperties) []string {
		return s.bring(&p.LockDuration, &p.DefaultMessageTimeToLive, &p.MaxDeliveryCount, &p.DeadLetteringOnMessageExpiration)
	}
	name := "subscription " + s.Name + " of topic " + topic
	var now admin.SubscriptionProperties
	return &entity{
		name: name,
		get: func(ctx context.Context) (bool, comparison, error) {
			got, err := c.GetSubscription(ctx, topic, s.Name, nil)
			if err != nil || got == nil {
				return false, comparison{}, err
			}
			now = got.SubscriptionProperties
			cmp := comparison{changes: bring(&now)}
			cmp.always("sessions", now.RequiresSession, false, "delete the subscription when it is empty")
			return true, cmp, nil
		},
		create: func(ctx context.Context) error {
			p := admin.SubscriptionProperties{}
			bring(&p)
			_, err := c.CreateSubscription(ctx, topic, s.Name, &admin.CreateSubscriptionOptions{Properties: &p})
			return err
		},
		update: func(ctx context.Context) error {
			_, err := c.UpdateSubscription(ctx, topic, s.Name, now, nil)
			return err
		},
		rules: &rules{admin: c, topic: topic, subscription: s.Name, of: name, wanted: s.Rules},
	}
}

func queueEntity(c *admin.Client, q Queue) *entity {
	bring := func(p *admin.QueueProperties) []string {
		changes := q.bring(&p.LockDuration, &p.DefaultMessageTimeToLive, &p.MaxDeliveryCount, &p.DeadLetteringOnMessageExpiration)
		if q.DuplicateWindow != "" {
			changes = setDuration(changes, "window of duplicate detection", &p.DuplicateDetectionHistoryTimeWindow, q.DuplicateWindow)
		}
		return changes
	}
	duplicates, sessions := q.DuplicateWindow != "", q.RequiresSession
	var now admin.QueueProperties
	return &entity{
		name: "queue " + q.Name,
		get: func(ctx context.Context) (bool, comparison, error) {
			got, err := c.GetQueue(ctx, q.Name, nil)
			if err != nil || got == nil {
				return false, comparison{}, err
			}
			now = got.QueueProperties
			cmp := comparison{changes: bring(&now)}
			if cmp.kind(now.RequiresDuplicateDetection, "queue") {
				cmp.always("duplicate detection", now.RequiresDuplicateDetection, duplicates, "delete the queue when it is empty")
				cmp.always("sessions", now.RequiresSession, sessions, "delete the queue when it is empty")
			}
			return true, cmp, nil
		},
		create: func(ctx context.Context) error {
			p := admin.QueueProperties{RequiresDuplicateDetection: &duplicates, RequiresSession: &sessions}
			bring(&p)
			_, err := c.CreateQueue(ctx, q.Name, &admin.CreateQueueOptions{Properties: &p})
			return err
		},
		update: func(ctx context.Context) error {
			_, err := c.UpdateQueue(ctx, q.Name, now, nil)
			return err
		},
	}
}

// rules are those of one subscription.
type rules struct {
	admin                   *admin.Client
	topic, subscription, of string
	wanted                  []Rule
}

const (
	ruleDefault = "$Default" // Azure gives it to every new subscription: everything
	ruleCover   = "r00"      // stands while other rules are exchanged: everything
)

// numbered are the names that rulesFor gives.
var numbered = regexp.MustCompile(`^r\d{2,}$`)

// oursRule says whether a rule of one of our subscriptions is one that some version made, or Azure when it was created.
func oursRule(name string) bool {
	return name == ruleDefault || numbered.MatchString(name) ||
		slices.ContainsFunc(events.Kinds(), func(k events.Kind) bool { return k.Name == name })
}

// set makes the wanted rules, and then removes those of ours that are wanted no longer, $Default with them. Where a
// rule must change, everything passes meanwhile: what the rules swap among themselves is never without one.
// It says which rules it makes, changes and removes; and does nothing else unless it does.
func (r *rules) set(ctx context.Context, does bool) (changes []string, err error) {
	wanted := map[string]admin.RuleFilter{}
	var names, changed []string
	for _, rule := range r.wanted {
		names, wanted[rule.Name] = append(names, rule.Name), rule.filter()
	}
	if len(r.wanted) == 0 {
		names, wanted[ruleDefault] = []string{ruleDefault}, &admin.TrueFilter{}
	}
	now, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	_, left := now[ruleCover] // by a run that died
	covered := len(r.wanted) == 0
	for name, p := range now {
		filter, is := wanted[name]
		switch {
		case is && !(p.Action == nil && sameFilter(p.Filter, filter)):
			changed = append(changed, name)
		case p.Action == nil && sameFilter(p.Filter, &admin.TrueFilter{}):
			covered = true // until the end, when what nobody wants is removed
		}
	}
	if does && len(changed) > 0 && !covered {
		if err := r.put(ctx, ruleCover, &admin.TrueFilter{}, now); err != nil {
			return nil, err
		}
		now[ruleCover] = admin.RuleProperties{Name: ruleCover}
	}
	for _, name := range names {
		if _, exists := now[name]; exists && !slices.Contains(changed, name) {
			continue
		}
		changes = append(changes, "rule "+name)
		if does {
			if err := r.put(ctx, name, wanted[name], now); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, is := wanted[name]; is || !oursRule(name) {
			continue
		}
		if name != ruleCover || left {
			changes = append(changes, "rule "+name+" goes")
		}
		if !does {
			continue
		}
		if _, err := r.admin.DeleteRule(ctx, r.topic, r.subscription, name, nil); err != nil && status(err) != http.StatusNotFound {
			return nil, worded("rule "+name+" of "+r.of, err)
		}
	}
	return changes, nil
}

func (r *rules) list(ctx context.Context) (map[string]admin.RuleProperties, error) {
	now := map[string]admin.RuleProperties{}
	pager := r.admin.NewListRulesPager(r.topic, r.subscription, &admin.ListRulesOptions{MaxPageSize: 100}) // as many as Azure hands out at once
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, worded("rules of "+r.of, err)
		}
		for _, p := range page.Rules {
			now[p.Name] = p
		}
	}
	return now, nil
}

func (r *rules) put(ctx context.Context, name string, filter admin.RuleFilter, now map[string]admin.RuleProperties) (err error) {
	if _, exists := now[name]; exists {
		_, err = r.admin.UpdateRule(ctx, r.topic, r.subscription, admin.RuleProperties{Name: name, Filter: filter})
	} else {
		_, err = r.admin.CreateRule(ctx, r.topic, r.subscription, &admin.CreateRuleOptions{Name: &name, Filter: filter})
	}
	return worded("rule "+name+" of "+r.of, err)
}

func (r Rule) filter() admin.RuleFilter {
	f := &admin.CorrelationFilter{}
	if r.Label != "" {
		f.Subject = &r.Label
	}
	for k, v := range r.Properties {
		if f.ApplicationProperties == nil {
			f.ApplicationProperties = map[string]any{}
		}
		f.ApplicationProperties[k] = v
	}
	return f
}

// sameFilter knows that everything may be spelled as SQL, as Azure Resource Manager does.
func sameFilter(got, want admin.RuleFilter) bool {
	if sql, is := got.(*admin.SQLFilter); is && strings.ReplaceAll(sql.Expression, " ", "") == "1=1" {
		got = &admin.TrueFilter{}
	}
	return reflect.DeepEqual(got, want)
}

// comparison is how what exists differs from what is wanted.
type comparison struct {
	changes []string
	fixed   []string // what cannot be changed, and what to do
}

// kind says whether it is one of that kind: the SDK reads a queue as a topic without any property, and vice versa.
func (c *comparison) kind(property *bool, kind string) bool {
	if property == nil {
		c.fixed = append(c.fixed, "something else has this name, and it must be a "+kind+": take another namespace, or delete it and run 'reprotect bus setup' again")
	}
	return property != nil
}

func (c *comparison) always(what string, got *bool, want bool, remedy string) {
	if is, spoken := got != nil && *got, map[bool]string{true: "on", false: "off"}; is != want {
		c.fixed = append(c.fixed, fmt.Sprintf("%s must be %s, is %s, and Azure cannot change it: %s, then run 'reprotect bus setup' again", what, spoken[want], spoken[is], remedy))
	}
}

// bring sets what differs, and names it.
func (r Receiving) bring(lock, ttl **string, most **int32, deadLetter **bool) (changes []string) {
	changes = setDuration(changes, "lock duration", lock, r.LockDuration)
	changes = setDuration(changes, "time to live", ttl, r.TimeToLive)
	changes = set(changes, "most deliveries", most, int32(r.MaxDeliveryCount)) //nolint:gosec // a constant of ours
	return set(changes, "dead letters of what expires", deadLetter, r.DeadLetterExpired)
}

func set[T comparable](changes []string, what string, at **T, want T) []string {
	now := "not set"
	if *at != nil {
		now = fmt.Sprint(**at)
	}
	if *at != nil && **at == want {
		return changes
	}
	*at = &want
	return append(changes, fmt.Sprintf("%s: %s -> %v", what, now, want))
}

// setDuration compares by length: Azure answers PT1M to who wrote PT60S.
func setDuration(changes []string, what string, at **string, want string) []string {
	if *at != nil && isoSeconds(**at) >= 0 && isoSeconds(**at) == isoSeconds(want) {
		return changes
	}
	return set(changes, what, at, want)
}

var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$`)

// isoSeconds is the length of a duration as Azure spells it; negative when it is none.
func isoSeconds(text string) (seconds float64) {
	parts := isoDuration.FindStringSubmatch(text)
	if parts == nil {
		return -1
	}
	for i, unit := range []float64{24 * 60 * 60, 60 * 60, 60, 1} {
		n, _ := strconv.ParseFloat(parts[i+1], 64) // a part that is left out is 0
		seconds += n * unit
	}
	return seconds
}
