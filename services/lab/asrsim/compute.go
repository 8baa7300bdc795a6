package asrsim

import (
	"fmt"
	"net/http"
	"strings"
)

// movedGroup is where a moved Azure VM lies.
func (s *Server) movedGroup() string { return s.sc.ResourceGroup + "-moved" }

// compute answers for the Azure VMs of the machines (Microsoft.Compute/virtualMachines): a list and a get, with
// as much as shows that a VM is there and runs.
func (s *Server) compute(rq *request, method, group string, segments []string) reply {
	s.counts["compute"]++
	if s.noCompute {
		return s.notAuthorized("Microsoft.Compute/virtualMachines/read", "resourceGroups/"+group)
	}
	if method != http.MethodGet {
		return armError(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"The resource does not support the method '"+method+"'.").with("Allow", http.MethodGet)
	}
	switch {
	case len(segments) == 0:
		all := []object{}
		for _, m := range s.machines {
			if s.azureVMIn(m, group) {
				all = append(all, s.azureVMView(m, group))
			}
		}
		return ok(object{"value": all})
	case len(segments) == 1 || len(segments) == 2 && strings.EqualFold(segments[1], "instanceView"):
		m, found := s.byName[strings.ToLower(segments[0])]
		if !found || !s.azureVMIn(m, group) {
			return armError(http.StatusNotFound, "ResourceNotFound", fmt.Sprintf(
				"The Resource 'Microsoft.Compute/virtualMachines/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
				segments[0], group))
		}
		if len(segments) == 2 {
			return ok(instanceView(m))
		}
		view := s.azureVMView(m, group)
		if strings.EqualFold(rq.query.Get("$expand"), "instanceView") {
			view["properties"].(object)["instanceView"] = instanceView(m)
		}
		return ok(view)
	}
	return armError(http.StatusNotFound, "InvalidResourceType", "The resource type is not known in the namespace 'Microsoft.Compute'.")
}

// azureVMIn says whether the machine's Azure VM lies in that resource group.
func (s *Server) azureVMIn(m *machine, group string) bool {
	switch m.azureVM {
	case azureDeleted:
		return false
	case azureMoved:
		return strings.EqualFold(group, s.movedGroup())
	}
	return strings.EqualFold(group, s.sc.ResourceGroup)
}

func (s *Server) azureVMView(m *machine, group string) object {
	return object{
		"id": "/subscriptions/" + s.sc.Subscription + "/resourceGroups/" + group +
			"/providers/Microsoft.Compute/virtualMachines/" + m.spec.Name,
		"name": m.spec.Name, "type": "Microsoft.Compute/virtualMachines", "location": azureLocation,
		"properties": object{
			"vmId": s.sc.UUID("azurevm", m.spec.Name), "provisioningState": "Succeeded",
			"hardwareProfile": object{"vmSize": "Standard_F4s_v2"},
			"storageProfile":  s.storageProfile(m, group),
		},
	}
}

// storageProfile names the managed disks that the failover attached; they move with the VM.
func (s *Server) storageProfile(m *machine, group string) object {
	disk := func(n int) object {
		return object{"id": "/subscriptions/" + s.sc.Subscription + "/resourceGroups/" + group + "/providers/Microsoft.Compute/disks/" + s.azureDisk(m, n)}
	}
	data := []any{}
	for n := 1; n < len(m.spec.DiskGB); n++ {
		data = append(data, object{"lun": n - 1, "createOption": "Attach", "managedDisk": disk(n)})
	}
	for n, name := range m.extraDisks {
		data = append(data, object{"lun": len(m.spec.DiskGB) + n, "createOption": "Attach", "managedDisk": object{
			"id": "/subscriptions/" + s.sc.Subscription + "/resourceGroups/" + group + "/providers/Microsoft.Compute/disks/" + name,
		}})
	}
	profile := object{"dataDisks": data, "osDisk": object{"osType": title(m.spec.OS), "createOption": "Attach"}}
	if len(m.spec.DiskGB) > 0 {
		profile["osDisk"].(object)["managedDisk"] = disk(0)
	}
	return profile
}

// azureDisk is the name of a managed disk as the service makes it (seen in recordings).
func (s *Server) azureDisk(m *machine, n int) string {
	return fmt.Sprintf("PHYSICALDRIVE%d-%s-%s", n, strings.ReplaceAll(m.spec.Name, "-", "_"), s.sc.UUID(fmt.Sprintf("azuredisk%d", n), m.spec.Name))
}

// notAuthorized is how Azure refuses an identity without the permission.
func (s *Server) notAuthorized(action, scope string) reply {
	return armError(http.StatusForbidden, "AuthorizationFailed", fmt.Sprintf(
		"The client with object id '%s' does not have authorization to perform action '%s' over scope '/subscriptions/%s/%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		s.sc.UUID("object", "client"), action, s.sc.Subscription, scope))
}

func instanceView(m *machine) object {
	power, words := "PowerState/running", "VM running"
	if m.azureVM == azureStopped {
		power, words = "PowerState/stopped", "VM stopped"
	}
	return object{"statuses": []any{
		object{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"},
		object{"code": power, "level": "Info", "displayStatus": words},
	}}
}
