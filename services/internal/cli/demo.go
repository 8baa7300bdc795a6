package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

func (a *app) demoCommand() *cobra.Command {
	var o DemoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "See the whole of it in one process, without Azure or vCenter",
		Long: `Run everything in one process: a message bus, a simulated vCenter and Site Recovery, and all services. Ask for
sample machines, and show how each becomes protected. Ends with 0 when all are.`,
		Example: example("reprotect demo", "reprotect demo --machines 10 --speed 600"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := holds(o.Speed > 0, "--speed", "above 0"); err != nil {
				return err
			}
			if err := holds(o.Machines > 0, "--machines", "1 or more"); err != nil {
				return err
			}
			if err := oneOf("--bus", o.Bus, "nats", "servicebus"); err != nil {
				return err
			}
			a.hint("Starting a bus, a simulated vCenter and Site Recovery, and the services.")
			demo, err := a.deps.StartDemo(cmd.Context(), o)
			if err != nil {
				return err
			}
			defer demo.Stop()
			request := events.Request{Reason: "demonstration", RequestedBy: a.deps.User()}
			for _, name := range demo.Machines {
				request.Machines = append(request.Machines, events.RequestMachine{Name: name})
			}
			q, err := ask(cmd.Context(), a, demo.Bus, events.TypeRequest, request, len(request.Machines))
			if err != nil {
				return err
			}
			a.hint("Request %s asks for %s.", q.id, plural(len(demo.Machines), "machine", "machines"))
			listed, err := a.accepted(cmd.Context(), demo.Bus, q, true)
			if err == nil && !slices.ContainsFunc(listed, isRefused) {
				listed, err = a.toTheEnd(cmd.Context(), demo.Bus, q, len(listed))
			}
			if err != nil {
				return err
			}
			err = errors.Join(a.printDemo(listed, o.Speed), verdict(listed))
			a.hint("Next: 'reprotect lab --dir lab --speed 60', 'reprotectd --config lab/reprotect.yaml', then 'reprotect request --all' and\n" +
				"'reprotect top' with --config lab/reprotect.yaml. 'reprotect lab do --dir lab' lists what can go wrong there.")
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&o.Machines, "machines", 4, "`NUMBER` of machines")
	f.Float64Var(&o.Speed, "speed", 60, "how fast time runs: with `60` a simulated minute takes a second")
	f.Int64Var(&o.Seed, "seed", 1, "`NUMBER` from which everything random comes")
	f.StringVar(&o.Bus, "bus", "nats", "`BUS`: nats or servicebus")
	return c
}

func (a *app) printDemo(listed []cases.Case, speed float64) error {
	if a.json() {
		return a.printJSON(briefs(listed))
	}
	p := paint(a.color(a.stdout))
	t := newTable("MACHINE", "ARCHITECTURE", "OUTCOME", "TOOK", "SIMULATED", "WHY")
	for _, c := range listed {
		took := c.Took(a.deps.Now())
		labels := c.Labels()
		for i, m := range c.Machines {
			t.row(labels[i], m.Architecture, p.level(stateLevel(c), string(m.State)), cases.Duration(took),
				cases.Duration(time.Duration(float64(took)*speed)), cases.OneLine(c.Why))
		}
	}
	t.fit(width(a.stdout), "ARCHITECTURE").write(a.stdout)
	good := 0
	for _, c := range listed {
		if c.Good {
			good++
		}
	}
	fmt.Fprintf(a.stdout, "\n%d of %s ended with every machine protected.\n", good, plural(len(listed), "case", "cases"))
	return nil
}
