package asr

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/observed"
)

func TestVault(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	v, err := s.client(t, with(clock)).Vault(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "vault-home" || !observed.SameID(v.ID, vaultID) || !v.Taken.Equal(clock.now()) || len(v.Unread) != 0 {
		t.Errorf("vault %s %s taken %v unread %v", v.Name, v.ID, v.Taken, v.Unread)
	}
	if len(v.Items) != 2 || len(v.Jobs) != 1 || len(v.Fabrics) != 2 {
		t.Errorf("%d items, %d jobs, %d fabrics", len(v.Items), len(v.Jobs), len(v.Fabrics))
	}
	if p, ok := v.FailbackPolicy(csID); !ok || p.Name != "p1-failback" || p.Provider != "InMage" {
		t.Errorf("failback policy %+v, %v", p, ok)
	}
	if _, ok := v.FailbackPolicy(vaultID + "/replicationFabrics/appliance-fabric"); ok {
		t.Error("the appliance fabric has a classic failback policy")
	}
	wantCenters := []observed.RegisteredVCenter{{ID: classicAt + "/replicationvCenters/vc1", Name: "vcsa01", Address: "vcsa01.home.example",
		Status: "DiscoveryCompleted", Heartbeat: at("2026-03-01T17:00:00Z"), FabricID: classicAt}}
	if diff := cmp.Diff(wantCenters, v.VCenters); diff != "" {
		t.Errorf("vCenters -want +got\n%s", diff)
	}
	wantPlans := []observed.Plan{{ID: fixtureVault + "/replicationRecoveryPlans/ERP", Name: "ERP", Items: []string{v.Items[0].ID, v.Items[1].ID}, Groups: []observed.PlanGroup{
		{Kind: "Shutdown", Before: []observed.PlanAction{{Name: "Call the shop", Kind: "ManualActionDetails", What: "Tell them that it closes.", Directions: []string{"RecoveryToPrimary"}}}},
		{Kind: "Boot", Items: []string{v.Items[0].ID}, After: []observed.PlanAction{{Name: "run", Kind: "AutomationRunbookActionDetails", Directions: []string{"PrimaryToRecovery"}}}},
		{Kind: "Boot", Items: []string{v.Items[1].ID, strings.ToLower(v.Items[0].ID)}},
	}}}
	if diff := cmp.Diff(wantPlans, v.Plans); diff != "" {
		t.Errorf("plans -want +got\n%s", diff)
	}
}

func TestVaultReadsAllPages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.vault(t)
	s.handle("replicationProtectedItems", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("skipToken") {
		case "":
			body(`{"value":[{"name":"a"},null],"nextLink":"`+s.URL+r.URL.Path+`?api-version=2025-01-01&skipToken=2"}`)(w, r)
		case "2":
			body(`{"value":[],"nextLink":"`+s.URL+r.URL.Path+`?api-version=2025-01-01&skipToken=3"}`)(w, r)
		default:
			body(`{"value":[{"name":"b"},{"name":"c"}],"nextLink":""}`)(w, r)
		}
	})
	v, err := s.client(t).Vault(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range v.Items {
		names = append(names, i.Name)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotIsSharedUntilItIsTooOld(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	c := s.client(t, with(clock), func(o *Options) { o.Look = 30 * time.Second })
	steps := []struct {
		move, maxAge   time.Duration
		items, fabrics int           // requests so far
		oldest         time.Duration // age of the oldest part
	}{
		{0, 30 * time.Second, 1, 1, 0},
		{30 * time.Second, 30 * time.Second, 1, 1, 30 * time.Second}, // just young enough
		{time.Second, 30 * time.Second, 2, 1, 31 * time.Second},      // too old; the fabrics are kept
		{0, time.Hour, 2, 1, 31 * time.Second},
		{5 * time.Minute, 30 * time.Second, 3, 2, 0}, // ten looks later
		{0, 0, 4, 3, 0}, // fresh means all of it
		{0, 30 * time.Second, 4, 3, 0},
	}
	for i, step := range steps {
		clock.move(step.move)
		vault, err := c.Vault(t.Context(), step.maxAge)
		if err != nil {
			t.Fatal(err)
		}
		if age := clock.now().Sub(vault.AsOf()); age != step.oldest {
			t.Errorf("step %d: its oldest part is %s old, want %s", i, age, step.oldest)
		}
		items, fabrics := s.count("GET replicationprotecteditems"), s.count("GET replicationfabrics")
		if items != step.items || fabrics != step.fabrics {
			t.Errorf("step %d: %d and %d requests, want %d and %d", i, items, fabrics, step.items, step.fabrics)
		}
	}
	if got, want := c.Counters(), int64(len(s.requests())); got.Reads != want || got.Writes != 0 || got.Throttled != 0 {
		t.Errorf("counters %+v, want %d reads", got, want)
	}
}

// hold makes the item list wait: entered tells each request, release lets all go on.
func (s *manager) hold(t *testing.T) (entered chan struct{}, release func()) {
	s.vault(t)
	next := s.handlers["replicationprotecteditems"]
	entered, gate := make(chan struct{}, 100), make(chan struct{})
	s.handle("replicationProtectedItems", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-gate:
		case <-r.Context().Done():
		}
		next(w, r)
	})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return entered, release
}

func TestOneLookServesAllCallers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	entered, release := s.hold(t)
	c := s.client(t)
	var callers sync.WaitGroup
	for range 200 {
		callers.Go(func() {
			if v, err := c.Vault(t.Context(), time.Minute); err != nil || len(v.Items) != 2 {
				t.Errorf("%d items, %v", len(v.Items), err)
			}
		})
	}
	<-entered
	release()
	callers.Wait()
	if n := s.count("GET replicationprotecteditems"); n != 1 {
		t.Errorf("%d looks for 200 callers, want 1", n)
	}
}

func TestACallerThatGivesUpDoesNotEndTheLookOfOthers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	entered, release := s.hold(t)
	c := s.client(t)
	ctx, giveUp := context.WithCancel(t.Context())
	gone, got := make(chan error, 1), make(chan error, 1)
	go func() { _, err := c.Vault(ctx, time.Minute); gone <- err }()
	<-entered
	go func() { _, err := c.Vault(t.Context(), time.Minute); got <- err }()
	giveUp()
	err := <-gone
	wantFault(t, err, observed.Temporary, CodeInterrupted)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestUnreadPartsAreNamed(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	s.handle("replicationFabrics", status(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed","message":"no permission"}}`))
	s.handle("replicationJobs", status(http.StatusForbidden, ``))
	c := s.client(t, with(clock))
	v, err := c.Vault(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fabrics", "jobs"}, v.UnreadParts()); diff != "" {
		t.Error(diff)
	}
	if why := v.Unread["fabrics"]; !strings.Contains(why, "no permission") || !strings.Contains(why, CodeForbidden) {
		t.Errorf("fabrics are unread because %q", why)
	}
	if len(v.Items) != 2 || len(v.Plans) != 1 {
		t.Errorf("the rest is missing: %d items, %d plans", len(v.Items), len(v.Plans))
	}
	s.vault(t)
	clock.move(2 * time.Minute)
	if v, err = c.Vault(t.Context(), time.Minute); err != nil || len(v.Unread) != 0 || len(v.Fabrics) != 2 {
		t.Errorf("the next look does not try again: unread %v, %v", v.Unread, err)
	}
}

// A look that shows no jobs because Azure stumbled would let a running reprotect be started again.
func TestHalfALookIsNone(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	c := s.client(t, with(clock))
	for _, tt := range []struct {
		status int
		class  observed.Class
		code   string
	}{{http.StatusInternalServerError, observed.Temporary, CodeUnavailable}, {http.StatusUnauthorized, observed.Operator, CodeLogin}} {
		s.handle("replicationJobs", status(tt.status, ``))
		_, err := c.Vault(t.Context(), time.Minute)
		wantFault(t, err, tt.class, tt.code)
		clock.move(time.Minute)
	}
	s.vault(t)
	clock.move(time.Minute)
	if v, err := c.Vault(t.Context(), time.Minute); err != nil || len(v.Unread) != 0 {
		t.Errorf("the next look: unread %v, %v", v.Unread, err)
	}
}

func TestNoItemsIsAnErrorThatCallersShare(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	s.handle("replicationProtectedItems", status(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed","message":"no permission"}}`))
	c := s.client(t, with(clock))
	for range 20 {
		_, err := c.Vault(t.Context(), time.Minute)
		f := wantFault(t, err, observed.Operator, CodeForbidden)
		if !strings.Contains(f.What, "vault-home") || !strings.Contains(f.Words, "AuthorizationFailed: no permission") {
			t.Errorf("fault %+v", *f)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests for 20 callers in an outage, want 1", n)
	}
	s.vault(t)
	clock.move(5*time.Second + time.Second)
	if _, err := c.Vault(t.Context(), time.Minute); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

func TestThrottledClientStaysAway(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	s.handle("replicationJobs", status(http.StatusTooManyRequests, `{"error":{"code":"TooManyRequests","message":"slow down"}}`, "Retry-After", "90"))
	c := s.client(t, with(clock))
	_, err := c.Vault(t.Context(), time.Minute)
	if f := wantFault(t, err, observed.Temporary, CodeThrottled); f.After != 90*time.Second {
		t.Errorf("after %v, want 90s", f.After)
	}
	asked := len(s.requests())
	if asked != 2 {
		t.Errorf("%d requests, want 2: nothing is asked again after a 429", asked)
	}
	clock.move(30 * time.Second)
	for _, read := range []func() error{
		func() error { _, err := c.Vault(t.Context(), 0); return err },
		func() error { _, err := c.Item(t.Context(), dbID); return err },
		func() error { _, err := c.Job(t.Context(), jobGUID); return err },
	} {
		if f := wantFault(t, read(), observed.Temporary, CodeThrottled); f.After != time.Minute {
			t.Errorf("after %v, want the minute that is left", f.After)
		}
	}
	if n := len(s.requests()); n != asked {
		t.Errorf("%d requests while throttled", n-asked)
	}
	s.vault(t)
	clock.move(time.Minute)
	if _, err := c.Vault(t.Context(), time.Minute); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if got := c.Counters().Throttled; got != 1 {
		t.Errorf("throttled %d times, want 1", got)
	}
}

func TestReadsTryAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tries := 0
	s.handle("replicationJobs/"+jobGUID, func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries < 3 {
			status(http.StatusServiceUnavailable, ``)(w, r)
			return
		}
		body(string(fixture(t, "job-failed")))(w, r)
	})
	c := s.client(t)
	j, err := c.Job(t.Context(), "/any/replicationJobs/"+jobGUID)
	if err != nil || j.ID != jobGUID || len(j.Tasks) != 3 {
		t.Errorf("job %+v, %v", j, err)
	}
	if got := c.Counters().Reads; got != 3 {
		t.Errorf("%d reads counted, want each try", got)
	}
}

func TestItemByID(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle(strings.TrimPrefix(dbID, vaultID+"/"), body(string(fixture(t, "item-classic"))))
	c := s.client(t)
	i, err := c.Item(t.Context(), strings.ToUpper(dbID))
	if err != nil || i.Name != "db01" {
		t.Errorf("item %s, %v", i.Name, err)
	}
	for _, id := range []string{"", "db01", csID, strings.Replace(dbID, "vault-home", "vault-other", 1)} {
		_, err := c.Item(t.Context(), id)
		wantFault(t, err, observed.Permanent, CodeInput)
	}
	if _, err := c.Job(t.Context(), ""); err == nil {
		t.Error("a job without an id was read")
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// waitFor polls until a condition holds.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the condition never held")
		}
	}
}

// Azure throttles a principal in a subscription: the clients of one share the pause, others go on.
func TestClientsOfASubscriptionShareTheThrottle(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	s.handle("replicationJobs", status(http.StatusTooManyRequests, `{}`, "Retry-After", "90"))
	shared := NewThrottle(clock.now)
	sharing := func(o *Options) { o.Throttle = shared }
	first, second, other := s.client(t, with(clock), sharing), s.client(t, with(clock), sharing), s.client(t, with(clock))
	_, err := first.Vault(t.Context(), time.Minute)
	wantFault(t, err, observed.Temporary, CodeThrottled)
	s.vault(t)
	_, err = second.Vault(t.Context(), time.Minute)
	wantFault(t, err, observed.Temporary, CodeThrottled)
	if _, err := other.Vault(t.Context(), time.Minute); err != nil {
		t.Errorf("the client of another subscription: %v", err)
	}
}
