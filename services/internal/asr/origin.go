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
	items map[string]origin
}

// origin is what is kept of one machine: there may be thousands.
type origin struct {
	os, osVersion, vmID string
	physical            bool
	datastores          []string
	forward             observed.Forward
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
		id := strings.ToLower(i.ID)
		i.Forward.MasterTargetID = first(i.Forward.MasterTargetID, o.items[id].forward.MasterTargetID) // lists leave it out
		o.items[id] = origin{i.OS, i.OSVersion, i.VMID, i.Physical, i.Datastores, i.Forward}
		return i
	}
	was, known := o.items[strings.ToLower(i.ID)]
	i.OriginUnread = !known
	if !known {
		return i
	}
	i.Physical, i.VMID = was.physical, first(was.vmID, i.VMID)
	was.forward.PolicyID = first(i.Forward.PolicyID, was.forward.PolicyID)
	i.Forward = was.forward
	i.OS, i.OSVersion = first(i.OS, was.os), first(was.osVersion, i.OSVersion)
	if len(i.Datastores) == 0 {
		i.Datastores = was.datastores
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
