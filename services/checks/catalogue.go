package checks

import (
	"slices"

	"reprotect.example/services/observed"
)

//go:generate go run ./readme

// Catalogue returns every check, in the order in which they are shown.
func Catalogue() []Check {
	return slices.Concat(machineChecks, groupChecks, configurationServerChecks, processServerChecks, networkChecks,
		vCenterChecks, masterTargetChecks, retentionChecks, policyChecks, applianceChecks, logStorageChecks, datastoreChecks)
}

// Lookup returns the check of that code.
func Lookup(code string) (Check, bool) {
	catalogue := Catalogue()
	i := slices.IndexFunc(catalogue, func(c Check) bool { return c.Code == code })
	if i < 0 {
		return Check{}, false
	}
	return catalogue[i], true
}

var (
	both       = []observed.Architecture{observed.Classic, observed.Modernized}
	classic    = []observed.Architecture{observed.Classic}
	modernized = []observed.Architecture{observed.Modernized}
)

// Public pages that the demands come from.
const (
	pageReprotect  = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-reprotect"
	pagePrepare    = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-prepare-failback"
	pageKinds      = "https://learn.microsoft.com/azure/site-recovery/concepts-types-of-failback"
	pageModernized = "https://learn.microsoft.com/azure/site-recovery/failover-failback-overview-modernized"
	pageAccount    = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-tutorial-prepare-on-premises"
	pageServer     = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-manage-configuration-server"
	pageProcess    = "https://learn.microsoft.com/azure/site-recovery/vmware-azure-set-up-process-server-azure"
)
