package asr

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

func classicRequest() observed.Reprotect {
	return observed.Reprotect{Item: observed.Item{ID: dbID, Name: "db01", Architecture: observed.Classic}, Datastore: "VMFS-01",
		MasterTargetID: "MT-ID", ProcessServerID: "PS-ID", RetentionDrive: "R", RunAsAccountID: "1", PolicyID: fixtureVault + "/replicationPolicies/p1-failback"}
}

func modernizedRequest() observed.Reprotect {
	return observed.Reprotect{Item: observed.Item{ID: webID, Name: "web01", Architecture: observed.Modernized}, Datastore: "VMFS-02", ApplianceID: "APPL-ID", LogStorage: storage}
}

// accepted is Site Recovery's answer to a submission.
func accepted(s *manager) []string {
	return []string{"Retry-After", "30", "x-ms-request-id", fixtureVault + "/replicationJobs/" + jobGUID,
		"Location", s.URL + fixtureVault + "/x/operationresults/" + jobGUID + "?api-version=2025-01-01&t=1&c=cert&s=sig&h=hash",
		"Azure-AsyncOperation", s.URL + fixtureVault + "/replicationOperationStatus/" + jobGUID + "?api-version=2025-01-01&t=1&c=cert&s=sig&h=hash"}
}

func TestReprotectSendsTheRecordedBody(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]observed.Reprotect{"reprotect-classic": classicRequest(), "reprotect-modernized": modernizedRequest()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			var sent []byte
			s.handle(strings.TrimPrefix(r.Item.ID, vaultID+"/")+"/reProtect", func(w http.ResponseWriter, req *http.Request) {
				sent, _ = io.ReadAll(req.Body)
				status(http.StatusAccepted, "", accepted(s)...)(w, req)
			})
			c := s.client(t)
			id, err := c.Reprotect(t.Context(), r)
			if err != nil || id != jobGUID {
				t.Fatalf("job %q, %v", id, err)
			}
			if diff := cmp.Diff(decode[any](t, fixture(t, name)), decode[any](t, sent)); diff != "" {
				t.Errorf("body -want +got\n%s", diff)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests, want one and no polling: %v", n, s.requests())
			}
			if got := c.Counters(); got.Writes != 1 || got.Reads != 0 {
				t.Errorf("counters %+v", got)
			}
		})
	}
}

func TestReprotectRefusesWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client(t)
	tests := map[string]func(*observed.Reprotect){
		"datastore":       func(r *observed.Reprotect) { r.Datastore = "" },
		"master target":   func(r *observed.Reprotect) { r.MasterTargetID = "" },
		"process server":  func(r *observed.Reprotect) { r.ProcessServerID = "" },
		"retention drive": func(r *observed.Reprotect) { r.RetentionDrive = "" },
		"failback policy": func(r *observed.Reprotect) { r.PolicyID = "" },
		"A2A":             func(r *observed.Reprotect) { r.Item.Architecture, r.Item.Provider = "", "A2A" },
	}
	for word, change := range tests {
		r := classicRequest()
		change(&r)
		_, err := c.Reprotect(t.Context(), r)
		if f := wantFault(t, err, observed.Permanent, CodeInput); !strings.Contains(f.What, word) || !strings.Contains(f.What, "db01") {
			t.Errorf("%s: %v", word, err)
		}
	}
	for word, change := range map[string]func(*observed.Reprotect){
		"appliance":           func(r *observed.Reprotect) { r.ApplianceID = "" },
		"log storage account": func(r *observed.Reprotect) { r.LogStorage = "" },
	} {
		r := modernizedRequest()
		change(&r)
		_, err := c.Reprotect(t.Context(), r)
		if f := wantFault(t, err, observed.Permanent, CodeInput); !strings.Contains(f.What, word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestASubmissionIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer http.HandlerFunc
		class  observed.Class
		code   string
	}{
		"unavailable": {status(http.StatusServiceUnavailable, ``), observed.Temporary, CodeUnavailable},
		"gateway":     {status(http.StatusGatewayTimeout, ``), observed.Temporary, CodeUnavailable},
		"throttled":   {status(http.StatusTooManyRequests, ``, "Retry-After", "1"), observed.Temporary, CodeThrottled},
		"cut off": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, observed.Temporary, CodeUnreachable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			path := strings.ToLower(strings.TrimPrefix(dbID, vaultID+"/") + "/reProtect")
			s.handle(path, tt.answer)
			c := s.client(t)
			_, err := c.Reprotect(t.Context(), classicRequest())
			f := wantFault(t, err, tt.class, tt.code)
			if !strings.Contains(f.What, "db01") {
				t.Errorf("the machine is not named: %v", err)
			}
			if n := s.count("POST " + path); n != 1 {
				t.Errorf("sent %d times", n)
			}
			if tt.code == CodeUnreachable && !strings.Contains(f.Remedy, "look") {
				t.Errorf("an unanswered submission is not said to be looked for: %v", err)
			}
		})
	}
}

func TestWritesStayAwayWhenThrottledAndReadsGoOn(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	s.handle(strings.TrimPrefix(dbID, vaultID+"/")+"/reProtect", status(http.StatusTooManyRequests, ``, "Retry-After", "20"))
	c := s.client(t, with(clock))
	for range 3 {
		_, err := c.Reprotect(t.Context(), classicRequest())
		wantFault(t, err, observed.Temporary, CodeThrottled)
	}
	if got := c.Counters(); got.Writes != 1 || got.Throttled != 1 {
		t.Errorf("counters %+v", got)
	}
	if _, err := c.Vault(t.Context(), 0); err != nil {
		t.Errorf("reads are kept away too: %v", err)
	}
}

func TestReprotectIsInterrupted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.handle(strings.TrimPrefix(dbID, vaultID+"/")+"/reProtect", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	_, err := s.client(t).Reprotect(ctx, classicRequest())
	if f := wantFault(t, err, observed.Temporary, CodeInterrupted); !strings.Contains(f.Remedy, "may have arrived") {
		t.Errorf("%v", err)
	}
}

func TestStartedJob(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		headers map[string]string
		want    string
	}{
		"request id": {map[string]string{"x-ms-request-id": fixtureVault + "/replicationJobs/a", "Location": "https://h/b"}, "a"},
		"location": {map[string]string{"x-ms-request-id": "5b8f53d6-0000-4000-8000-000000000000",
			"Location": "https://h/x/operationresults/b?api-version=1&s=sig", "Azure-AsyncOperation": "https://h/c"}, "b"},
		"operation": {map[string]string{"Azure-AsyncOperation": "https://h/replicationOperationStatus/c?t=1"}, "c"},
		"none":      {map[string]string{"x-ms-request-id": "plain"}, ""},
		"broken":    {map[string]string{"Location": "://"}, ""},
	}
	for name, tt := range tests {
		h := http.Header{}
		for k, v := range tt.headers {
			h.Set(k, v)
		}
		if got := startedJob(h); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestAcceptedWithoutAJob(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle(strings.TrimPrefix(dbID, vaultID+"/")+"/reProtect", status(http.StatusAccepted, ""))
	_, err := s.client(t).Reprotect(t.Context(), classicRequest())
	wantFault(t, err, observed.Temporary, CodeNoJob)
}

func TestRefreshProvider(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle("replicationFabrics/cs-01/replicationRecoveryServicesProviders", body(`{"value":[{"name":"p-1"},{"name":"p-2"}]}`))
	for _, p := range []string{"p-1", "p-2"} {
		s.handle("replicationFabrics/cs-01/replicationRecoveryServicesProviders/"+p+"/refreshProvider", status(http.StatusAccepted, "", accepted(s)...))
	}
	c := s.client(t)
	if err := c.RefreshProvider(t.Context(), csID); err != nil {
		t.Fatal(err)
	}
	if got := c.Counters(); got.Writes != 2 || got.Reads != 1 {
		t.Errorf("counters %+v, requests %v", got, s.requests())
	}
	for _, id := range []string{"", "cs-01", "/subscriptions/x/vaults/y/replicationFabrics/cs-01"} {
		wantFault(t, c.RefreshProvider(t.Context(), id), observed.Permanent, CodeInput)
	}
	s.handle("replicationFabrics/cs-01/replicationRecoveryServicesProviders", body(`{"value":[]}`))
	wantFault(t, c.RefreshProvider(t.Context(), csID), observed.Permanent, CodeInput)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.handle("replicationJobs/"+jobGUID+"/cancel", status(http.StatusAccepted, "", accepted(s)...))
	c := s.client(t)
	if err := c.Cancel(t.Context(), jobGUID); err != nil {
		t.Error(err)
	}
	s.handle("replicationJobs/"+jobGUID+"/cancel", status(http.StatusConflict, `{"error":{"code":"Conflict","message":"it cannot be cancelled now"}}`))
	wantFault(t, c.Cancel(t.Context(), jobGUID), observed.Temporary, CodeConflict)
	wantFault(t, c.Cancel(t.Context(), ""), observed.Permanent, CodeInput)
}

// sameInput says whether two bodies of a reprotect are the same; the key OnlyExcludeIfSingleVolume was spelt
// differently by older clients, and the service does not mind.
func sameInput(t *testing.T, want, got []byte) string {
	t.Helper()
	normal := func(content []byte) any {
		out, err := json.Marshal(decode[sr.ReverseReplicationInput](t, []byte(strings.ReplaceAll(string(content), `"Only`, `"only`))))
		if err != nil {
			t.Fatal(err)
		}
		return *decode[any](t, out)
	}
	return cmp.Diff(normal(want), normal(got))
}
