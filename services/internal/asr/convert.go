package asr

import (
	"math"
	"strconv"
	"strings"
	"time"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// Conversions never fail: what the service leaves out is the zero value. Any pointer of the SDK may be nil.

func job(j *sr.Job) observed.Job {
	p := val(j.Properties)
	out := observed.Job{
		ID: observed.LastSegment(val(j.ID)), Scenario: val(p.ScenarioName), FriendlyName: val(p.FriendlyName),
		State: val(p.State), StateText: val(p.StateDescription),
		Target: val(p.TargetObjectID), TargetName: val(p.TargetObjectName),
		Start: when(p.StartTime), End: when(p.EndTime), Actions: texts(p.AllowedActions),
	}
	if out.ID == "" {
		out.ID = val(j.Name)
	}
	if details, ok := p.CustomDetails.(*sr.SwitchProtectionJobDetails); ok {
		out.NewItemID = val(details.NewReplicationProtectedItemID)
	}
	for _, t := range p.Tasks {
		if t != nil {
			out.Tasks = append(out.Tasks, observed.Task{ID: val(t.TaskID), Name: first(val(t.FriendlyName), val(t.Name)),
				State: val(t.State), StateText: val(t.StateDescription), Start: when(t.StartTime), End: when(t.EndTime)})
		}
	}
	out.Errors = jobProblems(p.Errors, p.Tasks, nil)
	if out.State == "InProgress" || out.State == "Succeeded" {
		for i := range out.Errors {
			out.Errors[i].Severity = "Warning" // seen in recordings: such an operation goes on
		}
	}
	return out
}

// jobProblems gathers the errors of a job and of its tasks at any depth, each once: a job repeats the errors
// of its tasks.
func jobProblems(errors []*sr.JobErrorDetails, tasks []*sr.ASRTask, found []observed.Problem) []observed.Problem {
	add := func(p observed.Problem) {
		for _, f := range found {
			if f.Code == p.Code && f.Message == p.Message {
				return
			}
		}
		if p.Code != "" || p.Message != "" {
			p.Class, p.Remedy = Explain(p.Code, p.Message)
			p.Remedy = first(p.Remedy, p.Action)
			found = append(found, p)
		}
	}
	for _, e := range errors {
		if e == nil {
			continue
		}
		s := val(e.ServiceErrorDetails)
		add(observed.Problem{Code: val(s.Code), Message: shown(s.Message), Causes: shown(s.PossibleCauses),
			Action: shown(s.RecommendedAction), Severity: val(e.ErrorLevel)})
		if p := e.ProviderErrorDetails; p != nil {
			code := val(p.ErrorID)
			if p.ErrorCode != nil {
				code = strconv.Itoa(int(*p.ErrorCode))
			}
			add(observed.Problem{Code: code, Message: shown(p.ErrorMessage), Causes: shown(p.PossibleCauses),
				Action: shown(p.RecommendedAction), Severity: val(e.ErrorLevel)})
		}
	}
	for _, t := range tasks {
		if t == nil {
			continue
		}
		var children []*sr.ASRTask
		if t.GroupTaskCustomDetails != nil {
			children = t.GroupTaskCustomDetails.GetGroupTaskDetails().ChildTasks
		}
		found = jobProblems(t.Errors, children, found)
	}
	return found
}

func problems(errors ...*sr.HealthError) []observed.Problem {
	var out []observed.Problem
	for _, e := range errors {
		if e == nil {
			continue
		}
		out = append(out, observed.Problem{ID: val(e.ErrorID), Code: first(val(e.ErrorCode), val(e.ErrorID)), Message: first(shown(e.ErrorMessage), shown(e.SummaryMessage)),
			Causes: shown(e.PossibleCauses), Action: shown(e.RecommendedAction), Severity: val(e.ErrorLevel)})
		for _, inner := range e.InnerHealthErrors { // what is behind it
			if inner != nil {
				out = append(out, observed.Problem{Code: first(val(inner.ErrorCode), val(inner.ErrorID)), Message: first(shown(inner.ErrorMessage), shown(inner.SummaryMessage)),
					Causes: shown(inner.PossibleCauses), Action: shown(inner.RecommendedAction), Severity: val(inner.ErrorLevel)})
			}
		}
	}
	return out
}

func recoveryPoint(p *sr.RecoveryPoint) observed.RecoveryPoint {
	properties := val(p.Properties)
	return observed.RecoveryPoint{ID: observed.LastSegment(val(p.ID)), Type: val(properties.RecoveryPointType), At: when(properties.RecoveryPointTime)}
}

func replicationPolicy(p *sr.Policy) observed.Policy {
	properties := val(p.Properties)
	out := observed.Policy{ID: val(p.ID), Name: first(val(properties.FriendlyName), val(p.Name))}
	if properties.ProviderSpecificDetails != nil {
		out.Provider = val(properties.ProviderSpecificDetails.GetPolicyProviderSpecificDetails().InstanceType)
	}
	return out
}

func mapping(m *sr.ProtectionContainerMapping) observed.Mapping {
	p := val(m.Properties)
	return observed.Mapping{ID: val(m.ID), PolicyID: val(p.PolicyID), State: val(p.State),
		FabricID: upTo(val(m.ID), segFabrics), ContainerID: upTo(val(m.ID), segContainers),
		TargetContainerID: val(p.TargetProtectionContainerID)}
}

func vCenter(v *sr.VCenter) observed.RegisteredVCenter {
	p := val(v.Properties)
	return observed.RegisteredVCenter{ID: val(v.ID), Name: first(val(p.FriendlyName), val(v.Name)), Address: val(p.IPAddress),
		Status: val(p.DiscoveryStatus), Heartbeat: when(p.LastHeartbeat), FabricID: upTo(val(v.ID), segFabrics)}
}

// plan lists a plan's members in the order of its groups. Shutdown and failover groups may repeat the members
// of the boot groups: each counts once.
func plan(p *sr.RecoveryPlan) observed.Plan {
	properties := val(p.Properties)
	out := observed.Plan{ID: val(p.ID), Name: first(val(properties.FriendlyName), val(p.Name))}
	seen := map[string]bool{}
	for _, g := range properties.Groups {
		if g == nil {
			continue
		}
		out.Groups = append(out.Groups, planGroup(g))
		for _, member := range g.ReplicationProtectedItems {
			id := val(val(member).ID)
			if id != "" && !seen[strings.ToLower(id)] {
				seen[strings.ToLower(id)] = true
				out.Items = append(out.Items, id)
			}
		}
	}
	return out
}

func planGroup(g *sr.RecoveryPlanGroup) observed.PlanGroup {
	out := observed.PlanGroup{Kind: string(val(g.GroupType)), Before: planActions(g.StartGroupActions), After: planActions(g.EndGroupActions)}
	for _, member := range g.ReplicationProtectedItems {
		if id := val(val(member).ID); id != "" {
			out.Items = append(out.Items, id)
		}
	}
	return out
}

func planActions(actions []*sr.RecoveryPlanAction) (all []observed.PlanAction) {
	for _, a := range actions {
		if a == nil {
			continue
		}
		out := observed.PlanAction{Name: shown(a.ActionName)}
		if a.CustomDetails != nil {
			out.Kind = val(a.CustomDetails.GetRecoveryPlanActionDetails().InstanceType)
		}
		if manual, ok := a.CustomDetails.(*sr.RecoveryPlanManualActionDetails); ok {
			out.What = shown(manual.Description)
		}
		for _, d := range a.FailoverDirections {
			out.Directions = append(out.Directions, string(val(d)))
		}
		all = append(all, out)
	}
	return all
}

// Segments of the ids of Site Recovery's resources.
const (
	segVaults     = "vaults"
	segFabrics    = "replicationFabrics"
	segContainers = "replicationProtectionContainers"
	segItems      = "replicationProtectedItems"
)

// segment returns the name after a segment of an id, in any letter case; "" when there is none.
func segment(id, kind string) string {
	return observed.LastSegment(upTo(id, kind))
}

// upTo cuts an id behind the name that follows a segment; "" when there is none.
func upTo(id, kind string) string {
	parts := strings.Split(id, "/")
	for i := 0; i+1 < len(parts); i++ {
		if strings.EqualFold(parts[i], kind) && parts[i+1] != "" {
			return strings.Join(parts[:i+2], "/")
		}
	}
	return ""
}

func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// shown is text of the service that people will see.
func shown(s *string) string { return scrub(val(s), "") }

func texts(list []*string) []string {
	var out []string
	for _, s := range list {
		if s != nil {
			out = append(out, *s)
		}
	}
	return out
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// when is a time in UTC. The service says "never" as the year 1 or 1753, and leaves the zone out at times, which
// the SDK reads as UTC.
func when(t *time.Time) time.Time {
	if t == nil || t.Year() <= 1753 {
		return time.Time{}
	}
	return t.UTC()
}

// gigabytes reads a size that comes as text; 0 when it is no size.
func gigabytes(s *string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(val(s)), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
		return 0
	}
	return n
}

// family is the operating system family; "" when it is neither Windows nor Linux.
func family(s *string) string {
	if f := strings.ToLower(val(s)); f == observed.Windows || f == observed.Linux {
		return f
	}
	return ""
}
