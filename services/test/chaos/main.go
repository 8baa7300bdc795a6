// Chaos brings a site home while everything under it goes wrong: processes of services and of the bus are killed and frozen,
// connections are cut, the bus is full or busy, the clocks are apart. Then it lets everything be, waits for the end, and counts.
// It prints one object of JSON, and ends with 1 where a promise was broken.
//
// Run it by scripts/chaos, which builds the programs.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	programs string // the folder with reprotect, reprotectd and, for NATS, nats-server
	bus      string
	machines int
	trouble  time.Duration // how long things go wrong
	patience time.Duration // for the end, after that
	seed     uint64
	ahead    time.Duration // of the clock of the bus; Service Bus only
}

// figures are what a run ends with. The promises: Submissions and Ends are as many as Machines, Journal is Stream, and nothing
// else is 0 that ought to be.
type figures struct {
	Bus         string         `json:"bus"`
	Seed        uint64         `json:"seed"`
	Machines    int            `json:"machines"`
	Submissions int            `json:"submissions"` // that the vault accepted
	Twice       []string       `json:"twice"`       // machines that were submitted more than once
	Protected   int            `json:"protected"`
	Ends        int            `json:"ends"`    // cases that completed
	Cases       int            `json:"cases"`   // all
	Stream      int            `json:"stream"`  // messages of the event log, each once
	Journal     int            `json:"journal"` // that the journal keeps
	Dead        int            `json:"dead"`    // dead letters
	Faults      map[string]int `json:"faults"`  // what went wrong, and how often
	Seconds     float64        `json:"seconds"`
	Broken      []string       `json:"broken"` // promises
}

// judge names the promises that were broken.
func (f *figures) judge() {
	f.Broken = []string{}
	for _, p := range []struct {
		holds bool
		says  string
	}{
		{f.Submissions == f.Machines, fmt.Sprintf("%d submissions of %d machines", f.Submissions, f.Machines)},
		{len(f.Twice) == 0, "submitted more than once: " + strings.Join(f.Twice, ", ")},
		{f.Protected == f.Machines, fmt.Sprintf("%d of %d machines are protected", f.Protected, f.Machines)},
		{f.Cases == f.Machines, fmt.Sprintf("%d cases of %d machines", f.Cases, f.Machines)},
		{f.Ends == f.Cases, fmt.Sprintf("%d of %d cases completed", f.Ends, f.Cases)},
		{f.Journal == f.Stream, fmt.Sprintf("the journal keeps %d messages of %d", f.Journal, f.Stream)},
		{f.Dead == 0, fmt.Sprintf("%d dead letters, and nothing was wrong with any message", f.Dead)},
	} {
		if !p.holds {
			f.Broken = append(f.Broken, p.says)
		}
	}
}

func main() {
	var o options
	flag.StringVar(&o.programs, "programs", "", "`folder` with reprotect, reprotectd and nats-server")
	flag.StringVar(&o.bus, "bus", "nats", "nats (a cluster of three) or servicebus (its stand-in)")
	flag.IntVar(&o.machines, "machines", 60, "machines to bring home")
	flag.DurationVar(&o.trouble, "trouble", time.Minute, "how long things go wrong")
	flag.DurationVar(&o.patience, "patience", 5*time.Minute, "how long the end may take after that")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "draws what goes wrong")
	flag.DurationVar(&o.ahead, "ahead", 0, "by how much the clock of Service Bus is ahead; negative: behind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	f, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(f); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	if len(f.Broken) > 0 {
		os.Exit(1)
	}
}

// run brings the site home.
func run(ctx context.Context, o options) (f figures, err error) {
	begun := time.Now()
	f = figures{Bus: o.bus, Seed: o.seed, Machines: o.machines, Twice: []string{}, Faults: map[string]int{}}
	s, err := start(ctx, o)
	if err != nil {
		return f, err
	}
	defer s.stop()
	t := &trouble{site: s, random: rand.New(rand.NewPCG(o.seed, 1)), counts: f.Faults}
	troubled, calm := context.WithTimeout(ctx, o.trouble)
	asked := make(chan error, 1)
	go func() { asked <- s.ask(ctx, o.trouble*3/4) }()
	t.run(troubled)
	calm()
	t.heal()
	if err := <-asked; err != nil {
		return f, err
	}
	if err := s.await(ctx, o.patience); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err) // what it stands at says more
	}
	if err := s.count(ctx, &f); err != nil {
		return f, err
	}
	f.judge()
	s.keep = len(f.Broken) > 0
	f.Seconds = time.Since(begun).Round(time.Millisecond).Seconds()
	return f, nil
}
