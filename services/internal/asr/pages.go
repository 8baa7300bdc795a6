package asr

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// apiVersion is that of the SDK whose types decode the answers.
const apiVersion = "2025-01-01"

// pages reads lists of the vault, one entry at a time: one that cannot be decoded does not spoil the others, which the
// SDK's own pagers would let it.
type pages struct {
	*arm.Client
	vault   string // path
	decoded *decoded
}

// decoded keeps what became of the entries of a list, by the bytes that they had: at most looks most entries are as they
// were at the look before, and decoding them is most of a look's processor time. What they are converted to is kept, and
// not the SDK's own types, which take many times the memory.
type decoded struct {
	mu    sync.Mutex
	lists map[string]map[fingerprint]any // by collection, as it was read last
}

type fingerprint [sha256.Size]byte

// take returns what is kept of a collection, which is kept no more.
func (d *decoded) take(collection string) map[fingerprint]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.lists[collection]
	delete(d.lists, collection)
	return last
}

func (d *decoded) keep(collection string, entries map[fingerprint]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lists == nil {
		d.lists = map[string]map[fingerprint]any{}
	}
	d.lists[collection] = entries
}

// unreadable is an entry of a list that cannot be decoded: what of it can be named, and why.
type unreadable struct {
	ID, Name, FriendlyName string
	Why                    string
}

// read decodes and converts all entries of a collection, which is always read with the same conversion. What the entries hold is
// shared with later reads: nobody changes it.
func read[S, T any](ctx context.Context, p pages, collection string, convert func(*S) T) (all []T, bad []unreadable, err error) {
	last, now := p.decoded.take(collection), map[fingerprint]any{}
	next := runtime.JoinPaths(p.Endpoint(), p.vault+"/"+collection) + "?api-version=" + apiVersion
	for next != "" {
		page, err := p.page(ctx, next)
		if err != nil {
			return nil, nil, err
		}
		for _, raw := range page.Value {
			if string(raw) == "null" {
				continue
			}
			mark := fingerprint(sha256.Sum256(raw))
			entry, known := last[mark].(T)
			if !known {
				var decoded S
				if err := json.Unmarshal(raw, &decoded); err != nil {
					bad = append(bad, named(raw, err))
					continue
				}
				entry = convert(&decoded)
			}
			now[mark] = entry
			all = append(all, entry)
		}
		if page.NextLink == next {
			return nil, nil, fmt.Errorf("a page of %s names itself as the next one", collection)
		}
		next = page.NextLink
	}
	p.decoded.keep(collection, now)
	return all, bad, nil
}

// asDecoded converts nothing.
func asDecoded[S any](s *S) *S { return s }

type page struct {
	Value    []json.RawMessage `json:"value"`
	NextLink string            `json:"nextLink"`
}

func (p pages) page(ctx context.Context, at string) (out page, err error) {
	address, err := runtime.EncodeQueryParams(at)
	if err != nil {
		return out, err
	}
	req, err := runtime.NewRequest(ctx, http.MethodGet, address)
	if err != nil {
		return out, err
	}
	req.Raw().Header.Set("Accept", "application/json")
	resp, err := p.Pipeline().Do(req) //nolint:bodyclose // the pipeline reads the body whole and closes it
	if err != nil {
		return out, err
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return out, runtime.NewResponseError(resp)
	}
	return out, runtime.UnmarshalAsJSON(resp, &out)
}

// named takes from a broken entry what says whose it is.
func named(raw json.RawMessage, why error) unreadable {
	var entry struct {
		ID, Name   string
		Properties struct{ FriendlyName string }
	}
	_ = json.Unmarshal(raw, &entry) // what cannot be named stays without a name
	return unreadable{ID: entry.ID, Name: first(entry.Properties.FriendlyName, entry.Name, "an entry without a name"), FriendlyName: entry.Properties.FriendlyName, Why: scrub(why.Error(), "")}
}
