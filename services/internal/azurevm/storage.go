package azurevm

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"reprotect.example/services/observed"
)

// storageVersion is the version of the API of storage accounts.
const storageVersion = "2023-05-01"

var storageID = regexp.MustCompile(`(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Storage/storageAccounts/[^/]+$`)

// accountsOf lists the log storage accounts that items name, each once, by id in lower case.
func accountsOf(items []observed.Item) map[string]string {
	ids := map[string]string{}
	for _, i := range items {
		if key := strings.ToLower(i.LogStorage); ids[key] == "" && storageID.MatchString(i.LogStorage) {
			ids[key] = i.LogStorage
		}
	}
	return ids
}

// accounts reads the log storage accounts of items (M2): one call for each, and there is one, usually.
func (c *Client) accounts(ctx context.Context, items []observed.Item) map[string]observed.StorageAccount {
	read := map[string]observed.StorageAccount{}
	for key, id := range accountsOf(items) {
		account, err := c.account(ctx, id)
		account.ID, account.Unread = id, reason(err)
		read[key] = account
	}
	return read
}

// storageAccount is what is used of a storage account as Resource Manager shows it.
type storageAccount struct {
	Location, Kind string
	SKU            struct{ Tier string }
	Properties     struct {
		PublicNetworkAccess        string
		NetworkACLs                struct{ DefaultAction, Bypass string }
		PrivateEndpointConnections []struct{ ID string }
	}
}

func (c *Client) account(ctx context.Context, id string) (observed.StorageAccount, error) {
	name := observed.LastSegment(id)
	what := "cannot read the log storage account " + name
	got, err := c.getAccount(ctx, id)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		return observed.StorageAccount{Absent: true}, nil
	}
	if err != nil {
		return observed.StorageAccount{}, c.fault(what, err, "the storage account "+name)
	}
	out := observed.StorageAccount{Region: got.Location, Kind: got.Kind, Tier: got.SKU.Tier}
	p := got.Properties
	switch private := len(p.PrivateEndpointConnections) > 0; {
	case private:
	case strings.EqualFold(p.PublicNetworkAccess, "Disabled"):
		out.Closed = "its public network access is disabled, and it has no private endpoint"
	case strings.EqualFold(p.NetworkACLs.DefaultAction, "Deny") && !strings.Contains(strings.ToLower(p.NetworkACLs.Bypass), "azureservices"):
		out.Closed = "its firewall does not let trusted Azure services through, and it has no private endpoint"
	}
	return out, nil
}

func (c *Client) getAccount(ctx context.Context, id string) (got storageAccount, err error) {
	manager, err := arm.NewClient("reprotect", "v1.0.0", c.credential, c.options)
	if err != nil {
		return got, err
	}
	req, err := runtime.NewRequest(ctx, http.MethodGet, runtime.JoinPaths(manager.Endpoint(), id)+"?api-version="+storageVersion)
	if err != nil {
		return got, err
	}
	resp, err := manager.Pipeline().Do(req) //nolint:bodyclose // the pipeline reads the body whole and closes it
	if err != nil {
		return got, err
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return got, runtime.NewResponseError(resp)
	}
	return got, runtime.UnmarshalAsJSON(resp, &got)
}
