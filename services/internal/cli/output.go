package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"reprotect.example/services/audit"
)

// Formats of -o.
const (
	asText  = "text"
	asWide  = "wide" // text with every column
	asJSON  = "json"
	asLines = "jsonl" // an object a line
	asYAML  = "yaml"
	asName  = "name" // ids or names alone, one a line
	asHTML  = "html"
)

// moreFormats are those that a command has beside text, json and yaml.
var moreFormats = map[string][]string{
	"reprotect list": {asWide, asLines, asName}, "reprotect log": audit.Formats(), "reprotect watch": {asLines}, "reprotect preflight": {asHTML},
	"reprotect checks": {asLines, asName}, "reprotect errors": {asLines, asName}, "reprotect show": {asLines, asName}, "reprotect bus dead list": {asLines},
	"reprotect datastores": {asLines, asName},
}

func formatsOf(command string) []string {
	return append([]string{asText, asJSON, asYAML}, moreFormats[command]...)
}

// checkFormat says whether a command has the format that was asked for.
func (a *app) checkFormat(cmd *cobra.Command) error {
	formats := formatsOf(cmd.CommandPath())
	if slices.Contains(formats, a.output) {
		return nil
	}
	known := false
	for _, more := range append([][]string{{asText, asJSON, asYAML}}, mapValues(moreFormats)...) {
		known = known || slices.Contains(more, a.output)
	}
	remedy := fmt.Sprintf("Formats of '%s': %s.", cmd.CommandPath(), strings.Join(formats, ", "))
	if known {
		return usage(remedy, "-o %s: '%s' has no such format", a.output, cmd.CommandPath())
	}
	return usage(remedy, "-o %s: there is no such format", a.output)
}

func mapValues(m map[string][]string) (all [][]string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// json says whether the result is for programs: one document, or objects.
func (a *app) json() bool { return a.output == asJSON || a.output == asLines || a.output == asYAML }

// names says whether only names are printed, and prints them.
func (a *app) onlyNames(list []string) bool {
	if a.output != asName {
		return false
	}
	for _, name := range list {
		fmt.Fprintln(a.stdout, name)
	}
	return true
}

// printJSON writes a document to stdout: as YAML, or the elements of an array a line each, where that was asked for.
func (a *app) printJSON(document any) error {
	switch a.output {
	case asYAML:
		return a.printYAML(document)
	case asLines:
		if v := reflect.ValueOf(document); v.Kind() == reflect.Slice {
			for i := range v.Len() {
				if err := a.printLine(v.Index(i).Interface()); err != nil {
					return err
				}
			}
			return nil
		}
		return a.printLine(document)
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}

// printLine writes one object of a stream to stdout.
func (a *app) printLine(object any) error {
	if a.output == asYAML {
		fmt.Fprintln(a.stdout, "---")
		return a.printYAML(object)
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(object)
}

// printYAML writes what JSON would hold, under the same names and in the same order.
func (a *app) printYAML(document any) error {
	raw, err := json.Marshal(document)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil { // JSON is YAML
		return err
	}
	block(&node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	_, err = a.stdout.Write(out.Bytes())
	return err
}

// block takes the marks of JSON off: quotes stay where the text would mean something else without them.
func block(n *yaml.Node) {
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode || n.Tag == "!!str" {
		n.Style = 0
	}
	for _, child := range n.Content {
		block(child)
	}
}
