package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

// rowsOnPage is how many cases a page lists.
const rowsOnPage = 100

// casesList is a page of the list of cases.
type casesList struct {
	Rows    []caseRow
	Found   int
	All     int
	From    int // the first row's number, from 1
	To      int
	Page    int
	Pages   int
	Sort    string
	Down    bool
	States  []string
	Sites   []string
	Columns []column
}

// caseRow is a case in the list.
type caseRow struct {
	*cases.Case
	Names []string
	Stage string
	Class string
	Note  string
	Press int // alarms that want somebody
	Needs bool
}

// column is one by which the list can be sorted.
type column struct {
	Key   string
	Class string
}

var caseColumns = []column{{"machines", ""}, {"state", ""}, {"percent", "number"}, {"note", "wide"}, {"site", "wide"}, {"request", "wide"}, {"since", "wide"}, {"updated", "number"}}

// filter says which cases; what is empty does not restrict.
type filter struct {
	Text, State, Site, Request, Machine string
}

// needsPerson is a state of the filter: cases that want somebody, whatever else they are.
const needsPerson = "needs-you"

// underWay is a state of the filter: cases that have not ended.
const underWay = "under-way"

func (c *Console) casesPage(_ *http.Request, d *sheet, s *snapshot) error {
	q := query(d.Query)
	f := filter{Text: q.get("q"), State: q.get("state"), Site: q.get("site"), Request: q.get("request")}
	rows := make([]caseRow, 0, len(s.Cases))
	for i := range s.Cases {
		if r := rowOf(&s.Cases[i]); f.fits(r) {
			rows = append(rows, r)
		}
	}
	sort, down := strings.CutPrefix(q.get("sort"), "-")
	if sort == "" {
		sort, down = "updated", true
	}
	sortRows(rows, sort, down)
	list := casesList{Found: len(rows), All: len(s.Cases), Sort: sort, Down: down, Columns: caseColumns, Sites: c.o.Sites, States: caseStates()}
	list.Pages = max((len(rows)+rowsOnPage-1)/rowsOnPage, 1)
	page, _ := strconv.Atoi(q.get("page"))
	list.Page = min(max(page, 1), list.Pages)
	from := (list.Page - 1) * rowsOnPage
	list.Rows = rows[from:min(from+rowsOnPage, len(rows))]
	list.From, list.To = min(from+1, len(rows)), from+len(list.Rows)
	for i := range list.Rows {
		list.Rows[i].Names = list.Rows[i].Labels()
	}
	d.It = list
	return nil
}

// caseStates are what the list can be narrowed to.
func caseStates() []string {
	states := []string{needsPerson, underWay}
	for _, s := range []events.CaseState{
		events.CaseWaiting, events.CaseStarted, events.CaseCompleted, events.CaseFailed, events.CaseRejected, events.CaseRefused,
		events.CaseCancelled, events.CaseCancelling, events.CaseRehearsed, events.CaseAccepted, events.CaseValidated, events.CasePlaced, events.CaseRegistered,
		events.CaseHome, events.CaseCommitted, events.CaseWithdrawn, events.CaseProtected,
	} {
		states = append(states, string(s))
	}
	return states
}

func rowOf(c *cases.Case) caseRow {
	r := caseRow{Case: c}
	for _, a := range c.Alarms {
		if a.Pressing() {
			r.Press++
		}
	}
	operator := !c.End && c.Waiting != nil && c.Waiting.For == events.ForOperator
	r.Needs = r.Press > 0 || operator || c.State == events.CaseFailed || c.State == events.CaseRejected
	switch {
	case r.Press > 0:
		r.Stage, r.Class = "alarm", "bad"
	case operator:
		r.Stage, r.Class = "operator", "bad"
	case c.State == events.CaseStarted && c.Flows():
		r.Stage, r.Class = status.StageReplicating, "run"
	default:
		r.Stage, r.Class = "state-"+string(c.State), stateClass[c.State]
	}
	r.Note = noteOf(c)
	return r
}

var stateClass = map[events.CaseState]string{
	events.CaseAccepted: "early", events.CaseValidated: "early", events.CasePlaced: "early", events.CaseRegistered: "wait", events.CaseStarted: "run",
	events.CaseRehearsed: "good", events.CaseCompleted: "good", events.CaseFailed: "bad", events.CaseRejected: "bad", events.CaseRefused: "bad",
	events.CaseHome: "run", events.CaseCommitted: "run", events.CaseWithdrawn: "off", events.CaseProtected: "good",
	events.CaseCancelled: "off", events.CaseWaiting: "wait", events.CaseCancelling: "off",
}

// noteOf is the one line that says most about a case now.
func noteOf(c *cases.Case) string {
	for _, a := range c.Alarms {
		if a.Pressing() {
			return cmp.Or(a.What, a.Code)
		}
	}
	switch {
	case c.Waiting != nil:
		return c.Waiting.Message
	case c.Why != "":
		return c.Why
	}
	for _, m := range c.Machines {
		if m.Message != "" {
			return m.Message
		}
	}
	for _, m := range c.Machines {
		if !c.End && (m.Task != "" || m.State == events.StateReplicating) {
			return cases.Doing(m.State, m.Task, m.Replication)
		}
	}
	return ""
}

func (f filter) fits(r caseRow) bool {
	if f.Site != "" && r.Site != f.Site || f.Request != "" && r.Request != f.Request {
		return false
	}
	switch f.State {
	case "":
	case needsPerson:
		if !r.Needs {
			return false
		}
	case underWay:
		if r.End {
			return false
		}
	default:
		if string(r.State) != f.State {
			return false
		}
	}
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		if !r.says(word) {
			return false
		}
	}
	return true
}

// says whether a word stands somewhere in what the list shows of a case.
func (r caseRow) says(word string) bool {
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), word) }
	return in(r.ID) || in(r.Request) || in(r.Site) || in(r.Code) || in(r.Note) || in(r.Plan) || in(r.Reason) || in(r.RequestedBy) ||
		slices.ContainsFunc(r.Machines, func(m cases.Machine) bool { return in(m.Name) || in(m.Datastore) || in(m.Code) })
}

func sortRows(rows []caseRow, by string, down bool) {
	order := func(a, b *caseRow) int { return a.Updated.Compare(b.Updated) }
	switch by {
	case "machines":
		order = func(a, b *caseRow) int {
			return strings.Compare(strings.ToLower(firstName(a)), strings.ToLower(firstName(b)))
		}
	case "state":
		order = func(a, b *caseRow) int { return strings.Compare(a.Stage, b.Stage) }
	case "percent":
		order = func(a, b *caseRow) int { return cmp.Compare(a.Percent, b.Percent) }
	case "note":
		order = func(a, b *caseRow) int { return strings.Compare(a.Note, b.Note) }
	case "site":
		order = func(a, b *caseRow) int { return strings.Compare(a.Site, b.Site) }
	case "request":
		order = func(a, b *caseRow) int { return strings.Compare(a.Request, b.Request) }
	case "since":
		order = func(a, b *caseRow) int { return a.Since.Compare(b.Since) }
	}
	slices.SortFunc(rows, func(a, b caseRow) int {
		n := order(&a, &b)
		if down {
			n = -n
		}
		return cmp.Or(n, strings.Compare(a.ID, b.ID))
	})
}

func firstName(r *caseRow) string {
	if len(r.Machines) == 0 {
		return ""
	}
	return r.Machines[0].Name
}

// Link is the address of this page with some parameters changed; an empty value takes one away. What else was asked for
// stays, but not the number of a page: that is of another list then.
func (d *sheet) Link(pairs ...string) string {
	q := url.Values{}
	for name, values := range d.Query {
		if name != "page" && name != "before" {
			q[name] = values
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return d.Path
	}
	return d.Path + "?" + q.Encode()
}

// SortLink turns the order when the list is in that order already.
func (d *sheet) SortLink(list casesList, key string) string {
	if list.Sort == key && !list.Down {
		key = "-" + key
	}
	return d.Link("sort", key)
}

// PageLink is another page of the same list.
func (d *sheet) PageLink(n int) string { return d.Link("page", strconv.Itoa(n)) }
