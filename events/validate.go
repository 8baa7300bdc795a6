package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"reprotect.example/schemas"
)

// envelopeSchema stands for the envelope where a kind is asked for.
var envelopeSchema = Kind{Name: "envelope"}

var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	all, err := schemas.All()
	if err != nil {
		return nil, err
	}
	for name, raw := range all {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		if err := compiler.AddResource(Kind{Name: name}.Schema(), doc); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	result := map[string]*jsonschema.Schema{}
	for name := range all {
		schema, err := compiler.Compile(Kind{Name: name}.Schema())
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		result[name] = schema
	}
	return result, nil
})

// check holds data against the schema of its kind. Nil means: valid.
func check(k Kind, data json.RawMessage) []Problem {
	all, err := compiled()
	if err != nil {
		return []Problem{{Code: "schema.broken", Message: err.Error()}}
	}
	schema, ok := all[k.Name]
	if !ok {
		return []Problem{{Code: "schema.missing", Message: "no schema for " + k.Name}}
	}
	if len(data) == 0 {
		return []Problem{{Code: "event.incomplete", Place: prefix(k), Message: "is missing"}}
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return []Problem{{Code: "event.not-json", Place: prefix(k), Message: "not JSON: " + err.Error()}}
	}
	var failed *jsonschema.ValidationError
	err = schema.Validate(value)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return leaves(failed, prefix(k))
	}
	return []Problem{{Code: "event.invalid", Message: err.Error()}}
}

// Validate holds the data of an event against the JSON Schema of its kind and returns what is wrong with it,
// place by place; nil when it is valid.
func Validate(k Kind, data json.RawMessage) []Problem { return check(k, data) }

func prefix(k Kind) string {
	if k == envelopeSchema {
		return ""
	}
	return "/data"
}

var english = message.NewPrinter(language.English)

// leaves names each place that is wrong. Of a field that is missing or unknown the place is the field itself,
// because that is what its sender has to look for; the schema's library says only which object it belongs to.
func leaves(e *jsonschema.ValidationError, at string) []Problem {
	place := at
	for _, part := range e.InstanceLocation {
		place += pointer(part)
	}
	problem := func(place, text string) Problem {
		return Problem{Code: "event.invalid", Place: place, Message: text}
	}
	var problems []Problem
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			problems = append(problems, problem(place+pointer(name), "is not known here"))
		}
	case *kind.Required:
		for _, name := range k.Missing {
			problems = append(problems, problem(place+pointer(name), "is missing"))
		}
	case *kind.PropertyNames: // only the envelope uses it: deeper down the library loses the place
		problems = append(problems, problem(place+pointer(k.Property), "is not allowed as a name here"))
	case *kind.AnyOf:
		problems = append(problems, problem(place, "needs one of: "+strings.Join(missing(e), ", ")))
	default:
		if len(e.Causes) == 0 {
			return []Problem{problem(place, k.LocalizedString(english))}
		}
		for _, cause := range e.Causes {
			problems = append(problems, leaves(cause, at)...)
		}
	}
	return problems
}

// missing lists the fields of which an anyOf wants at least one: the schemas use anyOf for nothing else.
func missing(e *jsonschema.ValidationError) []string {
	if k, ok := e.ErrorKind.(*kind.Required); ok {
		return k.Missing
	}
	var names []string
	for _, cause := range e.Causes {
		names = append(names, missing(cause)...)
	}
	return names
}

func pointer(part string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
}

// explain turns a decoder's error into one that names the place, by asking the schema.
func explain(k Kind, raw json.RawMessage, err error) error {
	if problems := check(k, raw); problems != nil {
		return &Invalid{problems}
	}
	return invalid("event.invalid", prefix(k), "%v", err)
}
