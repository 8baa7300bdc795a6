package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/facts"
	"reprotect.example/services/waiting"
)

// memory is what following a case keeps between looks. All of it can be lost: a redelivery begins anew and comes
// to the same end.
type memory struct {
	Said  string               `json:"said,omitempty"`  // the progress or wait that was told last
	Moved time.Time            `json:"moved,omitzero"`  // when something changed last
	Still int                  `json:"still,omitempty"` // looks since
	Again map[string]again     `json:"again,omitempty"` // by machine: submitted again after a passing failure
	Items map[string]string    `json:"items,omitempty"` // by machine: the new item that its job named
	Seen  map[string]milestone `json:"seen,omitempty"`  // by machine: where its replication stood at first
}

type again struct {
	Job   string `json:"job"`
	Tries int    `json:"tries"`
}

type milestone struct {
	Percent int       `json:"percent"`
	At      time.Time `json:"at"`
}

const (
	mostTries = 5         // submissions again after a failure that passes
	quiet     = time.Hour // without any movement until the operator is told
)

// Machine states, as in events.MachineState.
const (
	running     = "running"
	replicating = "replicating"
	protected   = "protected"
	failed      = "failed"
)

// started follows the jobs of a case, and then its machines, until all have come to rest.
func (x executor) started(ctx context.Context, e bus.Event[events.Started]) (bus.Result, error) {
	site, err := x.site(e.Site)
	if err != nil {
		return bus.Result{}, err
	}
	f := &follower{site: site, e: e, now: x.now(), memory: waiting.State[memory](e.Wait)}
	if f.memory.Moved.IsZero() {
		f.memory.Moved = e.Time
	}
	f.vault, err = site.Vault.Vault(ctx, site.Look)
	if err != nil {
		return f.surroundings(err)
	}
	standings := make([]standing, len(e.Data.Jobs))
	for i, job := range e.Data.Jobs {
		if standings[i], err = f.stand(ctx, e.Data.Case.Machines[i], job); err != nil {
			return f.surroundings(err)
		}
	}
	if slices.ContainsFunc(standings, func(s standing) bool { return !s.rests() }) {
		return f.goOn(standings), nil
	}
	return bus.Result{Publish: []bus.Draft{end(e.Data.Case, standings)}}, nil
}

type follower struct {
	site   Site
	e      bus.Event[events.Started]
	now    time.Time
	vault  facts.Vault
	memory memory
}

// standing is where one machine stands.
type standing struct {
	events.MachineProgress
	job    string
	item   string
	code   string
	why    string
	remedy string
	words  string
}

func (s standing) rests() bool { return s.State == protected || s.State == failed }

func (f *follower) surroundings(err error) (bus.Result, error) {
	r, err := waiting.Surroundings(err, f.e.Header, f.e.Data.Case.Names(), bus.Wait{Note: f.memory.Said, Looks: f.memory.Still}, f.now, f.site.Look)
	f.memory.Said = r.Note
	f.memory.Still++
	r.Note = waiting.Note(f.memory)
	return r, err
}

// stand says where a machine stands now: its item is the truth, its job explains.
func (f *follower) stand(ctx context.Context, m events.Machine, job events.Job) (standing, error) {
	s := standing{MachineProgress: events.MachineProgress{Machine: m.Name}, job: job.Job}
	if job.Refused != nil {
		s.State, s.code, s.why, s.remedy = failed, job.Refused.Code, job.Refused.Message, job.Refused.Remedy
		return s, nil
	}
	if retried, ok := f.memory.Again[m.Name]; ok {
		s.job = retried.Job
	}
	item, ok := f.item(m)
	s.item = item.ID
	switch {
	case ok && item.Protected():
		s.State, s.Percent, s.Task = protected, 100, item.StateText
		return s, nil
	case ok && item.ReversedOnce():
		f.replicates(&s, item)
		return s, nil
	case s.job == "" && f.vault.Taken.Before(f.e.Time.Add(f.site.Look)):
		s.State, s.Percent, s.Task = running, jobShare, "waiting for a look at what it became"
		return s, nil
	case s.job == "":
		s.State, s.code = failed, "machine.gone"
		s.why = fmt.Sprintf("%s replicated back when the case began, and its item is not in the vault any more", m.Name)
		s.remedy = "Look in the vault what became of it, then send the request again."
		return s, nil
	}

	summary, listed := f.vault.Job(s.job)
	if listed && !summary.Done() && summary.State != "Suspended" {
		f.runs(&s, summary)
		return s, nil
	}
	full, err := f.site.Vault.Job(ctx, s.job) // read in full once it has changed, never while it runs
	if err != nil {
		return s, err
	}
	switch full.State {
	case "Succeeded":
		if full.NewItemID != "" {
			remember(&f.memory.Items, m.Name, full.NewItemID)
		}
		f.runs(&s, full) // its item shows at one of the next looks
	case "Failed":
		return f.jobFailed(ctx, m, s, full)
	case "Cancelled":
		s.State, s.code = failed, "job.cancelled"
		s.why = fmt.Sprintf("Somebody cancelled Site Recovery job %s of %s", s.job, m.Name)
		s.remedy = "If the machine is still to come home, send the request again."
	case "Suspended":
		f.runs(&s, full)
		s.Task = "suspended in Site Recovery: look at the job in the portal"
	default:
		f.runs(&s, full)
	}
	return s, nil
}

// item finds what the machine is now: the item it was, or the new one of the classic path.
func (f *follower) item(m events.Machine) (facts.Item, bool) {
	if id := f.memory.Items[m.Name]; id != "" {
		if item, ok := f.vault.Item(id); ok {
			return item, true
		}
	}
	if item, ok := f.vault.Item(m.Item); ok {
		return item, true
	}
	return f.vault.Became(m.Name)
}

// Of a machine's way the job is taken as a third, the replication as the rest.
const jobShare = 30

func (f *follower) runs(s *standing, job facts.Job) {
	s.State, s.Percent, s.Task = running, jobShare/3, job.FriendlyName
	if job.State == "Succeeded" {
		s.Percent, s.Task = jobShare, "waiting for the initial replication to begin"
	}
	if f.now.After(f.e.Time.Add(f.site.JobWait)) {
		s.State, s.code = failed, "job.timeout"
		s.why = fmt.Sprintf("Site Recovery job %s of %s has not come to an end within %s. It is left running", s.job, s.Machine, f.site.JobWait)
		s.remedy = "Look at the job in the portal. When it has ended, send the request again: a machine that is protected by then is found to be so."
	}
}

func (f *follower) replicates(s *standing, item facts.Item) {
	s.State, s.Percent, s.Task = replicating, jobShare, item.StateText
	s.Bytes = item.Replication.ProcessedBytes
	if item.Replication.Percent == nil {
		return
	}
	percent := min(max(*item.Replication.Percent, 0), 100)
	s.Replication = &percent
	s.Percent = jobShare + (99-jobShare)*percent/100
	first, ok := f.memory.Seen[s.Machine]
	if !ok {
		remember(&f.memory.Seen, s.Machine, milestone{percent, f.now})
		return
	}
	// An estimate needs a basis: some percent made before our eyes.
	if made := percent - first.Percent; made >= 5 {
		perPercent := f.now.Sub(first.At) / time.Duration(made)
		s.ETA = f.now.Add(time.Duration(100-percent) * perPercent).UTC().Truncate(time.Second)
	}
}

// jobFailed says what a failed job means: a failure that passes is submitted again, a few times.
func (f *follower) jobFailed(ctx context.Context, m events.Machine, s standing, job facts.Job) (standing, error) {
	cause := facts.Problem{Code: "job.failed", Class: facts.Operator, Message: job.StateText}
	for _, p := range job.Errors {
		if p.Severity != "Warning" {
			cause = p
			break
		}
	}
	if noAgent := strings.Contains(strings.ToLower(cause.Message), "agent is not installed"); noAgent {
		cause.Code, cause.Class = codeNoAgent, facts.Temporary
	}
	tries := f.memory.Again[m.Name].Tries
	inTime := cause.Code != codeNoAgent && tries < mostTries || cause.Code == codeNoAgent && f.now.Before(f.e.Time.Add(f.site.AgentWait))
	if cause.Class == facts.Temporary && inTime {
		return f.again(ctx, m, s, cause, tries)
	}
	s.State, s.code, s.words, s.remedy = failed, first(cause.Code, "job.failed"), cause.Message, cause.Remedy
	s.why = fmt.Sprintf("Site Recovery job %s of %s failed", s.job, m.Name)
	if s.remedy == "" {
		s.remedy = "Look at the job in the portal, mend the cause, then send the request again. The machine still runs in Azure."
	}
	return s, nil
}

// again submits a machine anew, after a fresh look: a job that somebody else started meanwhile is adopted.
func (f *follower) again(ctx context.Context, m events.Machine, s standing, cause facts.Problem, tries int) (standing, error) {
	item, err := f.site.Vault.Item(ctx, m.Item)
	if err != nil {
		return s, err
	}
	s.State, s.Percent, s.Task = running, jobShare/3, "to be submitted again: "+cause.Message
	if cause.Code == codeNoAgent && item.AgentRegistered != nil && !*item.AgentRegistered {
		return s, nil // no use before the agent is there
	}
	switch mv := decide(m, item, true, facts.Vault{}, f.e.Time); mv.kind {
	case adopt:
		remember(&f.memory.Again, m.Name, again{mv.job, tries})
	case submit:
		r, problem := submission(m, item, f.vault)
		if problem != nil {
			s.State, s.code, s.why, s.remedy = failed, problem.Code, problem.Message, problem.Remedy
			return s, nil
		}
		job, err := f.site.Vault.Reprotect(ctx, r)
		if err != nil {
			return s, err
		}
		s.job = job
		remember(&f.memory.Again, m.Name, again{job, tries + 1})
	}
	return s, nil
}

// goOn tells what moved, and waits: shortly while a job is due, longer and longer while data only flows, shortly
// again when something moved.
func (f *follower) goOn(standings []standing) bus.Result {
	progress := events.Progressed{}
	jobsDue := false
	for _, s := range standings {
		progress.Percent += s.Percent
		progress.Machines = append(progress.Machines, s.MachineProgress)
		jobsDue = jobsDue || s.State == running
	}
	progress.Percent /= len(standings)

	if said := digest(standings); said != f.memory.Said {
		f.memory.Said, f.memory.Moved, f.memory.Still = said, f.now, 0
		return bus.Result{
			Publish: []bus.Draft{bus.Fact(events.TypeProgressed, "", progress)},
			After:   waiting.Pause(f.site.Look, 0), Note: waiting.Note(f.memory),
		}
	}
	f.memory.Still++
	pause := waiting.Pause(f.site.Look, f.memory.Still)
	if jobsDue {
		pause = waiting.Pause(f.site.Look, 0)
	}
	result := bus.Result{After: pause, Note: waiting.Note(f.memory)}
	if silent := f.now.Sub(f.memory.Moved); silent > quiet {
		f.memory.Moved = f.now // told again after another such time
		result.Note = waiting.Note(f.memory)
		result.Publish = []bus.Draft{bus.Fact(events.TypeWaiting, "", events.Waiting{
			For: waiting.ForReplication, Machines: f.e.Data.Case.Names(), Since: f.now.Add(-silent).UTC(), NextLook: f.now.Add(pause).UTC(),
			Message: fmt.Sprintf("Nothing has moved for %s", silent.Round(time.Minute)),
			Remedy:  "Look in the portal whether data still flows: bandwidth of VPN or ExpressRoute, health of the process server or appliance.",
		})}
	}
	return result
}

// digest changes when something worth telling does: bytes and estimates do not count by themselves.
func digest(standings []standing) string {
	var b strings.Builder
	for _, s := range standings {
		fmt.Fprintf(&b, "%s %s %d %s;", s.Machine, s.State, s.Percent, s.Task)
	}
	return b.String()
}

// end is the outcome of a case whose machines have all come to rest.
func end(c events.Case, standings []standing) bus.Draft {
	var bad []standing
	var states []events.MachineState
	var good []events.ProtectedState
	for i, s := range standings {
		state := events.MachineState{Machine: s.Machine, State: s.State, Job: s.job, Code: s.code, Message: s.why}
		states = append(states, state)
		if s.State == failed {
			bad = append(bad, s)
			continue
		}
		good = append(good, events.ProtectedState{Machine: s.Machine, Item: s.item, Location: c.Machines[i].Location})
	}
	if bad == nil {
		return bus.Fact(events.TypeCompleted, "", events.Completed{Case: c, Machines: good})
	}
	f := events.Failed{Case: &c, Code: bad[0].code, Message: bad[0].why, Words: bad[0].words, Remedy: bad[0].remedy, Machines: states}
	if len(standings) > 1 {
		f.Message = fmt.Sprintf("%d of %d machines are protected, %d failed. %s", len(good), len(standings), len(bad), bad[0].why)
	}
	return bus.Fact(events.TypeFailed, events.StepReplication, f)
}

func remember[T any](m *map[string]T, key string, value T) {
	if *m == nil {
		*m = map[string]T{}
	}
	(*m)[key] = value
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
