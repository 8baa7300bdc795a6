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
	pageErrors   = "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors"
	pageRegister = "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider"
	pageLocks    = "https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources"

	pagePolicyError = "https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-policy-requestdisallowedbypolicy"

	pageHealth = "https://azure.status.microsoft/"
)

// siteRecovery are Site Recovery's own codes in a reprotect, and the health errors that stand beside one. None of them is
// for good: each names something that a person can mend, after which the reprotect may be asked for again.
var siteRecovery = []Row{
	{Code: "95226", Class: observed.Operator, For: Azure, Refs: []string{"S15", "S33"}, Reference: pageFailback, Basis: Documented},
	{Code: "78093", Class: observed.Operator, For: Azure, Refs: []string{"S15", "S33"}, Reference: pageFailback, Basis: Documented},
	{Code: "78052", Class: observed.Operator, For: Azure, Refs: []string{"S22", "S35"}, Reference: pageFailback, Basis: Documented},
	{Code: "8061", Class: observed.Operator, For: Azure, Refs: []string{"S20", "S21"}, Reference: pageFailback, Basis: Documented},
	{Code: "8038", Class: observed.Operator, For: Azure, Refs: []string{"S22"}, Reference: pageFailback, Basis: Documented}, // of a failback
	{Code: "78253", Class: observed.Operator, For: Azure, Refs: []string{"S32"}, Reference: pagePolicy, Basis: Documented},  // of enabling protection
	{Code: "499", Class: observed.Temporary, For: Azure, Basis: Assumed},
	{Code: "506", Class: observed.Operator, For: Azure, Refs: []string{"S34", "M2"}, Basis: Assumed},
	{Code: "EP0886", Class: observed.Operator, For: Azure, Refs: []string{"S15", "S18", "S33"}, Basis: Assumed}, // of the push installation
	{Code: "28031", Class: observed.Operator, For: Azure, Basis: Recorded},
	{Code: "25037", Class: observed.Operator, For: Azure, Basis: Recorded},
	{Code: "ArmResourceDoesNotExist", Class: observed.Permanent, Reach: OfPlace, For: Azure, Basis: Recorded},
	{Code: "28175", Class: observed.Temporary, Warning: true, For: Azure, Basis: Recorded},
	{Code: "310024", Class: observed.Temporary, Warning: true, For: Azure, Basis: Recorded},
	{Code: "28061", Class: observed.Temporary, Warning: true, For: Azure, Basis: Recorded},
	{Code: "45031", Class: observed.Temporary, Warning: true, For: Azure, Basis: Recorded},
	{Code: "531006", Class: observed.Temporary, Warning: true, For: Azure, Basis: Recorded},
	{Code: "325092", Class: observed.Temporary, Warning: true, For: Azure, Basis: Recorded},
}

// resourceManager are refusals of Azure Resource Manager itself, before Site Recovery is asked.
var resourceManager = []Row{
	{Code: "ScopeLocked", Class: observed.Operator, For: Azure, Reference: pageLocks, Basis: Documented},
	{Code: "LinkedAuthorizationFailed", Class: observed.Operator, For: Azure, Reference: pageErrors, Basis: Documented},
	{Code: "RequestDisallowedByPolicy", Class: observed.Operator, For: Azure, Reference: pagePolicyError, Basis: Documented},
	{Code: "MissingSubscriptionRegistration", Class: observed.Operator, For: Azure, Reference: pageRegister, Basis: Documented},
	{Code: "NoRegisteredProviderFound", Class: observed.Operator, For: Azure, Reference: pageRegister, Basis: Documented},
	{Code: "AuthorizationFailed", Class: observed.Operator, For: Azure, Reference: pageErrors, Basis: Documented},
	{Code: "InvalidAuthenticationTokenTenant", Class: observed.Operator, For: Azure, Basis: Assumed},
	{Code: "SubscriptionNotFound", Class: observed.Operator, For: Azure, Reference: pageErrors, Basis: Documented},
	{Code: "ReadOnlyDisabledSubscription", Class: observed.Operator, For: Azure, Reference: pageErrors, Basis: Documented},
	{Code: "QuotaExceeded", Class: observed.Operator, For: Azure, Reference: pageErrors, Basis: Documented},
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
