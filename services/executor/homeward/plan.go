package homeward

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/executor/submission"
	"reprotect.example/services/observed"
	"reprotect.example/services/readiness"
)

// course is a leg as the stage table and the jobs of Site Recovery know it.
type course struct {
	leg       events.Leg
	scenarios []string         // of its job
	to        []observed.Stage // where it leads
	under     []observed.Stage // on the way there, with or without a job
	lost      []observed.Stage // where it has failed for good
	what      string           // for people
}

var courses = map[events.Leg]course{
	events.LegFailback: {
		leg: events.LegFailback, scenarios: []string{observed.PlannedFailoverScenario, observed.UnplannedFailoverScenario}, what: "failback",
		to: []observed.Stage{observed.StageHomeUncommitted, observed.StageHome}, under: []observed.Stage{observed.StageFailingBack},
	},
	events.LegCommit: {
		leg: events.LegCommit, scenarios: []string{observed.CommitScenario, observed.FinalizeFailbackScenario}, what: "commit",
		to: []observed.Stage{observed.StageHome},
	},
	events.LegWithdraw: {
		leg: events.LegWithdraw, scenarios: []string{observed.CancelFailoverScenario}, what: "withdrawal",
		to: []observed.Stage{observed.StageReady, observed.StageFailbackCancelled, observed.StageResynchronizing}, under: []observed.Stage{observed.StageFailingBack},
	},
	events.LegProtect: {
		leg: events.LegProtect, scenarios: []string{observed.ReprotectScenario}, what: "protection to Azure",
		to: []observed.Stage{observed.StageProtected}, under: []observed.Stage{observed.StageInitial}, lost: []observed.Stage{observed.StageReplicationFailed},
	},
}

// move is what is to be done about a machine, or said of it.
type move int

const (
	arrived move = iota + 1 // it is where the leg leads
	going                   // it is on its way there
	hold                    // something else has to end first
	read                    // its job has ended: read it in full
	submit
	await // its job is done, and the item does not show it yet
	fail
	unsure // where it stands is not known
)

// kept is what is kept of a machine between looks. All of it can be lost.
type kept struct {
	Job     string    `json:"job,omitempty"`     // ours
	Ended   string    `json:"ended,omitempty"`   // the job of ours that was read when it had ended
	At      time.Time `json:"at,omitzero"`       // when it was read
	Became  string    `json:"became,omitempty"`  // the item that it made
	Missing int       `json:"missing,omitempty"` // looks in a row that do not show the machine
	Lost    int       `json:"lost,omitempty"`    // readings of the job in a row to which Azure said that there is none
	Failed  *failure  `json:"failed,omitempty"`  // of that job
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Words   string `json:"words,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// way is a machine on a leg, as one look shows it.
type way struct {
	course
	title   string // of the machine, for people
	machine events.Machine
	vault   observed.Vault
	item    observed.Item
	found   bool
	alone   bool // no other machine of the vault has its name
	since   time.Time
	now     time.Time
	look    time.Duration
	jobWait time.Duration
	unseen  bool // what was submitted is younger than the look
	begins  bool // it may be submitted at this step
	kept    kept
}

// step is what plan found, with what there is to say.
type step struct {
	move    move
	job     string
	task    string
	percent *int // of the initial replication
	because failure
	why     events.Reason // of hold, await and unsure
	wrong   events.Problem
	nobody  bool // it needs a person

}

const (
	lostAfter   = 10        // looks for which Site Recovery may not know a job, or a machine, before it counts as lost
	undoneAfter = 20        // looks for which a machine may stand where it stood before, though its job has succeeded
	unseenBound = time.Hour // for the item to show what a job has done, until a person is asked
)

// plan says what is to be done about the machine now. It is a pure function, to be read from top to bottom: the first that
// is so counts.
func (w *way) plan() step {
	i, stage := w.item, w.item.Stage()
	switch {
	case w.unseen:
		return step{move: going, job: w.kept.Job, task: "submitted"}
	case !w.found && w.kept.Missing < lostAfter:
		return step{move: hold, why: events.ForAzure, wrong: w.problem("machine.changing", "The replicated item of %s is not in the vault now", w.title)}
	case !w.found:
		return w.fails("machine.gone", fmt.Sprintf("The replicated item of %s is not in the vault any more", w.title), "Look in the vault what became of it.")
	case i.Unread != "":
		return step{move: unsure, why: events.ForAzure, wrong: w.problem("machine.unread", "The replicated item of %s could not be read: %s", w.title, i.Unread)}
	case i.Busy() && (w.owns(i.Scenario) || i.JobID == w.kept.Job):
		if w.late(i.JobID) {
			return w.fails("job.timeout", fmt.Sprintf("Site Recovery job %s (%s) of %s has not come to an end within %s. It is left running", i.JobID, i.Scenario, w.title, w.jobWait), "Look at the job in the portal.")
		}
		return step{move: going, job: i.JobID, task: cmp.Or(w.taskOf(i.JobID), w.what)}
	case i.Busy():
		return step{move: hold, job: i.JobID, why: events.ForJob, wrong: w.problem("machine.busy", "Site Recovery job %s (%s) holds %s", i.JobID, i.Scenario, w.title)}
	case w.there(stage):
		return step{move: arrived, job: w.kept.Job}
	case slices.Contains(w.lost, stage):
		return w.fails("replication.failed", fmt.Sprintf("The initial replication of %s has failed: %s", w.title, observed.Words(i.HealthErrors)), "Follow what Azure recommends, under Replicated items in the vault.")
	case slices.Contains(w.under, stage):
		return step{move: going, job: w.kept.Job, task: cmp.Or(i.StateText, i.State), percent: i.Replication.Percent}
	}
	return w.atRest(stage)
}

// overFor is how long ago our job has ended, as far as that is known.
func (w *way) overFor(job observed.Job) time.Duration {
	if !job.End.IsZero() {
		return w.now.Sub(job.End)
	}
	return w.now.Sub(w.kept.At)
}

// there says whether the machine is where the leg leads. A protection to Azure commits a failback that is not.
func (w *way) there(stage observed.Stage) bool {
	again := !w.item.ReversedOnce() && (stage == observed.StageProtected || stage == observed.StageInitial)
	return slices.Contains(w.to, stage) || w.leg == events.LegCommit && again
}

// atRest is plan for a machine that nothing moves, and that is not where the leg leads.
func (w *way) atRest(stage observed.Stage) step {
	if w.kept.Job == "" {
		w.kept.Job = w.byName()
	}
	job, listed := w.vault.Job(w.kept.Job)
	switch {
	case w.kept.Job == "":
	case listed && !job.Done():
		if w.late(job.ID) {
			return w.fails("job.timeout", fmt.Sprintf("Site Recovery job %s of %s has not come to an end within %s. It is left running", job.ID, w.title, w.jobWait), "Look at the job in the portal.")
		}
		return step{move: going, job: job.ID, task: cmp.Or(job.FriendlyName, w.what)}
	case w.kept.Failed != nil:
		return step{move: fail, job: w.kept.Job, because: *w.kept.Failed}
	case w.kept.Ended != w.kept.Job:
		return step{move: read, job: w.kept.Job}
	case w.overFor(job) > undoneAfter*w.look && slices.Contains(readiness.From(w.leg), stage):
		return w.fails("machine.undone", fmt.Sprintf("Site Recovery job %s, the %s of %s, has succeeded, and the machine stands where it stood before: somebody has undone it", w.kept.Job, w.what, w.title),
			"Ask who works on this machine in the portal, then retry the case.")
	default:
		return step{
			move: await, job: w.kept.Job, why: events.ForAzure, nobody: w.overFor(job) > unseenBound,
			wrong: w.problem("machine.state-unknown", "Site Recovery job %s of %s has succeeded, and the machine does not show it yet: Site Recovery says %q", w.kept.Job, w.title, w.item.StateText),
		}
	}
	switch {
	case slices.Contains(readiness.From(w.leg), stage) && w.begins:
		return step{move: submit}
	case slices.Contains(readiness.From(w.leg), stage):
		return w.fails("job.unknown", fmt.Sprintf("Site Recovery does not know the job of the %s of %s any more, and the machine stands where it stood before", w.what, w.title), "Look in the vault where the machine stands, then retry the case.")
	case stage == observed.StageUnknown:
		return step{move: unsure, why: events.ForAzure, wrong: w.problem("machine.state-unknown", "What Site Recovery says of %s is not known: state %s (%s), active location %s", w.title, w.item.State, w.item.StateText, w.item.Location)}
	}
	return w.fails("readiness.stage", strings.TrimSuffix(readiness.Standing(w.item), "."), "Look with 'reprotect list --ready' what can be done now.")
}

func (w *way) fails(code, message, remedy string) step {
	return step{move: fail, job: w.kept.Job, because: failure{Code: code, Message: message, Remedy: remedy}}
}

func (w *way) problem(code, format string, args ...any) events.Problem {
	return events.Problem{Code: code, Place: w.machine.Name, Message: fmt.Sprintf(format, args...)}
}

func (w *way) owns(scenario string) bool {
	return slices.ContainsFunc(w.scenarios, func(s string) bool { return strings.EqualFold(s, scenario) })
}

func (w *way) taskOf(id string) string {
	job, _ := w.vault.Job(id)
	return job.FriendlyName
}

// late says whether a job has run for longer than a case waits for it.
func (w *way) late(id string) bool {
	job, known := w.vault.Job(id)
	return known && !job.Start.IsZero() && w.now.Sub(job.Start) > w.jobWait
}

// byName finds the job of the leg that began since the step did, of a machine that shows none: a process died after it had
// submitted, or the job was short. A job says the name of its machine, and nothing that leads to its item: where another
// machine has that name, only the lock on the item tells, and Azure's refusal to run two jobs on it.
func (w *way) byName() string {
	if !w.alone {
		return ""
	}
	var latest observed.Job
	for _, j := range w.vault.Jobs {
		if w.owns(j.Scenario) && strings.EqualFold(j.TargetName, w.item.Name) && !j.Start.Before(w.since.Add(-observed.ClockStep)) && !j.Start.Before(latest.Start) {
			latest = j
		}
	}
	return latest.ID
}

// ended takes in what a job says that was read in full.
func (k *kept) ended(job observed.Job, what, title string, now time.Time) {
	switch job.State {
	case "Succeeded":
		k.Became = job.NewItemID
	case "Failed":
		cause := submission.Cause(job)
		k.Failed = &failure{
			Code: cause.Code, Message: fmt.Sprintf("Site Recovery job %s, the %s of %s, has failed", job.ID, what, title), Words: submission.Cut(cause.Message),
			Remedy: cmp.Or(cause.Remedy, cause.Action, "Look at the job in the portal, correct the cause, then retry the case."),
		}
	case "Cancelled":
		k.Failed = &failure{Code: "job.cancelled", Message: fmt.Sprintf("Somebody cancelled Site Recovery job %s, the %s of %s", job.ID, what, title), Remedy: "If it is to be done after all, retry the case."}
	default:
		return // it has not ended after all
	}
	k.Ended, k.At = job.ID, now.UTC()
}
