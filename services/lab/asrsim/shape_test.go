package asrsim

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	asr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"

	"reprotect.example/services/lab/scenario"
)

// Every key that the simulator writes must be one that the real service was seen to write or that the SDK's
// model has; and what the service writes at the top of an object, the simulator writes too.
func TestShapesAreThoseOfTheService(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("REPROTECT_RECORDINGS")
	if folder == "" {
		t.Skip("REPROTECT_RECORDINGS names no folder with recordings")
	}
	shown := everything(t)
	for _, c := range []struct {
		kind     string
		files    []string
		complete string // recording of today's interface, whose upper keys must all be there
		model    func() any
	}{
		{"item", []string{"rcm_protecteditem_*.json", "classic_protecteditem_*.json", "rcm_item_*.json", "classic_item_*.json", "classic_AzureV2_item_*.json", "rcm_cli_item_GET_*.json"}, "rcm_protecteditem_after_unplanned_failover.json", func() any { return &asr.ReplicationProtectedItem{} }},
		{"job", []string{"*_job_*.json", "jobs_list_*.json"}, "rcm_reprotect_job_inprogress.json", func() any { return &asr.Job{} }},
		{"fabric", []string{"*fabric*.json"}, "rcm_fabric_with_reprotect_agents.json", func() any { return &asr.Fabric{} }},
		{"status", []string{"*opstatus*.json"}, "opstatus_succeeded_with_error_45031.json", func() any { return new(any) }},
	} {
		seen := map[string]bool{}
		for _, pattern := range c.files {
			found, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: no recording %s: %v", c.kind, pattern, err)
			}
			for _, file := range found {
				for _, body := range bodies(t, file) {
					keys("", body, seen)
				}
			}
		}
		written := map[string]bool{}
		for _, body := range shown[c.kind] {
			keys("", body, written)
			known := maps.Clone(seen)
			if c.kind != "status" { // azcore reads it, the SDK has no type of it
				keys("", throughModel(t, body, c.model()), known)
			}
			own := map[string]bool{}
			keys("", body, own)
			for _, key := range slices.Sorted(maps.Keys(own)) {
				if !known[key] && !strings.HasPrefix(key, ".properties.customDetails.affectedObjectDetails.") {
					t.Errorf("%s: the service has no key %s", c.kind, key)
				}
			}
		}
		complete := map[string]bool{}
		for _, body := range bodies(t, filepath.Join(folder, c.complete)) {
			keys("", body, complete)
		}
		for _, key := range slices.Sorted(maps.Keys(complete)) {
			if strings.Count(key, ".") <= 2 && !written[key] {
				t.Errorf("%s: the simulator lacks %s", c.kind, key)
			}
		}
	}
}

// everything is what the simulator shows in every phase of every kind of machine, by kind of object.
func everything(t *testing.T) map[string][]any {
	t.Helper()
	sc := scenario.Default(8)
	for i := range sc.Machines {
		sc.Machines[i].Agent, sc.Machines[i].Physical = -1, i >= 6
	}
	sc.Machines[4].FailWith, sc.Machines[5].FailWith = "95226", "EP0886"
	sc.Machines[2].Group, sc.Machines[3].Group = "g", "g"
	l := newLab(t, sc, Options{})
	if err := l.sim.StopHeartbeat("MT-LINUX-01"); err != nil {
		t.Fatal(err)
	}
	found := map[string][]any{}
	look := func() {
		for _, kind := range []struct{ name, path string }{
			{"item", "replicationProtectedItems"}, {"job", "replicationJobs"}, {"fabric", "replicationFabrics"},
		} {
			found[kind.name] = append(found[kind.name], l.get(l.path(kind.path))["value"].([]any)...)
		}
		for _, j := range l.jobs() {
			found["job"] = append(found["job"], l.get(l.path("replicationJobs/"+*j.Name)))
			if *j.Properties.ScenarioName == "SwitchReplicationGroupProtection" {
				found["status"] = append(found["status"], l.get(l.path("replicationOperationStatus/"+*j.Name)))
			}
		}
	}
	look()
	for _, m := range sc.Machines {
		l.mustReprotect(m.Name)
	}
	for _, step := range []time.Duration{0, 6 * time.Minute, 6 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		l.advance(step)
		look()
	}
	return found
}

// bodies are the objects in a recording: an exchange, a list of exchanges, a list, or an object as such.
func bodies(t *testing.T, file string) (found []any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var content any
	if err := json.Unmarshal(raw, &content); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var open func(v any)
	open = func(v any) {
		if list, isList := v.([]any); isList {
			for _, e := range list {
				open(e)
			}
			return
		}
		o, isObject := v.(map[string]any)
		if !isObject {
			return
		}
		switch {
		case o["exchanges"] != nil:
			open(o["exchanges"])
		case o["responseBody"] != nil:
			open(o["responseBody"])
		case o["body"] != nil:
			open(o["body"])
		case o["value"] != nil:
			open(o["value"])
		case o["instanceType"] != nil: // an excerpt of a fabric: its details only
			found = append(found, map[string]any{"properties": map[string]any{"customDetails": o}})
		case o["name"] != nil:
			delete(o, "_source")
			found = append(found, o)
		}
	}
	open(content)
	return found
}

// keys collects the paths of all keys, those of list elements together.
func keys(at string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			into[at+"."+k] = true
			keys(at+"."+k, e, into)
		}
	case []any:
		for _, e := range v {
			keys(at+"[]", e, into)
		}
	}
}

// throughModel is what is left of an object after the SDK has read and written it.
func throughModel(t *testing.T, body, model any) (left any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, model); err != nil {
		t.Fatalf("the SDK cannot read %s: %v", raw, err)
	}
	if raw, err = json.Marshal(model); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &left); err != nil {
		t.Fatal(err)
	}
	return left
}
