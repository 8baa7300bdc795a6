package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"reprotect.example/services/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Check the config, or write one to begin with",
		Long: "Check the config and the secrets that it names, or write a sample with a word on each part.",
		RunE: func(cmd *cobra.Command, words []string) error {
			if len(words) > 0 {
				return unknownCommand(cmd, words[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	c.AddCommand(&cobra.Command{
		Use: "check", Short: "Say whether the config is right",
		Long: `Say whether the config is right: its keys and values, each with its line; that every secret which it names can be read;
that dataDir can be written to. Nothing is connected to. Ends with 0 when it is right, else with 2.`,
		Example: example("reprotect config check", "reprotect config check --config /etc/reprotect/reprotect.yaml -o json"),
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			checked, err := a.checkConfig()
			switch {
			case a.json() && err == nil:
				return a.printJSON(checked)
			case err != nil:
				return err
			}
			fmt.Fprintf(a.stdout, "%s is right: %s.\n", checked.File, plural(len(checked.Sites), "site", "sites"))
			return nil
		},
	}, &cobra.Command{
		Use: "init [FILE]", Short: "Write a config to begin with",
		Long:    "Write a config to begin with, with a word on each part: to FILE, which must not be there yet, else to the terminal.",
		Example: example("reprotect config init", "reprotect config init reprotect.yaml"),
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				_, err := fmt.Fprint(a.stdout, config.Sample)
				return err
			}
			f, err := os.OpenFile(files[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, os.ErrExist) {
				return usage("Name another file, or take this one away first.", "%s is there already", files[0])
			}
			if err != nil {
				return Usage(err)
			}
			_, err = f.WriteString(config.Sample)
			if err = errors.Join(err, f.Close()); err != nil {
				return Usage(err)
			}
			a.hint("Written to %s. Put your names in, then 'reprotect config check --config %s'.", files[0], files[0])
			return nil
		},
	})
	return c
}

// checkedConfig is a config that is right.
type checkedConfig struct {
	File  string   `json:"file"`
	Sites []string `json:"sites"`
}

func (a *app) checkConfig() (checkedConfig, error) {
	c, err := config.Load(a.config)
	if err == nil {
		err = errors.Join(c.CheckSecrets(), c.CheckFolder())
	}
	return checkedConfig{a.config, c.SiteNames()}, Usage(err)
}
