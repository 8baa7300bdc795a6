package app

import (
	"fmt"
	"sync"
)

// tellsWhatHangs lets /ready name the service and the route whose handler takes longer than it may, as
// "executor/started". The process is ready all the same: the message comes again, and others go on beside it.
func tellsWhatHangs(h Health, also func(service, kind string, messages, handlers int)) func(service, kind string, messages, handlers int) {
	type count struct{ messages, handlers int }
	var mu sync.Mutex
	counts := map[string]count{}
	return func(service, kind string, messages, handlers int) {
		if also != nil {
			also(service, kind, messages, handlers)
		}
		mu.Lock()
		defer mu.Unlock()
		route := service + "/" + kind
		c := counts[route]
		c.messages, c.handlers = c.messages+messages, c.handlers+handlers
		counts[route] = c
		if c.messages == 0 {
			h.Set(route, nil)
			return
		}
		h.Remark(route, fmt.Sprintf(
			"a handler did not end within its time limit. Messages that hang and come again: %d. Handlers that still run all the same: %d. The log names the cases", c.messages, c.handlers))
	}
}

// tellsWhatIsOccupied lets /ready name the service whose steps something occupies, as "executor/steps".
func tellsWhatIsOccupied(h Health, also func(service string, steps int)) func(service string, steps int) {
	return func(service string, steps int) {
		if also != nil {
			also(service, steps)
		}
		component := service + "/steps"
		if steps == 0 {
			h.Set(component, nil)
			return
		}
		h.Remark(component, fmt.Sprintf(
			"under steps of cases, %d of them, stands something that is no outcome: those cases do not go on. 'reprotect status' names them, and an administrator makes it void with 'reprotect bus void'", steps))
	}
}
