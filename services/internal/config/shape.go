package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"reprotect.example/services/near"
)

// shape compares the nodes of a file with the types of Config. It tells of unknown keys, values of the wrong
// kind and secrets in the file; it never shows a value.
type shape struct {
	problems []Problem
	lines    map[string]int // of each path that the file has
}

func shapeOf(document *yaml.Node) *shape {
	s := &shape{lines: map[string]int{}}
	if len(document.Content) == 0 {
		s.add(document, "", "the file is empty: it needs at least sites")
		return s
	}
	s.value(document.Content[0], "", reflect.TypeFor[Config]())
	return s
}

func (s *shape) add(n *yaml.Node, path, format string, args ...any) {
	s.problems = append(s.problems, Problem{Line: n.Line, Path: path, What: fmt.Sprintf(format, args...)})
}

func (s *shape) value(n *yaml.Node, path string, t reflect.Type) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.ShortTag() == "!!null" { // as if the key were not there, but for its default
		return
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		s.duration(n, path)
	case t.Kind() == reflect.Pointer:
		s.value(n, path, t.Elem())
	case t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		s.mapping(n, path, func(key string) (field, string) {
			f, known := fields[key]
			if !known {
				return field{}, unknownKey(key, slices.Sorted(maps.Keys(fields)))
			}
			return f, ""
		})
	case t.Kind() == reflect.Map: // the sites, or paths by names of servers
		s.mapping(n, path, func(key string) (field, string) {
			if t.Elem().Kind() == reflect.Struct && !siteName.MatchString(key) {
				return field{}, "a site's name becomes part of subjects: use only a-z, 0-9 and -"
			}
			return field{Type: t.Elem()}, ""
		})
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			s.add(n, path, "must be a list")
			return
		}
		for i, element := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			s.lines[at] = element.Line
			s.value(element, at, t.Elem())
		}
	default:
		s.scalar(n, path, t.Kind())
	}
}

// mapping looks at each key with its value; fieldOf says what the value must be, or why the key is refused.
func (s *shape) mapping(n *yaml.Node, path string, fieldOf func(key string) (f field, refusal string)) {
	if n.Kind != yaml.MappingNode {
		s.add(n, path, "must be a mapping, keys with values")
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			s.merged(value, path, fieldOf)
			continue
		}
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		s.lines[at] = key.Line
		f, refusal := fieldOf(key.Value)
		switch {
		case refusal != "":
			s.add(key, at, "%s", refusal)
		case f.secret && value.ShortTag() != "!!null" && !envName.MatchString(value.Value):
			s.add(key, at, "a secret must not stand in this file, which gets copied and kept in version control: name a file with %sFile, or an environment variable as env:NAME", key.Value)
		default:
			s.value(value, at, f.Type)
		}
	}
}

// merged follows a merge key (<<), whose value is an alias or a list of them.
func (s *shape) merged(n *yaml.Node, path string, fieldOf func(string) (field, string)) {
	switch n.Kind {
	case yaml.AliasNode:
		s.mapping(n.Alias, path, fieldOf)
	case yaml.SequenceNode:
		for _, element := range n.Content {
			s.merged(element, path, fieldOf)
		}
	default:
		s.mapping(n, path, fieldOf)
	}
}

func (s *shape) scalar(n *yaml.Node, path string, kind reflect.Kind) {
	want := map[reflect.Kind]struct{ tag, words string }{
		reflect.String: {"!!str", "must be text; put it in quotes if it looks like something else"},
		reflect.Int:    {"!!int", "must be a whole number"},
		reflect.Bool:   {"!!bool", "must be true or false"},
	}[kind]
	if n.Kind != yaml.ScalarNode || n.ShortTag() != want.tag {
		s.add(n, path, "%s", want.words)
		return
	}
	if kind == reflect.Int {
		if _, err := strconv.ParseInt(n.Value, 0, 32); err != nil {
			s.add(n, path, "%s, and not so large", want.words)
		}
	}
}

func (s *shape) duration(n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		if _, err := time.ParseDuration(n.Value); err == nil {
			return
		}
	}
	s.add(n, path, "must be a duration with its unit, such as 30s, 20m or 24h")
}

var (
	siteName = regexp.MustCompile(`^[a-z0-9-]+$`)
	envName  = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]*$`)
)

// field is what a key's value must be.
type field struct {
	reflect.Type
	secret bool // written only as env:NAME
}

// fieldsOf lists the fields of a struct by their keys. Secrets are the fields named …Env.
func fieldsOf(t reflect.Type) map[string]field {
	fields := map[string]field{}
	for f := range t.Fields() {
		if key := f.Tag.Get("koanf"); key != "-" {
			fields[key] = field{f.Type, strings.HasSuffix(f.Name, "Env")}
		}
	}
	return fields
}

// unknownKey says what was probably meant: another spelling, or the file that holds what belongs into a file.
func unknownKey(key string, known []string) string {
	for _, k := range known {
		if k == key+"File" || near.Distance(strings.ToLower(k), strings.ToLower(key)) <= 2 {
			return fmt.Sprintf("unknown key; did you mean %s?", k)
		}
	}
	return "unknown key; known here are " + strings.Join(known, ", ")
}

var errorLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// syntaxProblems takes the parser's errors apart. They quote keys, such as one that stands twice, but no values.
func syntaxProblems(err error) []Problem {
	words := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		words = several.Errors
	}
	problems := make([]Problem, len(words))
	for i, w := range words {
		problems[i] = Problem{What: w}
		if m := errorLine.FindStringSubmatch(w); m != nil {
			line, _ := strconv.Atoi(m[1])
			problems[i] = Problem{Line: line, What: m[2]}
		}
	}
	return problems
}
