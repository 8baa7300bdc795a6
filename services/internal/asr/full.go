package asr

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"reprotect.example/services/observed"
)

// Lists of items are lean: they leave out disks, master targets and more (seen in recordings). What is judged is read
// item by item, once in each state, and kept.

const (
	readersAtOnce = 8
	// Azure's bucket for reads has 250 and refills with 25 a second: leave some of it to the lists.
	readsBurst, readsPerSecond = 200, 20
)

// fullItems keeps what single reads said of items, by id in lower case.
type fullItems struct {
	pace *rate.Limiter

	mu    sync.Mutex
	items map[string]fullItem
	began time.Time       // of the look to which shown belongs
	shown []observed.Item // the items of that look, as far as they were read in full
}

type fullItem struct {
	state string
	item  observed.Item
}

// stateOf is what an item must still say for the rest of it to hold.
func stateOf(i observed.Item) string {
	return strings.ToLower(strings.Join([]string{i.Provider, i.State, i.Location, i.JobID, i.PolicyID, i.ActiveSite}, "\n"))
}

// fill returns the look with these items in full. All looks that callers share stay as they are.
func (c *Client) fill(ctx context.Context, v observed.Vault, ids []string) (observed.Vault, error) {
	if !slices.ContainsFunc(ids, func(id string) bool { return lean(v, id) }) {
		return v, nil
	}
	f := &c.full
	f.mu.Lock()
	if f.began.Equal(v.Began) {
		v.Items = f.shown
	}
	f.mu.Unlock()
	var wanted []observed.Item
	for _, id := range ids {
		if i, ok := v.Item(id); ok && i.Lean && i.Unread == "" {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) == 0 {
		return v, nil
	}
	read, err := c.readItems(ctx, wanted)
	if err != nil {
		return v, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.began.Equal(v.Began) {
		v.Items = f.shown // another caller may have added some meanwhile
	}
	v.Items = slices.Clone(v.Items)
	for n, i := range v.Items {
		if full, ok := read[strings.ToLower(i.ID)]; ok && i.Lean {
			v.Items[n] = full
		}
	}
	if !v.Began.Before(f.began) {
		f.began, f.shown = v.Began, v.Items
	}
	return v, nil
}

func lean(v observed.Vault, id string) bool {
	i, ok := v.Item(id)
	return ok && i.Lean && i.Unread == ""
}

// readItems completes items, by id in lower case: from what is kept, or by reading them. One that cannot be read says so
// in Unread. What is about the connection or the login, and not about one item, is an error; what was read is kept.
func (c *Client) readItems(ctx context.Context, wanted []observed.Item) (map[string]observed.Item, error) {
	var (
		mu      sync.Mutex
		done    = map[string]observed.Item{}
		failure error
		work    = make(chan observed.Item)
		readers sync.WaitGroup
	)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for range min(readersAtOnce, len(wanted)) {
		readers.Go(func() {
			for i := range work {
				full, err := c.readItem(ctx, i)
				mu.Lock()
				if err != nil {
					failure = errors.Join(failure, err)
					stop()
				}
				done[strings.ToLower(i.ID)] = full
				mu.Unlock()
			}
		})
	}
	for _, i := range wanted {
		if full, ok := c.keptItem(i); ok {
			mu.Lock()
			done[strings.ToLower(i.ID)] = full
			mu.Unlock()
			continue
		}
		select {
		case work <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	readers.Wait()
	if failure == nil && ctx.Err() != nil {
		failure = ctx.Err()
	}
	if failure != nil {
		var fault *observed.Fault
		if errors.As(failure, &fault) {
			return nil, fault
		}
		return nil, c.fault("cannot read replicated items", failure)
	}
	return done, nil
}

func (c *Client) keptItem(i observed.Item) (observed.Item, bool) {
	c.full.mu.Lock()
	defer c.full.mu.Unlock()
	kept, ok := c.full.items[strings.ToLower(i.ID)]
	if !ok || kept.state != stateOf(i) {
		return observed.Item{}, false
	}
	return complete(i, kept.item), true
}

func (c *Client) readItem(ctx context.Context, i observed.Item) (observed.Item, error) {
	if err := c.full.pace.Wait(ctx); err != nil {
		return i, c.fault("cannot read the replicated item "+i.Name, ctx.Err())
	}
	full, err := c.Item(ctx, i.ID)
	if err != nil {
		f, _ := observed.FaultOf(err)
		if f.Class == observed.Temporary || f.Code == CodeLogin || f.Code == CodeCertificate || ctx.Err() != nil {
			return i, err
		}
		i.Unread = err.Error()
		return i, nil
	}
	full.FailoverPointAt = c.failoverPoint(ctx, full)
	c.full.mu.Lock()
	defer c.full.mu.Unlock()
	c.full.items[strings.ToLower(i.ID)] = fullItem{stateOf(full), full}
	if stateOf(full) != stateOf(i) { // it moved on since the list was read: what it says now holds
		return full, nil
	}
	return complete(i, full), nil
}

// complete puts what only the read of the item itself says into what the list says, which is newer.
func complete(list, full observed.Item) observed.Item {
	list.Disks, list.AzureDisks, list.Lean = full.Disks, full.AzureDisks, false
	list.LogStorage = first(list.LogStorage, full.LogStorage)
	list.MasterTargetID = first(list.MasterTargetID, full.MasterTargetID)
	list.Forward.MasterTargetID = first(list.Forward.MasterTargetID, full.Forward.MasterTargetID)
	list.FailoverPoint, list.FailoverPointAt = first(list.FailoverPoint, full.FailoverPoint), full.FailoverPointAt
	list.OS, list.OSVersion = first(list.OS, full.OS), first(list.OSVersion, full.OSVersion)
	return list
}

// forget drops what is kept of items that are gone.
func (f *fullItems) forget(items []observed.Item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.items) <= 2*len(items) {
		return
	}
	there := map[string]bool{}
	for _, i := range items {
		there[strings.ToLower(i.ID)] = true
	}
	for id := range f.items {
		if !there[id] {
			delete(f.items, id)
		}
	}
}

// underWay completes the items that take room or are watched whoever asks: those that replicate back. They are read
// within a look, at most a burst of them: what is left is unknown until the next look.
func (c *Client) underWay(ctx context.Context, items []observed.Item) error {
	c.full.forget(items)
	var wanted []observed.Item
	known := 0
	for _, i := range items {
		if !i.Lean || i.Unread != "" || !i.ReversedOnce() || i.Home() {
			continue
		}
		if _, ok := c.keptItem(i); ok {
			known++
		} else if len(wanted)-known >= readsBurst {
			continue
		}
		wanted = append(wanted, i)
	}
	if len(wanted) == 0 {
		return nil
	}
	read, err := c.readItems(ctx, wanted)
	if err != nil {
		return err
	}
	for n, i := range items {
		if full, ok := read[strings.ToLower(i.ID)]; ok {
			items[n] = full
		}
	}
	return nil
}
