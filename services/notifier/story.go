package notifier

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/cases"
	"reprotect.example/services/status"
)

// Kinds of stories beside those of status.Need.
const (
	kindRequest = "request" // a request, from when it was accepted to its end
	kindWait    = "waiting" // Azure or vCenter is away, and somebody can do something about it
	kindSummary = "summary" // what ended while nobody told of it
)

// Pace says when stories are told.
type Pace struct {
	Digest time.Duration // a request that moves is told of at most so often; 5m
	Stale  time.Duration // what ended longer ago, and was not told, comes in one summary; 1h
	Gather time.Duration // so long what belongs together is waited for; 3s
}

func (p Pace) withDefaults() Pace {
	return Pace{cmp.Or(p.Digest, 5*time.Minute), cmp.Or(p.Stale, time.Hour), cmp.Or(p.Gather, 3*time.Second)}
}

const (
	firstJoin     = 30 * time.Second // until machines that joined a cause are told; doubles up to Pace.Digest
	firstReminder = time.Hour        // until a cause is told again; doubles
	patience      = 2 * time.Minute  // surroundings that are away for less are not told
)

// Thread is what was told of a story, as the notifications in the event log say.
type Thread struct {
	Case, Request string // under which it stands in the log
	events.Note          // the last one
	At            time.Time
	Worst         string // the highest level so far: its end goes wherever it was told
}

// Digest decides what is to be told of a site: a pure function of where its cases stand, of what was told, and of the
// time, but for how long it has known of what it has not told yet. It is not safe for use by many goroutines at once.
type Digest struct {
	Site string
	Pace Pace
	told map[string]*Thread
	seen map[string]time.Time // since when an untold story is known here
}

// Post is a notification to be published.
type Post struct {
	Case, Request string
	events.Note
}

// Name tells it apart from all others of its case.
func (p Post) Name() string {
	return strings.ReplaceAll(p.Thread, "/", "-") + "-" + strconv.Itoa(p.Number)
}

// NewDigest has told nothing yet.
func NewDigest(site string, pace Pace) *Digest {
	return &Digest{Site: site, Pace: pace.withDefaults(), told: map[string]*Thread{}, seen: map[string]time.Time{}}
}

// Told takes in a notification that stands in the log, in any order and as often as it comes.
func (d *Digest) Told(h events.Header, n events.Note) {
	if n.Thread == "" {
		return
	}
	for _, other := range n.Tells {
		d.Told(h, events.Note{Thread: other, Number: 1, Level: n.Level, State: events.NoteClosed})
	}
	t := d.told[n.Thread]
	if t == nil {
		t = &Thread{}
		d.told[n.Thread] = t
	}
	delete(d.seen, n.Thread)
	delete(d.seen, n.Thread[:strings.LastIndexByte(n.Thread, '/')+1])
	t.Worst = worse(t.Worst, n.Level)
	if n.Number < t.Number {
		return
	}
	t.Case, t.Request, t.Note, t.At = h.Case, h.Request, n, h.Time
}

func worse(a, b string) string {
	levels := []string{"", events.LevelInfo, events.LevelWarning, events.LevelCritical}
	return levels[max(slices.Index(levels, a), slices.Index(levels, b), 0)]
}

// Due lists what is to be told now, and says when there may be more though nothing happens; zero: never. What is told must
// come back through Told.
func (d *Digest) Due(all []cases.Case, now time.Time) (posts []Post, next time.Time) {
	later := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	view := status.Of(status.Given{Cases: all, Site: d.Site, Now: now})
	posts = append(posts, d.needs(view, all, now, later)...)
	posts = append(posts, d.requests(view, all, now, later)...)
	posts = append(posts, d.refusals(all, now)...)
	for i := range posts {
		if posts[i].Fact == "" { // a summary, of which no case is the first
			posts[i].Fact = posts[i].Case + "/" + events.StepRequest
		}
	}
	return posts, next
}

// ripe says whether an untold story has been known for long enough that what belongs to it has shown.
func (d *Digest) ripe(thread string, now time.Time, later func(time.Time)) bool {
	since, known := d.seen[thread]
	if !known {
		since = now
		d.seen[thread] = now
	}
	if ripe := since.Add(d.Pace.Gather); now.Before(ripe) {
		later(ripe)
		return false
	}
	return true
}

// needs tells of what needs a person: at once, again when it has changed, at growing pauses, and when it is over.
func (d *Digest) needs(view status.View, all []cases.Case, now time.Time, later func(time.Time)) (posts []Post) {
	open := d.openByKey()
	present := map[string]bool{}
	for _, n := range merged(append(view.NeedsYou, waitsForPeople(all, d.Site, now, later)...)) {
		if n.Kind == status.Refused {
			continue
		}
		key := keyOf(n.Kind, d.Site, n.Key)
		present[key] = true
		t := open[key]
		if t == nil {
			thread := key + "/" + strconv.FormatInt(n.Since.Unix(), 36)
			if d.told[thread] != nil { // told and closed: it has come back within its own past
				thread = key + "/" + strconv.FormatInt(now.Unix(), 36)
			}
			if d.ripe(key+"/", now, later) {
				posts = append(posts, d.post(thread, caseOf(n), needNote(n, events.NoteOpen, all)))
			}
			continue
		}
		due, reminder := d.again(t, n)
		switch {
		case due.IsZero():
		case now.Before(due):
			later(due)
		default:
			note := needNote(n, events.NoteUpdate, all)
			note.Reminder = reminder
			if reminder > 0 {
				note.Title = "Still: " + note.Title
			}
			posts = append(posts, d.post(t.Thread, caseRef{t.Case, t.Request}, note))
		}
	}
	maps.DeleteFunc(d.seen, func(key string, _ time.Time) bool { // it went before it was told
		return !strings.HasPrefix(key, kindRequest+"/") && !present[strings.TrimSuffix(key, "/")]
	})
	for _, key := range slices.Sorted(maps.Keys(open)) {
		if t := open[key]; !present[key] {
			posts = append(posts, d.post(t.Thread, caseRef{t.Case, t.Request}, overNote(t.Note, t.Worst, now)))
		}
	}
	return posts
}

// again says when the story of a cause is told again, and which reminder that is; 0: it has changed.
func (d *Digest) again(t *Thread, n status.Need) (due time.Time, reminder int) {
	was := map[string]bool{}
	for _, m := range t.Machines {
		was[m] = true
	}
	joined := slices.ContainsFunc(n.Machines, func(m string) bool { return !was[m] })
	stateChanged := len(t.Causes) > 0 && len(n.Machines) > 0 && t.Kind == n.Kind && n.State == cases.AlarmEnded && t.Causes[0].What != oneLine(n.Cause)
	if joined || stateChanged {
		return t.At.Add(min(firstJoin<<min(t.Number-1, 10), d.Pace.Digest)), 0
	}
	// Growing from what was said first: a reminder after one hour, two more, four more, …
	return t.At.Add(firstReminder << min(t.Reminder, 12)), t.Reminder + 1
}

// openByKey lists the threads of causes that are not over, each under its key.
func (d *Digest) openByKey() map[string]*Thread {
	open := map[string]*Thread{}
	for name, t := range d.told {
		kind, _, _ := strings.Cut(name, "/")
		if t.State != events.NoteClosed && kind != kindRequest {
			key := name[:strings.LastIndexByte(name, '/')]
			if other := open[key]; other == nil || other.Thread < name {
				open[key] = t
			}
		}
	}
	return open
}

// keyOf is a cause as a part of its thread's name.
func keyOf(kind, site, key string) string {
	sum := sha256.Sum256([]byte(key))
	return kind + "/" + site + "/" + hex.EncodeToString(sum[:6])
}

type caseRef struct{ id, request string }

func caseOf(n status.Need) caseRef {
	ref := caseRef{}
	if len(n.Cases) > 0 {
		ref.id = n.Cases[0]
	}
	if len(n.Requests) > 0 {
		ref.request = n.Requests[0]
	}
	ref.id = cmp.Or(ref.id, events.Token(ref.request))
	return ref
}

func (d *Digest) post(thread string, of caseRef, n events.Note) Post {
	n.Thread, n.Number = thread, 1
	if t := d.told[thread]; t != nil {
		n.Number = t.Number + 1
	}
	return Post{of.id, of.request, bounded(n)}
}

// merged puts needs of one key together: those of an alarm that is open for some machines and has ended for others.
func merged(needs []status.Need) []status.Need {
	at := map[string]int{}
	var all []status.Need
	for _, n := range needs {
		key := n.Kind + "\n" + n.Key
		i, twice := at[key]
		if !twice {
			at[key] = len(all)
			all = append(all, n)
			continue
		}
		to := &all[i]
		to.Machines, to.Cases, to.Alarms = union(to.Machines, n.Machines), union(to.Cases, n.Cases), union(to.Alarms, n.Alarms)
		if n.Since.Before(to.Since) {
			to.Since = n.Since
		}
	}
	return all
}

func union(a, b []string) []string {
	a = slices.Clone(a)
	for _, word := range b {
		if !slices.Contains(a, word) {
			a = append(a, word)
		}
	}
	return a
}

// waitsForPeople are the waits for Azure and vCenter that have a remedy and last: whoever waits goes on by itself, and yet
// somebody must do something.
func waitsForPeople(all []cases.Case, site string, now time.Time, later func(time.Time)) []status.Need {
	var needs []status.Need
	at := map[string]int{}
	for _, c := range all {
		w := c.Waiting
		if c.Site != site || c.End || w == nil || w.Remedy == "" || !slices.Contains([]events.Reason{events.ForAzure, events.ForVCenter}, w.For) {
			continue
		}
		if ripe := w.Since.Add(patience); now.Before(ripe) {
			later(ripe)
			continue
		}
		key := string(w.For) + "\n" + w.Code
		i, ok := at[key]
		if !ok {
			i = len(needs)
			at[key] = i
			needs = append(needs, status.Need{Kind: kindWait, Key: key, Code: cmp.Or(w.Code, string(w.For)), Cause: w.Message, Do: w.Remedy, Since: w.Since})
		}
		n := &needs[i]
		n.Machines, n.Cases, n.Requests = union(n.Machines, c.Labels()), append(n.Cases, c.ID), union(n.Requests, []string{c.Request})
		if w.Since.Before(n.Since) {
			n.Since = w.Since
		}
	}
	return needs
}

// requests tells of each request: that it was accepted, how it moves, and its end.
func (d *Digest) requests(view status.View, all []cases.Case, now time.Time, later func(time.Time)) (posts []Post) {
	var late []status.Request
	for _, r := range view.Requests {
		thread := kindRequest + "/" + d.Site + "/" + events.Token(r.ID)
		of := caseRef{events.Token(r.ID), r.ID}
		t, ended := d.told[thread], !r.EndedAt.IsZero()
		story := func() story { return storyOf(r, all, d.Site) }
		switch {
		case t == nil && ended && now.Sub(r.EndedAt) > d.Pace.Stale:
			late = append(late, r)
		case ended && (t == nil || t.State != events.NoteClosed):
			if d.ripe(thread, now, later) { // facts of its other cases may be on their way
				posts = append(posts, d.post(thread, of, story().closed()))
			}
		case t == nil && r.Machines == 0: // it has not become cases: if something holds it, that is told
		case t == nil:
			if d.ripe(thread, now, later) {
				posts = append(posts, d.post(thread, of, story().open()))
			}
		case !ended:
			delete(d.seen, thread)
			if !moved(t.Note, r) {
				continue
			}
			if due := t.At.Add(d.Pace.Digest); now.Before(due) {
				later(due)
			} else {
				posts = append(posts, d.post(thread, of, story().update()))
			}
		}
	}
	if len(late) > 0 {
		posts = append(posts, d.summary(late))
	}
	return posts
}

func moved(told events.Note, r status.Request) bool {
	c := told.Counts
	return told.State == events.NoteClosed || c == nil || c.Done != r.Done || c.Failed != r.Failed || c.Machines != r.Machines
}

// summary tells of requests that ended while nobody told of them.
func (d *Digest) summary(late []status.Request) Post {
	last := slices.MaxFunc(late, func(a, b status.Request) int { return a.EndedAt.Compare(b.EndedAt) })
	thread := kindSummary + "/" + d.Site + "/" + strconv.FormatInt(last.EndedAt.Unix(), 36)
	n := summaryNote(late)
	for _, r := range late {
		n.Tells = append(n.Tells, kindRequest+"/"+d.Site+"/"+events.Token(r.ID))
	}
	return d.post(thread, caseRef{events.Token(last.ID), last.ID}, n)
}

// refusals tells of requests and other commands that were refused: their story is over when it begins.
func (d *Digest) refusals(all []cases.Case, now time.Time) (posts []Post) {
	for _, c := range all {
		thread := kindRequest + "/" + d.Site + "/" + c.ID
		if c.Site != d.Site || c.State != events.CaseRefused || d.told[thread] != nil || now.Sub(c.Ended()) > d.Pace.Stale {
			continue
		}
		posts = append(posts, d.post(thread, caseRef{c.ID, c.Request}, refusedNote(c)))
	}
	return posts
}

// Forget drops what was told of stories that ended before a time.
func (d *Digest) Forget(before time.Time) {
	maps.DeleteFunc(d.told, func(_ string, t *Thread) bool { return t.State == events.NoteClosed && t.At.Before(before) })
}
