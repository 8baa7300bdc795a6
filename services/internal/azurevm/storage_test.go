package azurevm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/services/lab/scenario"
	"reprotect.example/services/observed"
)

// Row B6: what Azure shows of a log storage account, and what it does not show.
func TestSiteRecoveryLogStorage(t *testing.T) {
	t.Parallel()
	const id = "/subscriptions/s/resourceGroups/Logs/providers/Microsoft.Storage/storageAccounts/logs01"
	const account = `{"location":"japaneast","kind":"StorageV2","sku":{"name":"Standard_LRS","tier":"Standard"},"properties":{%s}}`
	there := func(closed string) observed.StorageAccount {
		return observed.StorageAccount{ID: id, Region: "japaneast", Kind: "StorageV2", Tier: "Standard", Closed: closed}
	}
	const firewall, private = "its firewall does not let trusted Azure services through, and it has no private endpoint", `"privateEndpointConnections":[{"id":"/p"}],`
	for name, tt := range map[string]struct {
		status int
		body   string
		want   observed.StorageAccount
		unread string
	}{
		"open":                         {200, fmt.Sprintf(account, `"networkAcls":{"defaultAction":"Allow","bypass":"None"}`), there(""), ""},
		"nothing said of its network":  {200, fmt.Sprintf(account, ""), there(""), ""},
		"null":                         {200, strings.Replace(account, "{%s}", "null", 1), there(""), ""},
		"trusted services let through": {200, fmt.Sprintf(account, `"networkAcls":{"defaultAction":"Deny","bypass":"Logging, AzureServices"}`), there(""), ""},
		"closed":                       {200, fmt.Sprintf(account, `"networkAcls":{"defaultAction":"Deny","bypass":"Metrics"}`), there(firewall), ""},
		"closed, with an endpoint":     {200, fmt.Sprintf(account, private+`"networkAcls":{"defaultAction":"Deny","bypass":"None"}`), there(""), ""},
		"not public":                   {200, fmt.Sprintf(account, `"publicNetworkAccess":"Disabled"`), there("its public network access is disabled, and it has no private endpoint"), ""},
		"not public, with an endpoint": {200, fmt.Sprintf(account, private+`"publicNetworkAccess":"Disabled"`), there(""), ""},
		"gone":                         {404, `{"error":{"code":"ResourceNotFound","message":"gone"}}`, observed.StorageAccount{ID: id, Absent: true}, ""},
		"not permitted":                {403, `{"error":{"code":"AuthorizationFailed","message":"no"}}`, observed.StorageAccount{ID: id}, "Reader on the storage account logs01"},
		"no answer of Azure's":         {200, `<html>`, observed.StorageAccount{ID: id}, "logs01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			_, c := clientOf(t, scenario.Default(1), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/storageAccounts/logs01") && r.URL.Query().Get("api-version") == storageVersion {
					asked++
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			items := []observed.Item{{LogStorage: id}, {LogStorage: strings.ToUpper(id)}, {}, {LogStorage: "logs"}}
			look := observed.AzureVMs{Accounts: c.accounts(t.Context(), items)}
			got, ok := look.Account(strings.ToUpper(id))
			if !ok || len(look.Accounts) != 1 || asked != 1 {
				t.Fatalf("asked %d times: %+v", asked, look.Accounts)
			}
			if !strings.Contains(got.Unread, tt.unread) || (got.Unread == "") != (tt.unread == "") {
				t.Errorf("unread because %q", got.Unread)
			}
			got.Unread, got.ID = "", id
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if !Covers(look, []observed.Item{{LogStorage: id}}) || Covers(look, []observed.Item{{LogStorage: id + "2"}}) {
				t.Error("a look does not know which accounts it is about")
			}
		})
	}
}

// A look that is broken off says so, and is not taken for an account that is gone.
func TestSiteRecoveryLogStorageInterrupted(t *testing.T) {
	t.Parallel()
	_, c := clientOf(t, scenario.Default(1), http.NotFoundHandler())
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	const id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
	if got := c.accounts(ctx, []observed.Item{{LogStorage: id}})[strings.ToLower(id)]; got.Absent || got.Unread == "" {
		t.Errorf("%+v", got)
	}
}
