package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"reprotect.example/services/cases"
	"reprotect.example/services/observed"
	"reprotect.example/services/preflight"
)

// readyRow is whether a machine may be failed back now, with what the event log knows of it.
type readyRow struct {
	preflight.Readiness

	ProtectedSince *time.Time    `json:"protectedSince"` // null: the event log does not know
	Alarms         []cases.Alarm `json:"alarms"`         // that press; null: the event log could not be read
}

// listReady asks the vaults now. The event log adds to that, and is not needed.
func (a *app) listReady(ctx context.Context, f *filters) error {
	found, err := a.deps.Ready(ctx, a.config, f.site)
	if err != nil && len(found) == 0 {
		return err
	}
	listed, unread := a.cases(ctx)
	if unread != nil {
		a.hint("The event log cannot be read, so alarms, and since when machines are protected, are not known: %v", unread)
	}
	rows := f.ready(readyRows(found, cases.ReadyMachines(listed), unread == nil))
	if a.json() {
		if printErr := a.printJSON(rows); printErr != nil {
			return printErr
		}
		return err
	}
	var ready []string // names alone are for scripts, which would take one that is not ready for one that is
	for _, r := range rows {
		if r.Ready != nil && *r.Ready {
			ready = append(ready, r.Machine)
		}
	}
	if !a.onlyNames(ready) {
		a.printReady(rows)
	}
	return err
}

// readyRows puts what the event log knows beside what the vaults say, those with a pressing alarm first.
func readyRows(found []preflight.Readiness, logged []cases.Ready, read bool) []readyRow {
	rows := make([]readyRow, 0, len(found))
	for _, r := range found {
		row := readyRow{Readiness: r}
		if read {
			row.Alarms = []cases.Alarm{}
		}
		i := slices.IndexFunc(logged, func(l cases.Ready) bool { return l.Site == r.Site && observed.SameID(l.Item, r.Item) })
		if i >= 0 {
			row.Alarms = append(row.Alarms, logged[i].Alarms...)
			if since := logged[i].Since; !since.IsZero() {
				row.ProtectedSince = &since
			}
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b readyRow) int { return min(len(b.Alarms), 1) - min(len(a.Alarms), 1) })
	return rows
}

func (a *app) printReady(rows []readyRow) {
	if len(rows) == 0 {
		a.hint("No machine replicates from Azure to on-premises.")
		return
	}
	t := newTable("MACHINE", "SITE", "READY", "PROTECTED SINCE", "RECOVERY POINT", "LAG", "WHY NOT", "ATTENTION")
	p, speech := paint(a.color(a.stdout)), a.speech()
	for _, r := range rows {
		ready, level := "not known", cases.Warn
		if r.Ready != nil {
			ready, level = "no", cases.Bad
			if *r.Ready {
				ready, level = "yes", cases.Good
			}
		}
		attention := ""
		if len(r.Alarms) > 0 {
			attention = alarmed(r.Alarms, speech)
		}
		t.row(r.Machine, r.Site, p.level(level, ready), moment(r.ProtectedSince), moment(r.RecoveryPoint), lag(r.LagSeconds), strings.Join(r.Why, " "), p.level(cases.Bad, attention))
	}
	t.fit(width(a.stdout), "SITE", "PROTECTED SINCE").write(a.stdout)
	a.hint("As of %s.", clock(rows[0].AsOf))
}

// moment is a time in a table; empty when it is not known.
func moment(at *time.Time) string {
	if at == nil {
		return ""
	}
	return clock(*at)
}
