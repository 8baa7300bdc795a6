package admission

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reprotect.example/services/observed"
)

// plain is a request as the second reading keeps it.
type plain struct {
	id                string
	begun             bool
	rank              int
	machines, running int // no machines: of another site, and only its disks count
	disks             map[string]int
}

// walk is the second reading of decide: it walks the queue to the case, and takes for everyone before it what they
// need. It costs as much as the queue is long, and nothing in it is remembered.
func walk(queue []plain, mine string, slots map[string]int, in inUse, limits Limits, now time.Time) Decision {
	jobs, starts, disks := in.jobs, len(in.starts), maps.Clone(slots)
	blocked := ""
	over := starts - limits.StartsPerMinute
	for place, e := range queue {
		full := false
		for writer, n := range e.disks {
			full = full || n > observed.MostDisks-disks[writer]
			disks[writer] += n
		}
		if !full {
			over += e.machines
		}
		switch {
		case full || blocked != "" || e.machines == 0:
		case limits.Concurrent > 0 && e.machines > limits.Concurrent-jobs && jobs > e.running:
			blocked = fmt.Sprintf("%d reprotect jobs may run at once, and as many do", limits.Concurrent)
		case limits.StartsPerMinute > 0 && e.machines > limits.StartsPerMinute-starts && starts > 0:
			blocked = fmt.Sprintf("%d starts a minute are allowed", limits.StartsPerMinute)
		default:
			jobs, starts = jobs+e.machines, starts+e.machines
		}
		if e.id != mine {
			continue
		}
		d := Decision{Outcome: Admitted, Place: place + 1}
		switch {
		case full:
			d.Outcome = NoDiskSlot
		case blocked != "":
			d.Outcome, d.Message = NotYet, blocked
			if limits.StartsPerMinute > 0 {
				d.Soonest = soonest(over, limits.StartsPerMinute, in.starts, now)
			}
		}
		return d
	}
	panic("it does not wait")
}

func TestDecisionsAreThoseOfAWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := cleared.Add(time.Hour)
		small := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		l := NewLedger(func() time.Time { return now })
		var queues [2]*Queue // two sites of one vault
		var limits [2]Limits
		for i := range queues {
			limits[i] = Limits{StartsPerMinute: small("starts a minute", 4), Concurrent: small("at once", 6)}
			queues[i] = l.Queue(limits[i])
		}
		all := map[string]plain{}
		siteOf := map[string]int{}
		slots := map[string]int{}
		writers := []string{"w1", "w2", "w3"}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			id := fmt.Sprint("c", small("case", 25))
			e := l.waiting.entries[id]
			switch small("what", 5) {
			case 0: // it leaves
				if e != nil {
					l.waiting.drop(e)
					delete(all, id)
				}
			case 1: // a look shows other slots
				w := writers[small("writer", 2)]
				slots[w] = small("used", 70)
				l.waiting.use(l.waiting.writer(w), slots[w])
			default: // it asks, perhaps for other machines, of other sizes, at other writers, than before
				p := plain{id: id, rank: small("rank", 9), machines: 1 + small("more machines", 4), running: small("running", 8), disks: map[string]int{}}
				p.begun = small("begun", 3) == 0
				r := Request{ID: id, Order: Order{Asked: cleared, Request: "r1", Rank: p.rank}, Begun: p.begun, Running: p.running, Patience: time.Hour}
				for range p.machines {
					m := Machine{Writer: writers[small("writer", 2)], Disks: small("disks", 25)}
					p.disks[m.Writer] += m.Disks
					r.Machines = append(r.Machines, m)
				}
				site, known := siteOf[id]
				if !known {
					site = small("site", 1)
				}
				siteOf[id] = site
				l.waiting.put(queues[site], r, now)
				all[id] = p
			}
		}
		ordered := slices.SortedFunc(maps.Values(all), func(a, b plain) int {
			ea, eb := l.waiting.entries[a.id], l.waiting.entries[b.id]
			return ea.compare(eb)
		})
		in := inUse{jobs: small("jobs", 8)}
		for range small("starts", 5) {
			in.starts = append(in.starts, now.Add(-time.Duration(small("ago", 59))*time.Second))
		}
		slices.SortFunc(in.starts, time.Time.Compare)
		for i, q := range queues {
			// Of the other site those count that need the same slots; they take no turn, and have no place.
			used := maps.Clone(slots)
			var own []plain
			for _, p := range ordered {
				if siteOf[p.id] != i {
					p.machines, p.id = 0, "" // only its disks
				}
				own = append(own, p)
			}
			place := 0
			for _, p := range own {
				if p.id == "" {
					continue
				}
				place++
				want := walk(own, p.id, used, in, Limits{limits[i].StartsPerMinute, limits[i].Concurrent}, now)
				want.Place = place
				got := decide(&q.requests, l.waiting.entries[p.id], in, limits[i], now)
				if want.Outcome == NoDiskSlot {
					got.Message = ""
				}
				if got != want {
					t.Fatalf("%s of %+v, with %+v and %v in use: %+v, want %+v", p.id, own, in, used, got, want)
				}
			}
		}
	})
}

var waitingCases = flag.Int("waiting", 10_000, "requests that wait while the time of a decision is taken")

// queueOf fills a queue with requests of one machine each, that wait for their turn, and makes the same for the walk.
func queueOf(n int, limits Limits) (*Queue, []plain) {
	q := NewLedger(func() time.Time { return cleared }).Queue(limits)
	var queue []plain
	for i := range n {
		id, writer := fmt.Sprintf("c%06d", i), fmt.Sprint("w", i%(n/60+1))
		q.ledger.waiting.put(q, Request{ID: id, Machines: []Machine{{Item: id, Writer: writer, Disks: 1}}, Patience: time.Hour}, cleared)
		queue = append(queue, plain{id: id, machines: 1, disks: map[string]int{writer: 1}})
	}
	return q, queue
}

// TestDecisionTime prints the time per decision with many cases waiting, beside that of the walk that it replaced, and
// with a hundredth of them. scripts/bench runs it.
func TestDecisionTime(t *testing.T) {
	limits := Limits{StartsPerMinute: 60, Concurrent: 20}
	took := func(times int, f func()) float64 {
		begun := time.Now()
		for range times {
			f()
		}
		return float64(time.Since(begun).Nanoseconds()) / float64(times) / 1000
	}
	var few, many, plainly float64
	for _, n := range []int{*waitingCases / 100, *waitingCases} {
		q, queue := queueOf(n, limits)
		dice := rand.New(rand.NewPCG(1, 2))
		in := inUse{jobs: 20}
		few = many
		many = took(2000, func() {
			// As a case that asks: brought up to date, and decided.
			p := queue[dice.IntN(n)]
			r := Request{ID: p.id, Machines: []Machine{{Item: p.id, Writer: q.ledger.waiting.entries[p.id].needs[0].at.id, Disks: 1}}, Patience: time.Hour}
			if decide(&q.requests, q.ledger.waiting.put(q, r, cleared), in, limits, cleared).Outcome != NotYet {
				t.Fatal("it does not wait for its turn")
			}
		})
		plainly = took(40, func() {
			if walk(queue, queue[dice.IntN(n)].id, map[string]int{}, in, limits, cleared).Outcome != NotYet {
				t.Fatal("it does not wait for its turn")
			}
		})
	}
	raw, err := json.Marshal(map[string]any{
		"figure": "admission_decision", "unit": "µs", "waiting": *waitingCases, "product": many, "walk": plainly, "with_a_hundredth": few,
		"aim": "the same however many wait",
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(raw))
	if many > plainly {
		t.Errorf("with %d waiting a decision takes %.1f µs, and a walk %.1f", *waitingCases, many, plainly)
	}
}

func BenchmarkDecision(b *testing.B) {
	limits := Limits{StartsPerMinute: 60, Concurrent: 20}
	q, queue := queueOf(10_000, limits)
	in := inUse{jobs: 20}
	b.Run("indexed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			decide(&q.requests, q.ledger.waiting.entries[queue[i%len(queue)].id], in, limits, cleared)
		}
	})
	b.Run("walk", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			walk(queue, queue[i*7919%len(queue)].id, map[string]int{}, in, limits, cleared)
		}
	})
}
