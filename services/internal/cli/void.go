package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/workflow"
)

// deciding says of each step that can be decided anew which fact leads to it.
var deciding = map[string]struct {
	step string // of the fact
	kind events.Kind
}{
	events.StepValidation:   {events.StepRequest, events.TypeAccepted.Kind},
	events.StepPlacement:    {events.StepValidation, events.TypeValidated.Kind},
	events.StepRegistration: {events.StepPlacement, events.TypePlaced.Kind},
	events.StepSubmission:   {events.StepRegistration, events.TypeRegistered.Kind},
	events.StepReplication:  {events.StepSubmission, events.TypeStarted.Kind},
}

// voiding is what 'bus void' is asked for.
type voiding struct {
	caseID, step, reason, by string
	force                    bool
}

// voided is what it did.
type voided struct {
	Case     string   `json:"case"`
	Step     string   `json:"step"`
	Subject  string   `json:"subject"`  // of what is void
	Sequence uint64   `json:"sequence"` // and its place in the event log
	Why      string   `json:"why,omitempty"`
	Services []string `json:"services"` // that decide the step anew
}

func (a *app) voidCommand() *cobra.Command {
	var v voiding
	c := &cobra.Command{
		Use: "void CASE STEP", Short: "Make void what stands under a step and is no outcome of it",
		Long: `A step of a case has one outcome, and nothing takes it away again. Where something else occupies the step, such as the
message of an account that had too many rights, the case stands still: 'reprotect status' and /ready say so. Find out who
published it, then make it void. It stays in the event log, with who made it void and why; it counts no more, and the service
that decides the step is asked anew.

It needs an account that administers the bus, and that the event log can be read. A valid outcome is made void only with
--force: what was done because of it is not undone. Steps: validation, placement, registration, submission, replication; of
a request that is occupied, send another under another id.`,
		Example: example("reprotect bus void r-20261122-ab12cd--db01 replication --reason 'published by hand, INC0042'"),
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			v.caseID, v.step = args[0], args[1]
			_, known := deciding[v.step]
			switch {
			case !caseID.MatchString(v.caseID):
				return usage("'reprotect list' shows the cases.", "%q is no id of a case", cases.OneLine(v.caseID))
			case !known:
				return usage("Name one of "+strings.Join(stepsAnew(), ", ")+".", "%q is no step that can be decided anew", cases.OneLine(v.step))
			case v.reason == "":
				return usage("Say with --reason who published it, and why it is void.", "making something void needs a reason")
			}
			b, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			defer b.Close()
			if v.by, err = a.sender(v.by); err != nil {
				return err
			}
			done, err := v.do(cmd.Context(), b, a.deps.Now(), a.deps.Patience)
			switch {
			case err != nil:
				return err
			case a.json():
				return a.printJSON(done)
			}
			fmt.Fprintf(a.stdout, "Void: %d on %s%s\n", done.Sequence, cases.OneLine(done.Subject), prefixed(", since ", cases.OneLine(done.Why)))
			a.hint("%s decides the step anew.", strings.Join(done.Services, ", "))
			return nil
		},
	}
	c.Flags().StringVar(&v.reason, "reason", "", "who published it, and why it is void; required")
	c.Flags().StringVar(&v.by, "requested-by", "", "`WHO` says so (default: requestedBy of the config, $"+EnvRequestedBy+", else user@host)")
	c.Flags().BoolVar(&v.force, "force", false, "also where it is a valid outcome")
	return c
}

func stepsAnew() (steps []string) {
	for _, step := range events.Steps() {
		if _, ok := deciding[step]; ok {
			steps = append(steps, step)
		}
	}
	return steps
}

func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// do makes void what stands under the step, unless that was done, and has the step decided anew.
func (v voiding) do(ctx context.Context, b Bus, now time.Time, patience time.Duration) (done voided, err error) {
	stands, found, err := newest(ctx, b, events.OutcomeFilter("*", v.caseID, v.step))
	site, _, _, _, _ := events.SplitFact(stands.Subject)
	to := deciding[v.step]
	if err == nil && !found {
		err = no("'reprotect show' tells how far the case is.", "nothing stands under step %s of case %s", v.step, v.caseID)
	}
	if err != nil {
		return done, err
	}
	done = voided{Case: v.caseID, Step: v.step, Subject: stands.Subject, Sequence: stands.Sequence}
	mark, err := events.Decode(events.TypeVoided, stands.Data)
	if marked := err == nil && stands.Subject == events.FactSubject(site, v.caseID, v.step, events.TypeVoided.Name); marked {
		done.Subject, done.Sequence = mark.Data.Subject, mark.Data.Sequence
	} else {
		done.Why = workflow.NoOutcome(stands, site, v.caseID, v.step, "/reprotect/"+site+"/"+workflow.Decider(v.step))
		if done.Why == "" && !v.force {
			return done, no("With --force it is made void all the same; what was done because of it is not undone.", "what stands under step %s of case %s is its valid outcome", v.step, v.caseID)
		}
		if stands, err = v.mark(ctx, b, site, stands, now, patience); err != nil {
			return done, err
		}
	}
	in, found, err := newest(ctx, b, events.FactSubject(site, v.caseID, to.step, to.kind.Name))
	if err == nil && !found {
		err = no("Request the machine anew.", "case %s has no %s, which leads to step %s", v.caseID, to.kind.Name, v.step)
	}
	if err != nil {
		return done, err
	}
	s, err := b.Status(ctx)
	if err != nil {
		return done, err
	}
	for _, lag := range s.Services {
		if !serves(lag.Service, workflow.Decider(v.step), site) {
			continue
		}
		if err := b.Redecide(ctx, lag.Service, in, v.step, done.Sequence, stands.Sequence); err != nil {
			return done, fmt.Errorf("%s is void, and %s could not be asked anew: %w: run the command again", v.step, lag.Service, err)
		}
		done.Services = append(done.Services, lag.Service)
	}
	if done.Services == nil {
		err = no("'reprotect bus status' shows the services, 'reprotect bus setup' makes what they need; then run this again.", "no %s for site %s is set up on the bus", workflow.Decider(v.step), site)
	}
	return done, err
}

// serves says whether a durable subscription, such as executor or executor-tokyo-osaka, is that of a service for a site.
func serves(durable, service, site string) bool {
	of, ok := strings.CutPrefix(durable, service)
	return ok && (of == "" || strings.HasPrefix(of, "-") && strings.Contains(of+"-", "-"+site+"-"))
}

// mark puts the mark under the step, and returns it as it stands in the event log.
func (v voiding) mark(ctx context.Context, b Bus, site string, stands bus.Received, now time.Time, patience time.Duration) (marked bus.Received, err error) {
	h := events.Header{
		ID: fmt.Sprintf("%s/%s/voided-%d", v.caseID, v.step, stands.Sequence), Source: "/reprotect/" + site + "/admin",
		Type: events.TypeVoided.CloudType(), DataSchema: events.TypeVoided.Schema(), Time: now.UTC(),
		Subject: v.caseID, Site: site, Case: v.caseID, Step: v.step,
	}
	raw, err := events.Encode(events.Event[events.Voided]{Header: h, Data: events.Voided{
		Subject: stands.Subject, Sequence: stands.Sequence, Reason: v.reason, RequestedBy: v.by,
	}})
	if err != nil {
		return marked, err
	}
	subject := events.FactSubject(site, v.caseID, v.step, events.TypeVoided.Name)
	if err := b.Publish(ctx, bus.Message{Subject: subject, ID: h.ID, Data: raw}); err != nil {
		return marked, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for { // the journal keeps it a moment later
		marked, found, err := newest(ctx, b, subject)
		if err == nil && found && marked.Sequence > stands.Sequence {
			return marked, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return marked, fmt.Errorf("the mark is published, and does not show in the event log: run the command again: %w", cmp.Or(err, ctx.Err()))
		}
	}
}

// newest is the newest message that a filter takes.
func newest(ctx context.Context, b Bus, filter string) (r bus.Received, found bool, err error) {
	err = b.Read(ctx, Reading{Filters: []string{filter}}, func(one bus.Received) error {
		if !found || one.Sequence > r.Sequence {
			r, found = one, true
		}
		return nil
	})
	return r, found, err
}
