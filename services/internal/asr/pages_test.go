package asr

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A list that was read often says what it says when it is read for the first time, whatever came, went or changed (B8).
func TestSiteRecoveryListsAreDecodedAsIfAnew(t *testing.T) {
	t.Parallel()
	s := serve(t)
	kept := s.client(t)
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 4).Draw(t, "looks") {
			entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
				switch name := rapid.IntRange(0, 3).Draw(t, "name"); rapid.IntRange(0, 4).Draw(t, "kind") {
				case 0:
					return "null"
				case 1:
					return fmt.Sprintf(`{"name":"j%d","properties":{"startTime":""}}`, name) // cannot be decoded
				default:
					return fmt.Sprintf(`{"name":"j%d","properties":{"state":%q,"tasks":[]}}`, name, rapid.SampledFrom([]string{"InProgress", "Failed"}).Draw(t, "state"))
				}
			}), 0, 5).Draw(t, "entries")
			s.handle("replicationJobs", body(`{"value":[`+strings.Join(entries, ",")+`],"nextLink":null}`))
			anew := kept.pages
			anew.decoded = new(decoded)
			got, gotBad, err := read(t.Context(), kept.pages, "replicationJobs", asDecoded[sr.Job])
			if err != nil {
				t.Fatal(err)
			}
			want, wantBad, err := read(t.Context(), anew, "replicationJobs", asDecoded[sr.Job])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text(t, want)+fmt.Sprint(wantBad), text(t, got)+fmt.Sprint(gotBad)); diff != "" {
				t.Fatalf("(- anew, + kept) %s", diff)
			}
		}
	})
}

func text(t *rapid.T, all []*sr.Job) string {
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// An entry that says the same at the next look is not decoded again, and one that is gone is not kept.
func TestSiteRecoveryUnchangedEntriesAreDecodedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client(t)
	list := func(entries string) []*sr.Job {
		s.handle("replicationJobs", body(`{"value":[`+entries+`],"nextLink":null}`))
		all, _, err := read(t.Context(), c.pages, "replicationJobs", asDecoded[sr.Job])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	const a, b, changed = `{"name":"a","properties":{"state":"Succeeded"}}`, `{"name":"b","properties":{"state":"InProgress"}}`, `{"name":"b","properties":{"state":"Failed"}}`
	first := list(a + "," + b)
	again := list(b + "," + a)
	if first[0] != again[1] || first[1] != again[0] {
		t.Error("decoded again")
	}
	if next := list(a + "," + changed); next[0] != first[0] || next[1] == first[1] || *next[1].Properties.State != "Failed" {
		t.Errorf("%+v", next[1])
	}
	if n := len(c.pages.decoded.lists["replicationJobs"]); n != 2 {
		t.Errorf("%d entries are kept", n)
	}
}
