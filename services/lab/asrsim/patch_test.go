package asrsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const graphPath = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"

func graphBody(query string) string {
	return fmt.Sprintf(`{"query": %q, "options": {"resultFormat": "objectArray"}}`, query)
}

const vmsNamed = "resources | where type =~ 'microsoft.compute/virtualmachines' | where %s | project id, name, properties | order by id asc"

func TestResourceGraph(t *testing.T) {
	t.Parallel()
	l := standard(t)
	rows := func(condition string) []string {
		t.Helper()
		resp, body := l.send("POST", graphPath, graphBody(fmt.Sprintf(vmsNamed, condition)), http.Header{"Content-Type": {"application/json"}})
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %v", resp.Status, body)
		}
		var ids []string
		for _, row := range body["data"].([]any) {
			ids = append(ids, row.(map[string]any)["id"].(string))
		}
		if int(body["count"].(float64)) != len(ids) || body["resultTruncated"] != "false" {
			t.Errorf("%v", body)
		}
		return ids
	}
	if got := rows("name startswith 'WEB' or name startswith 'db01'"); len(got) != 2 {
		t.Errorf("%v", got)
	}
	l.mustDo("set-azure-vm web01 moved")
	if got := rows("name startswith 'web01'"); len(got) != 1 || !strings.Contains(got[0], l.sc.ResourceGroup+"-moved/") {
		t.Errorf("moved: %v", got)
	}
	l.mustDo("set-azure-vm web01 deleted")
	if got := rows("name startswith 'web01'"); len(got) != 0 {
		t.Errorf("deleted: %v", got)
	}
	l.mustDo("hide-azure-vms on")
	if got := rows("name startswith 'db01'"); len(got) != 0 {
		t.Errorf("without permission: %v", got)
	}
	list := "/subscriptions/" + l.sc.Subscription + "/resourceGroups/" + l.sc.ResourceGroup + "/providers/Microsoft.Compute/virtualMachines?api-version=2024-11-01"
	if resp, _ := l.send("GET", list, "", nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("list without permission: %s", resp.Status)
	}
	l.mustDo("hide-azure-vms off")
	if got := rows("name startswith 'db01'"); len(got) != 1 {
		t.Errorf("with permission again: %v", got)
	}
	for _, query := range []string{"resources", fmt.Sprintf(vmsNamed, "name contains 'web'"), "resources | take 5"} {
		if resp, _ := l.send("POST", graphPath, graphBody(query), nil); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
}

func TestShownValues(t *testing.T) {
	t.Parallel()
	l := standard(t)
	l.mustDo("set-item web01 protectionState Protected")
	l.mustDo("set-item web01 providerSpecificDetails.osType none")
	l.mustDo("set-item web01 providerSpecificDetails.protectedDisks [{},{}]")
	p := l.get(*l.item("web01").ID + "?api-version=2025-01-01")["properties"].(map[string]any)
	details := p["providerSpecificDetails"].(map[string]any)
	if _, has := details["osType"]; has || p["protectionState"] != "Protected" || len(details["protectedDisks"].([]any)) != 2 {
		t.Errorf("%v", p)
	}
	l.mustDo("set-server CS-01 ipAddress 10.9.9.9")
	l.mustDo("set-server MT-WIN-01 diskCount 7")
	l.mustDo("set-server asr-appl-01 health none")
	if d := l.classicFabric(); *d.IPAddress != "10.9.9.9" || *d.MasterTargetServers[0].DiskCount != 7 {
		t.Errorf("%v", d)
	}
	if l.appliance().Health != nil {
		t.Errorf("health %v", *l.appliance().Health)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	l := standard(t)
	status := func(path string) int {
		resp, _ := l.send("GET", l.path(path), "", nil)
		return resp.StatusCode
	}
	l.mustDo("refuse-requests policies")
	if refused, other := status("replicationPolicies"), status("replicationFabrics"); refused != http.StatusForbidden || other != http.StatusOK {
		t.Errorf("%d, and another %d", refused, other)
	}
	l.mustDo("allow-requests policies")
	if got := status("replicationPolicies"); got != http.StatusOK {
		t.Errorf("allowed again: %d", got)
	}
	before := len(l.fabrics())
	l.mustDo("unregister-server CS-01")
	if got := len(l.fabrics()); got != before-1 {
		t.Errorf("%d fabrics of %d", got, before)
	}
	l.mustDo("register-server CS-01")
	mappings := func() int { return len(l.get(l.path("replicationProtectionContainerMappings"))["value"].([]any)) }
	all := mappings()
	l.mustDo("dissociate-policy CS-01")
	if len(l.fabrics()) != before || mappings() != all-1 {
		t.Errorf("%d fabrics of %d, %d mappings of %d", len(l.fabrics()), before, mappings(), all)
	}
	l.mustDo("associate-policy CS-01")
	if mappings() != all {
		t.Errorf("associated again: %d mappings of %d", mappings(), all)
	}
}
