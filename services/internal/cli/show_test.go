package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

func TestCheckCaseID(t *testing.T) {
	for id, good := range map[string]bool{
		"r7": true, "r-20261122-pvemny--web01": true, "": false, "r7.>": false, "R7": false, "r7 x": false, "*": false,
	} {
		if caseID.MatchString(id) != good {
			t.Errorf("%q: %t", id, !good)
		}
	}
}

// japanese speaks of one error and one check.
func japanese() speech {
	a := app{lang: "ja", deps: Deps{
		Errors: func(lang string) []KnownError {
			if lang == "ja" {
				return []KnownError{{Code: "8061", Title: "アクセスできない", Cause: "アクセスできません。", Remedy: "マウントしてください。"}}
			}
			return []KnownError{{Code: "8061", Title: "Not reached", Cause: "It is not reached.", Remedy: "Mount it."}}
		},
		Checks: func(lang string) []Check {
			if lang == "ja" {
				return []Check{{Code: "machine.snapshots", Why: "統合されます。", Remedy: "対処は不要です。"}}
			}
			return []Check{{Code: "machine.snapshots", Why: "They are merged.", Remedy: "Nothing is to be done."}}
		},
	}}
	return a.speech()
}

// Of an error that the catalogue knows, cause and remedy are in the language. What Azure said stays, and so does a
// remedy that says more than the catalogue.
func TestShowSpeaksTheLanguage(t *testing.T) {
	failed := func(code, remedy string) cases.Case {
		return cases.Case{Why: "Job 7 failed", Code: code, Words: "The datastore is not accessible.", Remedy: remedy}
	}
	for _, tt := range []struct {
		name   string
		c      cases.Case
		speech speech
		want   string
	}{
		{"in English, as it came", failed("8061", "mount it"), nil, "What to do mount it\n"},
		{"known", failed("8061", "mount it"), japanese(), "原因       アクセスできません。\n対処方法   マウントしてください。\n"},
		{"more exact", failed("8061", "mount VMFS-02"), japanese(), "対処方法   マウントしてください。\n対処方法   mount VMFS-02\n"},
		{"without a remedy", failed("8061", ""), japanese(), "対処方法   マウントしてください。\n要求"},
		{"unknown: Azure's recommended action", failed("31337", "Ask Azure."), japanese(), "対処方法   Ask Azure.\n"},
		{"no code", failed("", "Look."), japanese(), "対処方法   Look.\n"},
		{"a wait", cases.Case{Waiting: &events.Waiting{For: "azure", Code: "8061", Message: "Not yet", Remedy: "Mount it."}}, japanese(), "対処方法   マウントしてください。\n"},
		{"problems", cases.Case{Problems: []events.Problem{{Code: "machine.snapshots", Message: "2 snapshots"}}}, japanese(), "  2 snapshots (machine.snapshots)\n    理由: 統合されます。\n    対処方法: 対処は不要です。\n"},
		{"findings", cases.Case{Findings: []events.Finding{{Check: "machine.snapshots", Status: "warn", Evidence: "2 snapshots", Remedy: "Nothing is to be done."}}}, japanese(), "対処方法: 対処は不要です。\n"},
		{"a violation", cases.Case{Alarms: []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{Code: "8061", What: "It is.", Endangers: "all.", Do: "Run."}}}}, japanese(), "マウントしてください。\n  What to do: Run.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Request = "r-1"
			var out bytes.Buffer
			showCase(&out, tt.c, false, tt.speech)
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("no %q in\n%s", tt.want, out.String())
			}
			if tt.c.Words != "" && !strings.Contains(out.String(), " The datastore is not accessible.\n") {
				t.Errorf("Azure's words are lost:\n%s", out.String())
			}
			if tt.want == "対処方法   マウントしてください。\n" && strings.Contains(out.String(), "What to do") {
				t.Errorf("the same twice:\n%s", out.String())
			}
		})
	}
}

func TestLinesSpeakTheLanguage(t *testing.T) {
	said := "  原因: アクセスできません。\n  対処方法: マウントしてください。\n"
	problems := []events.Problem{{Code: "8061"}, {Code: "31337"}, {Code: "8061"}}
	for name, data := range map[string]any{
		"failed": events.Failed{Code: "8061"}, "waiting": events.Waiting{Code: "8061"}, "violated": events.Violated{Code: "8061"},
		"refused": events.Refused{Problems: problems}, "rejected": events.Rejected{Problems: problems}, "progressed": events.Progressed{Warnings: problems},
		"completed": events.Completed{},
	} {
		var out bytes.Buffer
		newLines(&out, false, japanese()).event(cases.Entry{Data: data}, cases.Case{})
		_, got, _ := strings.Cut(out.String(), "\n")
		want := said
		if name == "completed" {
			want = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTitlesSpeakTheLanguage(t *testing.T) {
	bad := cases.Case{End: true, Code: "8061", Why: "Job 7 failed"}
	for _, tt := range []struct {
		c      cases.Case
		speech speech
		want   string
	}{
		{bad, nil, "8061: Job 7 failed"},
		{bad, japanese(), "8061: アクセスできない"},
		{cases.Case{End: true, Code: "31337", Why: "Job 7 failed"}, japanese(), "31337: Job 7 failed"},
		{cases.Case{Waiting: &events.Waiting{For: "agent"}}, japanese(), "for the agent"},
		{cases.Case{Waiting: &events.Waiting{For: "azure", Code: "8061"}}, japanese(), "アクセスできない"},
		{cases.Case{Alarms: []cases.Alarm{{State: cases.AlarmOpen, Violated: events.Violated{Code: "8061", What: "It is."}}}}, japanese(), "アクセスできない"},
	} {
		if got := note(tt.c, tt.speech, 0); got != tt.want {
			t.Errorf("note %q, want %q", got, tt.want)
		}
		if _, got := doing(tt.c, tt.speech, 0, noon); got != tt.want {
			t.Errorf("board %q, want %q", got, tt.want)
		}
	}
}
