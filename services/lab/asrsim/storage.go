package asrsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// States of the log storage account.
const (
	storageOpen   = "open"
	storageClosed = "closed" // its firewall lets nobody through
	storageGone   = "deleted"
)

// SetLogStorage changes the log storage account (M2): open, closed (by its firewall) or deleted.
func (s *Server) SetLogStorage(state string) error {
	states := []string{storageOpen, storageClosed, storageGone}
	if !slices.Contains(states, state) {
		return fmt.Errorf("state %q of the log storage account is not one of %s", state, strings.Join(states, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logStorage = state
	return nil
}

// storageAccount answers for the log storage account (Microsoft.Storage/storageAccounts): a get.
func (s *Server) storageAccount(method, id string) reply {
	s.counts["storage"]++
	if method != http.MethodGet {
		return armError(http.StatusMethodNotAllowed, "MethodNotAllowed", "The resource does not support the method '"+method+"'.").with("Allow", http.MethodGet)
	}
	if !strings.EqualFold(id, s.LogStorage()) || s.logStorage == storageGone {
		return armError(http.StatusNotFound, "ResourceNotFound", "The Resource '"+id+"' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix")
	}
	rules := object{"defaultAction": "Allow", "bypass": "AzureServices", "ipRules": []any{}, "virtualNetworkRules": []any{}}
	if s.logStorage == storageClosed {
		rules["defaultAction"], rules["bypass"] = "Deny", "None"
	}
	return ok(object{
		"id": s.LogStorage(), "name": storageName(s.sc.Vault), "type": "Microsoft.Storage/storageAccounts", "location": azureLocation,
		"kind": "StorageV2", "sku": object{"name": "Standard_LRS", "tier": "Standard"},
		"properties": object{"provisioningState": "Succeeded", "networkAcls": rules, "supportsHttpsTrafficOnly": true},
	})
}
