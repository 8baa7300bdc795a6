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
// identity may read.
func (c *Client) search(ctx context.Context, names []string) (vms []observed.AzureVM, err error) {
	err = ask(ctx, c, query("name startswith '%s'", names, "properties"), "cannot look for Azure VMs in other resource groups", "the subscriptions to which VMs may have been moved", func(r found) {
		if r.ID != nil && r.Name != nil {
			vms = append(vms, observed.AzureVM{ID: *r.ID, Name: *r.Name, Disks: disksOf(&r.VirtualMachine), Power: power(r.state)})
		}
	})
	return vms, err
}

// Named finds the VMs whose names begin with one of these, in every subscription that the identity may read.
func (c *Client) Named(ctx context.Context, names []string) (vms []observed.AzureVM, err error) {
	const atOnce = 100 // a query has a limit
	for some := range slices.Chunk(names, atOnce) {
		found, err := c.search(ctx, some)
		if err != nil {
			return nil, err
		}
		vms = append(vms, found...)
	}
	return vms, nil
}

// states asks Resource Graph in which power state the VMs of these resource groups are, by their ids in lower case.
func (c *Client) states(ctx context.Context, groups map[string]string) (map[string]string, error) {
	var names []string
	for group, unlisted := range groups {
		if unlisted == "" {
			names = append(names, observed.LastSegment(group))
		}
	}
	states := map[string]string{}
	if len(names) == 0 {
		return states, nil
	}
	type state struct{ ID, Power string } // all that is asked for: there may be thousands
	err := ask(ctx, c, query("resourceGroup =~ '%s'", names, "power = tostring(properties.extended.instanceView.powerState.code)"),
		"cannot read which Azure VMs run", "the resource groups of the failovers", func(s state) { states[strings.ToLower(s.ID)] = power(s.Power) })
	return states, err
}

// found is a VM as Resource Graph shows it: its properties are those of Compute, and more.
type found struct {
	armcompute.VirtualMachine

	state string
}

func (r *found) UnmarshalJSON(data []byte) error {
	var more struct {
		Properties struct {
			Extended struct {
				InstanceView struct {
					PowerState struct{ Code string }
				}
			}
		}
	}
	if err := json.Unmarshal(data, &more); err != nil {
		return err
	}
	r.state = more.Properties.Extended.InstanceView.PowerState.Code
	return r.VirtualMachine.UnmarshalJSON(data)
}

func power(code string) string {
	state, ok := powerOf(code)
	if !ok {
		return ""
	}
	return state
}

// ask hands all rows of a query to each. What says what cannot be done, and where the identity lacks the role.
func ask[Row any](ctx context.Context, c *Client, query, what, where string, each func(Row)) error {
	request := armresourcegraph.QueryRequest{
		Query:   to.Ptr(query),
		Options: &armresourcegraph.QueryRequestOptions{ResultFormat: to.Ptr(armresourcegraph.ResultFormatObjectArray)},
	}
	for {
		answer, err := c.graph.Resources(ctx, request, nil)
		if err != nil {
			return c.fault(what, err, where)
		}
		rows, err := rowsOf[Row](answer.Data)
		if err != nil {
			return c.vault.Fault(what, err)
		}
		for _, row := range rows {
			each(row)
		}
		if answer.SkipToken == nil || *answer.SkipToken == "" {
			return nil
		}
		request.Options.SkipToken = answer.SkipToken
	}
}

// query is in Resource Graph's language, ordered by id, as paging demands (Microsoft Learn, "Working with large Azure
// resource data sets"): of these VMs their ids, their names and one column more. A name stands in it as a string literal: what Azure allows in names needs no escaping, but they
// come from a vault.
func query(condition string, names []string, column string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	var conditions []string
	for _, name := range slices.Compact(names) {
		conditions = append(conditions, fmt.Sprintf(condition, literal.Replace(name)))
	}
	return "resources | where type =~ 'microsoft.compute/virtualmachines' | where " + strings.Join(conditions, " or ") +
		" | project id, name, " + column + " | order by id asc"
}

var literal = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// rowsOf decodes an answer.
func rowsOf[Row any](data any) (rows []Row, err error) {
	raw, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(raw, &rows)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is not a list of VMs: %w", err)
	}
	return rows, nil
}
