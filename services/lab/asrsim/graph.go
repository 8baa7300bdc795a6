package asrsim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// resourceGraph answers queries of Azure Resource Graph (Microsoft.ResourceGraph/resources) for the Azure VMs,
// wherever they lie. Of its language it knows what finds VMs by the beginnings of their names, or by their resource groups;
// anything else is refused, as a query is that the service cannot parse. Shapes are those of the public documentation.
func (s *Server) resourceGraph(rq *request) reply {
	s.counts["graph"]++
	var body struct {
		Query         string   `json:"query"`
		Subscriptions []string `json:"subscriptions"`
		Options       struct {
			ResultFormat string `json:"resultFormat"`
		} `json:"options"`
	}
	if err := json.Unmarshal(rq.body, &body); err != nil {
		return armError(http.StatusBadRequest, "BadRequest", "Please provide below info when asking for support: the request body is not valid.")
	}
	fits, column, understood := vmQuery(body.Query)
	if !understood || body.Options.ResultFormat != "objectArray" {
		return reply{status: http.StatusBadRequest, body: object{"error": object{
			"code": "BadRequest", "message": "Please provide below info when asking for support: timestamp = " + stamp(rq.now) + ", correlationId = " + rq.id + ".",
			"details": []any{object{"code": "InvalidQuery", "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before retrying."}},
		}}}
	}
	rows := []any{}
	for _, m := range s.machines {
		group := s.sc.ResourceGroup
		if m.azureVM == azureMoved {
			group = s.movedGroup()
		}
		// What the identity may not read is left out, without a word.
		if s.noCompute || !s.azureVMIn(m, group) || !s.inScope(body.Subscriptions) {
			continue
		}
		if view := s.azureVMView(m, group); fits(view["name"].(string), group) {
			power := instanceView(m)["statuses"].([]any)[1].(object)
			row := object{"id": view["id"], "name": view["name"]}
			if column == "properties" {
				view["properties"].(object)["extended"] = object{"instanceView": object{"powerState": power}}
				row["properties"] = view["properties"]
			} else {
				row["power"] = power["code"]
			}
			rows = append(rows, row)
		}
	}
	return ok(object{"totalRecords": len(rows), "count": len(rows), "data": rows, "facets": []any{}, "resultTruncated": "false"})
}

func (s *Server) inScope(subscriptions []string) bool {
	for _, id := range subscriptions {
		if strings.EqualFold(id, s.sc.Subscription) {
			return true
		}
	}
	return len(subscriptions) == 0
}

var (
	vmQueryForm = regexp.MustCompile(`^resources \| where type =~ 'microsoft\.compute/virtualmachines' \| where (.+) \| project id, name, (properties|power = tostring\(properties\.extended\.instanceView\.powerState\.code\)) \| order by id asc$`)
	startsWith  = regexp.MustCompile(`^name startswith '((?:[^'\\]|\\.)*)'$`)
	inGroup     = regexp.MustCompile(`^resourceGroup =~ '((?:[^'\\]|\\.)*)'$`)
	escaped     = regexp.MustCompile(`\\(.)`)
)

// vmQuery says which VMs a query asks for, by the beginnings of their names or by their resource groups, and which column
// of them.
func vmQuery(query string) (fits func(name, group string) bool, column string, understood bool) {
	form := vmQueryForm.FindStringSubmatch(query)
	if form == nil {
		return nil, "", false
	}
	var starts, groups []string
	for _, condition := range strings.Split(form[1], " or ") {
		start, group := startsWith.FindStringSubmatch(condition), inGroup.FindStringSubmatch(condition)
		switch {
		case start != nil:
			starts = append(starts, escaped.ReplaceAllString(start[1], "$1"))
		case group != nil:
			groups = append(groups, escaped.ReplaceAllString(group[1], "$1"))
		default:
			return nil, "", false
		}
	}
	return func(name, group string) bool {
		return slices.ContainsFunc(starts, func(s string) bool { return strings.HasPrefix(strings.ToLower(name), strings.ToLower(s)) }) ||
			slices.ContainsFunc(groups, func(g string) bool { return strings.EqualFold(g, group) })
	}, form[2], true
}
