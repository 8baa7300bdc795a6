package audit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint says what the log was when it had Size messages.
type Checkpoint struct {
	Log  string // the name of the key that signs
	Size uint64
	Root tlog.Hash
	Time time.Time // when it was signed
}

// ErrCheckpoint: a text is no checkpoint, or is not signed with the key.
var ErrCheckpoint = errors.New("this is no checkpoint of the log")

// NewKey makes a key: the private one, to be kept in the file that audit.keyFile names, and the public one, for all who
// verify. The name tells which log a checkpoint is of; it has no space and no plus sign.
func NewKey(name string) (private, public string, err error) {
	if name == "" || strings.ContainsAny(name, " +\t\n") {
		return "", "", fmt.Errorf("%q cannot be the name of a key: leave spaces and plus signs out", name)
	}
	return note.GenerateKey(rand.Reader, name)
}

// Signer signs checkpoints.
type Signer struct{ signer note.Signer }

// NewSigner reads a private key as NewKey makes it. The error does not repeat it.
func NewSigner(private string) (*Signer, error) {
	s, err := note.NewSigner(strings.TrimSpace(private))
	if err != nil {
		return nil, errors.New("this is no private key as 'reprotect log key' makes it")
	}
	return &Signer{s}, nil
}

// Sign makes the checkpoint of a tree, in the form of C2SP's tlog-checkpoint: name, size, root and a line with the time,
// then the signature.
func (s *Signer) Sign(t *Tree, now time.Time) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\ntime %s\n", s.signer.Name(), t.Size(), t.Root(), now.UTC().Format(time.RFC3339))
	return note.Sign(&note.Note{Text: text}, s.signer)
}

// Open reads a checkpoint and proves that it was signed with the private key that belongs to public.
func Open(signed []byte, public string) (c Checkpoint, err error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return c, fmt.Errorf("this is no public key as 'reprotect log key' prints it: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return c, fmt.Errorf("%w: its signature does not fit the key %s: %w", ErrCheckpoint, verifier.Name(), err)
	}
	c, err = read(n.Text)
	if err == nil && c.Log != verifier.Name() {
		err = fmt.Errorf("%w: it is of the log %q, the key is of %q", ErrCheckpoint, c.Log, verifier.Name())
	}
	return c, err
}

func read(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return c, fmt.Errorf("%w: it has %d lines", ErrCheckpoint, len(lines)-1)
	}
	c.Log = lines[0]
	if c.Size, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		return c, fmt.Errorf("%w: its size: %w", ErrCheckpoint, err)
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return c, fmt.Errorf("%w: its root: %w", ErrCheckpoint, err)
	}
	for _, l := range lines[3:] {
		if stamp, ok := strings.CutPrefix(l, "time "); ok {
			if c.Time, err = time.Parse(time.RFC3339, stamp); err != nil {
				return c, fmt.Errorf("%w: its time: %w", ErrCheckpoint, err)
			}
		}
	}
	return c, nil
}
