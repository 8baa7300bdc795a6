package cli

import (
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reprotect.example/services/near"
)

// unknownCommand says what may have been meant.
func unknownCommand(parent *cobra.Command, word string) error {
	known := map[string]bool{}
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			known[c.Name()] = true
		}
	}
	remedy := fmt.Sprintf("'%s --help' lists them.", parent.CommandPath())
	if meant := near.Word(word, maps.Keys(known)); meant != "" {
		remedy = fmt.Sprintf("Did you mean '%s %s'? %s", parent.CommandPath(), meant, remedy)
	}
	return usage(remedy, "there is no command %q", strings.TrimSpace(strings.TrimPrefix(parent.CommandPath()+" "+word, "reprotect ")))
}

var unknownFlag = regexp.MustCompile(`^unknown flag: --(\S+)$`)

// misused words what cobra says of a command line that it did not understand, with the help of the command that was meant.
func (a *app) misused(root *cobra.Command, args []string, err error) error {
	command, _, findErr := root.Find(args)
	if findErr != nil || command == nil {
		command = root
	}
	remedy := fmt.Sprintf("See '%s --help'.", command.CommandPath())
	text := err.Error()
	if flag := unknownFlag.FindStringSubmatch(text); flag != nil {
		known := map[string]bool{}
		add := func(f *pflag.Flag) { known[f.Name] = true }
		command.Flags().VisitAll(add)
		command.InheritedFlags().VisitAll(add)
		if meant := near.Word(flag[1], maps.Keys(known)); meant != "" {
			remedy = fmt.Sprintf("Did you mean --%s? %s", meant, remedy)
		}
		text = fmt.Sprintf("'%s' has no flag --%s", command.CommandPath(), flag[1])
	}
	if strings.HasPrefix(text, "unknown command") && command.HasSubCommands() {
		words := command.Flags().Args()
		if len(words) > 0 {
			return unknownCommand(command, words[0])
		}
	}
	return usage(remedy, "%s", text)
}
