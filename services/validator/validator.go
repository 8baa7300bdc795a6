// Package validator turns requests into cases and checks every precondition before anything is touched.
package validator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/services/checks"
	"reprotect.example/services/observed"
	"reprotect.example/services/readiness"
	"reprotect.example/services/waiting"
	"reprotect.example/services/workflow"
)

// Vault is what the validator needs of Site Recovery.
type Vault interface {
	// Vault gives a look at the vault that is not older than maxAge, with the items of full, by id, read in full.
	Vault(ctx context.Context, maxAge time.Duration, full ...string) (observed.Vault, error)
	// RefreshProvider lets the configuration server of a fabric report anew.
	RefreshProvider(ctx context.Context, fabricID string) error
}

// Inventory reads vCenter.
type Inventory interface {
	Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error)
}

// Site is what the service needs of a site.
type Site struct {
	Vault     Vault
	Inventory Inventory
	Checks    checks.Site
	Defaults  Defaults
	Look      time.Duration
	// RetentionWait is how long a retention drive is waited for that the master target does not offer: a new one
	// shows up to 15 minutes after it was added (S25).
	RetentionWait time.Duration
	// Ready judges cases that lead machines home.
	Ready readiness.Reader
	// Elsewhere marks a site that another process serves: its requests are left to that one.
	Elsewhere bool
}

// New makes the service. Served restricts it to some of the sites; empty: all.
func New(sites map[string]Site, served []string, log Log, now func() time.Time) workflow.Service {
	v := validator{sites, log, now}
	return workflow.Service{Name: "validator", Sites: served, Routes: []workflow.Route{
		workflow.On(events.TypeAccepted, events.StepValidation, v.accepted),
		workflow.OnCommand(events.TypeRequest, v.requested, v.refuse),
		workflow.OnCommand(events.TypeCancel, v.cancel, v.refuse),
		workflow.OnCommand(events.TypeRetry, v.retry, v.refuse),
		workflow.OnCommand(events.TypeAcknowledge, v.acknowledge, v.refuse),
		workflow.OnCommand(events.TypeFailback, v.failback, v.refuse),
		workflow.OnCommand(events.TypeCommit, v.onward(events.TypeCommit, events.LegCommit), v.refuse),
		workflow.OnCommand(events.TypeWithdraw, v.onward(events.TypeWithdraw, events.LegWithdraw), v.refuse),
		workflow.OnCommand(events.TypeProtect, v.onward(events.TypeProtect, events.LegProtect), v.refuse),
		workflow.OnUnknownCommand(v.refuse),
	}}
}

type validator struct {
	sites map[string]Site
	log   Log
	now   func() time.Time
}

// requested makes cases of a request, all or none.
func (v validator) requested(ctx context.Context, e workflow.Event[events.Request], told waiting.Told) (workflow.Result[waiting.Told], error) {
	return becomes(ctx, v, e, e.Data.Site, machineNames(e.Data), told, func(vault observed.Vault, d Defaults) ([]string, map[string]events.Case, []events.Problem) {
		return Resolve(e.ID, e.Data, e.Received.UTC(), vault, d)
	})
}

// becomes makes cases of a command, all or none: of what resolve finds for it in the vault of its site.
func becomes[T any](ctx context.Context, v validator, e workflow.Event[T], siteName string, names []string, told waiting.Told,
	resolve func(observed.Vault, Defaults) (ids []string, cases map[string]events.Case, problems []events.Problem),
) (workflow.Result[waiting.Told], error) {
	name, problem := v.site(siteName)
	if problem != nil {
		return refused(v.anySite(), e.ID, nil, *problem), nil
	}
	site := v.sites[name]
	if site.Elsewhere {
		return workflow.Result[waiting.Told]{}, nil
	}
	into := func(d workflow.Draft) workflow.Draft { return d.For(name, events.Token(e.ID), e.ID) }
	if e.Looks > 0 { // it waited, so somebody may have cancelled it
		reason, cancelled, err := cancelledRequest(ctx, e, name, e.ID)
		switch {
		case err != nil:
			return workflow.Result[waiting.Told]{}, err
		case cancelled:
			return refused(name, e.ID, nil, events.Problem{
				Code: "request.cancelled", Message: strings.TrimSuffix("The request was cancelled before it became cases: "+reason, ": "),
				Remedy: "Nothing was begun. If the machines are to come home after all, send the request again.",
			}), nil
		}
	}
	vault, err := site.Vault.Vault(ctx, site.Look)
	if err != nil {
		return waiting.Surroundings(err, names, told, e.Looks, v.now(), site.Look, into)
	}
	ids, cases, problems := resolve(vault, site.Defaults)
	if problems == nil { // once it is known whose items count, they are read in full, and decide anew
		if vault, err = site.Vault.Vault(ctx, site.Look, observed.ItemIDs(slices.Collect(maps.Values(cases))...)...); err != nil {
			return waiting.Surroundings(err, names, told, e.Looks, v.now(), site.Look, into)
		}
		ids, cases, problems = resolve(vault, site.Defaults)
	}
	if problems != nil {
		return refused(name, e.ID, nil, problems...), nil
	}
	var result workflow.Result[waiting.Told]
	if e.Looks > 0 { // first, so that whoever asks for its end from now on is sent to its cases
		result.Publish = append(result.Publish, into(moves(ids, cases)))
	}
	for _, id := range ids {
		result.Publish = append(result.Publish, workflow.Fact(events.TypeAccepted, "", events.Accepted{Case: cases[id]}).For(name, id, e.ID))
	}
	return result, nil
}

// moves tells in the story of a request that it waits no more.
func moves(ids []string, cases map[string]events.Case) workflow.Draft {
	p := events.Progressed{Machines: []events.MachineProgress{}}
	for _, id := range ids {
		for _, name := range cases[id].Names() {
			p.Machines = append(p.Machines, events.MachineProgress{Machine: name, State: events.StateNotStarted})
		}
	}
	return workflow.Fact(events.TypeProgressed, "", p)
}

// cancelledRequest says whether somebody asked for the end of a request that waited, before it became cases.
func cancelledRequest[T any](ctx context.Context, e workflow.Event[T], site, request string) (reason string, cancelled bool, err error) {
	e.Site, e.Case = site, events.Token(request)
	mark, cancelled, err := workflow.Mark(ctx, e, events.TypeCancelling)
	return mark.Data.Reason, cancelled, err
}

// accepted judges a case.
func (v validator) accepted(ctx context.Context, e workflow.Event[events.Accepted], told waiting.Told) (workflow.Result[waiting.Told], error) {
	site, ok := v.sites[e.Site]
	if !ok {
		return workflow.Result[waiting.Told]{}, workflow.UnknownSite(e.Site)
	}
	c := e.Data.Case
	if c.RetryOf == "" && e.Time.Sub(c.RequestedAt) > site.Look/2 { // the request waited, and may have been cancelled in its last moment
		reason, cancelled, err := cancelledRequest(ctx, e, e.Site, e.Request)
		switch {
		case err != nil:
			return workflow.Result[waiting.Told]{}, err
		case cancelled:
			return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeCancelled, events.StepValidation, events.Cancelled{Case: c, Reason: reason})}}, nil
		}
	}
	if c.Leg != events.LegReprotect {
		return v.judgeHome(ctx, e, site, told)
	}
	in, err := look(ctx, site, c, v.now)
	if err != nil {
		return waiting.Surroundings(err, c.Names(), told, e.Looks, v.now(), site.Look)
	}
	findings := checks.Run(in)
	c.CheckedAt = in.Vault.AsOf().UTC()
	blocking := checks.Blocking(findings)
	until := e.Time.Add(site.RetentionWait)
	switch next(blocking, v.now().Before(until), !c.DryRun && checks.MayFit(in)) {
	case awaitDrive:
		return v.awaitDrive(ctx, e, told, site, blocking, until)
	case awaitSlots:
		return v.awaitSlots(e, told, site, blocking), nil
	case reject:
		return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeRejected, events.StepValidation, events.Rejected{
			Case: c, Findings: checks.Told(findings), Problems: checks.Problems(checks.Told(blocking)),
		})}}, nil
	case goOn:
	}
	return workflow.Result[waiting.Told]{Publish: []workflow.Draft{workflow.Fact(events.TypeValidated, "", events.Validated{Case: c, Findings: checks.Told(findings)})}}, nil
}

// step is what follows from the findings of a case.
type step int

const (
	goOn       step = iota + 1
	awaitDrive      // a retention drive may be new
	awaitSlots      // disk slots come free as others fail back
	reject
)

// next says what follows from what blocks a case. A drive is awaited for a while (driveMayCome), slots where the case
// fits once they are free (mayFit): a dry run takes none, and tells what it finds.
func next(blocking []events.Finding, driveMayCome, mayFit bool) step {
	switch {
	case len(blocking) == 0:
		return goOn
	case onlyRetention(blocking) && driveMayCome:
		return awaitDrive
	case onlySlots(blocking) && mayFit:
		return awaitSlots
	default:
		return reject
	}
}

const retentionDrive = "retention-drive.present"

// onlyRetention says whether nothing stops the case but a retention drive that is not offered.
func onlyRetention(blocking []events.Finding) bool {
	return len(blocking) > 0 && !slices.ContainsFunc(blocking, func(f events.Finding) bool { return f.Check != retentionDrive })
}

// awaitDrive waits for a retention drive that may be new, and refreshes the configuration server once, which
// brings it forth sooner (S25).
func (v validator) awaitDrive(ctx context.Context, e workflow.Event[events.Accepted], told waiting.Told, site Site, blocking []events.Finding, until time.Time) (workflow.Result[waiting.Told], error) {
	c := e.Data.Case
	if e.Looks == 0 {
		if err := refresh(ctx, site, c); err != nil {
			return waiting.Surroundings(err, c.Names(), told, e.Looks, v.now(), site.Look)
		}
	}
	w := waitFor(events.ForRetentionDrive, e, blocking)
	w.Until = until
	pause := min(waiting.Pause(site.Look, 0), until.Sub(v.now())+time.Millisecond)
	return waiting.On(w, told, v.now(), pause), nil
}

// onlySlots says whether nothing stops the case but disk slots that others hold.
func onlySlots(blocking []events.Finding) bool {
	return len(blocking) > 0 && !slices.ContainsFunc(blocking, func(f events.Finding) bool {
		return !strings.HasSuffix(f.Check, ".disk-slots") || f.Status != checks.Failed
	})
}

// awaitSlots waits for disk slots that come free as others fail back: a case that is asked for while its master target
// or appliance is full waits like those that were asked for before, which stand in the executor's line.
func (v validator) awaitSlots(e workflow.Event[events.Accepted], told waiting.Told, site Site, blocking []events.Finding) workflow.Result[waiting.Told] {
	w := waitFor(events.ForDiskSlot, e, blocking)
	w.Remedy += " The case goes on by itself: slots come free as machines fail back."
	result := waiting.On(w, told, v.now(), waiting.Pause(site.Look, e.Looks))
	if told.For == events.ForDiskSlot { // not told again whenever one of the others is home
		result.Publish, result.State = nil, told
	}
	return result
}

// waitFor words the findings that a case waits for.
func waitFor(reason events.Reason, e workflow.Event[events.Accepted], blocking []events.Finding) events.Waiting {
	first := blocking[0]
	w := events.Waiting{For: reason, Code: first.Check, Message: first.Evidence, Remedy: first.Remedy, Since: e.Time}
	for _, f := range blocking {
		w.Machines = append(w.Machines, f.Machine)
	}
	return w
}

// refresh lets the configuration servers of a case report anew.
func refresh(ctx context.Context, site Site, c events.Case) error {
	vault, err := site.Vault.Vault(ctx, site.Look)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for _, m := range c.Machines {
		item, _ := vault.Item(m.Item)
		if item.Architecture != observed.Classic || done[item.FabricID] {
			continue
		}
		done[item.FabricID] = true
		if err := site.Vault.RefreshProvider(ctx, item.FabricID); err != nil {
			return err
		}
	}
	return nil
}

// look reads what a case is judged by; nothing is changed.
func look(ctx context.Context, site Site, c events.Case, now func() time.Time) (checks.Input, error) {
	vault, err := site.Vault.Vault(ctx, site.Look, observed.ItemIDs(c)...)
	if err != nil {
		return checks.Input{}, err
	}
	inventory, err := site.Inventory.Inventory(ctx, checks.Query(c, vault))
	return checks.Input{Now: now(), Case: c, Vault: vault, Inventory: inventory, Site: site.Checks}, err
}

// site finds the site that a request is for: the named one, or the only one.
func (v validator) site(name string) (string, *events.Problem) {
	known := slices.Sorted(maps.Keys(v.sites))
	if name == "" && len(known) == 1 {
		return known[0], nil
	}
	if _, ok := v.sites[name]; ok {
		return name, nil
	}
	message := fmt.Sprintf("The site %q is not known", name)
	if name == "" {
		message = "There are several sites, and the request names none"
	}
	return "", &events.Problem{Code: "site.unknown", Place: "/data/site", Message: message, Remedy: "Name one of: " + strings.Join(known, ", ") + "."}
}

// anySite is where a refusal stands that belongs to no site.
func (v validator) anySite() string {
	for _, name := range slices.Sorted(maps.Keys(v.sites)) {
		return name
	}
	return "none"
}

// refuse words what could not even be read as a request.
func (v validator) refuse(h events.Header, original []byte, err error) workflow.Draft {
	problems := []events.Problem{{Code: "internal", Message: err.Error(), Remedy: "The message stands among the dead letters. Send it again when the cause is corrected."}}
	var invalid *events.Invalid
	var rejection *workflow.Rejection
	switch {
	case errors.As(err, &invalid):
		problems = invalid.Problems
		for i := range problems {
			if problems[i].Remedy == "" {
				problems[i].Remedy = "Correct this place and send the command again; its schema is urn:reprotect:schema:" + commandName(h) + ":v1."
			}
		}
	case errors.As(err, &rejection):
		problems = []events.Problem{{Code: rejection.Code, Message: rejection.Message, Remedy: rejection.Remedy}}
	}
	return refusal(v.anySite(), h.ID, original, problems...)
}

// commandName is the name of the command that was sent, as far as that can be told.
func commandName(h events.Header) string {
	if k, known := events.KindOf(h.Type); known && k.Role == events.Command {
		return k.Name
	}
	return events.TypeRequest.Name
}

func refused(site, id string, original []byte, problems ...events.Problem) workflow.Result[waiting.Told] {
	return workflow.Result[waiting.Told]{Publish: []workflow.Draft{refusal(site, id, original, problems...)}}
}

// refusal words why a command makes no case.
func refusal(site, id string, original []byte, problems ...events.Problem) workflow.Draft {
	const most = 4 << 10
	text := strings.ToValidUTF8(string(original[:min(len(original), most)]), "�")
	return workflow.Fact(events.TypeRefused, "", events.Refused{Problems: problems, Original: text}).For(site, events.Token(id), id)
}

func machineNames(r events.Request) []string {
	var names []string
	for _, m := range r.Machines {
		names = append(names, m.Name)
	}
	return names
}
