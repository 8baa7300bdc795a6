package cli

import (
	"cmp"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
	"reprotect.example/services/preflight"
)

// speech is what the catalogues say about codes in the language that was asked for. It is nil in English, which
// events speak already. What Azure or vCenter said, and names and numbers of a case, stand beside it as they came.
type speech map[string]said

type said struct {
	title    string // empty for a check: its title says what should be
	why      labelled
	whatToDo labelled
	general  string // what to do in English: an event that says something else is more exact
}

// labelled is a text with the word that stands before it.
type labelled struct{ name, text string }

func (a *app) speech() speech {
	if a.lang == "en" {
		return nil
	}
	s := speech{}
	general := map[string]string{}
	for _, c := range a.deps.Checks("en") {
		general[c.Code] = c.Remedy
	}
	for _, e := range a.deps.Errors("en") {
		general[e.Code] = e.Remedy
	}
	label := func(key, text string) labelled { return labelled{preflight.Say(a.lang, key), text} }
	for _, c := range a.deps.Checks(a.lang) {
		s[fold(c.Code)] = said{"", label("why", c.Why), label("remedy", c.Remedy), general[c.Code]}
	}
	for _, e := range a.deps.Errors(a.lang) {
		s[fold(e.Code)] = said{e.Title, label("cause", e.Cause), label("remedy", e.Remedy), general[e.Code]}
	}
	return s
}

// lang is the language of what is said.
func (s speech) lang() string {
	if s == nil {
		return checks.English
	}
	return checks.Japanese
}

// label is the word before a text.
func (s speech) label(name string) string {
	if s == nil {
		return name
	}
	return cmp.Or(japaneseLabels[name], name)
}

var japaneseLabels = map[string]string{
	"Case": "ケース", "Site": "サイト", "State": "状態", "Why": "原因", "Code": "コード", "Azure says": "Azure のメッセージ", "Waits for": "待機中",
	"Place": "順番", "Gives up": "待機の期限", "Request": "要求", "Asked by": "要求者", "Reason": "理由", "Plan": "復旧計画", "Retry of": "再試行元",
	"Dry run": "リハーサル", "Since": "開始", "Updated": "更新", "History": "履歴", "Problems": "問題", "Checks": "チェック", "What to do": "対処方法",
}

func fold(code string) string { return strings.ToLower(code) }

// title is what the code of an error stands for, else the other text.
func (s speech) title(code, otherwise string) string {
	return cmp.Or(s[fold(code)].title, otherwise)
}

// about is what is to be said of an error, a check or a violation: its cause, where the catalogue words it, and
// what to do. Remedy is what the event says; where it says more than the catalogue, it stays beside.
func (s speech) about(code, remedy string) []labelled {
	known, ok := s[fold(code)]
	if !ok {
		return toDo(remedy)
	}
	all := []labelled{known.why, known.whatToDo}
	if same(remedy, known.general) {
		return all
	}
	return append(all, toDo(remedy)...)
}

func toDo(remedy string) []labelled {
	if remedy == "" {
		return nil
	}
	return []labelled{{"What to do", remedy}}
}

// same compares sentences: a remedy that follows a colon has a small first letter and no full stop.
func same(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(strings.TrimSpace(a), "."), strings.TrimSuffix(b, "."))
}

// aside is what lines of a watched case are followed by: cause and remedy of each code that the event carries. The
// event's own remedy stands in its line already.
func (s speech) aside(codes []string) (all []labelled) {
	seen := map[string]bool{}
	for _, code := range codes {
		if known, ok := s[fold(code)]; ok && !seen[fold(code)] {
			seen[fold(code)] = true
			all = append(all, known.why, known.whatToDo)
		}
	}
	return all
}

// codesOf lists the codes that an event carries.
func codesOf(e cases.Entry) []string {
	switch d := e.Data.(type) {
	case events.Failed:
		return []string{d.Code}
	case events.Waiting:
		return []string{d.Code}
	case events.Violated:
		return []string{d.Code}
	case events.Refused:
		return codes(d.Problems)
	case events.Rejected:
		return codes(d.Problems)
	case events.Progressed:
		return codes(d.Warnings)
	}
	return nil
}

// codesNow lists the codes of what a case stands at.
func codesNow(c cases.Case) []string {
	switch {
	case len(c.Problems) > 0:
		return codes(c.Problems)
	case c.Waiting != nil:
		return []string{c.Waiting.Code}
	}
	return []string{c.Code}
}

func codes(problems []events.Problem) []string {
	all := make([]string, len(problems))
	for i, p := range problems {
		all[i] = p.Code
	}
	return all
}
