package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/admission"
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// memory is what following a case keeps between looks. All of it can be lost: a redelivery begins anew and comes
// to the same end.
type memory struct {
	Said   string                  `json:"said,omitempty"`   // the progress that was told last
	Outage waiting.Told            `json:"outage,omitzero"`  // the surroundings that could not be read at the last look
	Told   map[string]waiting.Told `json:"told,omitempty"`   // the waits that were told last, each by what it is for and its code
	Moved  time.Time               `json:"moved,omitzero"`   // when something changed last
	Still  int                     `json:"still,omitempty"`  // looks since
	Quiet  time.Time               `json:"quiet,omitzero"`   // when it was told last that nothing moves
	Again  map[string]again        `json:"again,omitempty"`  // by machine: its job failed, and it is or was to be submitted again
	Ended  map[string]string       `json:"ended,omitempty"`  // by machine: its job that succeeded, once it was read in full
	Items  map[string]string       `json:"items,omitempty"`  // by machine: the new item that its job named
	Seen   map[string]milestone    `json:"seen,omitempty"`   // by machine: where its replication stood at first
	Since  map[string]time.Time    `json:"since,omitempty"`  // by machine: when it was seen protected first
	Cancel map[string]time.Time    `json:"cancel,omitempty"` // by machine: when the end of its job was asked for
	Unread map[string]time.Time    `json:"unread,omitempty"` // by machine: since when its job cannot be read
	Unsure bool                    `json:"unsure,omitempty"` // a submission may have arrived unseen: only a fresh look shows it
	Bytes  map[string]int64        `json:"bytes,omitempty"`  // by machine: replicated so far
	Danger map[string]string       `json:"danger,omitempty"` // by machine, "" for all: code of the last violation that the guard told
}

// milestone is where a replication stood at a time.
type milestone struct {
	Percent int       `json:"percent"`
	Bytes   int64     `json:"bytes,omitempty"`
	At      time.Time `json:"at"`
}

// quiet is how long nothing may move until the operator is told.
const quiet = time.Hour

// Machine states, as in events.MachineState.
const (
	notYet      = "not-started"
	running     = "running"
	replicating = "replicating"
	protected   = "protected"
	failed      = "failed"
	cancelled   = "cancelled"
)

// started follows the jobs of a case, and then its machines, until all have come to rest.
func (x executor) started(ctx context.Context, e workflow.Event[events.Started], before memory) (workflow.Result[memory], error) {
	site, queue, err := x.site(e.Site)
	if err != nil {
		return workflow.Result[memory]{}, err
	}
	f := &follower{site: site, queue: queue, e: e, now: x.now(), memory: before}
	if f.memory.Outage == (waiting.Told{}) { // until 2026 it stood in Said
		f.memory.Outage = waiting.FromText(f.memory.Said)
	}
	if f.memory.Moved.IsZero() {
		f.memory.Moved = e.Time
	}
	cancelling, found, err := workflow.Mark(ctx, e, events.TypeCancelling)
	if err != nil {
		return workflow.Result[memory]{}, err
	}
	if found {
		f.cancelling = &cancelling.Data
	}
	if err := f.dangers(ctx); err != nil {
		return workflow.Result[memory]{}, err
	}
	age := queue.MaxAge(site.Look)
	if f.memory.Unsure {
		age = 0
	}
	f.vault, err = site.look(ctx, age)
	if err != nil {
		return f.surroundings(err)
	}
	f.memory.Unsure = false
	standings := make([]standing, len(e.Data.Jobs))
	for i, job := range e.Data.Jobs {
		if standings[i], err = f.stand(ctx, e.Data.Case.Machines[i], job); err != nil {
			return f.surroundings(err)
		}
	}
	if slices.ContainsFunc(standings, func(s standing) bool { return !f.rests(s) }) {
		return f.goOn(standings), nil
	}
	for _, s := range standings {
		queue.Leave(e.Case + "/" + s.Machine)
	}
	return workflow.Result[memory]{Publish: []workflow.Draft{f.end(standings)}}, nil
}

// dangers remembers what the guard told last.
func (f *follower) dangers(ctx context.Context) error {
	violated, found, err := workflow.Mark(ctx, f.e, events.TypeViolated)
	if found {
		remember(&f.memory.Danger, violated.Data.Machine, violated.Data.Code)
	}
	return err
}

type follower struct {
	site       Site
	queue      *admission.Queue
	e          workflow.Event[events.Started]
	now        time.Time
	vault      observed.Vault
	memory     memory
	cancelling *events.Cancelling // nil: nobody asked for the end
	warnings   []events.Problem   // what jobs carried that succeeded all the same
}

// standing is where one machine stands.
type standing struct {
	events.MachineProgress
	item  string
	lag   *int
	words string
	waits *events.Waiting // it stands still until something passes or somebody mends it
}

// rests says whether nothing more is to be awaited of a machine. A replication goes on in Azure even when the case is
// cancelled, so it is followed to its end.
func (f *follower) rests(s standing) bool {
	return s.State == protected || s.State == failed || s.State == cancelled
}

func (f *follower) surroundings(err error) (workflow.Result[memory], error) {
	r, err := waiting.Surroundings(err, f.e.Data.Case.Names(), f.memory.Outage, f.memory.Still, f.now, f.site.Look)
	f.memory.Outage, f.memory.Said = r.State, "" // progress is told anew when all can be read again
	f.memory.Still++
	return workflow.Keep(r, f.memory), err
}

// stand says where a machine stands now: its item is the truth, its job explains.
func (f *follower) stand(ctx context.Context, m events.Machine, job events.Job) (standing, error) {
	s := standing{MachineProgress: events.MachineProgress{Machine: m.Name, Job: job.Job}}
	if job.Refused != nil && !job.Again {
		s.State, s.Code, s.Message, s.Remedy = failed, job.Refused.Code, job.Refused.Message, job.Refused.Remedy
		if s.Code == codeCancelled {
			s.State = cancelled
		}
		return s, nil
	}
	retried, tried := f.memory.Again[m.Name]
	if tried && retried.Job != "" {
		s.Job = retried.Job
	}
	item, ok := f.item(m)
	s.item, s.lag = item.ID, item.Replication.LagSeconds
	switch {
	case ok && (item.Protected() || item.Home()): // who is home was protected before
		s.State, s.Percent, s.Task = protected, 100, item.StateText
		if f.memory.Since[m.Name].IsZero() {
			remember(&f.memory.Since, m.Name, f.vault.Taken.UTC())
		}
		s.Since = f.memory.Since[m.Name]
		return s, nil
	case ok && item.ReversedOnce():
		f.replicates(&s, item)
		return s, nil
	case tried && retried.Job == "":
		return f.toBeTried(ctx, m, s, retried)
	case !tried && job.Again:
		return f.toBeTried(ctx, m, s, f.refused(m, *job.Refused))
	case s.Job == "" && f.vault.Taken.Before(f.e.Time.Add(f.site.Look)):
		s.State, s.Percent, s.Task = running, jobShare, "waiting for a look at what it became"
		return s, nil
	case s.Job == "":
		s.State, s.Code = failed, "machine.gone"
		s.Message = fmt.Sprintf("%s replicated back when the case began, and its item is not in the vault any more", m.Name)
		s.Remedy = "Look in the vault what became of it, then send the request again."
		return s, nil
	}
	return f.standByJob(ctx, m, s, item)
}

// refused is what is known of a machine that Azure refused when others of its case had begun. It is tried once more at
// least, however long ago that was.
func (f *follower) refused(m events.Machine, because events.Problem) again {
	cause := observed.Problem{Code: because.Code, Class: observed.Operator, Message: because.Message, Remedy: because.Remedy}
	if row, ok := faults.Recognize(faults.Azure, because.Code, because.Message); ok {
		cause.Class = row.Class
	}
	a := again{Refused: true}
	a.fails(cause, f.e.Time)
	a.Next = f.e.Time.Add(f.site.Look)
	if cause.Class == observed.Operator {
		a.Next = f.e.Time.Add(operatorPause(f.site.Look, 0))
	}
	remember(&f.memory.Again, m.Name, a)
	return a
}

// standByJob says what a job means for its machine.
func (f *follower) standByJob(ctx context.Context, m events.Machine, s standing, item observed.Item) (standing, error) {
	summary, listed := f.vault.Job(s.Job)
	if listed && !summary.Done() && summary.State != "Suspended" {
		f.queue.Occupied(f.e.Case, needs(m, item, f.vault), s.Job, f.vault)
		f.runs(&s, summary)
		return f.cancelJob(ctx, m, s)
	}
	if ours, at := f.queue.Job(m.Item); !listed && ours == s.Job && !f.vault.Began.After(at) { // younger than the look
		f.runs(&s, observed.Job{FriendlyName: "Reprotect"})
		return f.cancelJob(ctx, m, s)
	}
	if f.memory.Ended[m.Name] == s.Job { // its item shows at one of the next looks
		f.runs(&s, observed.Job{State: "Succeeded"})
		return s, nil
	}
	full, err := f.site.Vault.Job(ctx, s.Job) // read in full once it has changed, never while it runs
	if err != nil {
		return f.jobUnread(ctx, m, s, err)
	}
	delete(f.memory.Unread, m.Name)
	switch full.State {
	case "Succeeded":
		remember(&f.memory.Ended, m.Name, s.Job)
		if full.NewItemID != "" {
			remember(&f.memory.Items, m.Name, full.NewItemID)
		}
		for _, p := range full.Errors {
			f.warnings = append(f.warnings, events.Problem{Code: first(p.Code, "job.warning"), Place: m.Name, Message: first(p.Message, "It carries "+p.Code), Remedy: p.Remedy})
		}
		f.runs(&s, full)
	case "Failed":
		return f.jobFailed(ctx, m, s, full)
	case "Cancelled":
		s.State, s.Code = failed, "job.cancelled"
		s.Message = fmt.Sprintf("Somebody cancelled Site Recovery job %s of %s", s.Job, m.Name)
		s.Remedy = "If the machine is still to come home, retry the case."
		if f.cancelling != nil {
			s.State, s.Message, s.Remedy = cancelled, fmt.Sprintf("Site Recovery job %s of %s was cancelled; the machine still runs in Azure", s.Job, m.Name), ""
		}
	case "Suspended":
		f.runs(&s, full)
		s.Task = "suspended in Site Recovery: look at the job in the portal"
		return f.cancelJob(ctx, m, s)
	default:
		f.runs(&s, full)
		return f.cancelJob(ctx, m, s)
	}
	return s, nil
}

// item finds what the machine is now: the item it was, or the new one of the classic path.
func (f *follower) item(m events.Machine) (observed.Item, bool) {
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

func (f *follower) runs(s *standing, job observed.Job) {
	s.State, s.Percent, s.Task = running, jobShare/3, job.FriendlyName
	switch succeeded := job.State == "Succeeded"; {
	case succeeded && f.late():
		s.State, s.Code = failed, "replication.timeout"
		s.Message = fmt.Sprintf("Site Recovery job %s of %s has succeeded, but %s after the start of the case the machine is not seen to replicate back", s.Job, s.Machine, f.site.JobWait)
		s.Remedy = "Look in the portal where the machine stands. If it still runs in Azure and nothing replicates, retry the case."
	case succeeded:
		s.Percent, s.Task = jobShare, "waiting for the initial replication to begin"
	case f.late() && f.now.After(job.Start.Add(f.site.JobWait)): // one that was submitted again has its own time
		s.State, s.Code = failed, "job.timeout"
		s.Message = fmt.Sprintf("Site Recovery job %s of %s has not come to an end within %s. It is left running", s.Job, s.Machine, f.site.JobWait)
		s.Remedy = "Look at the job in the portal. When it has ended, retry the case: a machine that is protected by then is found to be so."
	}
}

// late says whether the bound has passed that a case has for becoming protected.
func (f *follower) late() bool { return f.now.After(f.e.Time.Add(f.site.JobWait)) }

func (f *follower) replicates(s *standing, item observed.Item) {
	s.State, s.Percent, s.Task = replicating, jobShare, item.StateText
	s.Bytes = item.Replication.ProcessedBytes
	if s.Bytes != f.memory.Bytes[s.Machine] { // it moves, though that is not worth an event
		f.memory.Moved = f.now
		remember(&f.memory.Bytes, s.Machine, s.Bytes)
	}
	if f.late() && f.now.Sub(f.memory.Moved) > quiet {
		s.State, s.Code = failed, "replication.timeout"
		s.Message = fmt.Sprintf("%s is not protected after %s, and nothing has moved for %s. Its replication is left as it is", s.Machine, f.site.JobWait, quiet)
		s.Remedy = "Look in the portal at the health of the replication. When it moves again, retry the case."
		return
	}
	if item.Replication.Percent == nil {
		return
	}
	percent := min(max(*item.Replication.Percent, 0), 100)
	s.Replication = &percent
	s.Percent = jobShare + (99-jobShare)*percent/100
	first, ok := f.memory.Seen[s.Machine]
	if !ok {
		remember(&f.memory.Seen, s.Machine, milestone{percent, s.Bytes, f.now})
		return
	}
	if took := f.now.Sub(first.At); s.Bytes > first.Bytes && took > 0 {
		s.Rate = int64(float64(s.Bytes-first.Bytes) / took.Seconds())
	}
	// An estimate needs a basis: some percent made before our eyes.
	if made := percent - first.Percent; made >= 5 {
		perPercent := f.now.Sub(first.At) / time.Duration(made)
		s.ETA = f.now.Add(time.Duration(100-percent) * perPercent).UTC().Truncate(time.Second)
	}
}
