package cli

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"reprotect.example/services/internal/config"
)

// Main runs one command line (without the program's name) and returns the exit status. It ends early when ctx ends
// or on SIGINT or SIGTERM.
func Main(ctx context.Context, args []string, deps Deps, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := &app{deps: deps.withDefaults(), stdin: stdin, stdout: stdout, stderr: stderr, answers: person(stdin, stderr)}
	root := app.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitGood
	case ctx.Err() != nil:
		return exitInterrupted
	case !app.began: // cobra's own: unknown command, wrong flag, wrong number of arguments
		err = app.misused(root, args, err)
	}
	if !isSilent(err) {
		fmt.Fprint(stderr, explain(err))
	}
	return statusOf(err)
}

func (d Deps) withDefaults() Deps {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.NewID == nil {
		d.NewID = newID
	}
	if d.User == nil {
		d.User = userAtHost
	}
	if d.Patience == 0 {
		d.Patience = 10 * time.Second
	}
	return d
}

// newID makes the id of a request: its day, for people, and 30 random bits.
func newID(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	word := base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding).EncodeToString(b[:])
	return "r-" + now.UTC().Format("20060102") + "-" + word[:6]
}

func userAtHost() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// app is one run of the program.
type app struct {
	deps           Deps
	stdin          io.Reader
	stdout, stderr io.Writer

	config  string
	output  string
	lang    string
	noColor bool
	quiet   bool
	began   bool      // the command line was understood
	answers io.Reader // the terminal of somebody who can be asked; nil: nobody
}

// example sets off examples as cobra's help wants them.
func example(lines ...string) string { return "  " + strings.Join(lines, "\n  ") }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "reprotect",
		Short: "Reprotect VMware machines that failed over to Azure",
		Long: `Reprotect brings machines that were failed over to Azure under protection again, from Azure to on-premises.

A request becomes one case for each machine, or for each group that must go together. Each case is checked, gets
a datastore, waits for the machine's agent, starts the Site Recovery job, and is followed until the machine is
protected. Nothing is changed before every check has passed.

Exit status of every command: 0 done and good; 1 done, and the answer is no (a check blocks, a case failed or was
rejected); 2 wrong use, a config that cannot work, or a name that nobody knows; 3 the bus, Azure or vCenter is not
reached, or did not answer in time; 4 not permitted, a password or token refused too; 130 ended by Ctrl-C.`,
		Example: example(
			"reprotect preflight web01            # check only, change nothing",
			"reprotect request web01 --wait       # reprotect, follow to the end",
			"reprotect status                     # what needs you, and what goes on",
			"reprotect watch                      # everything that is under way",
			"reprotect demo                       # try it, without Azure or vCenter"),
		SilenceUsage: true, SilenceErrors: true,
		Version:           a.deps.Build.String(),
		Args:              cobra.ArbitraryArgs, // misused says what is wrong with them
		PersistentPreRunE: a.begin,
		RunE: func(cmd *cobra.Command, words []string) error {
			if len(words) > 0 {
				return unknownCommand(cmd, words[0])
			}
			return cmd.Help()
		},
	}
	root.SetVersionTemplate("reprotect {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringVar(&a.config, "config", "", "read the config from `FILE` (default: $REPROTECT_CONFIG, else ./reprotect.yaml)")
	f.StringVarP(&a.output, "output", "o", "text", "output `FORMAT`: text, json or yaml; some commands have wide, jsonl, name or html, too")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print the result only: no hints, no progress")
	f.StringVar(&a.lang, "lang", "en", "language of the texts: en, or ja in preflight, datastores, checks, errors, show, list and watch")
	f.BoolVar(&a.noColor, "no-color", false, "no colours (also: the variable NO_COLOR)")
	root.AddGroup(
		&cobra.Group{ID: "work", Title: "Reprotect machines:"},
		&cobra.Group{ID: "home", Title: "Bring them home:"},
		&cobra.Group{ID: "look", Title: "See what is going on:"},
		&cobra.Group{ID: "run", Title: "Run the product:"},
		&cobra.Group{ID: "try", Title: "Try it out:"},
	)
	for group, commands := range map[string][]*cobra.Command{
		"work": {a.preflightCommand(), a.requestCommand(), a.cancelCommand(), a.retryCommand(), a.acknowledgeCommand(), a.notifyCommand(), a.datastoresCommand(), a.checksCommand(), a.errorsCommand()},
		"home": {a.failbackCommand(), a.commitCommand(), a.withdrawCommand(), a.protectCommand()},
		"look": {a.statusCommand(), a.topCommand(), a.listCommand(), a.showCommand(), a.watchCommand(), a.logCommand()},
		"run":  {a.busCommand(), a.configCommand(), a.docsCommand(), a.versionCommand()},
		"try":  {a.demoCommand(), a.labCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("run")
	root.SetCompletionCommandGroupID("run")
	a.completes(root)
	return root
}

// bilingual are the commands whose texts come from the catalogues, in English or Japanese.
var bilingual = map[string]bool{
	"reprotect preflight": true, "reprotect checks": true, "reprotect errors": true,
	"reprotect show": true, "reprotect list": true, "reprotect watch": true, "reprotect datastores": true, "reprotect status": true, "reprotect top": true,
}

// begin holds the common flags against what the command can do.
func (a *app) begin(cmd *cobra.Command, _ []string) error {
	a.began = true
	switch {
	case a.lang == "en" || a.lang == "ja" && bilingual[cmd.CommandPath()]:
	case a.lang == "ja":
		a.hint("'%s' speaks English only. preflight, datastores, checks, errors, show, list and watch speak Japanese.", cmd.CommandPath())
	default:
		return usage("Languages: en, ja.", "--lang %s: there is no such language", a.lang)
	}
	if err := a.checkFormat(cmd); err != nil {
		return err
	}
	a.config = config.Path(a.config)
	return nil
}

// hint writes a line for people to stderr.
func (a *app) hint(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// open connects to the bus of the config.
func (a *app) open(ctx context.Context) (Bus, error) { return a.deps.Open(ctx, a.config) }

// terminal says whether something is a screen at which a person sits.
func terminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
}

// width is how wide the terminal is; 0 where nobody looks at one: then nothing is cut.
func width(w io.Writer) int {
	if !terminal(w) {
		return 0
	}
	wide, _, err := term.GetSize(w.(interface{ Fd() uintptr }).Fd())
	if err != nil {
		return 0
	}
	return wide
}

// color says whether w may be written to in colours.
func (a *app) color(w io.Writer) bool {
	return terminal(w) && !a.noColor && os.Getenv("NO_COLOR") == ""
}
