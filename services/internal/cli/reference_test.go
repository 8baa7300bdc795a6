package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var reference = flag.Bool("reference", false, "write the reference of the command line")

// The reference of the command line is what the commands say of themselves.
func TestReference(t *testing.T) {
	file := filepath.Join("..", "..", "..", "deploy", "docs", "reference-cli.md")
	var out strings.Builder
	out.WriteString("# Command line\n\nEvery command, as `--help` shows it. Exit statuses stand under the first.\n")
	a := &app{deps: Deps{}.withDefaults()}
	describe(&out, a.root())
	if *reference {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), string(is)); diff != "" {
		t.Errorf("run this test with -reference: reference-cli.md (-wanted +is):\n%s", diff)
	}
}

// describe writes a command and those below it, each under a heading of its own.
func describe(out *strings.Builder, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" || strings.HasPrefix(c.CommandPath(), "reprotect completion ") {
		return
	}
	c.InitDefaultHelpFlag()
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(out, "\n## %s\n\n%s\n\n```text\n%s\n```\n", c.CommandPath(), strings.TrimSpace(text), c.UseLine())
	if flags := strings.TrimRight(c.NonInheritedFlags().FlagUsages(), "\n"); flags != "" {
		fmt.Fprintf(out, "\n```text\n%s\n```\n", flags)
	}
	if c.Example != "" {
		fmt.Fprintf(out, "\nFor example:\n\n```text\n%s\n```\n", c.Example)
	}
	for _, below := range c.Commands() {
		describe(out, below)
	}
}
