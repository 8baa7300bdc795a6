package asr

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// TestRecordings replays every recording of real traffic in the folder that REPROTECT_RECORDINGS names through
// the client, and checks that the facts came out. A recording of a kind that nothing here knows is an error.
func TestRecordings(t *testing.T) {
	folder := os.Getenv("REPROTECT_RECORDINGS")
	if folder == "" {
		t.Skip("REPROTECT_RECORDINGS names no folder")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", folder, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range recordings(t, content) {
				r.replay(t)
			}
		})
	}
}

// recording is an exchange, or only the body of one.
type recording struct {
	Method, URI     string
	RequestBody     json.RawMessage
	Status          int
	Headers         map[string]string
	ResponseHeaders map[string]string
	Body            json.RawMessage
}

func recordings(t *testing.T, content []byte) []recording {
	t.Helper()
	var later struct {
		Shows string `json:"_shows"`
	}
	if json.Unmarshal(content, &later) == nil && later.Shows != "" {
		return nil // TestSiteRecoveryReplay replays these
	}
	var many []recording
	if json.Unmarshal(content, &many) == nil {
		return many
	}
	r := *decode[recording](t, content)
	if r.Method == "" {
		r = recording{Method: http.MethodGet, Status: http.StatusOK, Body: content}
	}
	if r.Headers == nil {
		r.Headers = r.ResponseHeaders
	}
	return []recording{r}
}

func (r recording) replay(t *testing.T) {
	t.Helper()
	var shape struct {
		ID, Type, InstanceType, Status string
		Value                          []json.RawMessage
		Error                          *struct{ Code string }
	}
	_ = json.Unmarshal(r.Body, &shape) // an empty body is a string in some recordings
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(path(t, r.URI), "/reProtect"):
		r.reprotect(t)
	case r.Method == http.MethodPost:
		r.accepted(t)
	case r.Status >= 400:
		r.refused(t)
	case shape.InstanceType == "VMware":
		r.Body = json.RawMessage(`{"value":[{"name":"cs","properties":{"customDetails":` + string(r.Body) + `}}]}`)
		r.fabrics(t)
	case strings.HasSuffix(shape.Type, "/replicationFabrics"):
		r.Body = json.RawMessage(`{"value":[` + string(r.Body) + `]}`)
		r.fabrics(t)
	case strings.HasSuffix(shape.Type, "/replicationProtectedItems"):
		r.item(t, shape.ID)
	case strings.HasSuffix(shape.Type, "/replicationJobs"):
		r.job(t)
	case len(shape.Value) > 0:
		r.jobs(t, len(shape.Value))
	case shape.Status != "":
		r.operation(t)
	default:
		t.Errorf("a recording of a kind that is not known: %s %s", r.Method, r.URI)
	}
}

// at serves the recording and makes a client for the vault that an id or address names.
func (r recording) at(t *testing.T, id, under string) (*manager, *Client) {
	t.Helper()
	s := serve(t)
	s.vault(t)
	var headers []string
	for name, value := range r.Headers {
		if !slices.Contains([]string{"content-length", "transfer-encoding"}, strings.ToLower(name)) {
			headers = append(headers, name, value)
		}
	}
	content := string(r.Body)
	if content == `""` {
		content = ""
	}
	s.handle(under, status(r.Status, content, headers...))
	return s, s.client(t, func(o *Options) {
		if vault := segment(id, segVaults); vault != "" {
			o.Subscription, o.ResourceGroup, o.Vault = segment(id, "subscriptions"), segment(id, "resourceGroups"), vault
		}
	})
}

func (r recording) item(t *testing.T, id string) {
	_, under, _ := strings.Cut(id[strings.Index(id, "/vaults/")+len("/vaults/"):], "/")
	_, c := r.at(t, id, under)
	i, err := c.Item(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if i.Name == "" || i.FabricID == "" || i.ContainerID == "" || i.OS != observed.Windows || i.Busy() || i.AgentHeartbeat.IsZero() || len(i.Disks) == 0 || len(i.Datastores) == 0 {
		t.Errorf("facts are missing: %+v", i)
	}
	switch i.Provider {
	case "InMageAzureV2":
		if i.Architecture != observed.Classic || !i.FailedOver() || i.AzureVM == "" || i.MasterTargetID == "" || i.ProcessServerID == "" || i.GroupID != "" || !i.AgentHeartbeat.Before(i.FailedOverAt) {
			t.Errorf("classic, failed over: %+v", i)
		}
	case "InMageRcm":
		if i.Architecture != observed.Modernized || !i.FailedOver() || i.AgentRegistered == nil || *i.AgentRegistered || i.VMID == "" || strings.Contains(i.VMID, "_") || i.LogStorage == "" {
			t.Errorf("modernized, failed over, agent not registered: %+v", i)
		}
		if !slices.Contains(i.Operations, "SwitchProtection") {
			t.Errorf("operations %v", i.Operations)
		}
	case "InMageRcmFailback":
		done := i.State == "Protected"
		if i.Architecture != observed.Modernized || !i.ReversedOnce() || i.FailedOver() || i.Protected() != done || i.AzureVM == "" || i.ApplianceID == "" {
			t.Errorf("modernized, reprotected: %+v", i)
		}
		if !done && i.Replication.Health == "" {
			t.Errorf("no progress: %+v", i.Replication)
		}
	default:
		t.Errorf("provider %s", i.Provider)
	}
}

func (r recording) fabrics(t *testing.T) {
	_, c := r.at(t, "", "replicationFabrics")
	v, err := c.Vault(t.Context(), 0)
	if err != nil || len(v.Fabrics) != 1 {
		t.Fatalf("%d fabrics, %v", len(v.Fabrics), err)
	}
	f := v.Fabrics[0]
	switch f.Architecture {
	case observed.Classic:
		if f.Heartbeat.IsZero() || len(f.ProcessServers) == 0 || len(f.MasterTargets) < 2 || len(f.RunAsAccounts) == 0 {
			t.Fatalf("facts are missing: %+v", f)
		}
		m := f.MasterTargets[1]
		if m.OS != observed.Windows || len(m.RetentionVolumes) == 0 || len(m.Datastores) == 0 || m.Datastores[0].CapacityGB != 439.5 || m.DiskCount != 3 || m.Heartbeat.IsZero() {
			t.Errorf("master target %+v", m)
		}
	case observed.Modernized:
		if len(f.Appliances) != 1 || len(f.Appliances[0].Datastores) != 3 || f.Appliances[0].Heartbeat.IsZero() || f.Appliances[0].Health != "Normal" {
			t.Errorf("appliances %+v", f.Appliances)
		}
	default:
		t.Errorf("architecture of %+v", f)
	}
}

func (r recording) job(t *testing.T) {
	_, c := r.at(t, "", "replicationJobs/"+jobGUID)
	j, err := c.Job(t.Context(), jobGUID)
	if err != nil {
		t.Fatal(err)
	}
	if j.ID == "" || j.Start.IsZero() || j.Done() == j.End.IsZero() || len(j.Tasks) == 0 || len(j.Errors) != 0 {
		t.Errorf("facts are missing: %+v", j)
	}
	if j.Scenario != observed.ReprotectScenario {
		return
	}
	if len(j.Tasks) != 5 || j.Tasks[1].Name != "Committing failover" || !j.Tasks[1].Start.IsZero() {
		t.Errorf("tasks %+v", j.Tasks)
	}
	if !j.Done() && !slices.Contains(j.Actions, "Cancel") {
		t.Errorf("actions %v", j.Actions)
	}
	if j.Done() && j.NewItemID == "" {
		t.Error("the new item is not named")
	}
}

func (r recording) jobs(t *testing.T, n int) {
	_, c := r.at(t, "", "replicationJobs")
	v, err := c.Vault(t.Context(), 0)
	if err != nil || len(v.Jobs) != n {
		t.Fatalf("%d jobs, want %d, %v", len(v.Jobs), n, err)
	}
	for _, j := range v.Jobs {
		if j.ID == "" || j.Scenario == "" || !j.Done() || j.Start.IsZero() || len(j.Tasks) != 0 {
			t.Errorf("job %+v", j)
		}
	}
}

// operation: an error inside the answer about an operation that goes on, or went well, is no error of the call,
// and its code is a known warning.
func (r recording) operation(t *testing.T) {
	_, c := r.at(t, "", "replicationJobs/"+jobGUID)
	j, err := c.Job(t.Context(), jobGUID)
	op := decode[struct {
		Name  string
		Error *struct{ Code, Message string }
	}](t, r.Body)
	if err != nil || j.ID != op.Name {
		t.Errorf("job %+v, %v", j, err)
	}
	if op.Error != nil {
		if known, ok := lookUp(op.Error.Code, op.Error.Message); !ok || !known.Warning {
			t.Errorf("%s is no warning", op.Error.Code)
		}
	}
}

func (r recording) refused(t *testing.T) {
	_, c := r.at(t, "", "replicationJobs/"+jobGUID)
	_, err := c.Job(t.Context(), jobGUID)
	wantFault(t, err, observed.Permanent, "ArmResourceDoesNotExist")
}

// reprotect submits what was recorded and compares what is sent.
func (r recording) reprotect(t *testing.T) {
	id := strings.TrimSuffix(path(t, r.URI), "/reProtect")
	_, under, _ := strings.Cut(id[strings.Index(id, "/vaults/")+len("/vaults/"):], "/")
	s, c := r.at(t, id, under+"/reProtect")
	request := observed.Reprotect{Item: observed.Item{ID: id}}
	switch d := decode[sr.ReverseReplicationInput](t, r.RequestBody).Properties.ProviderSpecificDetails.(type) {
	case *sr.InMageReprotectInput:
		request.Item.Architecture = observed.Classic
		request.MasterTargetID, request.ProcessServerID, request.PolicyID = *d.MasterTargetID, *d.ProcessServerID, *d.ProfileID
		request.Datastore, request.RetentionDrive, request.RunAsAccountID = *d.DatastoreName, *d.RetentionDrive, *d.RunAsAccountID
	case *sr.InMageRcmReprotectInput:
		request.Item.Architecture = observed.Modernized
		request.Datastore, request.ApplianceID, request.LogStorage = *d.DatastoreName, *d.ReprotectAgentID, *d.LogStorageAccountID
	default:
		t.Fatalf("input %T", d)
	}
	sent, err := reprotectInput(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	if diff := sameInput(t, r.RequestBody, content); diff != "" {
		t.Errorf("body -recorded +sent\n%s", diff)
	}
	job, err := c.Reprotect(t.Context(), request)
	if want := observed.LastSegment(path(t, r.header("Azure-AsyncOperation"))); err != nil || job != want || job == "" {
		t.Errorf("job %q, want %q, %v", job, want, err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func (r recording) accepted(t *testing.T) {
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	if got, want := startedJob(h), observed.LastSegment(path(t, r.header("Azure-AsyncOperation"))); got != want || got == "" {
		t.Errorf("job %q, want %q", got, want)
	}
}

func (r recording) header(name string) string {
	for n, value := range r.Headers {
		if strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

func path(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}
