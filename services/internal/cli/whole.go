package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/cases"
)

// caseNow reads where a case stands.
func caseNow(ctx context.Context, b Bus, id string) (cases.Case, error) {
	if err := checkCaseID(id); err != nil {
		return cases.Case{}, err
	}
	c, found, err := b.Case(ctx, id)
	if err == nil && !found {
		err = noSuchCase(id)
	}
	return c, err
}

// named reads what an id names: a case, or else the cases of the request of that id, the oldest first. A request that
// has not become cases is a case of its own.
func named(ctx context.Context, b Bus, id string) (c cases.Case, ofRequest []cases.Case, err error) {
	c, err = caseNow(ctx, b, id)
	switch statusOf(err) {
	case exitGood:
		if !c.OfRequest() || c.End {
			return c, nil, nil
		}
	case exitNo, exitUsage: // no case has that id, or can have it
	default:
		return c, nil, err
	}
	all, unread := b.Cases(ctx)
	if unread != nil {
		return c, nil, unread
	}
	for _, of := range all {
		if !of.OfRequest() && (of.Request == id || events.Token(of.Request) == id) {
			ofRequest = append(ofRequest, of)
		}
	}
	if ofRequest != nil {
		return c, ofRequest, nil
	}
	return c, nil, err
}

// showRequest lists the cases of a request.
func (a *app) showRequest(id string, listed []cases.Case) error {
	a.hint("%s is a request, which has become %s:", id, plural(len(listed), "case", "cases"))
	return a.printCases(listed)
}

// notOne says that a request was named where a case is wanted.
func notOne(id string, listed []cases.Case) error {
	const most = 8
	var ids []string
	for _, c := range listed[:min(len(listed), most)] {
		ids = append(ids, c.ID)
	}
	text := strings.Join(ids, ", ")
	if over := len(listed) - most; over > 0 {
		text += fmt.Sprintf(", and %d more, which 'reprotect show %s' lists", over, id)
	}
	return no("Name one of its cases: "+text+".", "%s is a request, which has become %s", id, plural(len(listed), "case", "cases"))
}

// cancelRequest asks for the end of all cases of a request that have not ended, and prints where these stand.
func (a *app) cancelRequest(ctx context.Context, b Bus, id string, listed []cases.Case, reason string, wait bool) error {
	var open, ask []string
	for _, c := range listed {
		if c.End {
			continue
		}
		open = append(open, c.ID)
		if c.State != events.CaseCancelling {
			ask = append(ask, c.ID)
		}
	}
	if open == nil {
		return no("Nothing is left to be cancelled. 'reprotect show "+id+"' lists them.", "every case of request %s has ended", id)
	}
	if over := len(open) - len(ask); over > 0 {
		a.hint("Somebody asked for the end of %s of request %s before.", plural(over, "case", "cases"), id)
	}
	_, refused := change(ctx, a, b, events.TypeCancel, ask, func(caseID string) events.Cancel { return events.Cancel{Case: caseID, Reason: reason} })
	if refused != nil && !errors.Is(refused, errNo) {
		return refused
	}
	if wait {
		ended, err := a.watchOut(ctx, b, open, func(e cases.Entry) bool { return slices.Contains(open, e.Header.Case) })
		if err != nil {
			return err
		}
		return errors.Join(a.printCases(ended), allCancelled(ended))
	}
	all, err := b.Cases(ctx)
	if err != nil {
		return err
	}
	now := slices.DeleteFunc(all, func(c cases.Case) bool { return !slices.Contains(open, c.ID) })
	if a.json() {
		return errors.Join(a.printCases(now), refused)
	}
	for _, c := range now {
		fmt.Fprintln(a.stdout, c.ID, c.State)
	}
	return refused
}
