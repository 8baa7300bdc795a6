package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/checks"
	"reprotect.example/services/near"
	"reprotect.example/services/preflight"
)

// requestFlags are the parts of a request as flags.
type requestFlags struct {
	command       string // that they belong to
	file, plan    string
	site          string
	choice        events.Choice
	together      bool
	dryRun        bool
	reason, by    string
	attest, waive []string
}

// EnvRequestedBy names who asks, where the config names nobody.
const EnvRequestedBy = "REPROTECT_REQUESTED_BY"

// sender is who asks, for the event log: as a flag says, the config, the environment, else the login.
func (a *app) sender(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	s, err := a.settings()
	if err != nil {
		return "", err
	}
	return cmp.Or(s.RequestedBy, strings.TrimSpace(os.Getenv(EnvRequestedBy)), a.deps.User()), nil
}

func (a *app) settings() (Settings, error) {
	if a.deps.Settings == nil {
		return Settings{}, nil
	}
	return a.deps.Settings(a.config)
}

// knownSite says at once that the config has no such site: the services would say so later.
func (a *app) knownSite(site string) error {
	s, err := a.settings()
	if err != nil || site == "" || len(s.Sites) == 0 || slices.Contains(s.Sites, site) {
		return err
	}
	known := map[string]bool{}
	for _, name := range s.Sites {
		known[name] = true
	}
	remedy := "The config has: " + strings.Join(s.Sites, ", ") + "."
	if meant := near.Word(site, maps.Keys(known)); meant != "" {
		remedy = "Did you mean " + meant + "? " + remedy
	}
	return usage(remedy, "the config has no site %q", site)
}

// what adds the flags that say which machines, and how: 'preflight' has them, too.
func (r *requestFlags) what(f *pflag.FlagSet) {
	f.StringVar(&r.file, "file", "", "read the request from `FILE`: JSON, YAML, or names of machines, one a line; - is stdin")
	f.StringVar(&r.plan, "plan", "", "the machines of the recovery plan `PLAN`")
	f.StringVar(&r.site, "site", "", "`SITE` of the config (default: its only one)")
	f.BoolVar(&r.together, "together", false, "one case: nothing starts before all may start")
	f.StringVar(&r.choice.Datastore, "datastore", "", "`NAME` of the datastore, or auto")
	f.StringVar(&r.choice.MasterTarget, "master-target", "", "`NAME` of the master target (classic)")
	f.StringVar(&r.choice.ProcessServer, "process-server", "", "`NAME` of the process server (classic)")
	f.StringVar(&r.choice.Appliance, "appliance", "", "`NAME` of the replication appliance (modernized)")
	f.StringVar(&r.choice.RetentionDrive, "retention-drive", "", "`DRIVE` of the master target (classic), as R or /mnt/retention")
	f.StringVar(&r.choice.LogStorageAccount, "log-storage", "", "ARM `ID` of the log storage account (modernized)")
	f.StringArrayVar(&r.attest, "attest", nil, "vouch for what a check asks, as `CODE=TEXT`; may be repeated")
	f.StringArrayVar(&r.waive, "waive", nil, "pass over a check, as `CODE=REASON`; may be repeated; the event log shows it")
}

// why adds the flags of a request that is really made.
func (r *requestFlags) why(f *pflag.FlagSet) {
	f.BoolVar(&r.dryRun, "dry-run", false, "do every step up to the submission, change nothing")
	f.StringVar(&r.reason, "reason", "", "why, for the event log: `TEXT` such as the number of a change")
	f.StringVar(&r.by, "requested-by", "", "`WHO` asks, for the event log (default: requestedBy of the config, $"+EnvRequestedBy+", else user@host)")
}

// request makes the request of names and flags; what a flag says beats the file. The result holds to its schema.
func (a *app) request(r requestFlags, names []string) (events.Request, error) {
	var request events.Request
	given := 0
	for _, yes := range []bool{len(names) > 0, r.plan != "", r.file != ""} {
		if yes {
			given++
		}
	}
	eg := "For example: reprotect " + r.command + " web01 db01"
	switch {
	case given == 0:
		return request, usage(eg, "say which machines: names, or --plan PLAN, or --file FILE")
	case given > 1:
		return request, usage(eg, "names, --plan and --file say which machines: give only one of them")
	}
	if r.file != "" {
		var err error
		if request, err = a.requestFile(r.file); err != nil {
			return request, err
		}
	}
	for _, name := range names {
		request.Machines = append(request.Machines, events.RequestMachine{Name: name})
	}
	over := func(to *string, flag string) {
		if flag != "" {
			*to = flag
		}
	}
	over(&request.Plan, r.plan)
	over(&request.Site, r.site)
	over(&request.Reason, r.reason)
	over(&request.RequestedBy, r.by)
	if request.RequestedBy == "" {
		by, err := a.sender("")
		if err != nil {
			return request, err
		}
		request.RequestedBy = by
	}
	if err := a.knownSite(request.Site); err != nil {
		return request, err
	}
	request.Choice = r.choice.Or(request.Choice)
	request.Together = request.Together || r.together
	request.DryRun = request.DryRun || r.dryRun
	var err error
	if request.Attest, err = pairs("--attest", r.attest, request.Attest); err != nil {
		return request, err
	}
	if request.Waive, err = pairs("--waive", r.waive, request.Waive); err != nil {
		return request, err
	}
	for _, code := range slices.Sorted(maps.Keys(request.Waive)) {
		if check, ok := checks.Lookup(code); ok && check.NeverWaived {
			return request, usage("Put right what it finds: 'reprotect checks "+code+"' says how.", "%s cannot be waived", code)
		}
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return request, err
	}
	if problems := events.Validate(events.TypeRequest.Kind, raw); problems != nil {
		return request, usage("", "the request is not valid: %s", sentences(problems))
	}
	return request, nil
}

// pairs adds CODE=TEXT flags to a map.
func pairs(flag string, given []string, to map[string]string) (map[string]string, error) {
	for _, pair := range given {
		code, text, ok := strings.Cut(pair, "=")
		if !ok || code == "" || strings.TrimSpace(text) == "" {
			return nil, usage("'reprotect checks' shows the codes.", "%s %q: must be CODE=TEXT, and the text says why", flag, pair)
		}
		if to == nil {
			to = map[string]string{}
		}
		to[code] = text
	}
	return to, nil
}

// requestFile reads the data of a request: JSON, YAML, or names of machines, one a line.
func (a *app) requestFile(path string) (events.Request, error) {
	const forms = `It holds the names of machines, one a line, or a request as YAML or JSON: "machines: [{name: web01}]".`
	raw, err := a.readFile(path)
	if err != nil {
		return events.Request{}, Usage(err)
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(raw), "\ufeff"))
	switch {
	case text == "":
		return events.Request{}, usage(forms, "%s is empty", path)
	case strings.HasPrefix(text, "{"):
		raw = []byte(text)
	default:
		if names, ok := plainNames(text); ok {
			var request events.Request
			for _, name := range names {
				request.Machines = append(request.Machines, events.RequestMachine{Name: name})
			}
			return request, nil
		}
		var value map[string]any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return events.Request{}, usage(forms, "%s is no request that can be read", path)
		}
		if raw, err = json.Marshal(value); err != nil {
			return events.Request{}, usage(forms, "%s is no request that can be read", path)
		}
	}
	e, err := events.ParseCommand(events.TypeRequest, raw, nil, "file")
	var wrong *events.Invalid
	switch {
	case errors.As(err, &wrong):
		return events.Request{}, usage(forms, "%s: %s", path, sentences(wrong.Problems))
	case err != nil:
		return events.Request{}, usage(forms, "%s: %w", path, err)
	}
	return e.Data, nil
}

// plainNames reads a list of names: one a line, with comments behind #. What has a colon behind a word is YAML.
func plainNames(text string) (names []string, ok bool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || slices.Contains(names, line):
			continue
		case strings.HasSuffix(line, ":") || strings.Contains(line, ": ") || strings.HasPrefix(line, "- ") || strings.ContainsAny(line, "{}[]\""):
			return nil, false
		}
		names = append(names, line)
	}
	return names, len(names) > 0
}

// sentences says what is wrong with a request.
func sentences(problems []events.Problem) string {
	const most = 5
	var all []string
	for _, p := range problems[:min(len(problems), most)] {
		all = append(all, p.Sentence())
	}
	if over := len(problems) - most; over > 0 {
		all = append(all, fmt.Sprintf("and %d more", over))
	}
	return strings.Join(all, "; ")
}

func (a *app) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, events.MaxSize+1))
	}
	return os.ReadFile(path)
}

func (a *app) requestCommand() *cobra.Command {
	flags := requestFlags{command: "request"}
	var wait, yes, all bool
	var limit time.Duration
	c := &cobra.Command{
		Use:   "request NAME... | --plan PLAN | --file FILE | --all",
		Short: "Ask for machines to be reprotected",
		Long: fmt.Sprintf(`Publish a request to reprotect machines, and print the ids of the cases that come of it, one a line.

Every check is made first; a machine that does not pass is rejected and nothing is changed. With --wait, follow
the cases to their end: 0 when every machine is protected, 1 when not. With --all, every machine of the vault that is
failed over and does not replicate back yet.

Above %d machines it asks first, or wants --yes where nobody can be asked.

The request is kept by the bus: when no service answers in time the status is 3, but the request stands, and is taken up
as soon as one runs.`, manyMachines),
		Example: example(
			"reprotect request web01 db01 --reason CHG0012345",
			"reprotect request --plan ERP --wait --timeout 4h",
			"reprotect request web01 --dry-run --wait      # rehearse, change nothing",
			"reprotect request web01 --datastore VMFS-02 --attest configuration-server.backup='restored from 2026-11-20'",
			"reprotect request --file names.txt --yes",
			"reprotect request --all --dry-run"),
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx, stop := within(cmd.Context(), limit)
			defer stop()
			request, err := a.wholeRequest(ctx, flags, names, all)
			if err != nil {
				return timedOut(ctx, err)
			}
			if err := a.confirm(yes, len(request.Machines), manyMachines, summaryOf(request)); err != nil {
				return err
			}
			b, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer b.Close()
			machines := len(request.Machines)
			if request.Plan != "" {
				machines = 0
			}
			asked, err := ask(ctx, a, b, events.TypeRequest, request, machines)
			if err != nil {
				return timedOut(ctx, err)
			}
			return timedOut(ctx, a.answered(ctx, b, asked, wait))
		},
	}
	flags.what(c.Flags())
	flags.why(c.Flags())
	c.Flags().BoolVar(&wait, "wait", false, "follow the cases to their end")
	c.Flags().BoolVar(&all, "all", false, "every machine of the vault that is failed over and does not replicate back yet")
	c.Flags().BoolVar(&yes, "yes", false, fmt.Sprintf("do not ask before more than %d machines are requested", manyMachines))
	addTimeout(c.Flags(), &limit)
	return c
}

// wholeRequest is the request of names and flags, or for every machine of the vault that is failed over.
func (a *app) wholeRequest(ctx context.Context, flags requestFlags, names []string, all bool) (events.Request, error) {
	if !all {
		return a.request(flags, names)
	}
	question, err := a.question(flags, names, true)
	if err != nil {
		return question, err
	}
	a.hint("Reading the vault.")
	found, err := a.deps.Preflight(ctx, a.config, preflight.Ask{Request: question, All: true, Lang: a.lang})
	if err != nil {
		return question, err
	}
	for _, c := range found.Cases {
		for _, m := range c.Machines {
			if m.Stage == preflight.FailedOver {
				question.Machines = append(question.Machines, events.RequestMachine{Name: cmp.Or(m.Item, m.Name)})
			}
		}
	}
	if len(question.Machines) == 0 {
		return question, no("'reprotect preflight --all' shows where each stands.", "no machine of the vault is failed over and waits to be reprotected")
	}
	return question, nil
}

// summaryOf says what a request is about, before it is sent.
func summaryOf(r events.Request) string {
	const most = 5
	var names []string
	for _, m := range r.Machines[:min(len(r.Machines), most)] {
		names = append(names, cases.OneLine(m.Name[strings.LastIndexByte(m.Name, '/')+1:]))
	}
	text := "Reprotect " + plural(len(r.Machines), "machine", "machines") + " (" + strings.Join(names, ", ")
	if over := len(r.Machines) - most; over > 0 {
		text += fmt.Sprintf(", and %d more", over)
	}
	text += ")"
	if r.DryRun {
		text += " as a dry run"
	}
	return text
}
