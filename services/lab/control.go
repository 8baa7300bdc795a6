package lab

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/vcenter"
)

// Action is something that can be done to a running lab.
type Action struct {
	Name string `json:"name"`
	Args string `json:"args"` // a word for each argument
	Help string `json:"help"`
}

type action struct {
	Action
	do func(args []string) error
}

func actionsOf(azure *asrsim.Server, center *vcenter.Server) []action {
	var all []action
	for _, a := range azure.Actions() {
		all = append(all, action{Action{a.Name, a.Args, a.Help}, a.Do})
	}
	for _, a := range center.Actions() {
		all = append(all, action{Action{a.Name, a.Args, a.Help}, a.Do})
	}
	return all
}

// doing is the body of POST /do.
type doing struct {
	Action string   `json:"action"`
	Args   []string `json:"args"`
}

// refusal is the body of every answer that is not 200.
type refusal struct {
	Error string `json:"error"`
}

// control serves GET /actions, GET /machines, GET /submissions and POST /do to whoever has the token.
func (l *Lab) control(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /actions", func(w http.ResponseWriter, _ *http.Request) {
		list := make([]Action, len(l.actions))
		for i, a := range l.actions {
			list[i] = a.Action
		}
		reply(w, http.StatusOK, list)
	})
	mux.HandleFunc("GET /submissions", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, l.azure.Submissions())
	})
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, l.Standings())
	})
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		var d doing
		body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		body.DisallowUnknownFields()
		if err := body.Decode(&d); err != nil {
			reply(w, http.StatusBadRequest, refusal{`the body must be {"action": …, "args": […]}: ` + err.Error()})
			return
		}
		if err := l.do(d); err != nil {
			reply(w, http.StatusUnprocessableEntity, refusal{err.Error()})
			return
		}
		reply(w, http.StatusOK, struct{}{})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			reply(w, http.StatusUnauthorized, refusal{"the bearer token of lab.json is needed"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (l *Lab) do(d doing) error {
	i := slices.IndexFunc(l.actions, func(a action) bool { return a.Name == d.Action })
	if i < 0 {
		return fmt.Errorf("%q is not an action of the lab: 'reprotect lab do' lists them", d.Action)
	}
	l.acting.Lock()
	defer l.acting.Unlock()
	if err := l.actions[i].do(d.Args); err != nil {
		return err
	}
	l.log.Info("lab changed", zap.String("action", d.Action), zap.Strings("args", d.Args))
	return nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only when the caller has gone
}
