package telemetry

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"sync"
)

// Health knows of each component whether it can work. Safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	components map[string]error
}

var errStarting = errors.New("starting")

// Note is what an operator should know of a component that works all the same.
type Note string

func (n Note) Error() string { return string(n) }

// NewHealth names components that must report before the process is ready; others may join by Set.
func NewHealth(components ...string) *Health {
	h := &Health{components: map[string]error{}}
	for _, c := range components {
		h.components[c] = errStarting
	}
	return h
}

// Set says that a component works (nil, or a Note), or why not, in words for an operator.
func (h *Health) Set(component string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.components[component] = err
}

// Ready tells whether every component works, and returns a copy of what each said last.
func (h *Health) Ready() (bool, map[string]error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready := true
	for _, err := range h.components {
		_, works := errors.AsType[Note](err)
		ready = ready && (err == nil || works)
	}
	return ready, maps.Clone(h.components)
}

// ServeHTTP answers 200 when ready, else 503, with {"ready": …, "components": {name: "ok" or the reason}}.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ready, components := h.Ready()
	body := struct {
		Ready      bool              `json:"ready"`
		Components map[string]string `json:"components"`
	}{ready, map[string]string{}}
	for name, err := range components {
		body.Components[name] = "ok"
		if err != nil {
			body.Components[name] = err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) // fails only when the caller has gone
}
