package faults

import "reprotect.example/services/facts"

// pipeline are the codes of the services on a case's way: waits, refusals to start, ends.
var pipeline = []Row{
	{Code: "datastore.none", Class: facts.Permanent, For: Reprotect, Refs: []string{"S20", "S21", "S34", "M3"}, Reference: pageProtect},
	{Code: "datastore.unread", Class: facts.Operator, For: Reprotect, Refs: []string{"S4", "S43"}, Reference: pageProtect},
	{Code: "datastore.unsupported", Class: facts.Operator, For: Reprotect, Refs: []string{"S20"}, Reference: pageProtect},
	{Code: "datastore.no-writer", Class: facts.Operator, For: Reprotect, Refs: []string{"S21", "M3"}, Reference: pageProtect},
	{Code: "datastore.inaccessible", Class: facts.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.maintenance", Class: facts.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.unmounted", Class: facts.Operator, For: Reprotect, Refs: []string{"S21", "M3"}, Reference: pageProtect},
	{Code: "datastore.unreachable", Class: facts.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.read-only", Class: facts.Operator, For: Reprotect, Refs: []string{"S21"}, Reference: pageProtect},
	{Code: "datastore.undiscovered", Class: facts.Operator, For: Reprotect, Refs: []string{"S36", "M3"}, Reference: pageProtect},
	{Code: "datastore.full", Class: facts.Operator, For: Reprotect, Refs: []string{"S34"}, Reference: pageProtect},
	{Code: "datastore.hidden", Class: facts.Operator, For: Reprotect, Refs: []string{"S4", "S43"}, Reference: pageProtect},
	{Code: "datastore.vsan", Class: facts.Temporary, Warning: true, For: Reprotect, Refs: []string{"S20"}, Reference: pageProtect},
	{Code: "agent.not-registered", Class: facts.Permanent, For: Reprotect, Refs: []string{"S33", "M4"}, Reference: pageFailback},
	{Code: "machine.busy", Class: facts.Temporary, For: Reprotect},
	{Code: "machine.changing", Class: facts.Temporary, For: Reprotect},
	{Code: "machine.gone", Class: facts.Permanent, For: Reprotect, Refs: []string{"S2"}},
	{Code: "machine.not-failed-over", Class: facts.Permanent, For: Reprotect, Refs: []string{"S1"}, Reference: pageProtect},
	{Code: "master-target.unknown", Class: facts.Permanent, For: Reprotect, Refs: []string{"S7", "S34"}, Reference: pagePrepare},
	{Code: "process-server.unknown", Class: facts.Permanent, For: Reprotect, Refs: []string{"S6", "S34"}, Reference: pagePrepare},
	{Code: "appliance.unknown", Class: facts.Permanent, For: Reprotect, Refs: []string{"M1", "M2"}},
	{Code: "job.failed", Class: facts.Operator, For: Reprotect},
	{Code: "job.cancelled", Class: facts.Permanent, For: Reprotect},
	{Code: "job.cancel-timeout", Class: facts.Permanent, For: Reprotect},
	{Code: "job.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "job.timeout", Class: facts.Permanent, For: Reprotect},
	{Code: "job.warning", Class: facts.Temporary, Warning: true, For: Reprotect},
	{Code: "replication.timeout", Class: facts.Permanent, For: Reprotect, Refs: []string{"S3", "S17"}},
	{Code: "case.cancelled", Class: facts.Permanent, For: Reprotect},
	{Code: "internal", Class: facts.Permanent, For: Reprotect},
}

// commands are the codes of refusals: of what ops publish, and of what the command line asks.
var commands = []Row{
	{Code: "machine.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "machine.ambiguous", Class: facts.Permanent, For: Reprotect},
	{Code: "machine.twice", Class: facts.Permanent, For: Reprotect},
	{Code: "machine.none", Class: facts.Permanent, For: Reprotect, Refs: []string{"S1"}},
	{Code: "plan.unknown", Class: facts.Permanent, For: Reprotect, Refs: []string{"S37"}},
	{Code: "site.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "command.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "case.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "request.refused", Class: facts.Permanent, For: Reprotect},
	{Code: "request.waiting", Class: facts.Permanent, For: Reprotect},
	{Code: "request.begun", Class: facts.Permanent, For: Reprotect},
	{Code: "request.cancelled", Class: facts.Permanent, For: Reprotect},
	{Code: "case.ended", Class: facts.Permanent, For: Reprotect},
	{Code: "case.running", Class: facts.Permanent, For: Reprotect},
	{Code: "case.replicating", Class: facts.Permanent, For: Reprotect},
	{Code: "case.completed", Class: facts.Permanent, For: Reprotect, Refs: []string{"S40", "S41"}},
	{Code: "case.rehearsed", Class: facts.Permanent, For: Reprotect},
	{Code: "case.retried", Class: facts.Permanent, For: Reprotect},
	{Code: "log.unread", Class: facts.Permanent, For: Reprotect},

	{Code: "event.not-json", Class: facts.Permanent, For: Reprotect},
	{Code: "event.invalid", Class: facts.Permanent, For: Reprotect},
	{Code: "event.incomplete", Class: facts.Permanent, For: Reprotect},
	{Code: "event.duplicate", Class: facts.Permanent, For: Reprotect},
	{Code: "event.too-large", Class: facts.Permanent, For: Reprotect},
	{Code: "event.headers", Class: facts.Permanent, For: Reprotect},
	{Code: "event.specversion", Class: facts.Permanent, For: Reprotect},
	{Code: "event.content-type", Class: facts.Permanent, For: Reprotect},
	{Code: "event.data", Class: facts.Permanent, For: Reprotect},
	{Code: "event.type", Class: facts.Permanent, For: Reprotect},
	{Code: "event.dataschema", Class: facts.Permanent, For: Reprotect},
	{Code: "schema.missing", Class: facts.Permanent, For: Reprotect},
	{Code: "schema.broken", Class: facts.Permanent, For: Reprotect},
}

// questions are the codes of the journal's answers that say no.
var questions = []Row{
	{Code: "address.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "method.not-allowed", Class: facts.Permanent, For: Reprotect},
	{Code: "token.wrong", Class: facts.Operator, For: Reprotect},
	{Code: "parameter.unknown", Class: facts.Permanent, For: Reprotect},
	{Code: "parameter.repeated", Class: facts.Permanent, For: Reprotect},
	{Code: "parameter.too-long", Class: facts.Permanent, For: Reprotect},
	{Code: "parameter.wrong", Class: facts.Permanent, For: Reprotect},
	{Code: "filter.wrong", Class: facts.Permanent, For: Reprotect},
	{Code: "subject.wrong", Class: facts.Permanent, For: Reprotect},
	{Code: "subject.empty", Class: facts.Permanent, For: Reprotect},
	{Code: "case.wrong", Class: facts.Permanent, For: Reprotect},
	{Code: "journal.closing", Class: facts.Temporary, For: Reprotect},
	{Code: "journal.stands-by", Class: facts.Temporary, For: Reprotect},
	{Code: "journal.unread", Class: facts.Operator, For: Reprotect},
}

// watched are the codes of violations, as the guard reports them.
var watched = []Row{
	{Code: "guard.powered-on", Class: facts.Operator, For: Reprotect, Refs: []string{"S39"}},
	{Code: "guard.storage-vmotion", Class: facts.Operator, For: Reprotect, Refs: []string{"S13", "S23", "M5"}, Reference: pagePrepare},
	{Code: "guard.snapshot", Class: facts.Operator, For: Reprotect, Refs: []string{"S5", "S30"}, Reference: pageProtect},
	{Code: "guard.azure-vm", Class: facts.Operator, For: Reprotect, Refs: []string{"S2"}, Reference: pageFailback},
}
