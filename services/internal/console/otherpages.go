package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

// alarmsView is what the guard told, of all cases.
type alarmsView struct {
	Alarms []alarm
	States []string
	State  string
	Counts map[string]int
	Acts   bool
}

func (c *Console) alarmsPage(_ *http.Request, d *sheet, s *snapshot) error {
	v := alarmsView{States: alarmStates, State: d.Query.Get("state"), Counts: map[string]int{}, Acts: c.mayAct(d.Who, "acknowledge") == nil}
	for _, a := range s.alarms("", d.Query.Get("site")) {
		v.Counts[a.State]++
		if v.State == "" || a.State == v.State {
			v.Alarms = append(v.Alarms, a)
		}
	}
	d.It = v
	return nil
}

// logView is a part of the event log, the newest first.
type logView struct {
	Lines   []told
	Kinds   []string
	Older   string // address of what is older; "": this is the beginning
	Newer   bool   // this is not the newest part
	Problem string // of what was asked for, as a key of words
}

const logLines = 100

func (c *Console) logPage(r *http.Request, d *sheet, _ *snapshot) error {
	q := query(d.Query)
	v := logView{Newer: q.get("before") != ""}
	for _, k := range events.Kinds() {
		if k.Role != events.DeadLetter {
			v.Kinds = append(v.Kinds, k.Name)
		}
	}
	b := Back{Case: q.get("case"), Site: q.get("site"), Person: q.get("person"), Limit: logLines}
	if k, ok := events.KindOf(q.get("type")); ok {
		b.Types = []string{k.CloudType()}
	}
	b.Before, _ = strconv.ParseUint(q.get("before"), 10, 63) // what is no number is the newest part
	var since, until bool
	b.Since, since = moment(q.get("since"), d.Now)
	b.Until, until = moment(q.get("until"), d.Now)
	if !since || !until {
		v.Problem = "time-wrong"
	}
	found, next, err := c.o.Journal.LookBack(r.Context(), b)
	if err != nil {
		return err
	}
	for _, m := range found {
		v.Lines = append(v.Lines, toldOf(m))
	}
	if next > 0 {
		v.Older = d.Link("before", strconv.FormatUint(next, 10))
	}
	d.It = v
	return nil
}

func toldOf(m bus.Received) told {
	return told{cases.Describe(cases.ReadEntry(m)), m.Subject, event(m.Data)}
}

// Raw is the event as it was published, indented.
func (t told) Raw() string { return indented(t.Event) }

// moment reads a time as people write it: RFC 3339, a day, a day with a time, or how long ago. Without a zone it is UTC.
func moment(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, true
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago.Abs()), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// healthView is whether the parts work, and what the journal holds.
type healthView struct {
	Parts   []status.Part
	Ready   bool
	Holding *Holding // nil: it cannot be read
	Version string
	Sites   []string
	Streams int
}

func (c *Console) healthPage(r *http.Request, d *sheet, _ *snapshot) error {
	v := healthView{Parts: c.o.Health(), Version: c.o.Version, Sites: c.o.Sites, Streams: len(c.streams)}
	v.Ready = !slices.ContainsFunc(v.Parts, func(p status.Part) bool { return p.State == status.Down })
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if h, err := c.o.Journal.Holds(ctx); err == nil {
		v.Holding = &h
	}
	d.It = v
	return nil
}

// readyView lists the machines that may be failed back.
type readyView struct {
	Rows []cases.Ready
	Acts bool
}

func (c *Console) readyPage(_ *http.Request, d *sheet, s *snapshot) error {
	v := readyView{}
	site, text := d.Query.Get("site"), strings.ToLower(d.Query.Get("q"))
	for _, m := range cases.ReadyMachines(s.Cases) {
		if (site == "" || m.Site == site) && strings.Contains(strings.ToLower(m.Label), text) {
			v.Rows = append(v.Rows, m)
		}
	}
	d.It = v
	return nil
}

// readyRow is a machine that may be failed back, or why not.
type readyRow struct {
	Machine string        `json:"machine"`
	Item    string        `json:"item,omitempty"`
	Site    string        `json:"site"`
	Ready   bool          `json:"ready"`
	Why     string        `json:"why,omitempty"`
	Since   time.Time     `json:"protectedSince,omitzero"`
	Lag     *int          `json:"lag,omitempty"` // seconds
	Alarms  []cases.Alarm `json:"alarms,omitempty"`
	AsOf    time.Time     `json:"asOf"`
}

func (c *Console) apiReady(_ *http.Request, q query) (any, error) {
	s, err := c.stands()
	if err != nil {
		return nil, err
	}
	rows := []readyRow{}
	for _, m := range cases.ReadyMachines(s.Cases) {
		if site := q.get("site"); site != "" && m.Site != site {
			continue
		}
		row := readyRow{Machine: m.Machine, Item: m.Item, Site: m.Site, Ready: len(m.Alarms) == 0, Since: m.Since, Lag: m.LagSeconds, Alarms: m.Alarms, AsOf: c.o.Now().UTC()}
		if !row.Ready {
			row.Why = m.Alarms[0].What
		}
		rows = append(rows, row)
	}
	return rows, nil
}
