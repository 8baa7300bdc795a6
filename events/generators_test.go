package events_test

import (
	"time"

	"pgregory.net/rapid"

	"reprotect.example/events"
)

// One generator per payload, keeping to what the Go comments promise: enumerations, percents, at least one machine.

var (
	word     = rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9 ._äß日本<>&"\\/-]{0,40}`)
	maybe    = rapid.OneOf(rapid.Just(""), word)
	caseID   = rapid.StringMatching(`[a-z0-9-]{1,48}`)
	codeText = rapid.StringMatching(`[a-z-]{1,12}\.[a-z0-9-]{1,20}`)
	percent  = rapid.IntRange(0, 100)
	bytes53  = rapid.Int64Range(0, 1<<53-1)
	flag     = rapid.Bool()
	location = rapid.SampledFrom([]string{"", "original", "alternate"})
	state    = rapid.SampledFrom(events.States())
	names    = rapid.SliceOfN(word, 0, 3)
	reasons  = rapid.OneOf(rapid.Just(map[string]string(nil)), rapid.MapOfN(codeText, word, 0, 3))
	moment   = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
	})
	lag       = rapid.Ptr(rapid.IntRange(0, 1<<40), true)
	maybeWhen = rapid.OneOf(rapid.Just(time.Time{}), moment)
)

func some[T any](one func(*rapid.T) T) *rapid.Generator[[]T] {
	return rapid.SliceOfN(rapid.Custom(one), 1, 3)
}

func any0[T any](one func(*rapid.T) T) *rapid.Generator[[]T] {
	return rapid.SliceOfN(rapid.Custom(one), 0, 3)
}

func choice(t *rapid.T) events.Choice {
	return events.Choice{
		MasterTarget: maybe.Draw(t, "mt"), ProcessServer: maybe.Draw(t, "ps"), Appliance: maybe.Draw(t, "appliance"),
		Datastore: maybe.Draw(t, "ds"), RetentionDrive: maybe.Draw(t, "retention"), LogStorageAccount: maybe.Draw(t, "log"),
	}
}

func requestMachine(t *rapid.T) events.RequestMachine {
	return events.RequestMachine{Name: word.Draw(t, "name"), Choice: choice(t)}
}

func request(t *rapid.T) events.Request {
	r := events.Request{
		Site: rapid.StringMatching(`[A-Za-z0-9_-]{0,20}`).Draw(t, "site"), Machines: any0(requestMachine).Draw(t, "machines"), Plan: maybe.Draw(t, "plan"),
		Together: flag.Draw(t, "together"), Choice: choice(t), DryRun: flag.Draw(t, "dry"), Reason: maybe.Draw(t, "reason"), RequestedBy: maybe.Draw(t, "by"),
		Attest: reasons.Draw(t, "attest"), Waive: reasons.Draw(t, "waive"),
	}
	if len(r.Machines) == 0 && r.Plan == "" {
		r.Plan = "ERP"
	}
	return r
}

func machine(t *rapid.T) events.Machine {
	return events.Machine{
		Name: word.Draw(t, "name"), Item: word.Draw(t, "item"), Architecture: rapid.SampledFrom([]string{"classic", "modernized"}).Draw(t, "architecture"),
		OS: rapid.SampledFrom([]string{"", "windows", "linux"}).Draw(t, "os"), Choice: choice(t),
		Location: location.Draw(t, "location"), FailedOverAt: maybeWhen.Draw(t, "failedOverAt"), Job: maybe.Draw(t, "job"),
	}
}

func theCase(t *rapid.T) events.Case {
	return events.Case{
		HomeCase: homeCase(t),
		Machines: some(machine).Draw(t, "machines"), Together: flag.Draw(t, "together"), Plan: maybe.Draw(t, "plan"), Group: maybe.Draw(t, "group"),
		DryRun: flag.Draw(t, "dry"), Reason: maybe.Draw(t, "reason"), RequestedBy: maybe.Draw(t, "by"), RequestedAt: maybeWhen.Draw(t, "at"),
		Attest: reasons.Draw(t, "attest"), Waive: reasons.Draw(t, "waive"), RetryOf: rapid.OneOf(rapid.Just(""), caseID).Draw(t, "retryOf"),
		Rank:      rapid.IntRange(0, 1000).Draw(t, "rank"),
		CheckedAt: maybeWhen.Draw(t, "checkedAt"), RegisteredAt: maybeWhen.Draw(t, "registeredAt"),
	}
}

func problem(t *rapid.T) events.Problem {
	return events.Problem{Code: word.Draw(t, "code"), Place: maybe.Draw(t, "place"), Message: word.Draw(t, "message"), Remedy: maybe.Draw(t, "remedy")}
}

func finding(t *rapid.T) events.Finding {
	return events.Finding{
		Check: codeText.Draw(t, "check"), Machine: maybe.Draw(t, "machine"), Item: maybe.Draw(t, "item"),
		Status:   rapid.SampledFrom([]string{"pass", "warn", "fail", "unknown", "skipped", "waived"}).Draw(t, "status"),
		Level:    rapid.SampledFrom([]string{"block", "warn", "info"}).Draw(t, "level"),
		Evidence: maybe.Draw(t, "evidence"), Remedy: maybe.Draw(t, "remedy"), Reference: maybe.Draw(t, "reference"), Blocks: flag.Draw(t, "blocks"),
	}
}

func verdict(t *rapid.T) events.DatastoreVerdict {
	return events.DatastoreVerdict{
		Name: word.Draw(t, "name"), Type: maybe.Draw(t, "type"), Accepted: flag.Draw(t, "accepted"), FreeBytes: bytes53.Draw(t, "free"),
		Warning: maybe.Draw(t, "warning"), Reason: maybe.Draw(t, "reason"), Remedy: maybe.Draw(t, "remedy"),
	}
}

func placement(t *rapid.T) events.Placement {
	return events.Placement{
		Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), Datastore: maybe.Draw(t, "datastore"), Location: location.Draw(t, "location"), Why: maybe.Draw(t, "why"),
		Considered: any0(verdict).Draw(t, "considered"),
	}
}

func machineState(t *rapid.T) events.MachineState {
	return events.MachineState{Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), State: state.Draw(t, "state"), Job: maybe.Draw(t, "job"), Code: maybe.Draw(t, "code"), Message: maybe.Draw(t, "message"),
		Since: maybeWhen.Draw(t, "since"), LagSeconds: lag.Draw(t, "lag"), Remedy: maybe.Draw(t, "remedy")}
}

func accepted(t *rapid.T) events.Accepted { return events.Accepted{Case: theCase(t)} }

func refused(t *rapid.T) events.Refused {
	return events.Refused{Problems: some(problem).Draw(t, "problems"), Original: maybe.Draw(t, "original")}
}

func validated(t *rapid.T) events.Validated {
	return events.Validated{Case: theCase(t), Findings: some(finding).Draw(t, "findings")}
}

func rejected(t *rapid.T) events.Rejected {
	return events.Rejected{
		Case: theCase(t), Findings: any0(finding).Draw(t, "findings"), Placements: any0(placement).Draw(t, "placements"),
		Problems: some(problem).Draw(t, "problems"),
	}
}

func placed(t *rapid.T) events.Placed {
	return events.Placed{Case: theCase(t), Placements: some(placement).Draw(t, "placements")}
}

func registered(t *rapid.T) events.Registered {
	return events.Registered{Case: theCase(t), Agents: some(func(t *rapid.T) events.Agent {
		return events.Agent{Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), Version: maybe.Draw(t, "version"), Heartbeat: maybeWhen.Draw(t, "heartbeat")}
	}).Draw(t, "agents")}
}

func started(t *rapid.T) events.Started {
	return events.Started{Case: theCase(t), Jobs: some(func(t *rapid.T) events.Job {
		return events.Job{
			Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), Job: maybe.Draw(t, "job"), Adopted: flag.Draw(t, "adopted"), Again: flag.Draw(t, "again"),
			Refused: rapid.Ptr(rapid.Custom(problem), true).Draw(t, "refused"),
		}
	}).Draw(t, "jobs")}
}

func rehearsed(t *rapid.T) events.Rehearsed {
	return events.Rehearsed{Case: theCase(t), Would: some(machine).Draw(t, "would")}
}

func completed(t *rapid.T) events.Completed {
	return events.Completed{Case: theCase(t), Machines: some(protectedState).Draw(t, "machines")}
}

func protectedState(t *rapid.T) events.ProtectedState {
	return events.ProtectedState{
		Machine: word.Draw(t, "machine"), Item: word.Draw(t, "item"), FormerItem: maybe.Draw(t, "former item"), Since: maybeWhen.Draw(t, "since"), Location: location.Draw(t, "location"),
		LagSeconds: lag.Draw(t, "lag"), Violation: rapid.OneOf(rapid.Just(""), codeText).Draw(t, "violation"),
	}
}

func failed(t *rapid.T) events.Failed {
	f := events.Failed{
		Code: word.Draw(t, "code"), Message: word.Draw(t, "message"), Words: maybe.Draw(t, "words"), Remedy: word.Draw(t, "remedy"),
		Machines: any0(machineState).Draw(t, "machines"),
	}
	if flag.Draw(t, "with case") {
		c := theCase(t)
		f.Case = &c
	}
	return f
}

func cancelled(t *rapid.T) events.Cancelled {
	return events.Cancelled{Case: theCase(t), Reason: maybe.Draw(t, "reason"), Machines: any0(machineState).Draw(t, "machines")}
}

func waiting(t *rapid.T) events.Waiting {
	return events.Waiting{
		For:      rapid.SampledFrom(append(events.Reasons(), "something-new")).Draw(t, "for"),
		Machines: names.Draw(t, "machines"), Items: names.Draw(t, "items"), Message: word.Draw(t, "message"), Code: maybe.Draw(t, "code"), Remedy: maybe.Draw(t, "remedy"),
		Since: moment.Draw(t, "since"), Until: maybeWhen.Draw(t, "until"), NextLook: moment.Draw(t, "nextLook"),
		Place: rapid.IntRange(0, 1000).Draw(t, "place"),
	}
}

func progressed(t *rapid.T) events.Progressed {
	return events.Progressed{Percent: percent.Draw(t, "percent"), Machines: some(func(t *rapid.T) events.MachineProgress {
		return events.MachineProgress{
			Machine: word.Draw(t, "machine"), Item: maybe.Draw(t, "item"), State: state.Draw(t, "state"), Job: maybe.Draw(t, "job"), Task: maybe.Draw(t, "task"), Percent: percent.Draw(t, "percent"),
			Replication: rapid.Ptr(percent, true).Draw(t, "replication"), Bytes: bytes53.Draw(t, "bytes"), ETA: maybeWhen.Draw(t, "eta"),
			Since: maybeWhen.Draw(t, "since"), Rate: bytes53.Draw(t, "rate"), For: rapid.SampledFrom([]events.Reason{"", events.ForOperator, events.ForAgent}).Draw(t, "for"), Code: rapid.OneOf(rapid.Just(""), codeText).Draw(t, "code"),
			Message: maybe.Draw(t, "message"), Remedy: maybe.Draw(t, "remedy"),
		}
	}).Draw(t, "machines"), Warnings: any0(problem).Draw(t, "warnings")}
}

func violated(t *rapid.T) events.Violated {
	return events.Violated{Code: word.Draw(t, "code"), Machine: maybe.Draw(t, "machine"), Item: maybe.Draw(t, "item"), What: word.Draw(t, "what"), Endangers: word.Draw(t, "endangers"), Do: word.Draw(t, "do")}
}

func returned(t *rapid.T) events.Returned {
	return events.Returned{Machine: word.Draw(t, "machine"), Item: word.Draw(t, "item"), FormerItem: maybe.Draw(t, "former item"), State: word.Draw(t, "state"), Undone: rapid.Bool().Draw(t, "undone")}
}

func cleared(t *rapid.T) events.Cleared {
	return events.Cleared{
		Violation: word.Draw(t, "violation"), Code: word.Draw(t, "code"), Machine: maybe.Draw(t, "machine"), What: word.Draw(t, "what"),
		From: moment.Draw(t, "from"), Until: moment.Draw(t, "until"), Remains: maybe.Draw(t, "remains"), Do: maybe.Draw(t, "do"),
	}
}

var writer = rapid.SampledFrom([]string{"", "master target", "appliance"})

func unwatched(t *rapid.T) events.Unwatched {
	return events.Unwatched{
		VM: word.Draw(t, "vm"), Writer: writer.Draw(t, "writer"), Machine: maybe.Draw(t, "machine"), Code: word.Draw(t, "code"),
		What: word.Draw(t, "what"), Do: word.Draw(t, "do"), Candidates: rapid.SliceOfN(word, 0, 3).Draw(t, "candidates"), Since: moment.Draw(t, "since"),
	}
}

func watched(t *rapid.T) events.Watched {
	return events.Watched{
		Unwatched: word.Draw(t, "unwatched"), VM: word.Draw(t, "vm"), Writer: writer.Draw(t, "writer"), Machine: maybe.Draw(t, "machine"),
		What: word.Draw(t, "what"), From: moment.Draw(t, "from"), Until: moment.Draw(t, "until"),
	}
}

func voided(t *rapid.T) events.Voided {
	return events.Voided{
		Subject: word.Draw(t, "subject"), Sequence: rapid.Uint64Range(1, 1<<40).Draw(t, "sequence"), Reason: word.Draw(t, "reason"),
		RequestedBy: maybe.Draw(t, "requestedBy"),
	}
}

func note(t *rapid.T) events.Note {
	return events.Note{
		Level: rapid.SampledFrom([]string{events.LevelInfo, events.LevelWarning, events.LevelCritical}).Draw(t, "level"),
		Title: word.Draw(t, "title"), Text: word.Draw(t, "text"), Machines: names.Draw(t, "machines"), Fact: word.Draw(t, "fact"),
		Kind: rapid.SampledFrom(events.Kinds()).Draw(t, "kind").Name,

		Thread: maybe.Draw(t, "thread"), Number: rapid.IntRange(0, 9).Draw(t, "number"), Reminder: rapid.IntRange(0, 9).Draw(t, "reminder"),
		State: rapid.SampledFrom([]string{"", events.NoteOpen, events.NoteUpdate, events.NoteClosed}).Draw(t, "state"),
		Since: moment.Draw(t, "since"), Plan: maybe.Draw(t, "plan"), Counts: &events.NoteCounts{Machines: 3, Done: 1, Failed: 1, Left: 1},
		Causes: []events.NoteCause{{Code: word.Draw(t, "code"), What: word.Draw(t, "what"), Do: maybe.Draw(t, "do"), Machines: names.Draw(t, "stopped")}},
		Alarms: []string{word.Draw(t, "alarm")}, Tells: []string{word.Draw(t, "tells")}, Link: "https://reprotect.example.com/",
	}
}

func dead(t *rapid.T) events.Dead {
	return events.Dead{
		Service: rapid.SampledFrom([]string{"validator", "executor"}).Draw(t, "service"),
		Reason:  rapid.SampledFrom([]string{"malformed", "rejected", "attempts-exhausted"}).Draw(t, "reason"),
		Error:   maybe.Draw(t, "error"), Attempts: rapid.IntRange(0, 20).Draw(t, "attempts"), Subject: word.Draw(t, "subject"),
		Headers:  rapid.MapOfN(word, maybe, 0, 3).Draw(t, "headers"),
		Original: rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte())).Draw(t, "original"),
		ID:       maybe.Draw(t, "id"), Sequence: rapid.Uint64Range(0, 1<<40).Draw(t, "sequence"),
	}
}
