package faults

import "reprotect.example/services/observed"

// pipeline are the codes of the services on a case's way: waits, refusals to start, ends.
var pipeline = []Row{
	{Code: "datastore.none", Class: observed.Permanent, For: Reprotect, Refs: []string{"S20", "S21", "S34", "M3"}, Reference: pageProtect},
	{Code: "datastore.unread", Class: observed.Operator, For: Reprotect, Refs: []string{"S4", "S43"}, Reference: pageProtect},
	{Code: "datastore.unsupported", Class: observed.Operator, For: Reprotect, Refs: []string{"S20"}, Reference: pageProtect},
	{Code: "datastore.no-writer", Class: observed.Operator, For: Reprotect, Refs: []string{"S21", "M3"}, Reference: pageProtect},
	{Code: "datastore.inaccessible", Class: observed.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.maintenance", Class: observed.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.unmounted", Class: observed.Operator, For: Reprotect, Refs: []string{"S21", "M3"}, Reference: pageProtect},
	{Code: "datastore.unreachable", Class: observed.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.read-only", Class: observed.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.undiscovered", Class: observed.Operator, For: Reprotect, Refs: []string{"S36", "M3"}, Reference: pageProtect},
	{Code: "datastore.full", Class: observed.Operator, For: Reprotect, Refs: []string{"S34"}, Reference: pageProtect},
	{Code: "datastore.hidden", Class: observed.Operator, For: Reprotect, Refs: []string{"S4", "S43"}, Reference: pageProtect},
	{Code: "datastore.vsan", Class: observed.Temporary, Warning: true, For: Reprotect, Refs: []string{"S20"}, Reference: pageProtect},
	{Code: "agent.not-registered", Class: observed.Permanent, For: Reprotect, Refs: []string{"S33", "M4"}, Reference: pageFailback},
	{Code: "machine.busy", Class: observed.Temporary, For: Reprotect},
	{Code: "machine.state-unknown", Class: observed.Operator, For: Reprotect, Refs: []string{"S1"}},
	{Code: "machine.changing", Class: observed.Temporary, For: Reprotect},
	{Code: "machine.gone", Class: observed.Permanent, For: Reprotect, Refs: []string{"S2"}},
	{Code: "machine.not-failed-over", Class: observed.Permanent, For: Reprotect, Refs: []string{"S1"}, Reference: pageProtect},
	{Code: "master-target.unknown", Class: observed.Permanent, For: Reprotect, Refs: []string{"S7", "S34"}, Reference: pagePrepare},
	{Code: "process-server.unknown", Class: observed.Permanent, For: Reprotect, Refs: []string{"S6", "S34"}, Reference: pagePrepare},
	{Code: "appliance.unknown", Class: observed.Permanent, For: Reprotect, Refs: []string{"M1", "M2"}},
	{Code: "job.failed", Class: observed.Operator, For: Reprotect},
	{Code: "job.cancelled", Class: observed.Permanent, For: Reprotect},
	{Code: "job.cancel-timeout", Class: observed.Permanent, For: Reprotect},
	{Code: "job.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "job.timeout", Class: observed.Permanent, For: Reprotect},
	{Code: "job.warning", Class: observed.Temporary, Warning: true, For: Reprotect},
	{Code: "replication.timeout", Class: observed.Permanent, For: Reprotect, Refs: []string{"S3", "S17"}},
	{Code: "case.cancelled", Class: observed.Permanent, For: Reprotect},
	{Code: "internal", Class: observed.Permanent, For: Reprotect},
}

// commands are the codes of refusals: of what ops publish, and of what the command line asks.
var commands = []Row{
	{Code: "machine.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "machine.ambiguous", Class: observed.Permanent, For: Reprotect},
	{Code: "machine.twice", Class: observed.Permanent, For: Reprotect},
	{Code: "request.too-many-together", Class: observed.Permanent, For: Reprotect, Refs: []string{"S37"}},
	{Code: "machine.none", Class: observed.Permanent, For: Reprotect, Refs: []string{"S1"}},
	{Code: "plan.unknown", Class: observed.Permanent, For: Reprotect, Refs: []string{"S37"}},
	{Code: "site.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "command.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "case.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "request.refused", Class: observed.Permanent, For: Reprotect},
	{Code: "request.waiting", Class: observed.Permanent, For: Reprotect},
	{Code: "request.begun", Class: observed.Permanent, For: Reprotect},
	{Code: "request.cancelled", Class: observed.Permanent, For: Reprotect},
	{Code: "case.ended", Class: observed.Permanent, For: Reprotect},
	{Code: "case.running", Class: observed.Permanent, For: Reprotect},
	{Code: "case.replicating", Class: observed.Permanent, For: Reprotect},
	{Code: "case.completed", Class: observed.Permanent, For: Reprotect, Refs: []string{"S40", "S41"}},
	{Code: "case.rehearsed", Class: observed.Permanent, For: Reprotect},
	{Code: "case.retried", Class: observed.Permanent, For: Reprotect},
	{Code: "log.unread", Class: observed.Permanent, For: Reprotect},

	{Code: "event.not-json", Class: observed.Permanent, For: Reprotect},
	{Code: "event.invalid", Class: observed.Permanent, For: Reprotect},
	{Code: "event.incomplete", Class: observed.Permanent, For: Reprotect},
	{Code: "event.duplicate", Class: observed.Permanent, For: Reprotect},
	{Code: "event.too-large", Class: observed.Permanent, For: Reprotect},
	{Code: "event.headers", Class: observed.Permanent, For: Reprotect},
	{Code: "event.specversion", Class: observed.Permanent, For: Reprotect},
	{Code: "event.content-type", Class: observed.Permanent, For: Reprotect},
	{Code: "event.data", Class: observed.Permanent, For: Reprotect},
	{Code: "event.type", Class: observed.Permanent, For: Reprotect},
	{Code: "event.dataschema", Class: observed.Permanent, For: Reprotect},
	{Code: "schema.missing", Class: observed.Permanent, For: Reprotect},
	{Code: "schema.broken", Class: observed.Permanent, For: Reprotect},
}

// questions are the codes of the journal's answers that say no.
var questions = []Row{
	{Code: "address.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "method.not-allowed", Class: observed.Permanent, For: Reprotect},
	{Code: "token.wrong", Class: observed.Operator, For: Reprotect},
	{Code: "parameter.unknown", Class: observed.Permanent, For: Reprotect},
	{Code: "parameter.repeated", Class: observed.Permanent, For: Reprotect},
	{Code: "parameter.too-long", Class: observed.Permanent, For: Reprotect},
	{Code: "parameter.wrong", Class: observed.Permanent, For: Reprotect},
	{Code: "filter.wrong", Class: observed.Permanent, For: Reprotect},
	{Code: "subject.wrong", Class: observed.Permanent, For: Reprotect},
	{Code: "subject.empty", Class: observed.Permanent, For: Reprotect},
	{Code: "case.wrong", Class: observed.Permanent, For: Reprotect},
	{Code: "journal.closing", Class: observed.Temporary, For: Reprotect},
	{Code: "journal.stands-by", Class: observed.Temporary, For: Reprotect},
	{Code: "journal.unread", Class: observed.Operator, For: Reprotect},
}

// watched are the codes of violations, as the guard reports them.
var watched = []Row{
	{Code: "guard.powered-on", Class: observed.Operator, For: Reprotect, Refs: []string{"S39"}},
	{Code: "guard.storage-vmotion", Class: observed.Operator, For: Reprotect, Refs: []string{"S13", "S23", "M5"}, Reference: pagePrepare},
	{Code: "guard.snapshot", Class: observed.Operator, For: Reprotect, Refs: []string{"S5", "S30"}, Reference: pageProtect},
	{Code: "guard.azure-vm", Class: observed.Operator, For: Reprotect, Refs: []string{"S2"}, Reference: pageFailback},
}
