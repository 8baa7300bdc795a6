package events_test

import (
	"bytes"
	"encoding/json"
	goflag "flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"reprotect.example/schemas"
)

//go:generate go test . -run ^TestAsyncAPIBundle$ -update

var update = goflag.Bool("update", false, "write the bundled AsyncAPI document anew")

const bundleFile = "asyncapi.bundle.yaml"

// bundled is the AsyncAPI document with every schema in it, and an example of each message: the form that tools read, which
// know nothing of references by $id. Payloads are in AsyncAPI's own form, of which ours are all.
func bundled(t *testing.T) map[string]any {
	t.Helper()
	doc := asyncAPI(t)
	all, err := schemas.All()
	if err != nil {
		t.Fatal(err)
	}
	inside := map[string]any{}
	for name, raw := range all {
		var schema map[string]any
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		delete(schema, "$id")
		delete(schema, "$schema")
		inside[name] = pointing(schema, func(ref string) string {
			const urn = "urn:reprotect:schema:"
			if local, is := strings.CutPrefix(ref, "#"); is {
				return "#/components/schemas/" + name + local
			}
			if other, is := strings.CutPrefix(ref, urn); is {
				of, local, _ := strings.Cut(other, "#")
				return "#/components/schemas/" + strings.TrimSuffix(of, ":v1") + local
			}
			t.Errorf("%s refers to %s", name, ref)
			return ref
		})
	}
	components := at(doc, "components").(map[string]any)
	components["schemas"] = inside
	for name, message := range at(doc, "components", "messages").(map[string]any) {
		m := message.(map[string]any)
		m["payload"] = at(m, "payload", "schema")
		raw, err := fs.ReadFile(schemas.Files(), "examples/"+exampleOf(t, name))
		if err != nil {
			t.Fatal(err)
		}
		var example any
		if err := json.Unmarshal(raw, &example); err != nil {
			t.Fatal(err)
		}
		m["examples"] = []any{map[string]any{"name": name, "payload": example}}
	}
	return pointing(doc, func(ref string) string {
		if name, is := strings.CutPrefix(ref, "./"); is {
			return "#/components/schemas/" + strings.TrimSuffix(name, ".v1.schema.json")
		}
		return ref
	}).(map[string]any)
}

// exampleOf is the example of a message that is good, the plain one where there is one.
func exampleOf(t *testing.T, name string) string {
	t.Helper()
	found, err := fs.Glob(schemas.Files(), "examples/"+name+".ok*.json")
	if err != nil || len(found) == 0 {
		t.Fatalf("no example of %s: %v", name, err)
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) })
	return filepath.Base(found[0])
}

// pointing changes every reference in a document.
func pointing(value any, to func(ref string) string) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = pointing(v[i], to)
		}
	case map[string]any:
		for _, key := range slices.Collect(maps.Keys(v)) {
			if ref, is := v[key].(string); is && key == "$ref" {
				v[key] = to(ref)
				continue
			}
			v[key] = pointing(v[key], to)
		}
	}
	return value
}

// F10: the bundled document is what its parts say, and each of its references leads somewhere in it.
func TestAsyncAPIBundle(t *testing.T) {
	doc := bundled(t)
	pointing(doc, func(ref string) string {
		local, is := strings.CutPrefix(ref, "#/")
		if !is || at(doc, strings.Split(local, "/")...) == nil {
			t.Errorf("$ref %s leads nowhere", ref)
		}
		return ref
	})
	var out bytes.Buffer
	out.WriteString("# Made from asyncapi.yaml and the schemas beside it, for tools: 'go generate' in events.\n")
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(doc); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "schemas", bundleFile)
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, out.Bytes()) {
		t.Errorf("%s is not current (%v): run 'go generate' in events", path, err)
	}
}

// F10: AsyncAPI's own parser reads the document, examples included. It runs where REPROTECT_NODE_MODULES names a folder that
// has @asyncapi/parser 3 (npm install @asyncapi/parser@3).
func TestAsyncAPIParserReadsTheBundle(t *testing.T) {
	modules := os.Getenv("REPROTECT_NODE_MODULES")
	if modules == "" {
		t.Skip("REPROTECT_NODE_MODULES names no folder with @asyncapi/parser")
	}
	const script = `
const {Parser} = require('@asyncapi/parser');
new Parser().parse(require('fs').readFileSync(process.argv[1], 'utf8')).then(({document, diagnostics}) => {
  for (const d of diagnostics) if (d.severity === 0) console.log(d.path.join('.') + ': ' + d.message);
  if (!document) console.log('no document');
});`
	command := exec.CommandContext(t.Context(), "node", "-e", script, filepath.Join("..", "schemas", bundleFile))
	command.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := command.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
