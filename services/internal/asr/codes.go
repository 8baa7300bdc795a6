package asr

import (
	"strings"

	"reprotect.example/services/facts"
)

// Code is an error of Site Recovery that is known: what causes it and what to do.
type Code struct {
	Code   string
	Texts  []string // words, in lower case, by which an error without a code of its own is recognised
	Class  facts.Class
	Cause  string
	Remedy string
	// Warning: an operation carries it and goes on. Judge by the operation's status alone.
	Warning bool
}

// Codes of our own: for what Site Recovery says without a code, and for what goes wrong before it is asked.
const (
	CodeAgentNotInstalled = "azure.agent-not-installed"
	CodeConflict          = "azure.conflict"
	CodeUnreachable       = "azure.unreachable" // no connection
	CodeCertificate       = "azure.certificate" // not trusted
	CodeLogin             = "azure.login"       // no token, or a refused one
	CodeForbidden         = "azure.forbidden"
	CodeNotFound          = "azure.not-found"
	CodeThrottled         = "azure.throttled"
	CodeUnavailable       = "azure.unavailable" // 5xx
	CodeTimeout           = "azure.timeout"
	CodeInterrupted       = "azure.interrupted" // the caller's context ended
	CodeUnexpected        = "azure.unexpected"  // an answer that is not Resource Manager's
	CodeNoJob             = "azure.no-job"      // accepted, but without the id of a job
	CodeOptions           = "azure.options"     // the client's options are wrong
	CodeInput             = "azure.input"       // the call's own values are wrong
)

// Codes are the known errors of a reprotect: Microsoft's troubleshooting pages for VMware failback, the
// procedure (S numbers), recordings for the warnings, and our own.
var Codes = []Code{
	{Code: CodeAgentNotInstalled, Texts: []string{"agent is not installed", "agent not installed"}, Class: facts.Temporary,
		Cause:  "the machine's agent has not registered again since the failover, which takes up to 15 minutes after the Azure VM started (S33)",
		Remedy: "wait, then try again; after 15 minutes check that the Azure VM runs and reaches the configuration server or appliance"},
	{Code: CodeConflict, Texts: []string{"another operation is", "another operation in progress", "another job is", "operation is already in progress"}, Class: facts.Temporary,
		Cause:  "another operation holds the machine",
		Remedy: "look which job runs; adopt it when it is a reprotect, else wait for its end"},
	{Code: "95226", Class: facts.Operator,
		Cause:  "the Azure VM does not reach the configuration server, or its InMage Scout service is stopped",
		Remedy: "within 15 minutes of the Azure VM's start, wait; then check VPN or ExpressRoute from the VM to the configuration server (port 443) and that the InMage Scout Application Service runs"},
	{Code: "78093", Class: facts.Operator,
		Cause:  "the Azure VM is off, hangs, or is in the wrong network",
		Remedy: "start the Azure VM, check its network and its path to the configuration server, then retry"},
	{Code: "78052", Class: facts.Permanent,
		Cause:  "a VM of that name exists on the master target's host",
		Remedy: "use a master target on another host, or rename the existing VM"},
	{Code: "8061", Class: facts.Permanent,
		Cause:  "the ESXi host does not reach the datastore",
		Remedy: "mount the datastore read-write on the host; VMFS or vSAN, not NFS (S20, S21)"},
	{Code: "8038", Class: facts.Permanent,
		Cause:  "the ESXi host is short of memory",
		Remedy: "free memory on the host, or choose another one, then request again"},
	{Code: "78253", Class: facts.Permanent,
		Cause:  "the replication policy is not valid, or not associated with the configuration server",
		Remedy: "associate the failback policy with the configuration server (S32), then request again"},
	{Code: "499", Class: facts.Temporary,
		Cause:  "an internal error of Site Recovery",
		Remedy: "retry the last action; if it stays, open a support case with the job's id"},
	{Code: "506", Class: facts.Permanent,
		Cause:  "a parameter of the request is not valid",
		Remedy: "compare master target, process server, retention drive, datastore and policy with what the vault offers"},
	{Code: "EP0886", Class: facts.Operator,
		Cause:  "the agent cannot register with the configuration server",
		Remedy: "check that the Azure VM reaches the configuration server (port 443) and that the agent has the current passphrase and address"},
	{Code: "ArmResourceDoesNotExist", Class: facts.Permanent,
		Cause:  "the item is gone, or its id is that of another item",
		Remedy: "list the vault's replicated items again"},
	{Code: CodeUnreachable, Class: facts.Temporary, Cause: "no connection to Azure",
		Remedy: "check the network, name resolution and proxy between this machine and Azure Resource Manager"},
	{Code: CodeCertificate, Class: facts.Operator, Cause: "the certificate is not trusted",
		Remedy: "check azure.endpoint and the clock of this machine"},
	{Code: CodeLogin, Class: facts.Operator, Cause: "no token was granted, or Azure refused it",
		Remedy: "check the credential: managed identity, AZURE_* variables or az login; for a national cloud also AZURE_AUTHORITY_HOST"},
	{Code: CodeForbidden, Class: facts.Operator, Cause: "the identity lacks a permission",
		Remedy: "give the identity the role Site Recovery Operator on the vault"},
	{Code: CodeNotFound, Class: facts.Permanent, Cause: "it does not exist",
		Remedy: "check subscription, resource group and vault in the site's config, and list the vault's items again"},
	{Code: CodeThrottled, Class: facts.Temporary, Cause: "the identity asked more than Azure allows",
		Remedy: "wait; if it stays, look who else uses the identity, or raise limits.look"},
	{Code: CodeUnavailable, Class: facts.Temporary, Cause: "Azure has a problem of its own",
		Remedy: "wait; if it stays, see Azure's service health"},
	{Code: CodeTimeout, Class: facts.Temporary, Cause: "Azure did not answer in time",
		Remedy: "try again; if it stays, check the network between this machine and Azure"},
	{Code: CodeInterrupted, Class: facts.Temporary, Cause: "the call was given up", Remedy: "try again"},
	{Code: CodeUnexpected, Class: facts.Operator, Cause: "the answer is not Resource Manager's",
		Remedy: "check azure.endpoint and whether a proxy answers in Azure's place"},
	{Code: CodeNoJob, Class: facts.Temporary, Cause: "Azure accepted, but named no job",
		Remedy: "look which job holds the machine and follow that"},
	{Code: CodeOptions, Class: facts.Permanent, Cause: "the client is set up wrongly", Remedy: "check the site's vault and the azure section of the config"},
	{Code: CodeInput, Class: facts.Permanent, Cause: "a value of the call is wrong", Remedy: "give what the message names"},
	{Code: "28175", Class: facts.Temporary, Warning: true, Cause: "the Azure VM got another name because its own was taken", Remedy: "nothing to do for the reprotect"},
	{Code: "310024", Class: facts.Temporary, Warning: true, Cause: "the VM's name is taken", Remedy: "nothing to do for the reprotect"},
	{Code: "28061", Class: facts.Temporary, Warning: true, Cause: "a note on an operation that goes on", Remedy: "nothing to do for the reprotect"},
	{Code: "45031", Class: facts.Temporary, Warning: true, Cause: "the machine is protected already", Remedy: "nothing to do for the reprotect"},
}

// Explain says who can do something about an error of a job or a refusal, and what. An unknown code is the
// operator's, without a remedy: show Azure's recommended action then.
func Explain(code, message string) (facts.Class, string) {
	known, ok := lookUp(code, message)
	if !ok {
		return facts.Operator, ""
	}
	return known.Class, known.Remedy
}

func lookUp(code, message string) (Code, bool) {
	for _, known := range Codes {
		if strings.EqualFold(known.Code, code) {
			return known, true
		}
	}
	message = strings.ToLower(message)
	for _, known := range Codes {
		for _, text := range known.Texts {
			if strings.Contains(message, text) {
				return known, true
			}
		}
	}
	return Code{}, false
}
