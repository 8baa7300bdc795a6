package preflight

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"reprotect.example/events"
)

// fifty is a site whose master target has a snapshot, which blocks all of fifty machines, and of which two were deleted in
// Azure and vCenter cannot be read for one.
func fifty() Report {
	r := Report{Site: "tokyo", Vault: "vault-tokyo", By: "ops@example.com", Version: "1.0", All: true}
	for i := range 50 {
		name := fmt.Sprintf("vm%03d", i)
		c := Case{Machines: []Machine{machine(name, FailedOver)}}
		add := func(check, status, level, evidence, remedy string) {
			c.Findings = append(c.Findings, events.Finding{
				Check: check, Machine: name, Status: status, Level: level, Blocks: status == "fail" && level == "block", Evidence: evidence, Remedy: remedy,
				Reference: "S5 " + page1,
			})
		}
		add("machine.not-migrated", "pass", "block", name+" was not migrated: its state is UnplannedFailover.", "")
		add("master-target.snapshots", "fail", "block", "VM MT-LINUX-01 has 1 snapshot(s): nightly-backup of 2026-11-20 10:00 UTC.", "Delete it.")
		add("machine.linux-network", "warn", "info", name+" runs Linux.", "Note it.")
		if i == 7 || i == 20 {
			add("machine.azure-vm-present", "fail", "block", "Azure VM "+name+" of "+name+" is not in resource group g any more.", "It cannot be reprotected.")
		}
		if i == 30 {
			for _, check := range []string{"datastore.type", "datastore.space", "machine.rdm"} {
				add(check, "unknown", "block", "vCenter could not be read: timeout.", "A remedy for a fault, which "+check+" has not found.")
			}
		}
		c.Placements = []events.Placement{{Machine: name, Datastore: "VMFS-01", Location: "original", Why: "the disks of the on-premises machine lie there"}}
		r.Cases = append(r.Cases, c)
	}
	return r
}

// A3e: what blocks fifty machines is one thing to fix, and B14: it is told once, before the machines.
func TestCausesAreToldOnce(t *testing.T) {
	r := fifty()
	if got := r.Blocking(); got != 2 {
		t.Errorf("%d things block", got)
	}
	v := look(r, "en")
	if v.Verdict != "2 things to fix, in this order; machines that they block: 50" {
		t.Errorf("the verdict: %q", v.Verdict)
	}
	first, second, gap := v.Causes[0], v.Causes[1], v.Causes[2]
	if !slices.Equal(first.Codes, []string{"master-target.snapshots"}) || !first.All || len(first.Found) != 1 || first.Title != "The master target has snapshots, or runs on delta disks." {
		t.Errorf("first comes %+v", first)
	}
	if !slices.Equal(second.Machines, []string{"vm007", "vm020"}) || len(second.Found) != 2 {
		t.Errorf("then %+v", second)
	}
	if len(gap.Codes) != 3 || gap.Title != "3 checks could not be made, for one reason." || strings.Contains(gap.Remedy, "fault") {
		t.Errorf("one gap is %+v", gap)
	}
	text := string(Text(r, "en", func(_, text string) string { return text }))
	if n := strings.Count(text, "Delete it."); n != 1 {
		t.Errorf("the remedy stands %d times in\n%s", n, text)
	}
	if strings.Index(text, "1. ") > strings.Index(text, "By machine") || strings.Contains(text, "S5") {
		t.Error("the causes do not come first, or with a number of the procedure (A11)")
	}
}

// A5: nothing in a report that is blocked, unknown or warned of bears the ideal for its title.
func TestNoIdealUnderBlocked(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		page, err := HTML(fifty(), lang)
		if err != nil {
			t.Fatal(err)
		}
		causes, _, _ := strings.Cut(string(page), `id="what"`) // what was checked, with its numbers
		for _, ideal := range []string{"The master target has no snapshots and no delta disks.", "The Azure VM that the machine became is there.", "がないこと"} {
			if strings.Contains(strings.ReplaceAll(causes, "がないことを確認できません", ""), ideal) {
				t.Errorf("%s: the page says %q", lang, ideal)
			}
		}
	}
}

var english = regexp.MustCompile(`[A-Za-z]+(?: [a-z]+){3,}`)

// A12e: a Japanese report has no English sentence: neither labels, evidence, remedies, dates, nor the reasons of placements.
func TestJapaneseIsWhole(t *testing.T) {
	r := fifty()
	for i := range r.Cases {
		for j := range r.Cases[i].Findings {
			r.Cases[i].Findings[j].Remedy = "対処してください。" // as Run gives it, in the language that was asked for
		}
	}
	page, err := HTML(r, "ja")
	if err != nil {
		t.Fatal(err)
	}
	var texts strings.Builder
	for z := html.NewTokenizer(strings.NewReader(strings.ReplaceAll(string(page), style, ""))); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		if kind == html.TextToken {
			texts.Write(z.Text())
			texts.WriteString("\n")
		}
	}
	for where, text := range map[string]string{"page": texts.String(), "text": string(Text(r, "ja", func(_, text string) string { return text }))} {
		if found := english.FindString(text); found != "" {
			t.Errorf("the %s says in English: %s", where, found)
		}
	}
	if !strings.Contains(texts.String(), "2026年11月20日 10:00 UTC") {
		t.Error("a date is not in Japanese")
	}
}

// B14: whoever reads it later knows what it is of, and every colour has a word.
func TestPageSaysWhereFromAndWhatColoursMean(t *testing.T) {
	page, err := HTML(fifty(), "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"vault-tokyo", "ops@example.com", "Reprotect 1.0", "What was checked", "Met: 50 / 50"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	coloured := regexp.MustCompile(`<span class="badge [a-z-]+">([^<]*)</span>`).FindAllStringSubmatch(string(page), -1)
	if len(coloured) < 50 {
		t.Fatalf("only %d badges", len(coloured))
	}
	for _, m := range coloured {
		if strings.TrimSpace(m[1]) == "" {
			t.Errorf("a colour without a word: %s", m[0])
		}
	}
	if articles := strings.Count(string(page), `<article class="finding `); articles != strings.Count(string(page), "</article>") || articles > 60 {
		t.Errorf("%d articles", articles)
	}
}
