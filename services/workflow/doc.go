// Package workflow is what every service is built with: handlers that answer events with events, waits that hold no
// message, marks, and dead letters, over any bus that fits the port (events/bus).
//
// A service is a list of routes. Each leads one kind of event to a handler, which looks, decides, and says in its Result
// what is to be published, or when it is to be asked again and what it keeps until then. Run does the rest: it publishes
// first and acknowledges then, so a process that dies in between repeats without effect, because of all outcomes of a step
// the bus stores one. A handler that fails is tried again, with growing pauses; one that fails for good, or for the tenth
// time, leaves a dead letter and a failed fact. A handler that does not end within the time limit of its route is ended,
// and its message comes again.
package workflow
