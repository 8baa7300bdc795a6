package asr

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/observed"
)

// Where the machines of each recording stand, in the order in which it shows them.
var recordedStages = map[string][]observed.Stage{
	"classic_AzureV2_item_LIST_beside_GET_protected.json":             {observed.StageProtected, observed.StageProtected, observed.StageProtected},
	"classic_item_GET_after_failback_commit.json":                     {observed.StageHome},
	"classic_item_GET_before_failback.json":                           {observed.StageReady},
	"classic_item_GET_failover_FAILED_needs_resync.json":              {observed.StageFailoverFailed},
	"classic_item_list_after_failback_commit.json":                    {observed.StageHome, observed.StageProtected},
	"classic_item_list_before_failback.json":                          {observed.StageReady, observed.StageProtected},
	"classic_protecteditem_committed_InMageAzureV2.json":              {observed.StageCommitted},
	"item_GET_scenario_running_hyperv.json":                           {observed.StageUnknown}, // not ours
	"rcm_2026_item_LIST_entry_failover_FAILED_doc_sample.json":        {observed.StageFailoverFailed},
	"rcm_cli_item_GET_failback_initial_replication.json":              {observed.StageInitial, observed.StageInitial},
	"rcm_cli_item_GET_failover_committed_pending.json":                {observed.StageUncommitted},
	"rcm_cli_item_GET_protected_failback_before_plannedfailover.json": {observed.StageReady},
	"rcm_cli_item_GET_waiting_first_recovery_point.json":              {observed.StageInitial, observed.StageInitial},
	"rcm_item_GET_after_failover_cancel.json":                         {observed.StageReady},
	"rcm_item_GET_after_planned_failover.json":                        {observed.StageHomeUncommitted},
	"rcm_item_GET_before_forward_reprotect.json":                      {observed.StageHomeUncommitted},
	"rcm_item_GET_failed_over_before_commit.json":                     {observed.StageUncommitted},
	"rcm_item_GET_failover_committed.json":                            {observed.StageCommitted},
	"rcm_item_list_after_failover_cancel.json":                        {observed.StageReady},
	"rcm_item_list_after_planned_failover.json":                       {observed.StageProtected, observed.StageInitial, observed.StageInitial, observed.StageHomeUncommitted},
	"rcm_protecteditem_after_reprotect_InMageRcmFailback.json":        {observed.StageInitial, observed.StageInitial, observed.StageInitial, observed.StageInitial, observed.StageReady},
	"rcm_protecteditem_after_unplanned_failover.json":                 {observed.StageUncommitted},
	"rcm_vault_level_LIST_filtered_by_plan_beside_GET.json":           {observed.StageProtected, observed.StageProtected},
}

// TestSiteRecoveryReplay decodes every item, job, fabric, plan and policy in every recording, and holds the stage of each
// machine against what the recordings prove.
func TestSiteRecoveryReplay(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("REPROTECT_RECORDINGS")
	if folder == "" {
		t.Skip("REPROTECT_RECORDINGS names no folder with recordings")
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
			var stages []observed.Stage
			for _, raw := range resources(t, content) {
				if i := decodes(t, raw); i != nil {
					stages = append(stages, i.Stage())
					if inList := i.Lean; inList && len(i.Disks) > 0 {
						t.Errorf("%s is lean and has disks", i.Name)
					}
				}
			}
			if want := recordedStages[filepath.Base(file)]; !slices.Equal(stages, want) {
				t.Errorf("stages %q, want %q", stages, want)
			}
		})
	}
	for name := range recordedStages {
		if !slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == name }) {
			t.Errorf("no recording %s", name)
		}
	}
}

// decodes lets the SDK and the conversion read a resource; an item it returns.
func decodes(t *testing.T, raw json.RawMessage) *observed.Item {
	t.Helper()
	var kind struct {
		Properties map[string]json.RawMessage
	}
	if json.Unmarshal(raw, &kind) != nil {
		return nil
	}
	has := func(key string) bool { _, ok := kind.Properties[key]; return ok }
	switch {
	case has("protectionState"):
		i := item(decode[sr.ReplicationProtectedItem](t, raw))
		return &i
	case has("scenarioName"):
		if j := job(decode[sr.Job](t, raw)); j.ID == "" || j.State == "" {
			t.Errorf("job %+v", j)
		}
	case has("encryptionDetails"):
		if f := fabric(decode[sr.Fabric](t, raw)); f.ID == "" {
			t.Errorf("fabric %+v", f)
		}
	case has("groups"):
		plan(decode[sr.RecoveryPlan](t, raw))
	}
	return nil
}

// resources finds every object with properties, in the order of the file.
func resources(t *testing.T, content []byte) (found []json.RawMessage) {
	t.Helper()
	var open func(raw json.RawMessage)
	open = func(raw json.RawMessage) {
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		switch raw[0] {
		case '[':
			var all []json.RawMessage
			if err := json.Unmarshal(raw, &all); err != nil {
				t.Fatal(err)
			}
			for _, one := range all {
				open(one)
			}
		case '{':
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(raw, &fields); err != nil {
				t.Fatal(err)
			}
			if p, ok := fields["properties"]; ok && bytes.HasPrefix(bytes.TrimSpace(p), []byte("{")) && fields["name"] != nil {
				found = append(found, raw)
				return
			}
			_, _ = dec.Token()
			for dec.More() { // in the order of the file
				_, _ = dec.Token()
				var value json.RawMessage
				if err := dec.Decode(&value); err != nil {
					t.Fatal(err)
				}
				open(value)
			}
		}
	}
	open(content)
	return found
}
