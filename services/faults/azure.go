package faults

import "reprotect.example/services/observed"

// Public pages.
const (
	pageFailback = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-troubleshoot-failback-reprotect"
	pagePolicy   = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-troubleshoot-replication"
	pagePrepare  = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-prepare-failback"
	pageProtect  = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-reprotect"
	pageAccount  = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-tutorial-prepare-on-premises"
	pageRoles    = "https://learn.microsoft.com/azure/site-recovery/site-recovery-role-based-linked-access-control"
	pageLimits   = "https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling"
	pageHealth   = "https://azure.status.microsoft/"
)

// siteRecovery are Site Recovery's own codes in a reprotect: Microsoft's troubleshooting pages for VMware, the
// procedure, and recordings for the warnings.
var siteRecovery = []Row{
	{Code: "95226", Class: observed.Operator, For: Azure, Refs: []string{"S15", "S33"}, Reference: pageFailback},
	{Code: "78093", Class: observed.Operator, For: Azure, Refs: []string{"S15", "S33"}, Reference: pageFailback},
	{Code: "78052", Class: observed.Permanent, For: Azure, Refs: []string{"S22", "S35"}, Reference: pageFailback},
	{Code: "8061", Class: observed.Permanent, For: Azure, Refs: []string{"S20", "S21"}, Reference: pageFailback},
	{Code: "8038", Class: observed.Permanent, For: Azure, Refs: []string{"S22"}, Reference: pageFailback},
	{Code: "78253", Class: observed.Permanent, For: Azure, Refs: []string{"S32"}, Reference: pagePolicy},
	{Code: "499", Class: observed.Temporary, For: Azure},
	{Code: "506", Class: observed.Permanent, For: Azure, Refs: []string{"S34", "M2"}},
	{Code: "EP0886", Class: observed.Operator, For: Azure, Refs: []string{"S15", "S18", "S33"}},
	{Code: "ArmResourceDoesNotExist", Class: observed.Permanent, Reach: OfPlace, For: Azure},
	{Code: "28175", Class: observed.Temporary, Warning: true, For: Azure},
	{Code: "310024", Class: observed.Temporary, Warning: true, For: Azure},
	{Code: "28061", Class: observed.Temporary, Warning: true, For: Azure},
	{Code: "45031", Class: observed.Temporary, Warning: true, For: Azure},
}

// azure are codes of ours: for what Site Recovery says without a code, and for what goes wrong before it is asked.
var azure = []Row{
	{Code: "azure.agent-not-installed", Texts: []string{"agent is not installed", "agent not installed"},
		Class: observed.Temporary, Reach: OfAgent, For: Azure, Refs: []string{"S33", "M4"}},
	{Code: "azure.conflict", Texts: []string{"another operation is", "another operation in progress", "another job is", "operation is already in progress"},
		Class: observed.Temporary, Reach: OfCall, For: Azure},
	{Code: "azure.unreachable", Class: observed.Temporary, Reach: OfAccess, For: Azure},
	{Code: "azure.certificate", Class: observed.Operator, Reach: OfAccess, For: Azure},
	{Code: "azure.login", Class: observed.Operator, Reach: OfAccess, For: Azure},
	{Code: "azure.forbidden", Class: observed.Operator, Reach: OfAccess, For: Azure, Reference: pageRoles},
	{Code: "azure.not-found", Class: observed.Permanent, Reach: OfPlace, For: Azure},
	{Code: "azure.throttled", Class: observed.Temporary, Reach: OfAccess, For: Azure, Reference: pageLimits},
	{Code: "azure.unavailable", Class: observed.Temporary, Reach: OfCall, For: Azure, Reference: pageHealth},
	{Code: "azure.timeout", Class: observed.Temporary, Reach: OfAccess, For: Azure},
	{Code: "azure.interrupted", Class: observed.Temporary, Reach: OfAccess, For: Azure},
	{Code: "azure.unread", Class: observed.Operator, Reach: OfAccess, For: Azure, Reference: pageRoles},
	{Code: "azure.unexpected", Class: observed.Operator, Reach: OfAccess, For: Azure},
	{Code: "azure.no-job", Class: observed.Temporary, Reach: OfCall, For: Azure},
	{Code: "azure.options", Class: observed.Permanent, For: Azure},
	{Code: "azure.input", Class: observed.Permanent, For: Azure},
}
