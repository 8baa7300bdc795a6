package telemetry

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Health knows of each component whether it can work. Safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	components map[string]condition
}

// condition of a component: it works unless trouble says why not; remark is what an operator should know of one that
// works all the same.
type condition struct {
	trouble error
	remark  string
}

func (c condition) String() string {
	if c.trouble != nil {
		return c.trouble.Error()
	}
	return cmp.Or(c.remark, "ok")
}

var errStarting = errors.New("starting")

// NewHealth names components that must report before the process is ready; others may join by Set.
func NewHealth(components ...string) *Health {
	h := &Health{components: map[string]condition{}}
	for _, c := range components {
		h.Set(c, errStarting)
	}
	return h
}

// Set says that a component works (nil), or why not, in words for an operator.
func (h *Health) Set(component string, trouble error) { h.set(component, condition{trouble: trouble}) }

// Remark says that a component works, and what an operator should know of it all the same.
func (h *Health) Remark(component, remark string) { h.set(component, condition{remark: remark}) }

func (h *Health) set(component string, c condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.components[component] = c
}

// Ready tells whether every component works, and what is to be said of each: "ok", a remark, or why it does not work.
func (h *Health) Ready() (bool, map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready, said := true, map[string]string{}
	for name, c := range h.components {
		ready = ready && c.trouble == nil
		said[name] = c.String()
	}
	return ready, said
}

// Tell hands on each component, in the order of their names: whether it works, and "ok", a remark, or why it does not.
func (h *Health) Tell(each func(component string, works bool, said string)) {
	h.mu.Lock()
	components := maps.Clone(h.components)
	h.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(components)) {
		each(name, components[name].trouble == nil, components[name].String())
	}
}

// ServeHTTP answers 200 when ready, else 503, with {"ready": …, "components": {name: "ok", a remark or the trouble}}.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ready, components := h.Ready()
	body := struct {
		Ready      bool              `json:"ready"`
		Components map[string]string `json:"components"`
	}{ready, components}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) // fails only when the caller has gone
}
