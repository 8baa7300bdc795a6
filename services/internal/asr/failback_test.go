package asr

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/observed"
)

// Machines on their way home, one of each architecture.
var (
	classicReady    = observed.Item{ID: dbID, Name: "db01", Architecture: observed.Classic, Provider: "InMage"}
	modernizedReady = observed.Item{ID: webID, Name: "web01", Architecture: observed.Modernized, Provider: "InMageRcmFailback",
		HealthErrors: []observed.Problem{{ID: "2:1004"}, {Code: "1"}, {ID: "6:15"}}}
)

type act = func(*Client, context.Context) (string, error)

func failback(i observed.Item, point observed.Consistency) act {
	return func(c *Client, ctx context.Context) (string, error) { return c.Failback(ctx, i, point) }
}

func forward(i observed.Item, f observed.Forward) act {
	return func(c *Client, ctx context.Context) (string, error) { return c.ReprotectForward(ctx, i, f) }
}

// TestWayHomeSendsTheRecordedBodies (way-home 1, 2, 3, 6): each request once, with the body that was recorded of
// Microsoft's own clients, and its job's id comes back.
func TestWayHomeSendsTheRecordedBodies(t *testing.T) {
	t.Parallel()
	plan := observed.Plan{ID: fixtureVault + "/replicationRecoveryPlans/ERP", Name: "ERP"}
	db, web := strings.TrimPrefix(dbID, vaultID+"/"), strings.TrimPrefix(webID, vaultID+"/")
	for _, tt := range []struct {
		name, path, body string
		act              act
	}{
		{"1 failback, modernized", web + "/plannedFailover", `{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","recoveryPointType":"CrashConsistent"}}}`,
			failback(modernizedReady, observed.CrashConsistent)},
		{"1 failback, modernized, application-consistent", web + "/plannedFailover",
			`{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","recoveryPointType":"ApplicationConsistent"}}}`, failback(modernizedReady, observed.ApplicationConsistent)},
		{"1 failback, classic", db + "/unplannedFailover", `{"properties":{"failoverDirection":"PrimaryToRecovery","sourceSiteOperations":"NotRequired",
			"providerSpecificDetails":{"instanceType":"InMage","recoveryPointType":"LatestTime"}}}`, failback(classicReady, observed.CrashConsistent)},
		{"1 failback, classic, application-consistent", db + "/unplannedFailover", `{"properties":{"failoverDirection":"PrimaryToRecovery","sourceSiteOperations":"NotRequired",
			"providerSpecificDetails":{"instanceType":"InMage","recoveryPointType":"LatestTag"}}}`, failback(classicReady, observed.ApplicationConsistent)},
		{"1 plan", "replicationRecoveryPlans/ERP/plannedFailover", `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":[
			{"instanceType":"InMageRcmFailback","recoveryPointType":"CrashConsistent","useMultiVmSyncPoint":"Enabled"}]}}`,
			func(c *Client, ctx context.Context) (string, error) {
				return c.PlanFailback(ctx, plan, observed.CrashConsistent)
			}},
		{"1 cancel", web + "/failoverCancel", "", func(c *Client, ctx context.Context) (string, error) { return c.CancelFailover(ctx, modernizedReady) }},
		{"2 commit", db + "/failoverCommit", "", func(c *Client, ctx context.Context) (string, error) { return c.Commit(ctx, classicReady) }},
		{"2 commit of a plan", "replicationRecoveryPlans/ERP/failoverCommit", "", func(c *Client, ctx context.Context) (string, error) { return c.PlanCommit(ctx, plan) }},
		{"3 forward, modernized", web + "/reProtect", `{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","processServerId":"PS","runAsAccountId":"ACC","policyId":"POL"}}}`,
			forward(modernizedReady, observed.Forward{PolicyID: "POL", ProcessServerID: "PS", RunAsAccountID: "ACC"})},
		{"3 forward, modernized, without a policy", web + "/reProtect", `{"properties":{"providerSpecificDetails":{"instanceType":"InMageRcmFailback","processServerId":"PS","runAsAccountId":"ACC"}}}`,
			forward(modernizedReady, observed.Forward{ProcessServerID: "PS", RunAsAccountID: "ACC"})},
		{"3 forward, classic", db + "/reProtect", `{"properties":{"failoverDirection":"RecoveryToPrimary","providerSpecificDetails":{"instanceType":"InMageAzureV2",
			"masterTargetId":"PS","processServerId":"PS","runAsAccountId":"2","policyId":"POL"}}}`,
			forward(classicReady, observed.Forward{PolicyID: "POL", ProcessServerID: "PS", MasterTargetID: "PS", RunAsAccountID: "2"})},
		{"6 resynchronize", db + "/repairReplication", "", func(c *Client, ctx context.Context) (string, error) { return c.RepairReplication(ctx, classicReady) }},
		{"6 health errors", web + "/resolveHealthErrors", `{"properties":{"healthErrors":[{"healthErrorId":"2:1004"},{"healthErrorId":"6:15"}]}}`,
			func(c *Client, ctx context.Context) (string, error) {
				return c.ResolveHealthErrors(ctx, modernizedReady)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			var sent []byte
			s.handle(tt.path, func(w http.ResponseWriter, r *http.Request) {
				sent, _ = io.ReadAll(r.Body)
				status(http.StatusAccepted, "", accepted(s)...)(w, r)
			})
			c := s.client(t)
			if id, err := tt.act(c, t.Context()); err != nil || id != jobGUID {
				t.Fatalf("job %q, %v", id, err)
			}
			if tt.body == "" && len(sent) > 0 {
				t.Errorf("a body was sent: %s", sent)
			} else if tt.body != "" {
				if diff := cmp.Diff(decode[any](t, []byte(tt.body)), decode[any](t, sent)); diff != "" {
					t.Errorf("body -want +got\n%s", diff)
				}
			}
			if got := c.Counters(); got.Writes != 1 || got.Reads != 0 {
				t.Errorf("counters %+v", got)
			}
			s.handle(tt.path, status(http.StatusServiceUnavailable, ``))
			_, err := tt.act(c, t.Context())
			wantFault(t, err, observed.Temporary, CodeUnavailable)
			if n := s.count("POST " + strings.ToLower(tt.path)); n != 2 {
				t.Errorf("sent %d times for two calls", n)
			}
		})
	}
}

// What would do another thing than is meant, or what Azure would refuse without saying why, is not sent.
func TestWayHomeRefusesWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client(t)
	notBack := classicReady
	notBack.Provider = "InMageAzureV2"
	full := observed.Forward{PolicyID: "POL", ProcessServerID: "PS", MasterTargetID: "PS", RunAsAccountID: "2"}
	without := func(change func(*observed.Forward)) observed.Forward {
		f := full
		change(&f)
		return f
	}
	foreign := classicReady
	foreign.ID = strings.Replace(foreign.ID, "vault-home", "vault-other", 1)
	for word, act := range map[string]act{
		"planned failover is for modernized": func(c *Client, ctx context.Context) (string, error) {
			return c.PlannedFailover(ctx, classicReady, observed.CrashConsistent)
		},
		"not a classic machine": func(c *Client, ctx context.Context) (string, error) {
			return c.UnplannedFailover(ctx, modernizedReady, observed.CrashConsistent)
		},
		"that replicates back":              failback(notBack, observed.CrashConsistent),
		"yesterday is unknown":              failback(modernizedReady, "yesterday"),
		"that was not named is unknown":     failback(classicReady, ""),
		"cancels the failback of a modern":  func(c *Client, ctx context.Context) (string, error) { return c.CancelFailover(ctx, classicReady) },
		"does not come from a failback":     forward(notBack, full),
		"the process server is missing":     forward(classicReady, without(func(f *observed.Forward) { f.ProcessServerID = "" })),
		"the run-as account is missing":     forward(modernizedReady, without(func(f *observed.Forward) { f.RunAsAccountID = "" })),
		"the master target is missing":      forward(classicReady, without(func(f *observed.Forward) { f.MasterTargetID = "" })),
		"the replication policy is missing": forward(classicReady, without(func(f *observed.Forward) { f.PolicyID = "" })),
		"no health error that has an id":    func(c *Client, ctx context.Context) (string, error) { return c.ResolveHealthErrors(ctx, classicReady) },
		"not one of vault":                  func(c *Client, ctx context.Context) (string, error) { return c.Commit(ctx, foreign) },
		"does not name fabric":              func(c *Client, ctx context.Context) (string, error) { return c.Commit(ctx, observed.Item{Name: "x"}) },
		"does not name a recovery plan": func(c *Client, ctx context.Context) (string, error) {
			return c.PlanCommit(ctx, observed.Plan{ID: "ERP"})
		},
		"kind of recovery point": func(c *Client, ctx context.Context) (string, error) {
			return c.PlanFailback(ctx, observed.Plan{ID: fixtureVault + "/replicationRecoveryPlans/ERP"}, "x")
		},
		"its id is not one of a site": func(c *Client, ctx context.Context) (string, error) {
			_, err := c.RunAsAccounts(ctx, vaultID)
			return "", err
		},
	} {
		_, err := act(c, t.Context())
		if f := wantFault(t, err, observed.Permanent, CodeInput); !strings.Contains(f.What, word) {
			t.Errorf("%q is not said: %v", word, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// The run-as accounts of a site, of all pages.
func TestRunAsAccounts(t *testing.T) {
	t.Parallel()
	s := serve(t)
	path := site + "/runasaccounts"
	s.handle(path, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("api-version") == "" {
			t.Error("without an api-version")
		}
		if r.URL.Query().Get("$skiptoken") == "" {
			body(`{"value":[{"id":"`+path+`/a","name":"a","properties":{"displayName":"win","credentialType":"WindowsGuest"}}],"nextLink":"`+s.URL+path+`?api-version=2020-07-07&$skiptoken=2"}`)(w, r)
			return
		}
		body(`{"value":[{"id":"`+path+`/b","name":"b","properties":{}},{"name":"without an id"},{"id":"/elsewhere/runasaccounts/x"}]}`)(w, r)
	})
	got, err := s.client(t).RunAsAccounts(t.Context(), site)
	want := []observed.RunAsAccount{{ID: path + "/a", Name: "win", Kind: "WindowsGuest"}, {ID: path + "/b", Name: "b"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	s.handle(path, status(http.StatusForbidden, `{"error":{"code":"AuthorizationFailed","message":"no"}}`))
	_, err = s.client(t).RunAsAccounts(t.Context(), site)
	wantFault(t, err, observed.Operator, CodeForbidden)
}
