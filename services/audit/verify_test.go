package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

var signed = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func message(n int) bus.Received {
	return bus.Received{
		Message:   bus.Message{Subject: "reprotect.event.tokyo.c.request.accepted", ID: fmt.Sprint("m", n), Data: fmt.Append(nil, `{"n":`, n, `}`), Headers: map[string]string{"a": "1", "b": "2"}},
		Published: signed.Add(time.Duration(n) * time.Second),
	}
}

// log is one of n messages with their leaves.
func log(n int) (all []audit.Entry) {
	for i := range n {
		m := message(i + 1)
		leaf := audit.LeafOf(m)
		all = append(all, audit.Entry{Position: uint64(i + 1), Received: m, Leaf: &leaf})
	}
	return all
}

func at(n int) audit.Checkpoint {
	var tree audit.Tree
	for _, e := range log(n) {
		tree.Add(*e.Leaf)
	}
	return audit.Checkpoint{Log: "tokyo", Size: uint64(n), Root: tree.Root(), Time: signed}
}

func verify(entries []audit.Entry, checkpoints ...audit.Checkpoint) audit.Verdict {
	v := audit.NewVerifier(checkpoints...)
	for _, e := range entries {
		v.Add(e)
	}
	return v.End()
}

func (f faults) String() string {
	var all []string
	for _, one := range f {
		all = append(all, fmt.Sprintf("%d-%d %s", one.From, one.To, one.What))
	}
	return strings.Join(all, "; ")
}

type faults []audit.Fault

func TestWhatAVerificationFinds(t *testing.T) {
	t.Parallel()
	unleafed := func(entries []audit.Entry) []audit.Entry {
		for i := range entries {
			entries[i].Leaf = nil
		}
		return entries
	}
	renumbered := func(entries []audit.Entry) []audit.Entry {
		for i := range entries {
			entries[i].Position = uint64(i + 1)
		}
		return entries
	}
	changed := func(entries []audit.Entry, i int) []audit.Entry {
		entries[i].Data = []byte(`{"n":99}`)
		return entries
	}
	const notSigned = " these messages are not the ones that were signed at 2026-11-22 09:00:00 UTC: at least one was changed, removed, added or moved, or this is another log"
	for name, tt := range map[string]struct {
		entries     []audit.Entry
		checkpoints []audit.Checkpoint
		want        string
		covered     uint64
	}{
		"nothing":                            {log(0), nil, "", 0},
		"nothing, as signed":                 {log(0), []audit.Checkpoint{at(0)}, "", 0},
		"sound, unsigned":                    {log(9), nil, "", 0},
		"sound":                              {log(9), []audit.Checkpoint{at(9)}, "", 9},
		"sound, older checkpoints":           {log(9), []audit.Checkpoint{at(7), at(3)}, "", 7},
		"changed, its leaf not":              {changed(log(9), 4), nil, "5-5 this message was changed after it was written down", 0},
		"changed with its leaf":              {unleafed(changed(log(9), 4)), []audit.Checkpoint{at(9)}, "1-9" + notSigned, 0},
		"changed between two checkpoints":    {unleafed(changed(log(9), 4)), []audit.Checkpoint{at(9), at(4), at(6)}, "5-6" + notSigned + "; 5-9" + notSigned, 4},
		"removed":                            {slices.Delete(log(9), 3, 5), nil, "4-5 these messages are missing", 0},
		"removed and renumbered":             {renumbered(slices.Delete(log(9), 3, 4)), []audit.Checkpoint{at(8)}, "1-8" + notSigned, 0},
		"the first removed, and renumbered":  {renumbered(log(9)[1:]), []audit.Checkpoint{at(8)}, "1-8" + notSigned, 0},
		"doubled":                            {slices.Insert(log(4), 2, log(4)[1]), nil, "2-2 this message stands here twice", 0},
		"moved":                              {slices.Concat(log(2), log(5)[4:], log(5)[2:4]), nil, "3-4 these messages are missing; 3-3 this message was moved: it stands after message 5", 0},
		"cut at its end":                     {log(5), []audit.Checkpoint{at(9)}, "6-9 the log was cut: it has 5 messages, and had 9 when it was signed at 2026-11-22 09:00:00 UTC", 0},
		"a part":                             {log(9)[4:], nil, "", 0},
		"a part, against a checkpoint":       {log(9)[4:], []audit.Checkpoint{at(9)}, "1-9 this is a part of the log: a checkpoint can be compared with a log from its first message only", 0},
		"another log, as long":               {unleafed(changed(log(9), 0)), []audit.Checkpoint{{Log: "tokyo", Size: 9}}, "1-9" + strings.Replace(notSigned, " at 2026-11-22 09:00:00 UTC", "", 1), 0},
		"two checkpoints that contradict":    {log(9), []audit.Checkpoint{at(9), {Size: 9, Time: signed.Add(time.Hour)}}, "9-9" + strings.Replace(notSigned, "09:00", "10:00", 1), 9},
		"changed where nobody has signed it": {unleafed(changed(log(9), 8)), []audit.Checkpoint{at(8)}, "", 8},
	} {
		v := verify(tt.entries, tt.checkpoints...)
		if got := faults(v.Faults).String(); got != tt.want || v.Covered != tt.covered || v.Good() != (tt.want == "") || v.Messages != uint64(len(tt.entries)) {
			t.Errorf("%s: %d of %d covered, %q\nwant %q", name, v.Covered, v.Messages, got, tt.want)
		}
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	v := audit.NewVerifier()
	for range 1000 {
		v.Fault(audit.Fault{From: 1, To: 1, What: "x"})
	}
	if got := len(v.End().Faults); got != 100 {
		t.Error(got)
	}
}

// Nothing of a message can be changed without another leaf, and no two messages have one.
func TestALeafCoversAllOfAMessage(t *testing.T) {
	t.Parallel()
	leaves := map[tlog.Hash]string{audit.LeafOf(message(1)): "as it was"}
	for name, change := range map[string]func(*bus.Received){
		"subject":       func(r *bus.Received) { r.Subject += "x" },
		"id":            func(r *bus.Received) { r.ID = "" },
		"time":          func(r *bus.Received) { r.Published = r.Published.Add(1) },
		"no time":       func(r *bus.Received) { r.Published = time.Time{} },
		"data":          func(r *bus.Received) { r.Data = append(r.Data, ' ') },
		"header":        func(r *bus.Received) { r.Headers["a"] = "3" },
		"header's name": func(r *bus.Received) { delete(r.Headers, "a"); r.Headers["c"] = "1" },
		"no header":     func(r *bus.Received) { r.Headers = nil },
		"a border": func(r *bus.Received) {
			r.ID, r.Subject = r.Subject[len(r.Subject)-1:]+r.ID, r.Subject[:len(r.Subject)-1]
		},
	} {
		m := message(1)
		change(&m)
		leaf := audit.LeafOf(m)
		if other, ok := leaves[leaf]; ok {
			t.Errorf("%s has the leaf of %s", name, other)
		}
		leaves[leaf] = name
	}
	same := message(1)
	same.Sequence, same.Attempt, same.Published = 77, 5, same.Published.In(time.FixedZone("", 3600))
	if leaves[audit.LeafOf(same)] != "as it was" {
		t.Error("where it stands, how often it came, and the zone of its time are no part of it")
	}
}

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	private, public, err := audit.NewKey("reprotect.tokyo")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(private + "\n")
	if err != nil {
		t.Fatal(err)
	}
	var tree audit.Tree
	for _, e := range log(5) {
		tree.Add(*e.Leaf)
	}
	text, err := signer.Sign(&tree, signed)
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.Open(text, public+"\n")
	if want := at(5); err != nil || c.Log != "reprotect.tokyo" || c.Size != 5 || c.Root != want.Root || !c.Time.Equal(signed) {
		t.Fatalf("%+v, %v", c, err)
	}
	for i := range text { // whatever byte is changed
		forged := slices.Clone(text)
		forged[i] ^= 1
		if got, err := audit.Open(forged, public); err == nil && got != c {
			t.Fatalf("byte %d: %+v", i, got)
		}
	}
	_, other, err := audit.NewKey("reprotect.tokyo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(text, other); !errors.Is(err, audit.ErrCheckpoint) {
		t.Errorf("by another key of that name: %v", err)
	}
	if _, err := audit.Open(text, "nonsense"); err == nil {
		t.Error("nonsense is no key")
	}
	for _, name := range []string{"", "two words", "a+b"} {
		if _, _, err := audit.NewKey(name); err == nil {
			t.Errorf("%q names a key", name)
		}
	}
	if _, err := audit.NewSigner(public); err == nil || strings.Contains(err.Error(), public) {
		t.Errorf("a public key signs: %v", err)
	}
}
