package asr

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// The requests of the way home. Each is sent exactly once and returns the id of its job, which then runs on its own. An
// error that is temporary may hide a request that arrived: look before trying again. Whether the machine's state allows
// it is not asked here: Azure refuses some at once and lets others end in a job that fails (a commit, code 25037).

// Failback takes a machine back to on-premises: PlannedFailover or UnplannedFailover, as its architecture demands.
func (c *Client) Failback(ctx context.Context, i observed.Item, point observed.Consistency) (job string, err error) {
	if i.Architecture == observed.Classic {
		return c.UnplannedFailover(ctx, i, point)
	}
	return c.PlannedFailover(ctx, i, point)
}

// rcmPoints and classicPoints are the words for a choice of recovery points; a classic machine's application-consistent
// point is its latest tag.
var (
	rcmPoints = map[observed.Consistency]sr.InMageRcmFailbackRecoveryPointType{
		observed.CrashConsistent: sr.InMageRcmFailbackRecoveryPointTypeCrashConsistent, observed.ApplicationConsistent: sr.InMageRcmFailbackRecoveryPointTypeApplicationConsistent,
	}
	classicPoints = map[observed.Consistency]sr.RecoveryPointType{
		observed.CrashConsistent: sr.RecoveryPointTypeLatestTime, observed.ApplicationConsistent: sr.RecoveryPointTypeLatestTag,
	}
)

// PlannedFailover takes a modernized machine back: its job shuts the Azure VM down and starts the one on-premises.
func (c *Client) PlannedFailover(ctx context.Context, i observed.Item, point observed.Consistency) (job string, err error) {
	word, known := rcmPoints[point]
	return c.act(ctx, i, "cannot fail back ", func(ctx context.Context, at itemID) error {
		switch {
		case !known:
			return input("the kind of recovery point " + first(string(point), "that was not named") + " is unknown")
		case i.Architecture != observed.Modernized:
			return input("a planned failover is for modernized machines, and it is not one")
		}
		_, err := c.write.NewReplicationProtectedItemsClient().BeginPlannedFailover(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item,
			sr.PlannedFailoverInput{Properties: &sr.PlannedFailoverInputProperties{ // without a direction, as recorded
				ProviderSpecificDetails: &sr.InMageRcmFailbackPlannedFailoverProviderInput{InstanceType: to.Ptr("InMageRcmFailback"), RecoveryPointType: &word},
			}}, nil)
		return err
	})
}

// UnplannedFailover takes a classic machine back: that is what its failback is called.
func (c *Client) UnplannedFailover(ctx context.Context, i observed.Item, point observed.Consistency) (job string, err error) {
	word, known := classicPoints[point]
	return c.act(ctx, i, "cannot fail back ", func(ctx context.Context, at itemID) error {
		switch {
		case !known:
			return input("the kind of recovery point " + first(string(point), "that was not named") + " is unknown")
		case i.Architecture != observed.Classic || !i.ReversedOnce(): // of another it would start a failover to Azure
			return input("it is not a classic machine that replicates back")
		}
		_, err := c.write.NewReplicationProtectedItemsClient().BeginUnplannedFailover(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item,
			sr.UnplannedFailoverInput{Properties: &sr.UnplannedFailoverInputProperties{
				FailoverDirection: to.Ptr("PrimaryToRecovery"), SourceSiteOperations: to.Ptr("NotRequired"),
				ProviderSpecificDetails: &sr.InMageUnplannedFailoverInput{InstanceType: to.Ptr("InMage"), RecoveryPointType: &word},
			}}, nil)
		return err
	})
}

// CancelFailover takes a modernized machine whose failback is not committed back to Azure; Azure has it for no other.
// The built-in role Site Recovery Operator does not include it.
func (c *Client) CancelFailover(ctx context.Context, i observed.Item) (job string, err error) {
	return c.act(ctx, i, "cannot cancel the failback of ", func(ctx context.Context, at itemID) error {
		if i.Architecture != observed.Modernized {
			return input("Azure cancels the failback of a modernized machine only")
		}
		_, err := c.write.NewReplicationProtectedItemsClient().BeginFailoverCancel(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, nil)
		return err
	})
}

// Commit commits what waits for it: the failover to Azure, which drops its other recovery points, or the failback, which
// deletes the Azure VM. With nothing to commit Azure accepts, and the job fails (25037).
func (c *Client) Commit(ctx context.Context, i observed.Item) (job string, err error) {
	return c.act(ctx, i, "cannot commit ", func(ctx context.Context, at itemID) error {
		_, err := c.write.NewReplicationProtectedItemsClient().BeginFailoverCommit(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, nil)
		return err
	})
}

// ReprotectForward protects a machine that is home towards Azure again; Vault.ForwardOf chooses with what. Where the
// failback is not committed yet its job does that too. It has the same scenario as a reprotect to on-premises.
func (c *Client) ReprotectForward(ctx context.Context, i observed.Item, f observed.Forward) (job string, err error) {
	return c.act(ctx, i, "cannot protect again ", func(ctx context.Context, at itemID) error {
		body, err := forwardInput(i, f)
		if err != nil {
			return err
		}
		_, err = c.write.NewReplicationProtectedItemsClient().BeginReprotect(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, body, nil)
		return err
	})
}

// forwardInput is the body as recorded: the classic one has the same direction as a reprotect to on-premises, and the
// provider tells them apart. A modernized machine needs no policy.
func forwardInput(i observed.Item, f observed.Forward) (sr.ReverseReplicationInput, error) {
	required := []struct{ name, value string }{{"process server", f.ProcessServerID}, {"run-as account", f.RunAsAccountID}}
	properties := &sr.ReverseReplicationInputProperties{}
	switch {
	case !i.ReversedOnce():
		return sr.ReverseReplicationInput{}, input("it does not come from a failback (provider " + first(i.Provider, "unknown") + ")")
	case i.Architecture == observed.Classic:
		required = append(required, struct{ name, value string }{"master target", f.MasterTargetID}, struct{ name, value string }{"replication policy", f.PolicyID})
		properties.FailoverDirection = to.Ptr("RecoveryToPrimary")
		properties.ProviderSpecificDetails = &sr.InMageAzureV2ReprotectInput{InstanceType: to.Ptr("InMageAzureV2"), MasterTargetID: &f.MasterTargetID,
			ProcessServerID: &f.ProcessServerID, RunAsAccountID: &f.RunAsAccountID, PolicyID: &f.PolicyID}
	default:
		properties.ProviderSpecificDetails = &sr.InMageRcmFailbackReprotectInput{InstanceType: to.Ptr("InMageRcmFailback"),
			ProcessServerID: &f.ProcessServerID, RunAsAccountID: &f.RunAsAccountID, PolicyID: optional(f.PolicyID)}
	}
	for _, r := range required {
		if r.value == "" {
			return sr.ReverseReplicationInput{}, input("the " + r.name + " is missing")
		}
	}
	return sr.ReverseReplicationInput{Properties: properties}, nil
}

// RepairReplication compares the disks of a machine anew: the resynchronization that a failback waits for.
func (c *Client) RepairReplication(ctx context.Context, i observed.Item) (job string, err error) {
	return c.act(ctx, i, "cannot resynchronize ", func(ctx context.Context, at itemID) error {
		_, err := c.write.NewReplicationProtectedItemsClient().BeginRepairReplication(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, nil)
		return err
	})
}

// ResolveHealthErrors lets Azure resolve health errors of a machine, by their ids (Problem.ID); none: all that it has.
func (c *Client) ResolveHealthErrors(ctx context.Context, i observed.Item, ids ...string) (job string, err error) {
	if len(ids) == 0 {
		for _, p := range i.HealthErrors {
			if p.ID != "" {
				ids = append(ids, p.ID)
			}
		}
	}
	var named []*sr.ResolveHealthError
	for _, id := range ids {
		named = append(named, &sr.ResolveHealthError{HealthErrorID: to.Ptr(id)})
	}
	return c.act(ctx, i, "cannot resolve the health errors of ", func(ctx context.Context, at itemID) error {
		if len(named) == 0 {
			return input("it has no health error that has an id")
		}
		_, err := c.write.NewReplicationProtectedItemsClient().BeginResolveHealthErrors(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item,
			sr.ResolveHealthInput{Properties: &sr.ResolveHealthInputProperties{HealthErrors: named}}, nil)
		return err
	})
}

// act sends a request about an item once.
func (c *Client) act(ctx context.Context, i observed.Item, cannot string, send func(context.Context, itemID) error) (job string, err error) {
	what := cannot + first(i.Name, i.ID, "a machine without name and id")
	at, err := c.itemID(i.ID)
	if err != nil {
		return "", c.fault(what, err)
	}
	return c.submit(ctx, what, func(ctx context.Context) error { return send(ctx, at) })
}

// PlanFailback fails all modernized machines of a recovery plan back in one job, in the order of its groups. Azure has no
// such reprotect.
func (c *Client) PlanFailback(ctx context.Context, p observed.Plan, point observed.Consistency) (job string, err error) {
	word, known := rcmPoints[point]
	return c.actOnPlan(ctx, p, "cannot fail back the recovery plan ", func(ctx context.Context, name string) error {
		if !known {
			return input("the kind of recovery point " + first(string(point), "that was not named") + " is unknown")
		}
		_, err := c.write.NewReplicationRecoveryPlansClient().BeginPlannedFailover(ctx, c.options.ResourceGroup, c.options.Vault, name,
			sr.RecoveryPlanPlannedFailoverInput{Properties: &sr.RecoveryPlanPlannedFailoverInputProperties{
				FailoverDirection: to.Ptr(sr.PossibleOperationsDirectionsRecoveryToPrimary), // a plan's primary side is on-premises
				ProviderSpecificDetails: []sr.RecoveryPlanProviderSpecificFailoverInputClassification{&sr.RecoveryPlanInMageRcmFailbackFailoverInput{
					InstanceType: to.Ptr("InMageRcmFailback"), RecoveryPointType: &word, UseMultiVMSyncPoint: to.Ptr("Enabled"),
				}},
			}}, nil)
		return err
	})
}

// PlanCommit commits the failbacks of a recovery plan.
func (c *Client) PlanCommit(ctx context.Context, p observed.Plan) (job string, err error) {
	return c.actOnPlan(ctx, p, "cannot commit the recovery plan ", func(ctx context.Context, name string) error {
		_, err := c.write.NewReplicationRecoveryPlansClient().BeginFailoverCommit(ctx, c.options.ResourceGroup, c.options.Vault, name, nil)
		return err
	})
}

func (c *Client) actOnPlan(ctx context.Context, p observed.Plan, cannot string, send func(ctx context.Context, name string) error) (job string, err error) {
	what := cannot + first(p.Name, p.ID, "without a name")
	name := segment(p.ID, "replicationRecoveryPlans")
	if name == "" {
		return "", c.fault(what, input("its id does not name a recovery plan"))
	}
	if err := c.ours(p.ID); err != nil {
		return "", c.fault(what, err)
	}
	return c.submit(ctx, what, func(ctx context.Context) error { return send(ctx, name) })
}

// offAzure is the api-version of the sites of appliances (Microsoft.OffAzure).
const offAzure = "2020-07-07"

// RunAsAccounts reads the accounts of the site of a modernized fabric (Fabric.SiteID). The built-in role Site Recovery
// Operator does not include it: Reader on the site does.
func (c *Client) RunAsAccounts(ctx context.Context, siteID string) (all []observed.RunAsAccount, err error) {
	what := "cannot read the run-as accounts of the site " + first(observed.LastSegment(siteID), "without an id")
	parts := strings.Split(strings.Trim(siteID, "/"), "/")
	if len(parts) != 8 || !strings.EqualFold(parts[5], "Microsoft.OffAzure") {
		return nil, c.fault(what, input("its id is not one of a site in Microsoft.OffAzure"))
	}
	for n := range parts {
		parts[n] = url.PathEscape(parts[n])
	}
	next := runtime.JoinPaths(c.pages.Endpoint(), strings.Join(parts, "/")+"/runasaccounts") + "?api-version=" + offAzure
	for next != "" {
		page, err := c.pages.page(ctx, next)
		if err != nil {
			return nil, c.fault(what, err)
		}
		for _, raw := range page.Value {
			var a struct {
				ID, Name   string
				Properties struct{ DisplayName, CredentialType string }
			}
			if err := json.Unmarshal(raw, &a); err != nil {
				return nil, c.fault(what, err)
			}
			if !observed.SameID(upTo(a.ID, "VMwareSites"), upTo(siteID, "VMwareSites")) || segment(a.ID, "runasaccounts") == "" {
				continue // without its id nobody can name it
			}
			all = append(all, observed.RunAsAccount{ID: a.ID, Name: first(scrub(a.Properties.DisplayName, ""), a.Name), Kind: a.Properties.CredentialType})
		}
		if page.NextLink == next {
			return nil, c.fault(what, errors.New("a page of it names itself as the next one"))
		}
		next = page.NextLink
	}
	return all, nil
}
