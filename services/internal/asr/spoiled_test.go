package asr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"reprotect.example/services/observed"
)

// spoil changes a field, by its path, in a copy of an item; change nil takes it out.
func spoil(t *testing.T, item []byte, path string, change func(any) any) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(item, &whole); err != nil {
		t.Fatal(err)
	}
	at, keys := whole, strings.Split(path, ".")
	for _, key := range keys[:len(keys)-1] {
		next := at[key]
		if list, ok := next.([]any); ok && len(list) > 0 { // of a list, its first
			next = list[0]
		}
		inner, ok := next.(map[string]any)
		if !ok {
			t.Fatalf("%s leads nowhere", path)
		}
		at = inner
	}
	if last := keys[len(keys)-1]; change == nil {
		delete(at, last)
	} else {
		at[last] = change(at[last])
	}
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSiteRecoverySpoiledItem: one item that cannot be decoded is named with its field, and the others stand (F6).
func TestSiteRecoverySpoiledItem(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"properties.lastSuccessfulFailoverTime", "properties.protectionState", "properties.allowedOperations"} {
		t.Run("F6 "+field, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.vault(t)
			bad := map[string]any{"properties.lastSuccessfulFailoverTime": "", "properties.protectionState": 7, "properties.allowedOperations": "none"}[field]
			spoilt := spoil(t, fixture(t, "item-classic"), field, func(any) any { return bad })
			s.handle("replicationProtectedItems", body(fmt.Sprintf(`{"value":[%s,%s],"nextLink":null}`, spoilt, fixture(t, "item-modernized"))))
			v, err := s.client(t).Vault(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Items) != 2 {
				t.Fatalf("%d items", len(v.Items))
			}
			i := v.ItemsNamed("db01")
			name := field[strings.LastIndexByte(field, '.')+1:]
			if len(i) != 1 || !strings.Contains(strings.ToLower(i[0].Unread), strings.ToLower(name)) {
				t.Errorf("the bad item says %+v", i)
			} else if i[0].Stage() != observed.StageUnknown || i[0].DiskCount() == 0 {
				t.Errorf("the bad item stands at %s with %d disks", i[0].Stage(), i[0].DiskCount())
			}
			if good := v.ItemsNamed("web01"); len(good) != 1 || good[0].Unread != "" || good[0].Architecture != observed.Modernized {
				t.Errorf("the other item says %+v", good)
			}
		})
	}
}

// TestSiteRecoveryReads: what a list leaves out is read once in each state, for those who ask and for what replicates
// back (F1); what cannot be read is unknown.
func TestSiteRecoveryReads(t *testing.T) {
	t.Parallel()
	s, clock := serve(t), newClock()
	s.vault(t)
	lean := func(name string) string {
		return string(spoil(t, fixture(t, name), "properties.providerSpecificDetails.protectedDisks", func(any) any { return []any{} }))
	}
	s.handle("replicationProtectedItems", body(`{"value":[`+lean("item-classic")+`,`+lean("item-modernized")+`],"nextLink":null}`))
	under := func(id string) string { return strings.ToLower(strings.TrimPrefix(id, vaultID+"/")) }
	s.handle(under(dbID), body(string(fixture(t, "item-classic"))))
	s.handle(under(webID), body(string(fixture(t, "item-modernized"))))
	c := s.client(t, with(clock))
	ask := func(full ...string) (db, web observed.Item) {
		t.Helper()
		v, err := c.Vault(t.Context(), 30*time.Second, full...)
		if err != nil {
			t.Fatal(err)
		}
		return v.ItemsNamed("db01")[0], v.ItemsNamed("web01")[0]
	}
	if db, web := ask(); !db.Lean && !web.Lean {
		t.Errorf("nobody asked for %+v, %+v", db, web)
	}
	if db, _ := ask(dbID); db.Lean || len(db.Disks) == 0 || db.DiskCount() != len(db.Disks) {
		t.Errorf("F1: asked for, and not read: %+v", db)
	}
	for range 3 { // and once only, as long as its state holds
		clock.move(time.Minute)
		if db, _ := ask(dbID); db.Lean {
			t.Error("F1: forgotten")
		}
	}
	if n := s.count("GET " + under(dbID)); n != 1 {
		t.Errorf("%d reads of an item whose state did not change", n)
	}
	s.handle("replicationProtectedItems", body(`{"value":[`+string(spoil(t, []byte(lean("item-classic")), "properties.protectionState", func(any) any { return "UnplannedFailoverCommitPendingStatesBegin" }))+`],"nextLink":null}`))
	s.handle(under(dbID), status(http.StatusNotFound, `{"error":{"code":"ArmResourceDoesNotExist","message":"gone"}}`))
	clock.move(time.Minute)
	v, err := c.Vault(t.Context(), 30*time.Second, dbID)
	if err != nil {
		t.Fatal(err)
	}
	if db := v.ItemsNamed("db01")[0]; db.Unread == "" || db.DiskCount() == 0 {
		t.Errorf("what cannot be read is taken for %d disks: %+v", db.DiskCount(), db)
	}
}
