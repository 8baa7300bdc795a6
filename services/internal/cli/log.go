package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
	"reprotect.example/services/cases"
)

func (a *app) logCommand() *cobra.Command {
	var followOn bool
	var id string
	var since uint64
	c := &cobra.Command{
		Use:   "log",
		Short: "Show the event log",
		Long: `Show the event log: every command, fact and notification, in order, one a line. The number at the front is the
place in the log. With -o json, each line is the event itself, as it is stored.

For other programs: -o jsonl is an export that 'reprotect log verify' can prove, each line a CloudEvent with its
position and leaf hash; -o cef and -o ocsf are for a SIEM; -o csv is for a spreadsheet.`,
		Example: example("reprotect log", "reprotect log --follow --case r-20261122-ab12cd-web01", "reprotect log --since 1200 -o json | jq .type", "reprotect log -o jsonl > log.jsonl && reprotect log verify log.jsonl"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reading := Reading{From: since, Follow: followOn}
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			wanted := func(bus.Received) bool { return true }
			if id != "" {
				_, ofRequest, err := named(cmd.Context(), b, id)
				switch {
				case err != nil:
					return err
				case ofRequest != nil:
					reading.Filters = []string{events.SubjectFacts + ".>"}
					wanted = func(r bus.Received) bool {
						request := cases.ReadEntry(r).Header.Request
						return request == id || events.Token(request) == id
					}
				default:
					reading.Filters = []string{factsOf(id)}
				}
			}
			if slices.Contains(audit.Formats(), a.output) {
				return a.export(cmd.Context(), b, reading, wanted)
			}
			return b.Read(cmd.Context(), reading, func(r bus.Received) error {
				if !wanted(r) {
					return nil
				}
				return a.logLine(r)
			})
		},
	}
	c.Flags().BoolVarP(&followOn, "follow", "f", false, "go on with what comes, until Ctrl-C")
	c.Flags().StringVar(&id, "case", "", "only the facts of `CASE`, or of all cases of a request")
	c.AddCommand(a.logVerifyCommand(), a.logCheckpointCommand(), a.logKeyCommand())
	c.Flags().Uint64Var(&since, "since", 0, "begin at the place `SEQ` of the log")
	return c
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
