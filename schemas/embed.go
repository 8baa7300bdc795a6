// Package schemas embeds the contract of the events: one JSON Schema 2020-12 for the envelope and one for the
// data of each kind of event, with examples. It needs only the standard library.
package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.json examples/*.json asyncapi.yaml asyncapi.bundle.yaml
var files embed.FS

// Files holds the schemas (<name>.v1.schema.json), examples/<name>.ok*.json, examples/<name>.bad-*.json,
// asyncapi.yaml, and all of it in one file, asyncapi.bundle.yaml.
func Files() fs.FS { return files }

const suffix = ".v1.schema.json"

// All returns every schema by its name: "envelope", "request", "accepted", …, and "common", to which the others
// refer by its $id.
func All() (map[string][]byte, error) {
	names, err := fs.Glob(files, "*"+suffix)
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("schemas: %w", err)
		}
		all[strings.TrimSuffix(name, suffix)] = raw
	}
	return all, nil
}
