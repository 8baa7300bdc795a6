package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/near"
	"reprotect.example/services/preflight"
)

func (a *app) preflightCommand() *cobra.Command {
	flags := requestFlags{command: "preflight"}
	var all, ahead bool
	c := &cobra.Command{
		Use:   "preflight NAME... | --plan PLAN | --all | --file FILE",
		Short: "Check machines now, change nothing",
		Long: `Make every check for machines now, or for every machine of the vault. Nothing is changed and nothing is published;
the bus is not needed. With -o html the report is one page that needs no other file: to be sent, kept or printed.

Ends with 0 when a request would pass, with 1 when something blocks, with 2 when a name is not known, and with 3 or 4 when
vCenter could not be read: then the report says what is unknown. That a machine is not failed over yet blocks,
unless --all or --ahead asks before the disaster: then what can be checked now is.`,
		Example: example(
			"reprotect preflight web01 db01",
			"reprotect preflight --plan ERP --ahead -o html --lang ja > erp.html",
			"reprotect preflight --all -o html > vault.html",
			"reprotect preflight --all -o json | jq '.findings[] | select(.blocks)'"),
		RunE: func(cmd *cobra.Command, names []string) error {
			request, err := a.question(flags, names, all)
			if err != nil {
				return err
			}
			result, err := a.deps.Preflight(cmd.Context(), a.config, preflight.Ask{Request: request, All: all, Ahead: ahead, Lang: a.lang})
			if err != nil {
				return err
			}
			if result.By, err = a.sender(flags.by); err != nil {
				return err
			}
			result.Version = a.deps.Build.Version
			document, err := a.render(result)
			if err != nil {
				return err
			}
			if _, err := a.stdout.Write(document); err != nil {
				return err
			}
			return verdictOf(result)
		},
	}
	flags.what(c.Flags())
	c.Flags().BoolVar(&all, "all", false, "every machine of the vault, failed over or not")
	c.Flags().BoolVar(&ahead, "ahead", false, "machines that are not failed over yet are no fault: check what can be checked now")
	return c
}

// verdictOf is what a report means for a script. What could not be read comes first: the rest is not known.
func verdictOf(r preflight.Report) error {
	switch {
	case r.Unread != nil:
		return &failure{status: statusOf(r.Unread), err: r.Unread, remedy: remedyOf(r.Unread)}
	case len(r.Problems) > 0:
		return refusal(r.Problems)
	case !r.Ready():
		return errNo
	}
	return nil
}

// question is the request that is checked. For the whole vault it names no machines.
func (a *app) question(flags requestFlags, names []string, all bool) (events.Request, error) {
	if !all {
		return a.request(flags, names)
	}
	if len(names) > 0 || flags.plan != "" || flags.file != "" {
		return events.Request{}, usage("For example: reprotect "+flags.command+" --all", "--all is every machine of the vault: leave out names, --plan and --file")
	}
	request, err := a.request(flags, []string{"*"}) // a name, to hold the rest of the request to its schema
	request.Machines = nil
	return request, err
}

func (a *app) render(result preflight.Report) ([]byte, error) {
	switch a.output {
	case "json":
		return preflight.JSON(result, a.lang)
	case "html":
		return preflight.HTML(result, a.lang)
	}
	p := paint(a.color(a.stdout))
	return preflight.Text(result, a.lang, func(level, text string) string {
		if level == "" {
			return p.faint(text)
		}
		return p.level(level, text)
	}), nil
}

func (a *app) datastoresCommand() *cobra.Command {
	var machine, site string
	c := &cobra.Command{
		Use:   "datastores",
		Short: "List the datastores, and which can take a machine",
		Long: `List every datastore that vCenter shows or Site Recovery knows, whether it can take machines back, why not, and
what to do. With --for, judge them for that machine as its placement would: its size, where its disks lie, the
reach of its master target or appliance. Then the status is 1 when it finds no place.`,
		Example: example("reprotect datastores", "reprotect datastores --for web01"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.knownSite(site); err != nil {
				return err
			}
			placement, err := a.deps.Datastores(cmd.Context(), a.config, site, machine)
			if err != nil {
				return err
			}
			names := make([]string, len(placement.Considered))
			for i, d := range placement.Considered {
				names[i] = d.Name
			}
			if a.onlyNames(names) {
				return nil
			}
			if a.json() {
				err = a.printJSON(append([]events.DatastoreVerdict{}, placement.Considered...))
			} else {
				showPlacement(a.stdout, placement, a.lang, paint(a.color(a.stdout)))
			}
			if err == nil && machine != "" && placement.Datastore == "" {
				return errNo
			}
			return err
		},
	}
	c.Flags().StringVar(&machine, "for", "", "judge for the machine `NAME`")
	c.Flags().StringVar(&site, "site", "", "`SITE` of the config (default: its only one)")
	return c
}

func showPlacement(w io.Writer, placement events.Placement, lang string, p paint) {
	verdicts(placement.Considered, lang, p).write(w)
	switch {
	case placement.Machine == "":
	case placement.Datastore == "":
		fmt.Fprintf(w, "\n%s would find no place: %s.\n", placement.Machine, placement.Why)
	default:
		fmt.Fprintf(w, "\n%s would go to %s (%s location): %s.\n", placement.Machine, p.level(cases.Good, placement.Datastore), placement.Location, placement.Why)
	}
}

func verdicts(all []events.DatastoreVerdict, lang string, p paint) *rows {
	say := func(key string) string { return strings.ToUpper(preflight.Say(lang, key)) }
	t := newTable(say("datastore"), say("type"), say("free"), say("answer"), say("reason"), say("remedy"))
	for _, v := range all {
		accepted := preflight.Say(lang, "accepted")
		answer, why := p.level(cases.Good, accepted), v.Warning
		switch {
		case !v.Accepted:
			answer, why = p.level(cases.Bad, preflight.Say(lang, "refused-datastore")), v.Reason
		case v.Warning != "":
			answer = p.level(cases.Warn, accepted)
		}
		remedy := v.Remedy
		if known, do := preflight.Known(lang, v); known != "" {
			why, remedy = known, do
		}
		t.row(v.Name, v.Type, preflight.Size(v.FreeBytes), answer, why, remedy)
	}
	return t
}

func (a *app) checksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checks [CODE]",
		Short: "Show the catalogue of checks",
		Long: `Show every check that a request must pass, or one of them in full. LEVEL says what a failure does: block ends
the case before anything is changed, warn and info are shown. FOR: c classic, m modernized.`,
		Example: example("reprotect checks", "reprotect checks master-target.snapshots", "reprotect checks --lang ja", "reprotect checks -o json"),
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			all := a.deps.Checks(a.lang)
			if len(args) == 1 {
				all = slices.DeleteFunc(slices.Clone(all), func(c Check) bool { return c.Code != args[0] })
				if len(all) == 0 {
					known := map[string]bool{}
					for _, c := range a.deps.Checks(a.lang) {
						known[c.Code] = true
					}
					remedy := "'reprotect checks' lists them."
					if meant := near.Word(args[0], maps.Keys(known)); meant != "" {
						remedy = "Did you mean " + meant + "? " + remedy
					}
					return usage(remedy, "there is no check %q", args[0])
				}
			}
			codes := make([]string, len(all))
			for i, c := range all {
				codes[i] = c.Code
			}
			switch {
			case a.onlyNames(codes):
				return nil
			case a.json() && len(args) == 1:
				return a.printJSON(all[0])
			case a.json():
				return a.printJSON(all)
			case len(args) == 1:
				a.showCheck(all[0])
				return nil
			}
			t := newTable("CODE", "LEVEL", "FOR", "WHAT")
			for _, c := range all {
				t.row(c.Code, checkLevel(c), architectures(c), c.Title)
			}
			t.write(a.stdout)
			return nil
		},
	}
}

func checkLevel(c Check) string {
	if c.NeverWaived {
		return c.Level + ", never waived"
	}
	return c.Level
}

func architectures(c Check) string {
	letters := ""
	for _, f := range c.For {
		letters += f[:min(len(f), 1)]
	}
	return letters
}

func (a *app) showCheck(c Check) {
	fmt.Fprintf(a.stdout, "%s (%s; %s; %s)\n%s\n", c.Code, checkLevel(c), strings.Join(c.For, " and "), strings.Join(c.Refs, " "), c.Title)
	for _, part := range []struct{ key, text string }{{"why", c.Why}, {"remedy", c.Remedy}, {"reference", c.Reference}} {
		if part.text != "" {
			fmt.Fprintf(a.stdout, "\n%s: %s\n", preflight.Say(a.lang, part.key), part.text)
		}
	}
}
