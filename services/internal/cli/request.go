package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"reprotect.example/events"
)

// requestFlags are the parts of a request as flags.
type requestFlags struct {
	file, plan    string
	site          string
	choice        events.Choice
	together      bool
	dryRun        bool
	reason, by    string
	attest, waive []string
}

// what adds the flags that say which machines, and how: 'preflight' has them, too.
func (r *requestFlags) what(f *pflag.FlagSet) {
	f.StringVar(&r.file, "file", "", "read the request from `FILE`, JSON or YAML; - is stdin")
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
	f.StringVar(&r.by, "requested-by", "", "`WHO` asks, for the event log (default user@host)")
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
	if given != 1 {
		return request, usage("For example: reprotect request web01 db01", "say which machines: names, or --plan PLAN, or --file FILE")
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
	over(&request.RequestedBy, defaultTo(request.RequestedBy, a.deps.User))
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
	raw, err := json.Marshal(request)
	if err != nil {
		return request, err
	}
	if problems := events.Validate(events.TypeRequest.Kind, raw); problems != nil {
		return request, usage("", "the request is not valid: %w", &events.Invalid{Problems: problems})
	}
	return request, nil
}

func defaultTo(value string, otherwise func() string) string {
	if value != "" {
		return value
	}
	return otherwise()
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

// requestFile reads the data of a request, JSON or YAML.
func (a *app) requestFile(path string) (events.Request, error) {
	raw, err := a.readFile(path)
	if err != nil {
		return events.Request{}, Usage(err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		var value map[string]any
		if err := yaml.Unmarshal(raw, &value); err != nil {
			return events.Request{}, Usage(fmt.Errorf("%s: %w", path, err))
		}
		if raw, err = json.Marshal(value); err != nil {
			return events.Request{}, Usage(fmt.Errorf("%s: %w", path, err))
		}
	}
	e, err := events.ParseCommand(events.TypeRequest, raw, nil, "file")
	if err != nil {
		return events.Request{}, usage("", "%s: %w", path, err)
	}
	return e.Data, nil
}

func (a *app) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, events.MaxSize+1))
	}
	return os.ReadFile(path)
}

func (a *app) requestCommand() *cobra.Command {
	var flags requestFlags
	var wait bool
	c := &cobra.Command{
		Use:   "request NAME... | --plan PLAN | --file FILE",
		Short: "Ask for machines to be reprotected",
		Long: `Publish a request to reprotect machines, and print the ids of the cases that come of it, one a line.

Every check is made first; a machine that does not pass is rejected and nothing is changed. With --wait, follow
the cases to their end: 0 when every machine is protected, 1 when not.

The request is kept by the bus: when no service answers in time, it stands, and is taken up as soon as one runs.`,
		Example: example(
			"reprotect request web01 db01 --reason CHG0012345",
			"reprotect request --plan ERP --wait",
			"reprotect request web01 --dry-run --wait      # rehearse, change nothing",
			"reprotect request web01 --datastore VMFS-02 --attest configuration-server.backup='restored from 2026-11-20'",
			"reprotect request --file request.yaml -o json"),
		RunE: func(cmd *cobra.Command, names []string) error {
			request, err := a.request(flags, names)
			if err != nil {
				return err
			}
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			asked, err := a.ask(cmd.Context(), b, request)
			if err != nil {
				return err
			}
			return a.answered(cmd.Context(), b, asked, wait)
		},
	}
	flags.what(c.Flags())
	flags.why(c.Flags())
	c.Flags().BoolVar(&wait, "wait", false, "follow the cases to their end")
	return c
}
