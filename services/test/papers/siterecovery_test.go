package papers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rows are what was found of the product against the real Site Recovery, by their ids; open says why a row has no test.
var rows = []struct{ id, found, open string }{
	{"F1", "disks that a list leaves out are counted all the same", ""},
	{"F1b", "the log storage account that a list leaves out is taken", ""},
	{"F1c", "the need of a machine without its VM is that of its item", ""},
	{"F2", "a failback that failed or was cancelled goes back under guard", ""},
	{"F3", "the state after a failback is home", ""},
	{"B1", "a reversed item on its way home is not done", ""},
	{"B2", "a failed failover is no failover", ""},
	{"F12b", "a commit under way is waited for", ""},
	{"F5", "health errors of an item are shown, with advice for its architecture", ""},
	{"F5b", "a replication that failed is said at once", ""},
	{"F9", "every component is judged alike", ""},
	{"F10", "the Azure VM must run", ""},
	{"F11", "disks that were added in Azure are named", ""},
	{"F12a", "what a reprotect commits is said", ""},
	{"B9", "resynchronization and lag are shown", ""},
	{"B6", "the log storage account exists, in its region, open to the service", ""},
	{"B7", "NICs of the configuration server, a process server in each network", "Site Recovery names neither"},
	{"F4", "readiness is asked now", ""},
	{"F6", "one item that cannot be decoded spoils no other", ""},
	{"F7", "a refusal is understood by its code", ""},
	{"B5", "what an operator can see to is not for good", ""},
	{"F8", "machines of other scenarios are refused by name", ""},
	{"F13", "a renamed VM is not gone", ""},
	{"F14", "a reversed classic item says of its machine what the forward one did", ""},
	{"B4", "a classic machine without a witness is submitted once, and goes on waiting", ""},
	{"B8", "an unchanged job costs nothing at the next look", ""},
	{"B10", "the groups of a recovery plan are the order of the starts", ""},
	{"B11", "a group of one is none", ""},
	{"azdocs#25663", "what is gone has its own remedy", ""},
	{"azdocs#30516", "disks can be left out", "no command says which: that is a new part of the contract"},
	{"R1", "lists are lean", ""},
	{"R2", "commit is pending after a failback", ""},
	{"R3", "a failback can be cancelled", ""},
	{"R4", "a reversed classic item says Physical", ""},
	{"R5", "a classic id is not the machine's", ""},
	{"R6", "critical health for want of a recovery point is no failure", ""},
	{"R7", "an item may wait for its first recovery point", ""},
}

// Each row of what was found has a test that bears its id: go test -run TestSiteRecovery ./services/... walks them.
func TestSiteRecoveryRows(t *testing.T) {
	t.Parallel()
	tests := siteRecoveryTests(t)
	if len(tests) < 20 {
		t.Fatalf("only %d tests: the search is broken", len(tests))
	}
	for _, row := range rows {
		id := regexp.MustCompile(`(^|[^\w#])` + regexp.QuoteMeta(row.id) + `($|[^\w])`)
		var bear []string
		for name, text := range tests {
			if id.MatchString(text) {
				bear = append(bear, name)
			}
		}
		switch {
		case len(bear) == 0 && row.open == "":
			t.Errorf("%s (%s): no test bears it", row.id, row.found)
		case len(bear) > 0 && row.open != "":
			t.Errorf("%s (%s) is not open any more: %v", row.id, row.found, bear)
		}
	}
}

// siteRecoveryTests gives the source of every test of that name, with what stands before it.
func siteRecoveryTests(t *testing.T) map[string]string {
	t.Helper()
	tests := map[string]string{}
	for _, name := range tracked(t, "services/*_test.go") {
		if strings.HasPrefix(name, "services/test/papers/") {
			continue
		}
		text := read(t, name)
		if !strings.Contains(text, "func TestSiteRecovery") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, filepath.Join(root, name), text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "TestSiteRecovery") {
				continue
			}
			from := f.Pos()
			if f.Doc != nil {
				from = f.Doc.Pos()
			}
			tests[f.Name.Name] += text[files.Position(from).Offset:files.Position(f.End()).Offset]
		}
	}
	return tests
}
