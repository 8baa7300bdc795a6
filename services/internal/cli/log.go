package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/cases"
)

func (a *app) logCommand() *cobra.Command {
	var followOn bool
	var only, types []string
	var f filters
	var limit time.Duration
	c := &cobra.Command{
		Use:   "log",
		Short: "Show the event log",
		Long: `Show the event log: every command, fact and notification, in order, one a line. The number at the front is the
place in the log. With -o json, each line is the event itself, as it is stored.

For other programs: -o jsonl is an export that 'reprotect log verify' can prove, each line a CloudEvent with its
position and leaf hash; -o cef and -o ocsf are for a SIEM; -o csv is for a spreadsheet.

--case takes the name of a machine, too, which stands for its latest case; the commands about a case and what was
notified of it belong to it.`,
		Example: example("reprotect log", "reprotect log --follow --case web01", "reprotect log --since 2h --type failed,rejected,violated", "reprotect log --since 1200 -o json | jq .type", "reprotect log -o jsonl > log.jsonl && reprotect log verify log.jsonl"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reading := Reading{Follow: followOn}
			if n, err := strconv.ParseUint(f.since, 10, 64); err == nil { // a place in the log
				reading.From, f.since = n, ""
			}
			since, until, err := f.check(a.deps.Now())
			if err != nil {
				return err
			}
			if followOn && (f.limit > 0 || f.until != "") {
				return usage("Leave out one of them.", "--follow goes on for ever, --limit and --until end")
			}
			if slices.Contains(audit.Formats(), a.output) && f.limit > 0 {
				return usage("Leave --limit out, or use -o text or json.", "--limit does not go with an export: it is written as it is read")
			}
			for _, t := range types {
				if err := oneOf("--type", t, typeNames()...); err != nil {
					return err
				}
			}
			ctx, stop := within(cmd.Context(), limit)
			defer stop()
			b, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer b.Close()
			w := wanted{filters: f, types: types, since: since, until: until}
			if len(only) > 0 {
				targets, err := handles(ctx, b, only, nil)
				if err != nil {
					return timedOut(ctx, err)
				}
				w.ids = ids(each(targets))
				for _, t := range targets {
					if t.whole || t.cases[0].OfRequest() {
						w.requests = append(w.requests, t.cases[0].Request)
					}
				}
			}
			if slices.Contains(audit.Formats(), a.output) {
				return timedOut(ctx, a.export(ctx, b, reading, func(r bus.Received) bool { return w.wants(cases.ReadEntry(r)) }))
			}
			var latest []bus.Received
			err = b.Read(ctx, reading, func(r bus.Received) error {
				switch {
				case !w.wants(cases.ReadEntry(r)):
					return nil
				case f.limit > 0:
					if latest = append(latest, r); len(latest) > 2*f.limit {
						latest = slices.Clone(latest[len(latest)-f.limit:])
					}
					return nil
				}
				return a.logLine(r)
			})
			for _, r := range latest[max(len(latest)-f.limit, 0):] {
				if err == nil {
					err = a.logLine(r)
				}
			}
			return timedOut(ctx, err)
		},
	}
	c.Flags().BoolVarP(&followOn, "follow", "f", false, "go on with what comes, until Ctrl-C")
	c.AddCommand(a.logVerifyCommand(), a.logCheckpointCommand(), a.logKeyCommand())
	c.Flags().StringSliceVar(&only, "case", nil, "only what is about a `CASE`, all cases of a request, or a machine's latest case")
	c.Flags().StringVar(&f.since, "since", "", "begin at a place in the log, or at `TIME`: 2026-11-27T03:00:00Z, 2026-11-27, or how long ago: 45m, 2h, 3d")
	c.Flags().StringSliceVar(&types, "type", nil, "only events of these `TYPES`, as failed, violated, request")
	f.add(c.Flags())
	addTimeout(c.Flags(), &limit)
	return c
}

// typeNames lists the names of events.
func typeNames() []string {
	var names []string
	for _, k := range events.Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// wanted says which entries of the log are shown.
type wanted struct {
	filters
	types, ids, requests []string
	since, until         time.Time
}

func (w wanted) wants(e cases.Entry) bool {
	switch {
	case !w.since.IsZero() && e.Time.Before(w.since), !w.until.IsZero() && e.Time.After(w.until):
		return false
	case w.site != "" && e.Header.Site != w.site:
		return false
	case len(w.types) > 0 && !slices.Contains(w.types, e.Kind.Name):
		return false
	case len(w.machines) > 0 && !slices.ContainsFunc(machinesIn(e), w.matches):
		return false
	case w.request != "" && !ofRequest(requestIn(e), w.request):
		return false
	}
	return len(w.ids) == 0 || slices.Contains(w.ids, caseIn(e)) || slices.Contains(w.requests, requestIn(e))
}

// caseIn is the case that an entry is about: a command names one in its data.
func caseIn(e cases.Entry) string {
	switch d := e.Data.(type) {
	case events.Cancel:
		return d.Case
	case events.Retry:
		return d.Case
	case events.Note:
		id, _, _ := strings.Cut(d.Fact, "/")
		return id
	}
	return e.Header.Case
}

// requestIn is the request that an entry is about: of a request, its own id.
func requestIn(e cases.Entry) string {
	if e.Kind == events.TypeRequest.Kind {
		return e.Header.ID
	}
	return e.Header.Request
}

// machinesIn names the machines that an entry is about, as far as it says.
func machinesIn(e cases.Entry) (names []string) {
	if e.Data == nil {
		return nil
	}
	switch d := e.Data.(type) {
	case events.Request:
		for _, m := range d.Machines {
			names = append(names, m.Name)
		}
		return names
	case events.Waiting:
		return d.Machines
	case events.Violated:
		return []string{d.Machine}
	case events.Cleared:
		return []string{d.Machine}
	case events.Returned:
		return []string{d.Machine}
	case events.Note:
		return d.Machines
	case events.Progressed:
		for _, m := range d.Machines {
			names = append(names, m.Machine)
		}
		return names
	}
	e.Subject = "" // the fold of one fact names the machines of its case
	return machinesOf(cases.Fold([]cases.Entry{e}))
}

func (a *app) logLine(r bus.Received) error {
	if a.json() {
		return a.printLine(stored(r))
	}
	p := paint(a.color(a.stdout))
	l := cases.Describe(cases.ReadEntry(r))
	about := l.Case
	if about == "" {
		about = l.ID
	}
	_, err := fmt.Fprintf(a.stdout, "%6d  %s  %-12s  %s  %s\n", l.Sequence, p.faint(clock(l.Time)), l.Kind, about, p.level(l.Level, l.Text))
	return err
}

// stored is the event as it is stored. A command may be no event: bare data, or no JSON at all; then its place in
// the log stands around it.
func stored(r bus.Received) any {
	if _, err := events.Parse(r.Data); err == nil {
		return json.RawMessage(bytes.TrimSpace(r.Data))
	}
	bare := struct {
		Subject string            `json:"subject"`
		Time    string            `json:"time"`
		Headers map[string]string `json:"headers,omitempty"`
		Data    json.RawMessage   `json:"data,omitempty"`
		Text    string            `json:"text,omitempty"` // what is no JSON
	}{Subject: r.Subject, Time: r.Published.UTC().Format("2006-01-02T15:04:05.000Z07:00"), Headers: r.Headers}
	if json.Valid(r.Data) {
		bare.Data = r.Data
	} else {
		bare.Text = string(r.Data)
	}
	return bare
}
