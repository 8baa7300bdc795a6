package asrsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// reprotectInput is what a reprotect request says: InMageReprotectInput and InMageRcmReprotectInput in one, of
// which an item takes the part of its architecture.
type reprotectInput struct {
	InstanceType  string `json:"instanceType"`
	DatastoreName string `json:"datastoreName"`

	MasterTargetID  string `json:"masterTargetId"`
	ProcessServerID string `json:"processServerId"`
	ProfileID       string `json:"profileId"`
	RetentionDrive  string `json:"retentionDrive"`
	RunAsAccountID  string `json:"runAsAccountId"`

	LogStorageAccountID string `json:"logStorageAccountId"`
	ReprotectAgentID    string `json:"reprotectAgentId"`
	PolicyID            string `json:"policyId"`
}

type reprotectBody struct {
	Properties struct {
		FailoverDirection       string         `json:"failoverDirection"`
		ProviderSpecificDetails reprotectInput `json:"providerSpecificDetails"`
	} `json:"properties"`
}

// postReprotect accepts a reprotect or refuses it at once. What only the job finds out (the agent is not
// registered, S33: the job that S34 starts is what fails) is not refused here.
func (s *Server) postReprotect(rq *request) reply {
	m, found := s.item(rq)
	if !found {
		return rq.notFound(rq.params[2])
	}
	var body reprotectBody
	if err := json.Unmarshal(rq.body, &body); err != nil {
		return invalidContent(err)
	}
	if f, conflict := s.notNow(m, rq); conflict {
		return rq.serviceError(http.StatusConflict, f)
	}
	if p := s.phase(m, rq.now); p == Home || p == Committed {
		return s.postForward(rq, m, body)
	}
	in := body.Properties.ProviderSpecificDetails
	if f, bad := s.invalid(m, body.Properties.FailoverDirection, in, rq); bad {
		return rq.serviceError(http.StatusBadRequest, f)
	}
	code := m.spec.RefuseWith
	if next, once := take(&m.refuseNext); once {
		code = next
	}
	if code != "" {
		return rq.serviceError(http.StatusBadRequest, faultOf(code, m.spec.Name))
	}
	j := s.startReprotect(m, in, rq.now)
	return s.accepted(rq, s.operations[j.id], s.itemIDOf(m, j.itemName))
}

func invalidContent(err error) reply {
	return armError(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized: "+err.Error())
}

// notNow refuses what the item's state forbids. No code of the real service is published for either case.
func (s *Server) notNow(m *machine, rq *request) (fault, bool) {
	if f, busy := s.busy(m, rq); busy {
		return f, true
	}
	switch p := s.phase(m, rq.now); {
	case p == FailedOver, p == Home, p == Committed:
		return fault{}, false
	case p.forwardAgain():
		return notAllowed(m, "Reprotect"), true
	}
	return fault{
		code:    "OperationNotAllowed",
		message: "Reprotect is not allowed: virtual machine '" + m.spec.Name + "' already replicates from Azure to on-premises.",
		causes:  "The protected item has been reprotected.",
		action:  "Refresh the item and see its allowed operations.",
	}, true
}

// invalid finds what is wrong with the request itself.
func (s *Server) invalid(m *machine, direction string, in reprotectInput, rq *request) (fault, bool) {
	parameter := func(message, action string) (fault, bool) {
		f := faultOf("506", m.spec.Name)
		f.message, f.action = message, action
		return f, true
	}
	if !strings.EqualFold(direction, "RecoveryToPrimary") {
		return parameter("The failover direction '"+direction+"' is not valid.", "Use RecoveryToPrimary.")
	}
	want := "InMageRcm"
	if m.classic() {
		want = "InMage"
	}
	if in.InstanceType != want {
		return parameter("The instance type '"+in.InstanceType+"' does not fit the provider of the protected item.", "Use "+want+".")
	}
	for _, field := range in.required() {
		if field.value == "" {
			return parameter("The required parameter '"+field.name+"' is missing.", "Specify '"+field.name+"'.")
		}
	}
	if m.classic() {
		return s.invalidClassic(m, in, rq, parameter)
	}
	return s.invalidModernized(m, in, parameter)
}

type field struct{ name, value string }

// required are the fields that the service demands. The classic datastore is optional in the SDK, but a value
// is mandatory in practice (S34).
func (in reprotectInput) required() []field {
	if in.InstanceType == "InMage" {
		return []field{
			{"masterTargetId", in.MasterTargetID}, {"processServerId", in.ProcessServerID}, {"profileId", in.ProfileID},
			{"retentionDrive", in.RetentionDrive}, {"datastoreName", in.DatastoreName},
		}
	}
	return []field{
		{"datastoreName", in.DatastoreName}, {"logStorageAccountId", in.LogStorageAccountID}, {"reprotectAgentId", in.ReprotectAgentID},
	}
}

func (s *Server) invalidClassic(m *machine, in reprotectInput, rq *request, parameter func(message, action string) (fault, bool)) (fault, bool) {
	mt, found := s.componentByID(masterTarget, in.MasterTargetID)
	if !found {
		return parameter("The master target '"+in.MasterTargetID+"' was not found.", "Select a master target of the configuration server.")
	}
	if _, found := s.componentByID(processServer, in.ProcessServerID); !found {
		return parameter("The process server '"+in.ProcessServerID+"' was not found.", "Select a process server of the configuration server.")
	}
	if f := s.fabricOf(m); !sameID(in.ProfileID, s.id("replicationPolicies", f.failback)) {
		return faultOf("78253", m.spec.Name), true
	}
	if !mt.offersRetention(rq.now) || !sameDrive(in.RetentionDrive, mt.mt.Retention) {
		return parameter("The retention drive '"+in.RetentionDrive+"' was not found on master target '"+mt.name+"'.",
			"Add a retention drive to the master target, refresh the configuration server and select it.")
	}
	if id := in.RunAsAccountID; id != "" && !slices.Contains([]string{"1", "2", "3"}, id) {
		return parameter("The account '"+id+"' was not found.", "Select an account of the configuration server.")
	}
	for _, d := range s.datastoresOf(mt.mt.Host) {
		if strings.EqualFold(d.Name, in.DatastoreName) && mounts(d.Hosts, mt.mt.Host) {
			return fault{}, false
		}
	}
	return faultOf("8061", m.spec.Name), true
}

func (s *Server) invalidModernized(m *machine, in reprotectInput, parameter func(message, action string) (fault, bool)) (fault, bool) {
	agent, found := s.componentByID(appliance, in.ReprotectAgentID)
	if !found {
		return parameter("The reprotect agent '"+in.ReprotectAgentID+"' was not found.", "Select an appliance of the vault.")
	}
	if !storageAccountID(in.LogStorageAccountID) {
		return parameter("The log storage account '"+in.LogStorageAccountID+"' is not the id of a storage account.", "Specify the ARM id of a storage account.")
	}
	if f := s.fabricOf(m); in.PolicyID != "" && !sameID(in.PolicyID, s.id("replicationPolicies", f.failback)) {
		return faultOf("78253", m.spec.Name), true
	}
	for _, name := range agent.appliance.Accessible {
		if strings.EqualFold(name, in.DatastoreName) {
			return fault{}, false
		}
	}
	return faultOf("8061", m.spec.Name), true
}

func sameID(a, b string) bool { return strings.EqualFold(strings.Trim(a, "/"), strings.Trim(b, "/")) }

// sameDrive compares drives however they are written: R and R:\, /mnt/retention and /mnt/retention/.
func sameDrive(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, `:\/`), strings.TrimRight(b, `:\/`))
}

func storageAccountID(id string) bool {
	return match(split("subscriptions/*/resourceGroups/*/providers/Microsoft.Storage/storageAccounts/*"), strings.Split(strings.Trim(id, "/"), "/"), nil)
}
