package faults_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reprotect.example/services/checks"
	"reprotect.example/services/faults"
)

// speaking are the folders whose code makes the errors that people see. Every literal in them that looks like a
// code is held against the catalogues.
var speaking = []string{
	"../agentwatcher", "../datastore", "../observed", "../executor", "../guard", "../journal", "../validator", "../waiting",
	"../internal/app", "../internal/asr", "../internal/azurevm", "../internal/console", "../../events",
}

// silent are folders below them, and folders of simulators, whose codes are not the product's.
var silent = []string{"bustest", "workflowtest", "testdata", "lab", "bench", "e2e"}

// The forms that a code of ours has, and what looks like one and is none.
var (
	codeForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$`)
	noCodes  = []string{
		"reprotect.command", "reprotect.event", "reprotect.notification", "reprotect.dead", // subjects
		"summary.type", "summary.accessible", "runtime.host", "config.template", // properties of vSphere
		"bus.json", "journal.db", // files
	}
)

// Every code that the source can show is in the catalogue of errors or in that of checks.
func TestEveryCodeIsInTheCatalogue(t *testing.T) {
	codes := map[string]string{} // to where it was found first
	for _, dir := range speaking {
		literals(t, dir, func(where string, text string, _ bool) {
			if codeForm.MatchString(text) && !slices.Contains(noCodes, text) {
				keep(codes, text, where)
			}
		})
	}
	for _, dir := range []string{"..", "../../events"} {
		literals(t, dir, func(where string, text string, declared bool) {
			if declared && text != "" {
				keep(codes, text, where)
			}
		})
	}
	for _, must := range []string{"internal", "job.failed", "azure.login", "vcenter.login", "guard.snapshot", "event.not-json", "machine.none"} {
		if codes[must] == "" {
			t.Errorf("the search of the source does not find %s: it is broken", must)
		}
	}
	for code, where := range codes {
		_, known := faults.Lookup(code)
		_, check := checks.Lookup(code)
		if !known && !check {
			t.Errorf("%s: %s is in no catalogue: give it a row and its texts in services/faults", where, code)
		}
		if known && check {
			t.Errorf("%s is an error and a check", code)
		}
	}
}

func keep(codes map[string]string, code, where string) {
	if codes[code] == "" {
		codes[code] = where
	}
}

// literals visits the string literals of a folder and those below. Declared ones are the value of a field or of a
// constant whose name begins with Code.
func literals(t *testing.T, dir string, visit func(where, text string, declared bool)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return nil // a service that does not exist yet
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(silent, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		declared := map[ast.Expr]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					declared[n.Value] = true
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(strings.ToLower(name.Name), "code") && i < len(n.Values) {
						declared[n.Values[i]] = true
					}
				}
			case *ast.BasicLit:
				if n.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatal(err)
				}
				visit(files.Position(n.Pos()).String(), text, declared[n])
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
