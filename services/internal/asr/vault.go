package asr

import (
	"context"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
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
func (c *Client) Vault(ctx context.Context, maxAge time.Duration) (observed.Vault, error) {
	vault, err := c.looks.Get(ctx, maxAge <= 0, maxAge, nil)
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
	group, vault, began := c.options.ResourceGroup, c.options.Vault, c.options.Now()
	v := observed.Vault{ID: c.vaultID(), Name: vault, Began: began.UTC(), Unread: map[string]string{}}

	var err error
	v.Items, err = list(ctx, c.read.NewReplicationProtectedItemsClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationProtectedItemsClientListResponse) []*sr.ReplicationProtectedItem { return p.Value }, item)
	if err != nil {
		return v, c.fault("cannot read its replicated items", err)
	}

	l := &looking{client: c, ctx: ctx, unread: v.Unread, now: began, oldest: began, whole: slices.Contains(anew, true)}
	v.Jobs = part(l, "jobs", nil, c.read.NewReplicationJobsClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationJobsClientListResponse) []*sr.Job { return p.Value }, job)
	v.Fabrics = part(l, "fabrics", &c.kept.fabrics, c.read.NewReplicationFabricsClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationFabricsClientListResponse) []*sr.Fabric { return p.Value }, fabric)
	v.Policies = part(l, "policies", &c.kept.policies, c.read.NewReplicationPoliciesClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationPoliciesClientListResponse) []*sr.Policy { return p.Value }, replicationPolicy)
	v.Mappings = part(l, "mappings", &c.kept.mappings, c.read.NewReplicationProtectionContainerMappingsClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationProtectionContainerMappingsClientListResponse) []*sr.ProtectionContainerMapping {
			return p.Value
		}, mapping)
	v.VCenters = part(l, "vcenters", &c.kept.vcenters, c.read.NewReplicationvCentersClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationvCentersClientListResponse) []*sr.VCenter { return p.Value }, vCenter)
	v.Plans = part(l, "plans", &c.kept.plans, c.read.NewReplicationRecoveryPlansClient().NewListPager(group, vault, nil),
		func(p sr.ReplicationRecoveryPlansClientListResponse) []*sr.RecoveryPlan { return p.Value }, plan)
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

// part reads one part of the vault, or takes what is kept of it; a nil kept means that nothing ever is.
func part[R, S, F any](l *looking, name string, k *kept[F], pager *runtime.Pager[R], values func(R) []*S, convert func(*S) F) []F {
	if l.failed != nil {
		return nil
	}
	if k != nil && !l.whole && !k.at.IsZero() && l.now.Sub(k.at) < seldom*l.client.options.Look {
		if k.at.Before(l.oldest) {
			l.oldest = k.at
		}
		return k.values
	}
	read, err := list(l.ctx, pager, values, convert)
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
	if k != nil {
		*k = kept[F]{at: l.now, values: read}
	}
	return read
}

// list reads all pages.
func list[R, S, F any](ctx context.Context, pager *runtime.Pager[R], values func(R) []*S, convert func(*S) F) ([]F, error) {
	var all []F
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, value := range values(page) {
			if value != nil {
				all = append(all, convert(value))
			}
		}
	}
	return all, nil
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
	return item(&got.ReplicationProtectedItem), nil
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
