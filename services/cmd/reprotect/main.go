// Reprotect is the command line: for people and scripts.
package main

import (
	"context"
	"os"

	"reprotect.example/services/internal/cli"
)

func main() {
	deps := world()
	simulated(&deps)
	os.Exit(cli.Main(context.Background(), os.Args[1:], deps, os.Stdin, os.Stdout, os.Stderr))
}
