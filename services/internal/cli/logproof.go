package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"reprotect.example/events/bus"
	"reprotect.example/services/audit"
)

// export writes what is wanted in the form of -o. The positions are those of the journal, so the log is read from its
// beginning, whatever is wanted of it.
func (a *app) export(ctx context.Context, b Bus, reading Reading, wanted func(bus.Received) bool) error {
	w, err := audit.NewWriter(a.stdout, a.output, a.deps.Build.Version)
	if err != nil {
		return err
	}
	var counter audit.Counter
	return b.Read(ctx, Reading{Follow: reading.Follow}, func(r bus.Received) error {
		e, ok := counter.Next(r)
		if !ok || r.Sequence < reading.From || !fits(reading.Filters, r.Subject) || !wanted(r) {
			return nil
		}
		return w.Write(e)
	})
}

func fits(filters []string, subject string) bool {
	for _, f := range filters {
		if bus.Match(f, subject) {
			return true
		}
	}
	return len(filters) == 0
}

func (a *app) logVerifyCommand() *cobra.Command {
	var key string
	var files []string
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove that nothing in the log was changed",
		Long: `Prove that nothing in the event log was changed, removed, added, moved or doubled since it was written, and that it
is the log of which checkpoints were signed.

FILE is an export of 'reprotect log -o jsonl', the file of a journal (journal.db, or a copy), or - for an export on
stdin; nothing else is needed then, no config and no bus. Without FILE the log of the bus is read.

A checkpoint is a few lines that the journal signs: 'reprotect log checkpoint' prints the one of this moment. Keep
copies where nobody who can reach the journal can change them. Only with --checkpoint and --key it is proved that
this is the log that was signed; with several, a change is found between two of them. What came after the last
checkpoint nobody has signed yet. The proof does not cover what happened before a message reached the journal.

Ends with 1 when something is not as it was written, and says where.`,
		Example: example(
			"reprotect log verify",
			"reprotect log verify log.jsonl --key tokyo.pub --checkpoint monday.txt --checkpoint friday.txt",
			"reprotect log verify data/journal.db -o json"),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			checkpoints, err := readCheckpoints(key, files)
			if err != nil {
				return err
			}
			verdict, err := a.verify(cmd.Context(), args, audit.NewVerifier(checkpoints...))
			if err != nil {
				return err
			}
			return a.showVerdict(verdict, len(checkpoints) > 0)
		},
	}
	c.Flags().StringVar(&key, "key", "", "the public `KEY` of the log, or a file with it")
	c.Flags().StringArrayVar(&files, "checkpoint", nil, "a `FILE` with a checkpoint; may be given more than once")
	return c
}

// readCheckpoints opens checkpoints with a key, or a file that holds it.
func readCheckpoints(key string, files []string) (all []audit.Checkpoint, err error) {
	if len(files) == 0 {
		if key != "" {
			return nil, usage("Name a checkpoint as well: --checkpoint FILE. 'reprotect log checkpoint' prints one.", "--key alone proves nothing")
		}
		return nil, nil
	}
	if key == "" {
		return nil, usage("Name the public key of the log, or a file with it: --key KEY.", "--checkpoint needs --key: without it nobody knows who has signed")
	}
	if raw, err := os.ReadFile(key); err == nil {
		key = string(raw)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, usage("Name a file that 'reprotect log checkpoint' made.", "--checkpoint %s cannot be read: %v", file, err)
		}
		c, err := audit.Open(raw, key)
		if err != nil {
			return nil, usage("Ask for another copy of it, and see that the key is that of this log.", "--checkpoint %s: %v", file, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// sqliteMagic begins every file of SQLite.
const sqliteMagic = "SQLite format 3\x00"

func (a *app) verify(ctx context.Context, args []string, v *audit.Verifier) (audit.Verdict, error) {
	if len(args) == 0 {
		b, err := a.open(ctx)
		if err != nil {
			return audit.Verdict{}, err
		}
		defer b.Close()
		var counter audit.Counter
		err = b.Read(ctx, Reading{}, func(r bus.Received) error {
			if e, ok := counter.Next(r); ok {
				v.Add(e)
			}
			return nil
		})
		return v.End(), err
	}
	in := a.stdin
	if args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return audit.Verdict{}, usage("Name an export of 'reprotect log -o jsonl', or the file of a journal.", "%s cannot be read: %v", args[0], err)
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewReaderSize(in, 1<<20)
	if begin, _ := lines.Peek(len(sqliteMagic)); string(begin) == sqliteMagic {
		if args[0] == "-" {
			return audit.Verdict{}, usage("Name the file: a database cannot be read from stdin.", "stdin is the file of a journal")
		}
		return a.deps.VerifyJournal(ctx, args[0], v)
	}
	return verifyExport(lines, v)
}

// verifyExport reads lines until their end. One that cannot be read is a fault at the position at which it stands.
func verifyExport(lines *bufio.Reader, v *audit.Verifier) (audit.Verdict, error) {
	for number := uint64(1); ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return audit.Verdict{}, fmt.Errorf("the export cannot be read on behind line %d: %w", number-1, err)
		}
		if text, ended := bytes.CutSuffix(line, []byte("\n")); len(line) > 0 {
			e, problem := audit.ReadLine(text)
			if problem == nil && !ended {
				problem = errors.New("it has no end: the export was cut")
			}
			if problem != nil {
				v.Fault(audit.Fault{From: e.Position, To: e.Position, What: fmt.Sprintf("line %d: %v", number, problem)})
			}
			if e.Position > 0 {
				v.Add(e)
			}
		}
		if err != nil {
			return v.End(), nil
		}
	}
}

func (a *app) showVerdict(v audit.Verdict, signed bool) error {
	if a.json() {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		a.tellVerdict(v, signed)
	}
	if !v.Good() {
		return errNo
	}
	return nil
}

func (a *app) tellVerdict(v audit.Verdict, signed bool) {
	p := paint(a.color(a.stdout))
	for _, f := range v.Faults {
		where := fmt.Sprintf("message %d", f.From)
		switch {
		case f.To == 0:
			where = "journal"
		case f.To != f.From:
			where = fmt.Sprintf("messages %d to %d", f.From, f.To)
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", p.level("bad", where), f.What)
	}
	switch {
	case !v.Good():
		fmt.Fprintf(a.stdout, "The log of %d messages is not as it was written.\n", v.Messages)
	case !signed:
		fmt.Fprintf(a.stdout, "%d messages agree with what was written down with them. No checkpoint was compared: whoever can write all of the log could have written this one. See --checkpoint.\n", v.Messages)
	default:
		fmt.Fprintf(a.stdout, "%d messages are those that were signed at %s.", v.Covered, v.Signed.UTC().Format("2006-01-02 15:04:05 MST"))
		if later := v.Messages - v.Covered; later > 0 {
			fmt.Fprintf(a.stdout, " %d came later, and no checkpoint covers them yet.", later)
		}
		fmt.Fprintln(a.stdout)
	}
	fmt.Fprintf(a.stdout, "Root of %d messages: %s\n", v.Messages, v.Root)
}

func (a *app) logCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the journal's signed checkpoint of this moment",
		Long: `Print the journal's checkpoint of this moment: how many messages the log has, the hash that stands for all of them, and
a signature. Keep copies elsewhere: they are what 'reprotect log verify' compares a log with.

The journal signs with the key of audit.keyFile, which 'reprotect log key' makes.`,
		Example: example("reprotect log checkpoint > $(date +%F).txt"),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := a.deps.Checkpoint(cmd.Context(), a.config)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}

func (a *app) logKeyCommand() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "key FILE",
		Short: "Make the key with which the journal signs",
		Long: `Make the key with which the journal signs checkpoints: the private key goes into FILE, which only this user may read
and which must not exist yet; the public key is printed. Give the public key to whoever verifies.`,
		Example: example("reprotect log key tokyo.key --name reprotect.tokyo > tokyo.pub"),
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			private, public, err := audit.NewKey(name)
			if err != nil {
				return usage("Give it another name, such as reprotect.tokyo.", "--name: %v", err)
			}
			f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return usage("Name a file that does not exist yet, in a folder where you may write.", "the key cannot be written: %v", err)
			}
			_, err = io.WriteString(f, private+"\n")
			if err = errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("write the key: %w", err)
			}
			_, err = io.WriteString(a.stdout, strings.TrimSpace(public)+"\n")
			return err
		},
	}
	c.Flags().StringVar(&name, "name", "reprotect", "`NAME` of the log, which its checkpoints bear")
	return c
}
