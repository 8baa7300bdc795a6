package audit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is a Merkle tree that only grows. It keeps what is needed to go on: the hash of each full subtree, of which there
// are at most 64. The zero value is the empty tree.
type Tree struct {
	size     uint64
	subtrees []tlog.Hash // the largest first
}

// Size is how many leaves it has.
func (t *Tree) Size() uint64 { return t.size }

// Add puts a leaf behind the others.
func (t *Tree) Add(leaf tlog.Hash) {
	for full := t.size; full&1 == 1; full >>= 1 { // as many subtrees become one as a counter carries
		last := len(t.subtrees) - 1
		leaf = tlog.NodeHash(t.subtrees[last], leaf)
		t.subtrees = t.subtrees[:last]
	}
	t.subtrees, t.size = append(t.subtrees, leaf), t.size+1
}

// Root is the hash that stands for all leaves and their order.
func (t *Tree) Root() tlog.Hash {
	last := len(t.subtrees) - 1
	if last < 0 {
		empty, _ := tlog.TreeHash(0, nil) // reads no hash
		return empty
	}
	root := t.subtrees[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(t.subtrees[i], root)
	}
	return root
}

// Clone is a tree that grows by itself.
func (t *Tree) Clone() Tree { return Tree{t.size, append([]tlog.Hash(nil), t.subtrees...)} }

type storedTree struct {
	Size     uint64   `json:"size"`
	Subtrees []string `json:"subtrees"`
}

// MarshalText is the form in which a tree is stored.
func (t *Tree) MarshalText() ([]byte, error) {
	stored := storedTree{Size: t.size}
	for _, h := range t.subtrees {
		stored.Subtrees = append(stored.Subtrees, base64.StdEncoding.EncodeToString(h[:]))
	}
	return json.Marshal(stored)
}

// UnmarshalText reads it.
func (t *Tree) UnmarshalText(text []byte) error {
	var stored storedTree
	if err := json.Unmarshal(text, &stored); err != nil {
		return fmt.Errorf("audit: this is no tree: %w", err)
	}
	if len(stored.Subtrees) != bits.OnesCount64(stored.Size) {
		return fmt.Errorf("audit: a tree of %d leaves has %d subtrees, not %d", stored.Size, bits.OnesCount64(stored.Size), len(stored.Subtrees))
	}
	read := Tree{size: stored.Size}
	for _, s := range stored.Subtrees {
		h, err := tlog.ParseHash(s)
		if err != nil {
			return fmt.Errorf("audit: this is no tree: %w", err)
		}
		read.subtrees = append(read.subtrees, h)
	}
	*t = read
	return nil
}
