package observed

import (
	"slices"

	"reprotect.example/events"
)

// ItemOf returns what a machine of a case is in the vault now: the item that it was when the case was made, or the
// one that took its place. ok is false when there is neither, or when several machines of that name came back and
// nothing tells which of them it is.
func (v Vault) ItemOf(m events.Machine) (item Item, ok bool) {
	if item, ok := v.Item(m.Item); ok {
		return item, true
	}
	return onlyOne(v.reversed(m.Name, func(i Item) bool { return string(i.Architecture) == m.Architecture }))
}

// Became finds the item that a machine has become by a classic reprotect, which replaces it, unless several machines
// of that name came back.
func (v Vault) Became(name string) (Item, bool) {
	return onlyOne(v.reversed(name, func(Item) bool { return true }))
}

// reversed lists the items of that name that replicate back or have come home, and that are wanted.
func (v Vault) reversed(name string, wanted func(Item) bool) []Item {
	return slices.DeleteFunc(v.ItemsNamed(name), func(i Item) bool { return !i.ReversedOnce() || !wanted(i) })
}

func onlyOne(items []Item) (Item, bool) {
	if len(items) != 1 {
		return Item{}, false
	}
	return items[0], true
}
