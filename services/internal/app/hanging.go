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
