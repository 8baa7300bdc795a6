package config

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

var reference = flag.Bool("reference", false, "write the reference of the config")

// The reference of the config is made of its types: their keys, their comments and their defaults.
func TestReference(t *testing.T) {
	var out strings.Builder
	out.WriteString("# Config\n\nEvery key of `reprotect.yaml`. An unknown key is an error that names its line, and `reprotect config check` tells all that is\n" +
		"wrong at once. A name that ends in `File` is a file with a secret in one line; beside it stands the key without `File`, of which the\nvalue is `env:` and the name of a variable. `<site>` is the site's name.\n\n| key | type | default | what it is |\n|---|---|---|---|\n")
	keys(t, &out, "", reflect.TypeFor[Config](), fieldComments(t))
	file := filepath.Join("..", "..", "..", "deploy", "docs", "reference-config.md")
	if *reference {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(out.String(), string(is)); diff != "" {
		t.Errorf("run this test with -reference: reference-config.md (-wanted +is):\n%s", diff)
	}
}

// fieldComments are the comments of the fields of config.go, by type and field.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range structure.Fields.List {
			for _, name := range f.Names {
				said := strings.TrimSpace(f.Doc.Text() + " " + f.Comment.Text())
				comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(said), " ")
			}
		}
		return true
	})
	return comments
}

func keys(t *testing.T, out *strings.Builder, path string, of reflect.Type, comments map[string]string) {
	t.Helper()
	for i := range of.NumField() {
		f := of.Field(i)
		key := f.Tag.Get("koanf")
		if key == "-" {
			continue
		}
		if key == "" {
			t.Errorf("%s.%s has no key", of.Name(), f.Name)
		}
		at, kind := strings.TrimPrefix(path+"."+key, "."), f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		comment := comments[of.Name()+"."+f.Name]
		switch {
		case kind.Kind() == reflect.Struct:
			keys(t, out, at, kind, comments)
			continue
		case kind.Kind() == reflect.Map && kind.Elem().Kind() == reflect.Struct:
			keys(t, out, at+".<"+strings.ToLower(kind.Elem().Name())+">", kind.Elem(), comments)
			continue
		case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct:
			keys(t, out, at+"[]", kind.Elem(), comments)
			continue
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", at, typeName(kind), defaultOf(at), cell(comment))
	}
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration, as 30s or 5m"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Map:
		return "map of " + typeName(t.Elem())
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "number"
	}
	return t.Kind().String()
}

// defaultOf is the value of a key that nobody wrote; "" where it stays empty.
func defaultOf(path string) string {
	value, known := defaults[path]
	if !known {
		value, known = siteDefaults[strings.TrimPrefix(path, "sites.<site>.")]
	}
	if channel := (Notify{}); !known && strings.HasPrefix(path, "notify[].") {
		channel.setDefaults()
		value = map[string]any{"levels": strings.Join(channel.Levels, ", "), "lang": channel.Lang, "detail": channel.Detail, "digest": channel.Digest, "stale": channel.Stale}[strings.TrimPrefix(path, "notify[].")]
		known = value != nil
	}
	if path == "bus.nats.replicas" {
		value, known = 1, true
	}
	if !known {
		return ""
	}
	return "`" + fmt.Sprint(value) + "`"
}

// cell is a text in a table.
func cell(s string) string { return strings.ReplaceAll(cmp.Or(s, "-"), "|", "\\|") }
