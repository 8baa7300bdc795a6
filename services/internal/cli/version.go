package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Long: "Print the version of this program, its commit and the date of that; with -o json also Go and platform.",
		Example: example("reprotect version", "reprotect version -o json"), Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json() {
				return a.printJSON(a.deps.Build)
			}
			fmt.Fprintln(a.stdout, "reprotect "+a.deps.Build.String())
			return nil
		},
	}
}
