// Command shape measures the source of the product in the folder that it is given: lines, and how the files of the
// executor lean on each other. It prints one JSON line per figure. It is run by scripts/lines and scripts/bench, on older
// commits, too.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("give it the folder of a source tree")
	}
	root := args[0]
	lines, err := productLines(root)
	if err != nil {
		return err
	}
	if err := tell(out, "product lines", map[string]any{"lines": sum(lines), "rooms": lines}); err != nil {
		return err
	}
	executor := filepath.Join(root, "services", "executor")
	folders, err := goFolders(executor)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		arrows, files, err := arrowsOf(folder)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Join(root, "services"), folder)
		if err != nil {
			return err
		}
		if err := tell(out, "arrows between files", map[string]any{"room": name, "files": files, "arrows": len(arrows), "uses": arrows}); err != nil {
			return err
		}
	}
	return nil
}

func tell(out io.Writer, figure string, values map[string]any) error {
	values["figure"] = figure
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(values)
}

func sum(all map[string]int) (n int) {
	for _, one := range all {
		n += one
	}
	return n
}

// rigs are what tests, trials and generators need: no part of the product.
var rigs = regexp.MustCompile(`(^|/)(lab|test|bench|bustest|sbpeer|sbtest|memory|recorded|readme|e2e|simulation|deploytest|testdata)(/|$)`)

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// productLines counts the lines of Go of each room of the product, comments and empty ones too, without tests, their rigs,
// simulators and generated files.
func productLines(root string) (map[string]int, error) {
	rooms := map[string]int{}
	for _, module := range []string{"schemas", "events", "services"} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, d fs.DirEntry, err error) error { //nolint:gosec // a tree that its caller owns
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			switch {
			case d.IsDir() && rigs.MatchString(name):
				return fs.SkipDir
			case d.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path) //nolint:gosec // a tree that its caller owns
			if err != nil {
				return err
			}
			if !generated.Match(text) {
				rooms[filepath.ToSlash(filepath.Dir(name))] += bytes.Count(text, []byte("\n"))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return rooms, nil
}

// goFolders lists the folder and those below it that hold Go.
func goFolders(folder string) ([]string, error) {
	found := map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error { //nolint:gosec // a tree that its caller owns
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			found[filepath.Dir(path)] = true
		}
		return err
	})
	return slices.Sorted(maps.Keys(found)), err
}

// arrowsOf finds which files of a package use what other files of it declare: an arrow for each pair, however often.
func arrowsOf(folder string) (arrows []string, files int, err error) {
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, 0, err
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, 0, err
		}
		parsed = append(parsed, file)
	}
	imports, err := compiled(folder)
	if err != nil {
		return nil, 0, err
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	check := types.Config{Importer: importer.ForCompiler(set, "gc", imports)}
	pkg, err := check.Check(folder, set, parsed, info)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", folder, err)
	}
	fileOf := func(at token.Pos) string { return filepath.Base(set.Position(at).Filename) }
	pairs := map[[2]string]bool{}
	for use, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		if from, to := fileOf(use.Pos()), fileOf(object.Pos()); from != to {
			pairs[[2]string{from, to}] = true
		}
	}
	arrows = []string{}
	for pair := range pairs {
		arrows = append(arrows, pair[0]+" > "+pair[1])
	}
	slices.Sort(arrows)
	return arrows, len(parsed), nil
}

// compiled finds what the package imports, as the compiler left it.
func compiled(folder string) (func(path string) (io.ReadCloser, error), error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	list.Dir = folder
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: go list: %w", folder, err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			exports[path] = file
		}
	}
	return func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("go list does not name %s", path)
		}
		return os.Open(file)
	}, nil
}
