// Package events is the contract of the product in Go: what a chat bot or an audit system imports.
//
// The story of one reprotect, event by event. Ops publish a request:
//
//	reprotect.command.request            {"machines":[{"name":"web01"}]}
//
// The validator makes a case of it, checks every precondition, and says what it found:
//
//	reprotect.event.tokyo.r7--web01.request.accepted
//	reprotect.event.tokyo.r7--web01.validation.validated     (or rejected: a precondition blocks)
//
// The datastore service chooses where the disks come to lie; the agent watcher waits until the machine's agent
// has registered again, up to 15 minutes after the Azure VM started:
//
//	reprotect.event.tokyo.r7--web01.placement.placed
//	reprotect.event.tokyo.r7--web01.progress.waiting
//	reprotect.event.tokyo.r7--web01.registration.registered
//
// The executor starts the Site Recovery job and follows it, and then the machine, until it is protected:
//
//	reprotect.event.tokyo.r7--web01.submission.started
//	reprotect.event.tokyo.r7--web01.progress.progressed
//	reprotect.event.tokyo.r7--web01.replication.completed
//
// Each step has exactly one outcome, for ever: the broker refuses a second one. What a person should know is
// also a Note on reprotect.notification.<site>.<level>, worded for a chat.
//
// Events are CloudEvents 1.0 in structured JSON; the schemas stand in the module reprotect.example/schemas.
package events
