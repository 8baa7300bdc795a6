package azurevm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v7"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resourcegraph/armresourcegraph"

	"reprotect.example/services/observed"
)

// search asks Resource Graph for all VMs whose names begin with one of these, in every subscription that the
// identity may read. Ordered by id, as paging demands (Microsoft Learn, "Working with large Azure resource data
// sets").
func (c *Client) search(ctx context.Context, names []string) (vms []observed.AzureVM, err error) {
	request := armresourcegraph.QueryRequest{
		Query:   to.Ptr(query(names)),
		Options: &armresourcegraph.QueryRequestOptions{ResultFormat: to.Ptr(armresourcegraph.ResultFormatObjectArray)},
	}
	const what = "cannot look for Azure VMs in other resource groups"
	for {
		answer, err := c.graph.Resources(ctx, request, nil)
		if err != nil {
			return nil, c.fault(what, err, "the subscriptions to which VMs may have been moved")
		}
		rows, err := rowsOf(answer.Data)
		if err != nil {
			return nil, c.vault.Fault(what, err)
		}
		for _, row := range rows {
			if row.ID != nil && row.Name != nil {
				vms = append(vms, observed.AzureVM{ID: *row.ID, Name: *row.Name, Disks: disksOf(&row)})
			}
		}
		if answer.SkipToken == nil || *answer.SkipToken == "" {
			return vms, nil
		}
		request.Options.SkipToken = answer.SkipToken
	}
}

// query is in Resource Graph's language. A name stands in it as a string literal: what Azure allows in the name
// of a VM needs no escaping, but the names come from a vault.
func query(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	var starts []string
	for _, name := range slices.Compact(names) {
		starts = append(starts, "name startswith '"+literal.Replace(name)+"'")
	}
	return "resources | where type =~ 'microsoft.compute/virtualmachines' | where " + strings.Join(starts, " or ") +
		" | project id, name, properties | order by id asc"
}

var literal = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// rowsOf decodes an answer, whose properties are those of Compute.
func rowsOf(data any) (rows []armcompute.VirtualMachine, err error) {
	raw, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(raw, &rows)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is not a list of VMs: %w", err)
	}
	return rows, nil
}
