package main

import (
	"slices"
	"strings"
	"testing"
)

// Each promise is judged by its own figures, and what is kept is not named.
func TestBrokenPromisesAreNamed(t *testing.T) {
	good := figures{Machines: 7, Submissions: 7, Protected: 7, Cases: 7, Ends: 7, Stream: 90, Journal: 90}
	for name, tt := range map[string]struct {
		change func(*figures)
		says   []string
	}{
		"all kept":              {func(*figures) {}, nil},
		"one not submitted":     {func(f *figures) { f.Submissions = 6 }, []string{"6 submissions of 7"}},
		"one submitted twice":   {func(f *figures) { f.Submissions, f.Twice = 8, []string{"web01"} }, []string{"8 submissions of 7", "more than once: web01"}},
		"one instead of other":  {func(f *figures) { f.Twice = []string{"web01"} }, []string{"more than once: web01"}},
		"one not protected":     {func(f *figures) { f.Protected, f.Ends = 6, 6 }, []string{"6 of 7 machines", "6 of 7 cases"}},
		"a case too many":       {func(f *figures) { f.Cases = 8 }, []string{"8 cases of 7", "7 of 8 cases"}},
		"the journal has a gap": {func(f *figures) { f.Journal = 89 }, []string{"keeps 89 messages of 90"}},
		"and one too many":      {func(f *figures) { f.Journal = 91 }, []string{"keeps 91 messages of 90"}},
		"a dead letter":         {func(f *figures) { f.Dead = 1 }, []string{"1 dead letters"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := good
			tt.change(&f)
			f.judge()
			if len(f.Broken) != len(tt.says) {
				t.Fatalf("broken: %q, want %q", f.Broken, tt.says)
			}
			for _, want := range tt.says {
				if !slices.ContainsFunc(f.Broken, func(said string) bool { return strings.Contains(said, want) }) {
					t.Errorf("broken: %q, want %q", f.Broken, want)
				}
			}
		})
	}
}
