// Package submission is how a reprotect is asked for: the names that were chosen become what Azure wants (Resolve),
// and one table says what is done when Azure refuses (Handle).
package submission

import (
	"fmt"

	"reprotect.example/events"
	"reprotect.example/services/observed"
)

// Resolve turns the names that were chosen for a machine into the ids that Azure wants (S34, M2), or says which of
// them the vault does not know. It touches nothing.
func Resolve(m events.Machine, item observed.Item, vault observed.Vault) (observed.Reprotect, *events.Problem) {
	fabric, _ := vault.Fabric(item.FabricID)
	r := observed.Reprotect{Item: item, Datastore: m.Datastore}
	missing := func(code, what, remedy string) (observed.Reprotect, *events.Problem) {
		return r, &events.Problem{Code: code, Place: m.Name, Message: fmt.Sprintf("%s for %s", what, m.Name), Remedy: remedy}
	}
	if item.Architecture == observed.Modernized {
		appliance, ok := fabric.Appliance(m.Appliance)
		if !ok {
			return missing("appliance.unknown", fmt.Sprintf("The vault has no appliance %q", m.Appliance), "Name one of the vault's appliances.")
		}
		if m.LogStorageAccount == "" {
			return missing("log-storage.present", "No log storage account is named", "Name one in the request or in the site's defaults (M2).")
		}
		r.ApplianceID, r.LogStorage = appliance.ID, m.LogStorageAccount
		return r, nil
	}
	mt, ok := fabric.MasterTarget(m.MasterTarget)
	if !ok {
		return missing("master-target.unknown", fmt.Sprintf("The configuration server has no master target %q", m.MasterTarget), "Name one of its master targets.")
	}
	ps, ok := fabric.ProcessServer(m.ProcessServer)
	if !ok {
		return missing("process-server.unknown", fmt.Sprintf("The configuration server has no process server %q", m.ProcessServer), "Name one of its process servers.")
	}
	policy, ok := vault.FailbackPolicy(item.FabricID)
	if !ok {
		return missing("failback-policy.present", "No failback policy is associated with the configuration server", "Associate one in the vault (S32).")
	}
	r.MasterTargetID, r.ProcessServerID, r.PolicyID, r.RetentionDrive = mt.ID, ps.ID, policy.ID, m.RetentionDrive
	return r, nil
}
