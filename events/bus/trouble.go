package bus

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// troubleFor is how long what went wrong last is still told when nobody has tried again: who has something to publish does
// so within half a minute.
const troubleFor = 2 * time.Minute

// Troubles are what went wrong last, each with a stream or an entity. The zero value is none. Safe for concurrent use.
type Troubles struct {
	mu sync.Mutex
	of map[string]trouble
}

type trouble struct {
	err error
	at  time.Time
}

// Note takes note of how the last call went that concerns what; nil: well.
func (t *Troubles) Note(what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.of, what)
		return
	}
	if t.of == nil {
		t.of = map[string]trouble{}
	}
	t.of[what] = trouble{err, time.Now()}
}

// Err is all of them; nil when there is none.
func (t *Troubles) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.of, func(_ string, one trouble) bool { return time.Since(one.at) > troubleFor })
	var all []error
	for _, what := range slices.Sorted(maps.Keys(t.of)) {
		all = append(all, t.of[what].err)
	}
	return errors.Join(all...)
}
