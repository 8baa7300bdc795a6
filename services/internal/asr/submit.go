package asr

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// Reprotect submits a reprotect and returns the id of its job, which then runs on its own. It sends exactly
// one request. An error that is temporary may hide a submission that arrived: look before trying again.
func (c *Client) Reprotect(ctx context.Context, r observed.Reprotect) (string, error) {
	what := "cannot reprotect " + first(r.Item.Name, r.Item.ID, "a machine without name and id")
	at, err := c.itemID(r.Item.ID)
	if err != nil {
		return "", c.fault(what, err)
	}
	body, err := reprotectInput(r)
	if err != nil {
		return "", c.fault(what, err)
	}
	return c.submit(ctx, what, func(ctx context.Context) error {
		_, err := c.write.NewReplicationProtectedItemsClient().BeginReprotect(ctx, c.options.ResourceGroup, c.options.Vault, at.fabric, at.container, at.item, body, nil)
		return err
	})
}

// reprotectInput is the body of the request, as recorded from Microsoft's own clients for both architectures.
// It refuses a request that lacks what the service demands, because the service answers those with code 506
// and no name.
func reprotectInput(r observed.Reprotect) (sr.ReverseReplicationInput, error) {
	var details sr.ReverseReplicationProviderSpecificInputClassification
	required := map[string]string{"datastore": r.Datastore}
	switch r.Item.Architecture {
	case observed.Classic:
		required["master target"], required["process server"] = r.MasterTargetID, r.ProcessServerID
		required["retention drive"], required["failback policy"] = r.RetentionDrive, r.PolicyID
		details = &sr.InMageReprotectInput{
			InstanceType: to.Ptr("InMage"), MasterTargetID: &r.MasterTargetID, ProcessServerID: &r.ProcessServerID, ProfileID: &r.PolicyID,
			RetentionDrive: &r.RetentionDrive, DatastoreName: &r.Datastore, RunAsAccountID: optional(r.RunAsAccountID),
			// An Azure VM's temporary disk is not the machine's own: Microsoft's client always leaves it out.
			DiskExclusionInput: &sr.InMageDiskExclusionInput{VolumeOptions: []*sr.InMageVolumeExclusionOptions{
				{VolumeLabel: to.Ptr("Temporary Storage"), OnlyExcludeIfSingleVolume: to.Ptr("Yes")},
			}},
		}
	case observed.Modernized:
		required["appliance"], required["log storage account"] = r.ApplianceID, r.LogStorage
		details = &sr.InMageRcmReprotectInput{
			InstanceType: to.Ptr("InMageRcm"), DatastoreName: &r.Datastore, ReprotectAgentID: &r.ApplianceID,
			LogStorageAccountID: &r.LogStorage, PolicyID: optional(r.PolicyID),
		}
	default:
		return sr.ReverseReplicationInput{}, input("it is not a VMware machine of Site Recovery (provider " + first(r.Item.Provider, "unknown") + ")")
	}
	for _, name := range []string{"datastore", "master target", "process server", "retention drive", "failback policy", "appliance", "log storage account"} {
		if value, ok := required[name]; ok && value == "" {
			return sr.ReverseReplicationInput{}, input("the " + name + " is missing")
		}
	}
	return sr.ReverseReplicationInput{Properties: &sr.ReverseReplicationInputProperties{
		FailoverDirection: to.Ptr("RecoveryToPrimary"), ProviderSpecificDetails: details,
	}}, nil
}

// RefreshProvider makes the servers behind a fabric report anew: "refresh the configuration server" (S25). It
// returns when Azure has accepted, not when the refresh is done.
func (c *Client) RefreshProvider(ctx context.Context, fabricID string) error {
	name := segment(fabricID, segFabrics)
	what := "cannot refresh the fabric " + first(name, fabricID)
	if name == "" {
		return c.fault(what, input("its id does not name a fabric"))
	}
	if err := c.ours(fabricID); err != nil {
		return c.fault(what, err)
	}
	group, vault := c.options.ResourceGroup, c.options.Vault
	known, _, err := read(ctx, c.pages, segFabrics+"/"+url.PathEscape(name)+"/replicationRecoveryServicesProviders", asDecoded[sr.RecoveryServicesProvider])
	if err != nil {
		return c.fault(what, err)
	}
	if len(known) == 0 {
		return c.fault(what, input("it has no Recovery Services provider"))
	}
	for _, p := range known {
		provider := val(p.Name)
		_, err := c.submit(ctx, what, func(ctx context.Context) error {
			_, err := c.write.NewReplicationRecoveryServicesProvidersClient().BeginRefreshProvider(ctx, group, vault, name, provider, nil)
			return err
		})
		if err := unlessNoJob(err); err != nil {
			return err
		}
	}
	return nil
}

// Cancel asks for the end of a job; it returns when Azure has accepted.
func (c *Client) Cancel(ctx context.Context, jobID string) error {
	jobID = observed.LastSegment(jobID)
	what := "cannot cancel the job " + jobID
	if jobID == "" {
		return c.fault(what, input("its id is empty"))
	}
	_, err := c.submit(ctx, what, func(ctx context.Context) error {
		_, err := c.write.NewReplicationJobsClient().BeginCancel(ctx, c.options.ResourceGroup, c.options.Vault, jobID, nil)
		return err
	})
	return unlessNoJob(err)
}

// unlessNoJob is for requests whose job nobody follows.
func unlessNoJob(err error) error {
	if f, ok := observed.FaultOf(err); ok && f.Code == CodeNoJob {
		return nil
	}
	return err
}

// submit sends a request once and returns the id of the job that it started. What the SDK makes of the answer
// (a poller) is left alone: its state is kilobytes of signed addresses, and the job says all that it would.
func (c *Client) submit(ctx context.Context, what string, send func(context.Context) error) (string, error) {
	var answer *http.Response
	err := send(policy.WithCaptureResponse(ctx, &answer))
	accepted := answer != nil && (answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusAccepted)
	switch {
	case err != nil && answer == nil:
		return "", unanswered(c.fault(what, err))
	case err != nil && !accepted:
		return "", c.fault(what, err)
	}
	if id := startedJob(answer.Header); id != "" {
		return id, nil
	}
	return "", c.owned(CodeNoJob, what+": Azure accepted, but named no job", "", nil)
}

// unanswered warns that a request without an answer may have arrived.
func unanswered(err error) error {
	if f, ok := observed.FaultOf(err); ok && (f.Code == CodeUnreachable || f.Code == CodeTimeout || f.Code == CodeInterrupted) {
		f.Remedy = "the request may have arrived: look which job runs before trying again; then " + f.Remedy
	}
	return err
}

// startedJob takes the job's id from the headers of an answer 202. x-ms-request-id is the job's ARM id (seen in
// recordings; elsewhere in Azure it is a plain id of the request, which means nothing here). Location and
// Azure-AsyncOperation end with the same id.
func startedJob(h http.Header) string {
	if id := h.Get("x-ms-request-id"); strings.Contains(strings.ToLower(id), "/replicationjobs/") {
		return observed.LastSegment(id)
	}
	for _, name := range []string{"Location", "Azure-AsyncOperation"} {
		if u, err := url.Parse(h.Get(name)); err == nil && u.Path != "" {
			return observed.LastSegment(u.Path)
		}
	}
	return ""
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
