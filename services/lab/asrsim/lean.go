package asrsim

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Lists leave out what only the read of the thing itself has (seen in recordings, by provider). Scenario.FullLists
// makes them full.

// empty and null are the fields of an item's providerSpecificDetails that a list leaves out.
var leanItems = map[string]struct {
	empty, null, zero []string
}{
	"InMageRcm":         {empty: []string{"protectedDisks", "vmNics", "agentUpgradeBlockingErrorDetails"}},
	"InMageRcmFailback": {empty: []string{"protectedDisks", "vmNics"}},
	"InMage": {empty: []string{"protectedDisks"},
		null: []string{"masterTargetId", "osDetails", "retentionWindowStart", "retentionWindowEnd", "consistencyPoints", "diskResized"}},
	"InMageAzureV2": {empty: []string{"protectedDisks", "protectedManagedDisks"},
		null: []string{"masterTargetId", "vhdName", "osDiskId", "azureVMDiskDetails", "diskResized"}, zero: []string{"sourceVmCpuCount", "sourceVmRamSizeInMB"}},
}

// components are the parts of a modernized fabric that a list leaves out.
var components = []string{"processServers", "rcmProxies", "pushInstallers", "replicationAgents", "reprotectAgents", "marsAgents", "dras", "agentDetails"}

func (s *Server) listedItem(m *machine, now time.Time) object {
	view := s.itemView(m, now)
	p := view["properties"].(object)
	details, ok := p["providerSpecificDetails"].(object)
	if s.sc.FullLists || !ok {
		return view
	}
	provider, _ := details["instanceType"].(string)
	lean := leanItems[provider]
	for _, key := range lean.empty {
		if _, has := details[key]; has {
			details[key] = []any{}
		}
	}
	for _, key := range lean.null {
		if _, has := details[key]; has {
			details[key] = nil
		}
	}
	for _, key := range lean.zero {
		if _, has := details[key]; has {
			details[key] = 0
		}
	}
	if provider == "InMageAzureV2" {
		p["failoverRecoveryPointId"] = nil
	}
	return view
}

func (s *Server) listedFabric(f *fabric, now time.Time) object {
	view := s.fabricView(f, now)
	if details, ok := view["properties"].(object)["customDetails"].(object); ok && !f.classic && !s.sc.FullLists {
		for _, key := range components {
			details[key] = []any{}
		}
		details["sourceAgentIdentityDetails"] = nil
	}
	return view
}

func (s *Server) listedPlan(i int, now time.Time) object {
	view := s.planView(i, now)
	if !s.sc.FullLists {
		view["properties"].(object)["groups"] = []any{}
	}
	return view
}

var filterForm = regexp.MustCompile(`^\s*(\w+)\s+eq\s+'([^']*)'\s*$`)

// filterValue is what a filter asks of a field; known says whether it is that filter.
func filterValue(filter, field string) (value string, known bool) {
	form := filterForm.FindStringSubmatch(filter)
	if form == nil || !strings.EqualFold(form[1], field) {
		return "", false
	}
	return form[2], true
}

func badFilter(filter string) reply {
	return armError(http.StatusBadRequest, "InvalidFilterInQueryString", fmt.Sprintf("Invalid $filter '%s' specified in the query string.", filter))
}

func (s *Server) inPlan(plan string, m *machine) bool {
	for _, p := range s.sc.Plans {
		if !strings.EqualFold(p.Name, plan) {
			continue
		}
		for _, name := range p.Machines {
			if strings.EqualFold(name, m.spec.Name) {
				return true
			}
		}
	}
	return false
}
