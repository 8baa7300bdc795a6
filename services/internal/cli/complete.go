package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/services/internal/config"
)

// completion is what a shell offers for a word. It asks the bus for a moment only: a shell must not hang.
type completion func(ctx context.Context) []string

const completionTime = 2 * time.Second

// completes gives each command, and each flag that takes a name, what a shell may offer.
func (a *app) completes(root *cobra.Command) {
	words := map[string]completion{
		"show": a.handleWords, "watch": a.handleWords, "cancel": a.handleWords, "retry": a.handleWords, "preflight": a.machineWords, "request": a.machineWords,
		"checks": func(context.Context) (all []string) {
			for _, c := range a.deps.Checks("en") {
				all = append(all, c.Code+"\t"+c.Title)
			}
			return all
		},
		"errors": func(context.Context) (all []string) {
			for _, e := range a.deps.Errors("en") {
				all = append(all, e.Code+"\t"+e.Title)
			}
			return all
		},
	}
	flags := map[string]completion{
		"site": a.siteWords, "machine": a.machineWords, "case": a.caseWords, "request": a.requestWords, "for": a.machineWords, "plan": a.planWords,
		"lang": func(context.Context) []string { return []string{"en", "ja"} },
	}
	for _, c := range everyCommand(root) {
		if w, ok := words[strings.TrimPrefix(c.CommandPath(), "reprotect ")]; ok {
			c.ValidArgsFunction = a.offers(w)
		}
		for name, w := range flags {
			if f := c.Flags().Lookup(name); f != nil && f.Value.Type() != "bool" {
				_ = c.RegisterFlagCompletionFunc(name, a.offers(w)) // it fails only where one is registered already
			}
		}
	}
}

func everyCommand(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, everyCommand(sub)...)
	}
	return all
}

func (a *app) offers(w completion) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		ctx, stop := context.WithTimeout(cmd.Context(), completionTime)
		defer stop()
		a.config = config.Path(a.config)
		var fitting []string
		seen := map[string]bool{}
		for _, word := range w(ctx) {
			if !seen[word] && strings.HasPrefix(strings.ToLower(word), strings.ToLower(begun)) && !strings.ContainsAny(word, "\n\x1b") {
				seen[word] = true
				fitting = append(fitting, word)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) siteWords(context.Context) []string {
	s, _ := a.settings() // no config, no words
	return s.Sites
}

// known is what the bus knows, of each case by way of.
func (a *app) known(ctx context.Context, machines, ids, requests, plans bool) (all []string) {
	listed, err := a.cases(ctx)
	if err != nil {
		return nil
	}
	for _, c := range listed {
		if machines {
			for _, m := range c.Machines {
				all = append(all, m.Name)
			}
		}
		if ids {
			all = append(all, c.ID)
		}
		if requests && c.Request != "" {
			all = append(all, c.Request)
		}
		if plans && c.Plan != "" {
			all = append(all, c.Plan)
		}
	}
	return all
}

func (a *app) handleWords(ctx context.Context) []string { return a.known(ctx, true, true, true, false) }
func (a *app) machineWords(ctx context.Context) []string {
	return a.known(ctx, true, false, false, false)
}
func (a *app) caseWords(ctx context.Context) []string { return a.known(ctx, false, true, false, false) }
func (a *app) requestWords(ctx context.Context) []string {
	return a.known(ctx, false, false, true, false)
}
func (a *app) planWords(ctx context.Context) []string { return a.known(ctx, false, false, false, true) }
