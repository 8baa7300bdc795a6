package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
)

func TestS33_LateAgents(t *testing.T) {
	late := []string{"late-m", "late-c"}
	w := start(t, modernized(late[0]), classic(late[1]))
	for _, m := range late {
		w.do("hold-agent", m)
	}
	w.serve(w.config)
	w.request("late", "", late...)
	for _, m := range late {
		waiting := await(w, events.TypeWaiting, caseOf("late", m))
		d := waiting.Data
		if d.For != "agent" || !slices.Equal(d.Machines, []string{m}) || !strings.Contains(d.Message, m) {
			t.Errorf("%s waits so: %+v", m, d)
		}
		if !d.Until.After(d.Since) || !d.NextLook.After(d.Since) || d.NextLook.After(d.Until.Add(time.Second)) {
			t.Errorf("%s waits since %s until %s and looks at %s", m, d.Since, d.Until, d.NextLook)
		}
		w.told(waiting.Header, events.LevelInfo, "Waiting: "+m)
		w.submissions(m, 0)
	}
	for _, m := range late {
		w.do("register-agent", m)
	}
	for _, m := range late {
		w.completes(caseOf("late", m))
		w.submissions(m, 1)
		registered := await(w, events.TypeRegistered, caseOf("late", m)).Data
		if len(registered.Agents) != 1 || registered.Agents[0].Machine != m || registered.Agents[0].Heartbeat.IsZero() {
			t.Errorf("%s: agents %+v", m, registered.Agents)
		}
	}
}

// Modernized vaults show that an agent is missing, and nothing is submitted. Classic ones do not for sure: Azure is asked,
// and its refusal waits for the agent until the same bound.
func TestS33_AgentsThatNeverRegister(t *testing.T) {
	lost := []string{"lost-m", "lost-c"}
	w := start(t, modernized(lost[0]), classic(lost[1]))
	for _, m := range lost {
		w.do("hold-agent", m)
	}
	w.serve(with(w.config, func(s *config.Site) { s.Limits.AgentWait = time.Second }))
	w.request("lost", "", lost...)
	for _, m := range lost {
		failed := await(w, events.TypeFailed, caseOf("lost", m))
		d := failed.Data
		if !strings.Contains(d.Message, m) || d.Remedy == "" {
			t.Errorf("%s failed so: %+v", m, d)
		}
		if asked := m == lost[1]; (failed.Step == events.StepRegistration) == asked || len(d.Machines) != 1 || !asked && (d.Machines[0].State != "not-started" || !strings.Contains(d.Remedy, "78093")) {
			t.Errorf("%s: step %s, left %+v: %s", m, failed.Step, d.Machines, d.Remedy)
		}
		w.told(failed.Header, events.LevelCritical, "Reprotect failed: "+m)
	}
	w.submissions(lost[0], 0)
	w.do("register-agent", lost[0])
	w.completes(w.request("again", "", lost[0]))
}

// The agent goes between the look for it and the submission: the job ends with "agent is not installed", for
// which Azure has no code (S33).
func TestAgentGoneAtTheSubmission(t *testing.T) {
	gone := []string{"gone-m", "gone-c"}
	w := start(t, modernized(gone[0]), classic(gone[1]))
	w.serve(w.config, "validator", "datastore", "agentwatcher", "notifier")
	w.request("gone", "", gone...)
	for _, m := range gone {
		await(w, events.TypeRegistered, caseOf("gone", m))
		w.do("hold-agent", m)
	}
	w.serve(w.config, "executor")
	for _, m := range gone {
		d := await(w, events.TypeWaiting, caseOf("gone", m), func(d events.Waiting) bool { return d.For == "agent" }).Data
		if !strings.Contains(d.Message, "agent is not installed") || !slices.Equal(d.Machines, []string{m}) || !d.Until.After(d.Since) {
			t.Errorf("%s waits so: %+v", m, d)
		}
		w.do("register-agent", m)
	}
	for _, m := range gone {
		w.completes(caseOf("gone", m))
	}
	w.submissions(gone[0], 2) // the flag says when trying again is of use
}
