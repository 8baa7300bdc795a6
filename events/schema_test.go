package events_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"reprotect.example/events"
	"reprotect.example/schemas"
)

// node is as much of a JSON Schema as says which fields there are.
type node struct {
	ID          string           `json:"$id"`
	Ref         string           `json:"$ref"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	Properties  map[string]*node `json:"properties"`
	Required    []string         `json:"required"`
	Items       *node            `json:"items"`
	Additional  any              `json:"additionalProperties"`
	Defs        map[string]*node `json:"$defs"`
}

func loadSchemas(t *testing.T) map[string]*node {
	t.Helper()
	all, err := schemas.All()
	if err != nil {
		t.Fatal(err)
	}
	loaded := map[string]*node{}
	for name, raw := range all {
		n := new(node)
		if err := json.Unmarshal(raw, n); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := (events.Kind{Name: name}).Schema(); n.ID != want {
			t.Errorf("%s: $id is %q, want %q", name, n.ID, want)
		}
		if n.Title == "" || n.Description == "" {
			t.Errorf("%s: needs a title and a description", name)
		}
		loaded[name] = n
	}
	return loaded
}

// Every property of a schema is a field of its Go type and the other way round; what Go always writes is required.
func TestSchemasAndTypesHaveTheSameFields(t *testing.T) {
	t.Parallel()
	all := loadSchemas(t)
	walker := fields{t: t, defs: all["common"].Defs, used: map[string]bool{}}
	for _, k := range events.Kinds() {
		walker.same(k.Name, all[k.Name], dataType(t, k))
	}
	var parts struct {
		SpecVersion     string          `json:"specversion"`
		DataContentType string          `json:"datacontenttype,omitempty"`
		Data            json.RawMessage `json:"data,omitempty"`
		DataBase64      []byte          `json:"data_base64,omitempty"`
		events.Header
	}
	all["envelope"].Additional = false // open for extensions, but its own attributes are pinned like any field
	walker.same("envelope", all["envelope"], reflect.TypeOf(parts))
	for name, def := range all["common"].Defs {
		if def.Description == "" {
			t.Errorf("common: %s has no description", name)
		}
		if !walker.used[name] && name != "checkCode" {
			t.Errorf("common: nothing uses %s", name)
		}
	}
}

// dataType finds the Go type of a kind as an outsider does: by reading an example.
func dataType(t *testing.T, k events.Kind) reflect.Type {
	t.Helper()
	e, err := events.Read(examples(t, k.Name+".ok.json")[k.Name+".ok.json"])
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	return reflect.TypeOf(e.Data)
}

type fields struct {
	t    *testing.T
	defs map[string]*node
	used map[string]bool
}

// resolve follows a $ref into the common definitions; a description beside the $ref stands before that of the target.
func (f fields) resolve(place string, n *node) *node {
	if n.Ref == "" {
		return n
	}
	name, ok := strings.CutPrefix(n.Ref, "urn:reprotect:schema:common:v1#/$defs/")
	target := f.defs[name]
	if !ok || target == nil {
		f.t.Fatalf("%s: $ref %s leads nowhere", place, n.Ref)
	}
	f.used[name] = true
	return f.resolve(place, target)
}

func (f fields) same(place string, n *node, of reflect.Type) {
	described := n.Description
	n = f.resolve(place, n)
	if described+n.Description == "" {
		f.t.Errorf("%s: has no description", place)
	}
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8:
		if n.Items == nil {
			f.t.Fatalf("%s: is a list in Go, has no items in the schema", place)
		}
		f.same(place+"[]", n.Items, of.Elem())
	case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
		f.object(place, n, of)
	case n.Properties != nil || n.Items != nil:
		f.t.Errorf("%s: has parts in the schema, is %v in Go", place, of)
	}
}

func (f fields) object(place string, n *node, of reflect.Type) {
	if n.Additional != false {
		f.t.Errorf("%s: additionalProperties must be false", place)
	}
	var required []string
	seen := map[string]bool{}
	for _, field := range reflect.VisibleFields(of) {
		if field.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		seen[name] = true
		property := n.Properties[name]
		if property == nil {
			f.t.Errorf("%s: %s is in Go and not in the schema", place, name)
			continue
		}
		if options == "" {
			required = append(required, name)
		}
		f.same(place+"."+name, property, field.Type)
	}
	for name := range n.Properties {
		if !seen[name] {
			f.t.Errorf("%s: %s is in the schema and not in Go", place, name)
		}
	}
	slices.Sort(required)
	slices.Sort(n.Required)
	if !slices.Equal(required, slices.Compact(n.Required)) {
		f.t.Errorf("%s: the schema requires %v, Go always writes %v", place, n.Required, required)
	}
}
