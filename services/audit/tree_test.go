package audit_test

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"reprotect.example/services/audit"
)

// stored is the tree of the library, with all its hashes: the second reading.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, i := range indexes {
		all = append(all, s[i])
	}
	return all, nil
}

func TestTreeIsThatOfATransparencyLog(t *testing.T) {
	t.Parallel()
	var tree audit.Tree
	var second stored
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, second)
		if err != nil {
			t.Fatal(err)
		}
		if tree.Size() != uint64(n) || tree.Root() != want {
			t.Fatalf("of %d leaves: %d %s, want %s", n, tree.Size(), tree.Root(), want)
		}
		leaf := tlog.RecordHash(fmt.Append(nil, "leaf ", n))
		more, err := tlog.StoredHashesForRecordHash(n, leaf, second)
		if err != nil {
			t.Fatal(err)
		}
		second = append(second, more...)
		tree.Add(leaf)
	}
}

func TestATreeGoesOnWhereItWasStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, cut := rapid.IntRange(0, 200).Draw(t, "leaves"), rapid.IntRange(0, 200).Draw(t, "cut")
		var whole, first audit.Tree
		for i := range n {
			leaf := tlog.RecordHash(fmt.Append(nil, i))
			whole.Add(leaf)
			if i == cut {
				text, err := first.MarshalText()
				if err != nil {
					t.Fatal(err)
				}
				var second audit.Tree
				if err := second.UnmarshalText(text); err != nil {
					t.Fatal(err)
				}
				first = second
			}
			first.Add(leaf)
		}
		if whole.Root() != first.Root() || whole.Size() != first.Size() {
			t.Errorf("%s, want %s", first.Root(), whole.Root())
		}
	})
}

func TestACloneGrowsByItself(t *testing.T) {
	t.Parallel()
	var tree audit.Tree
	for i := range 3 {
		tree.Add(tlog.RecordHash(fmt.Append(nil, i)))
	}
	before := tree.Root()
	clone := tree.Clone()
	clone.Add(tlog.RecordHash([]byte("x")))
	if tree.Root() != before || tree.Size() != 3 || clone.Size() != 4 {
		t.Errorf("%d %s, want 3 %s", tree.Size(), tree.Root(), before)
	}
}

func TestWhatIsNoTree(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"size":3,"subtrees":["x","y"]}`, `{"size":3,"subtrees":[]}`, `{"size":-1}`} {
		tree := audit.Tree{}
		if err := tree.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a tree", text)
		}
	}
}
