package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/services/internal/app"
)

// ajv holds events, one a line, against the published schemas: the envelope, and that of their data. It prints how many it
// has read, and what is wrong.
const ajv = `
const {readFileSync, readdirSync} = require('fs'), path = require('path');
const Ajv = require('ajv/dist/2020').default, formats = require('ajv-formats').default;
const checker = new Ajv({allErrors: true, strict: false});
formats(checker);
for (const name of readdirSync(process.argv[1])) {
  if (name.endsWith('.schema.json')) checker.addSchema(JSON.parse(readFileSync(path.join(process.argv[1], name))));
}
let read = 0;
for (const line of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const event = JSON.parse(line);
  read++;
  for (const [what, id, value] of [['event', 'urn:reprotect:schema:envelope:v1', event], ['data', event.dataschema, event.data]]) {
    const check = checker.getSchema(id);
    if (!check) console.log(event.id + ': no schema ' + id);
    else if (!check(value)) console.log(event.id + ': ' + what + ': ' + checker.errorsText(check.errors));
  }
}
console.log(read + ' events');
`

// validated has ajv say what it finds in events. It runs where REPROTECT_NODE_MODULES names a folder that has ajv 8 and
// ajv-formats 3 (npm install ajv@8 ajv-formats@3).
func validated(t *testing.T, modules string, lines []byte) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "node", "-e", ajv, filepath.Join("..", "..", "..", "schemas"))
	command.Env, command.Stdin = append(os.Environ(), "NODE_PATH="+modules), bytes.NewReader(lines)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("ajv: %v\n%s", err, out)
	}
	return string(out)
}

// F11: whatever a run of the product publishes is valid by the published schemas, for a validator that is not its own.
func validForOthers(t *testing.T, b *app.Bus) {
	t.Helper()
	modules := os.Getenv("REPROTECT_NODE_MODULES")
	if modules == "" {
		t.Log("not held against the schemas by ajv: REPROTECT_NODE_MODULES names no folder with it")
		return
	}
	var lines []byte
	kinds := map[string]bool{}
	err := b.NATS.Read(t.Context(), jetstream.Reading{Stream: jetstream.StreamLog, Filters: []string{events.SubjectFacts + ".>", events.SubjectNotifications + ".>"}}, func(r bus.Received) error {
		lines = append(append(lines, bytes.ReplaceAll(r.Data, []byte("\n"), nil)...), '\n')
		kinds[r.Subject[strings.LastIndexByte(r.Subject, '.')+1:]] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if said := validated(t, modules, lines); strings.Count(said, "\n") != 1 || !kinds["accepted"] || !kinds["completed"] || !kinds["info"] {
		t.Errorf("of events %v: %s", kinds, said)
	}
	broken := bytes.Replace(lines, []byte(`"step":"notification"`), []byte(`"step":"bell"`), 1)
	if said := validated(t, modules, broken); !strings.Contains(said, ": event: ") {
		t.Errorf("a wrong step is not found: %s", said)
	}
}
