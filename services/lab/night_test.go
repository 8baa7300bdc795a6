package lab_test

import (
	"testing"

	"reprotect.example/services/lab"
	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

// TestNightHome (issue 16, lab): whoever asks for the next step of each machine as the stage table tells, and gives a
// failback up that failed three times, ends the night as its scenario says, whatever happens in between.
func TestNightHome(t *testing.T) {
	s, err := scenario.Load("../../scripts/scenarios/night-home.yaml", 1)
	if err != nil {
		t.Fatal(err)
	}
	s.Speed = 6000
	for i := range s.Machines {
		s.Machines[i].Agent = -1
	}
	l := start(t, lab.Options{Scenario: s, Bus: lab.BusNone})
	client := vaultOf(t, load(t, l.Ready()))
	tried, repaired := map[string]int{}, map[string]bool{}
	step := func(v observed.Vault, i observed.Item) (string, error) {
		f, _ := v.Fabric(i.FabricID)
		switch i.Stage() {
		case observed.StageUncommitted, observed.StageCommitted:
			r := observed.Reprotect{Item: i, Datastore: "VMFS-01", LogStorage: l.Azure().LogStorage()}
			if i.Architecture == observed.Classic {
				policy, _ := v.FailbackPolicy(f.ID)
				r.MasterTargetID, r.ProcessServerID, r.RetentionDrive, r.PolicyID = f.MasterTargets[0].ID, f.ProcessServers[0].ID, f.MasterTargets[0].RetentionVolumes[0].Name, policy.ID
			} else {
				r.ApplianceID = f.Appliances[0].ID
			}
			return client.Reprotect(t.Context(), r)
		case observed.StageResynchronizing:
			if repaired[i.Name] {
				return "", nil // the stage lasts until the disks are compared
			}
			repaired[i.Name] = true
			return client.RepairReplication(t.Context(), i)
		case observed.StageReady, observed.StageFailbackCancelled:
			if tried[i.Name] == 3 {
				return "", nil
			}
			job, err := client.Failback(t.Context(), i, observed.CrashConsistent)
			if err == nil {
				tried[i.Name]++
			}
			return job, err
		case observed.StageHomeUncommitted:
			return client.Commit(t.Context(), i)
		case observed.StageHome:
			accounts, err := client.RunAsAccounts(t.Context(), f.SiteID)
			if i.Architecture == observed.Classic {
				accounts, err = nil, nil
			}
			if err != nil {
				return "", err
			}
			forward, err := v.ForwardOf(i, accounts, map[observed.Architecture]string{observed.Classic: "windows"}[i.Architecture])
			if err != nil {
				return "", err
			}
			return client.ReprotectForward(t.Context(), i, forward)
		default:
			return "", nil
		}
	}
	eventually(t, "every machine stands where the scenario says", func() bool {
		v, err := client.Vault(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range v.Items {
			if i.Busy() {
				continue
			}
			if _, err := step(v, i); err != nil {
				if f, ok := observed.FaultOf(err); !ok || f.Class != observed.Temporary { // a job that began meanwhile is no fault
					t.Fatal(err)
				}
			}
		}
		for _, standing := range l.Standings() {
			if !standing.AsExpected() {
				return false
			}
		}
		return tried["archive"] == 3
	})
	acts := map[string][]string{}
	for _, a := range l.Azure().Acts() {
		if a.Own {
			acts[a.Machine] = append(acts[a.Machine], a.Scenario)
		}
	}
	if len(acts["archive"]) != 3 || len(acts["crm-db"]) == 0 || acts["crm-db"][0] != "CancelFailover" {
		t.Errorf("what the service did by itself: %v", acts)
	}
}
