package asr

import (
	"strings"
	"sync"

	"reprotect.example/services/observed"
)

// origins keeps what the items of the way to Azure say of the machines on-premises, by id in lower case. The items of the
// way back, which take their place, say it no more, or wrongly: a classic one calls every machine physical, and names
// neither its datastores nor its id at the configuration server (seen in recordings).
type origins struct {
	mu    sync.Mutex
	items map[string]observed.Item
}

// of takes in what an item of the way to Azure says, and completes one of the way back by it. What was never seen of
// that one stays unknown.
func (o *origins) of(i observed.Item) observed.Item {
	if i.Architecture == "" {
		return i
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !i.ReversedOnce() {
		i.Forward.MasterTargetID = first(i.Forward.MasterTargetID, o.items[strings.ToLower(i.ID)].Forward.MasterTargetID) // lists leave it out
		o.items[strings.ToLower(i.ID)] = observed.Item{OS: i.OS, OSVersion: i.OSVersion, Physical: i.Physical, VMID: i.VMID, Datastores: i.Datastores, Forward: i.Forward}
		return i
	}
	was, known := o.items[strings.ToLower(i.ID)]
	i.OriginUnread = !known
	if !known {
		return i
	}
	i.Physical, i.VMID = was.Physical, first(was.VMID, i.VMID)
	was.Forward.PolicyID = first(i.Forward.PolicyID, was.Forward.PolicyID)
	i.Forward = was.Forward
	i.OS, i.OSVersion = first(i.OS, was.OS), first(was.OSVersion, i.OSVersion)
	if len(i.Datastores) == 0 {
		i.Datastores = was.Datastores
	}
	return i
}

// forget drops what is kept of items that are gone.
func (o *origins) forget(items []observed.Item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.items) <= 2*len(items) {
		return
	}
	there := make(map[string]bool, len(items))
	for _, i := range items {
		there[strings.ToLower(i.ID)] = true
	}
	for id := range o.items {
		if !there[id] {
			delete(o.items, id)
		}
	}
}
