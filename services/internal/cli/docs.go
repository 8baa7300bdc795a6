package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"reprotect.example/deploy/docs"
)

func (a *app) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "docs [PAGE]",
		Short: "Show the documentation, without any network",
		Long: `List the pages of the documentation, or show one of them: how to begin, how to install, the runbook of the night, what
to do about a symptom, and the references of commands, config and metrics. They are part of this program. Pages are Markdown.`,
		Example: example("reprotect docs", "reprotect docs runbook", "reprotect docs -o json"),
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if len(args) == 0 {
				for _, p := range docs.Pages() {
					names = append(names, p.Name+"\t"+p.Title)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			pages := docs.Pages()
			if len(args) > 0 {
				for _, p := range pages {
					if p.Name == args[0] {
						if a.json() {
							return a.printJSON(p)
						}
						fmt.Fprint(a.stdout, p.Text)
						return nil
					}
				}
				return usage("'reprotect docs' lists them.", "there is no page %s", args[0])
			}
			if a.json() {
				return a.printJSON(pages)
			}
			for _, p := range pages {
				fmt.Fprintf(a.stdout, "%-18s %s\n", p.Name, p.Title)
			}
			return nil
		},
	}
}
