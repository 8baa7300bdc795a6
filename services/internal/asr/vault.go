package asr

import (
	"context"
	"slices"
	"time"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"
	"go.uber.org/zap"

	"reprotect.example/services/observed"
)

// seldom: parts that change rarely are read at most every so many looks.
const seldom = 10

// Vault returns a snapshot of the vault. All callers share one: it is read again only when the last one is
// older than maxAge, and never twice at the same time, so the cost in requests depends on time and not on the
// number of callers. The snapshot is common property: read it, do not change it.
//
// With maxAge 0 everything is read after the call began. Otherwise items and jobs are at most maxAge old,
// fabrics, policies, mappings, vCenters and plans at most ten looks. A part that is refused, for want of a
// permission, stands in Unread, and is tried again at the next look. No items, a failure in any part that passes or
// is one of the login (half a look would show a running job as none), or the end of the look's two minutes is an
// error; a failed look answers callers for five seconds (or maxAge), so that an outage is not asked by each of them.
//
// The list of items leaves out disks and more. The items that replicate back, and those of full, by their ARM ids, are
// read by themselves, once in each state; another item is Lean. One that cannot be read says why in Unread, and the
// others stand.
func (c *Client) Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error) {
	vault, err := c.looks.Get(ctx, maxAge <= 0, maxAge, nil)
	if err == nil {
		vault, err = c.fill(ctx, vault, full)
	}
	if err != nil {
		return observed.Vault{}, c.fault("cannot look at vault "+c.options.Vault, err)
	}
	return vault, nil
}

// keptParts is what looks hand on to each other; looks run one after the other, so it needs no lock.
type keptParts struct {
	fabrics  kept[observed.Fabric]
	policies kept[observed.Policy]
	mappings kept[observed.Mapping]
	vcenters kept[observed.RegisteredVCenter]
	plans    kept[observed.Plan]
}

type kept[T any] struct {
	at     time.Time
	values []T
}

// look reads the vault once. Where anybody asks for all of it anew, it reads every part, whatever is kept.
func (c *Client) look(ctx context.Context, anew []bool) (observed.Vault, error) {
	vault, began := c.options.Vault, c.options.Now()
	v := observed.Vault{ID: c.vaultID(), Name: vault, Began: began.UTC(), Unread: map[string]string{}}

	var bad []unreadable
	var err error
	if v.Items, bad, err = read(ctx, c.pages, segItems, item); err != nil {
		return v, c.fault("cannot read its replicated items", err)
	}
	for n, i := range v.Items {
		v.Items[n] = c.was.of(i)
	}
	for _, b := range bad {
		v.Items = append(v.Items, observed.Item{ID: b.ID, Name: b.Name, FabricID: upTo(b.ID, segFabrics), ContainerID: upTo(b.ID, segContainers), Lean: true,
			Unread: "Site Recovery's answer about it cannot be understood: " + b.Why})
	}
	c.was.forget(v.Items)
	if err := c.underWay(ctx, v.Items); err != nil {
		return v, err
	}

	l := &looking{client: c, ctx: ctx, unread: v.Unread, now: began, oldest: began, whole: slices.Contains(anew, true)}
	v.Jobs = part(l, "jobs", "replicationJobs", nil, job, nil)
	v.Fabrics = part(l, "fabrics", segFabrics, &c.kept.fabrics, fabric, c.fullFabric)
	v.Policies = part(l, "policies", "replicationPolicies", &c.kept.policies, replicationPolicy, nil)
	v.Mappings = part(l, "mappings", "replicationProtectionContainerMappings", &c.kept.mappings, mapping, nil)
	v.VCenters = part(l, "vcenters", "replicationvCenters", &c.kept.vcenters, vCenter, nil)
	v.Plans = part(l, "plans", "replicationRecoveryPlans", &c.kept.plans, plan, c.fullPlan)
	if l.failed != nil {
		return v, l.failed
	}
	v.Taken, v.Oldest = c.options.Now(), l.oldest
	c.options.Log.Debug("looked at the vault", zap.String("vault", vault), zap.Int("items", len(v.Items)), zap.Int("jobs", len(v.Jobs)),
		zap.Strings("unread", v.UnreadParts()), zap.Duration("took", v.Taken.Sub(began)))
	return v.Indexed(), nil
}

// looking is what the parts of one look have in common. After failed is set, nothing more is asked.
type looking struct {
	client *Client
	ctx    context.Context
	unread map[string]string
	now    time.Time
	oldest time.Time // of what the looks before handed on
	whole  bool
	failed error
}

// part reads one part of the vault, or takes what is kept of it; a nil kept means that nothing ever is. full reads one
// thing by itself where the list leaves out what it is for; nil: the list has all.
func part[S, F any](l *looking, name, collection string, k *kept[F], convert func(*S) F, full func(context.Context, *S) (*S, error)) []F {
	if l.failed != nil {
		return nil
	}
	if k != nil && !l.whole && !k.at.IsZero() && l.now.Sub(k.at) < seldom*l.client.options.Look {
		if k.at.Before(l.oldest) {
			l.oldest = k.at
		}
		return k.values
	}
	values, bad, err := readPart(l.ctx, l.client.pages, collection, convert, full)
	if err != nil {
		err = l.client.fault("cannot read its "+name, err)
		f, _ := observed.FaultOf(err)
		if f.Class == observed.Temporary || f.Code == CodeLogin || f.Code == CodeCertificate || l.ctx.Err() != nil { // it is not about this part
			l.failed = err
			return nil
		}
		l.unread[name] = err.Error()
		if k != nil {
			*k = kept[F]{}
		}
		return nil
	}
	for _, b := range bad { // the others stand
		l.unread[name+"/"+b.Name] = "Site Recovery's answer about it cannot be understood: " + b.Why
	}
	if k != nil {
		*k = kept[F]{at: l.now, values: values}
	}
	return values
}

// readPart reads a list and, where it leaves out what it is for, each of its things.
func readPart[S, F any](ctx context.Context, p pages, collection string, convert func(*S) F, full func(context.Context, *S) (*S, error)) (values []F, bad []unreadable, err error) {
	if full == nil {
		return read(ctx, p, collection, convert)
	}
	all, bad, err := read(ctx, p, collection, asDecoded[S])
	for _, s := range all {
		if s, err = full(ctx, s); err != nil {
			return nil, nil, err
		}
		values = append(values, convert(s))
	}
	return values, bad, err
}

// fullFabric reads a modernized fabric by itself: the list leaves out every component of its appliances.
func (c *Client) fullFabric(ctx context.Context, f *sr.Fabric) (*sr.Fabric, error) {
	d, ok := val(f.Properties).CustomDetails.(*sr.InMageRcmFabricSpecificDetails)
	if !ok || len(d.ReprotectAgents) > 0 || val(f.Name) == "" {
		return f, nil
	}
	got, err := c.read.NewReplicationFabricsClient().Get(ctx, c.options.ResourceGroup, c.options.Vault, *f.Name, nil)
	return &got.Fabric, err
}

// fullPlan reads a recovery plan by itself: the list leaves out its groups.
func (c *Client) fullPlan(ctx context.Context, p *sr.RecoveryPlan) (*sr.RecoveryPlan, error) {
	if len(val(p.Properties).Groups) > 0 || val(p.Name) == "" {
		return p, nil
	}
	got, err := c.read.NewReplicationRecoveryPlansClient().Get(ctx, c.options.ResourceGroup, c.options.Vault, *p.Name, nil)
	return &got.RecoveryPlan, err
}

// Item reads one replicated machine, now.
func (c *Client) Item(ctx context.Context, id string) (observed.Item, error) {
	what := "cannot read the replicated item " + observed.LastSegment(id)
	at, err := c.itemID(id)
	if err != nil {
		return observed.Item{}, c.fault(what, err)
	}
	got, err := c.read.NewReplicationProtectedItemsClient().Get(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, nil)
	if err != nil {
		return observed.Item{}, c.fault(what, err)
	}
	read := c.was.of(item(&got.ReplicationProtectedItem))
	read.Lean = false // this is all that there is
	return read, nil
}

// RecoveryPoints reads the points in time to which a replicated machine can be brought, now, the latest first.
func (c *Client) RecoveryPoints(ctx context.Context, id string) (all []observed.RecoveryPoint, err error) {
	what := "cannot read the recovery points of " + observed.LastSegment(id)
	at, err := c.itemID(id)
	if err != nil {
		return nil, c.fault(what, err)
	}
	if err := c.full.pace.Wait(ctx); err != nil {
		return nil, c.fault(what, ctx.Err())
	}
	pages := c.read.NewRecoveryPointsClient().NewListByReplicationProtectedItemsPager(c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, nil)
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.fault(what, err)
		}
		for _, p := range page.Value {
			if p != nil {
				all = append(all, recoveryPoint(p))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b observed.RecoveryPoint) int { return b.At.Compare(a.At) })
	return all, nil
}

// failoverPoint reads when the recovery point was made that a failover stands on, while another may still be chosen.
// Without an answer its time is not known, and everything else of the item stands.
func (c *Client) failoverPoint(ctx context.Context, i observed.Item) time.Time {
	at, err := c.itemID(i.ID)
	if err != nil || i.FailoverPoint == "" || i.Stage() != observed.StageUncommitted {
		return time.Time{}
	}
	got, err := c.read.NewRecoveryPointsClient().Get(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, i.FailoverPoint, nil)
	if err != nil {
		c.options.Log.Debug("cannot read a recovery point", zap.String("item", i.Name), zap.Error(c.fault("cannot read a recovery point", err)))
		return time.Time{}
	}
	return recoveryPoint(&got.RecoveryPoint).At
}

// Job reads one job in full, now: with its tasks and errors, which the jobs of a snapshot lack.
func (c *Client) Job(ctx context.Context, jobID string) (observed.Job, error) {
	jobID = observed.LastSegment(jobID)
	what := "cannot read the job " + jobID
	if jobID == "" {
		return observed.Job{}, c.fault(what, input("its id is empty"))
	}
	got, err := c.read.NewReplicationJobsClient().Get(ctx, c.options.ResourceGroup, c.options.Vault, jobID, nil)
	if err != nil {
		return observed.Job{}, c.fault(what, err)
	}
	return job(&got.Job), nil
}

type itemID struct{ fabric, container, item string }

// itemID takes an item's id apart and refuses one of another vault.
func (c *Client) itemID(id string) (itemID, error) {
	at := itemID{segment(id, segFabrics), segment(id, segContainers), segment(id, segItems)}
	if at.fabric == "" || at.container == "" || at.item == "" {
		return at, input("its id does not name fabric, container and item")
	}
	return at, c.ours(id)
}

func (c *Client) ours(id string) error {
	if !observed.SameID(upTo(id, segVaults), c.vaultID()) {
		return input("its id is not one of vault " + c.options.Vault)
	}
	return nil
}

func input(what string) error {
	class, remedy := Explain(CodeInput, "")
	return &observed.Fault{Class: class, Code: CodeInput, What: what, Remedy: remedy}
}
