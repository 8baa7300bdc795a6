package events_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events"
	"reprotect.example/schemas"
)

// envelope stands for the envelope where Validate asks for a kind.
var envelope = events.Kind{Name: "envelope"}

// examples reads the embedded examples whose name fits a pattern.
func examples(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := fs.Glob(schemas.Files(), "examples/"+pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no examples fit %s: %v", pattern, err)
	}
	found := map[string][]byte{}
	for _, name := range names {
		raw, err := fs.ReadFile(schemas.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(name, "examples/")] = raw
	}
	return found
}

// holds validates an event as a reader does that trusts nobody: the envelope, then the data.
func holds(raw []byte) []events.Problem {
	if problems := events.Validate(envelope, raw); problems != nil {
		return problems
	}
	e, err := events.Parse(raw)
	if err != nil {
		var invalid *events.Invalid
		if errors.As(err, &invalid) {
			return invalid.Problems
		}
		return []events.Problem{{Code: "parse", Message: err.Error()}}
	}
	k, ok := events.KindOf(e.Type)
	if !ok {
		return []events.Problem{{Code: "event.type", Place: "/type", Message: e.Type}}
	}
	return events.Validate(k, e.Data)
}

func TestGoodExamples(t *testing.T) {
	t.Parallel()
	for name, raw := range examples(t, "*.ok*.json") {
		if strings.HasPrefix(name, "request.bare.") {
			continue // TestParseCommandBareExamples
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if problems := holds(raw); problems != nil {
				t.Fatalf("the schema refuses it: %v", problems)
			}
			e, err := events.Read(raw)
			if err != nil {
				t.Fatalf("Read: %v", err)
			}
			again, err := events.Encode(e)
			if err != nil {
				t.Fatalf("Encode: %v", err)
			}
			want := object(t, raw)
			want["datacontenttype"] = "application/json" // always written, though it may be left out
			if strings.HasPrefix(name, "envelope.") {
				for _, extension := range []string{"partitionkey", "sampledrate", "urgent"} {
					delete(want, extension) // passed over
				}
			}
			if diff := cmp.Diff(want, object(t, again)); diff != "" {
				t.Errorf("re-encoded it differs (-example +again):\n%s", diff)
			}
		})
	}
}

func object(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// badExamples says of each bad example the place that its error must name.
var badExamples = map[string]string{
	"envelope.bad-specversion.json":         "/specversion",
	"envelope.bad-no-id.json":               "/id",
	"envelope.bad-no-source.json":           "/source",
	"envelope.bad-time.json":                "/time",
	"envelope.bad-attribute-name.json":      "/partition-key",
	"envelope.bad-extension-object.json":    "/urgent",
	"envelope.bad-case.json":                "/case",
	"envelope.bad-content-type.json":        "/datacontenttype",
	"envelope.bad-no-data.json":             "",
	"request.bad-unknown-field.json":        "/data/machines/0/nmae",
	"request.bad-empty.json":                "/data",
	"request.bad-no-machines.json":          "/data/machines",
	"request.bad-machine-type.json":         "/data/machines/0",
	"request.bad-empty-name.json":           "/data/machines/0/name",
	"request.bad-together.json":             "/data/together",
	"request.bad-waive-without-reason.json": "/data/waive/network.private-path",
	"request.bad-waive-code.json":           "/data/waive/everything",
	"cancel.bad-no-case.json":               "/data/case",
	"retry.bad-case.json":                   "/data/case",
	"acknowledge.bad-alarm.json":            "/data/alarm",
	"acknowledge.bad-no-reason.json":        "/data/reason",
	"failback.bad-none.json":                "/data",
	"failback.bad-commit.json":              "/data/commit",
	"failback.bad-until.json":               "/data/until",
	"commit.bad-none.json":                  "/data",
	"withdraw.bad-none.json":                "/data",
	"protect.bad-none.json":                 "/data",
	"home.bad-up.json":                      "/data/machines/0/up",
	"committed.bad-no-evidence.json":        "/data/machines/0/evidence",
	"withdrawn.bad-no-machine.json":         "/data/machines",
	"protected.bad-no-item.json":            "/data/machines/0/item",
	"accepted.bad-architecture.json":        "/data/case/machines/0/architecture",
	"accepted.bad-os.json":                  "/data/case/machines/0/os",
	"accepted.bad-no-item.json":             "/data/case/machines/0/item",
	"accepted.bad-time.json":                "/data/case/requestedAt",
	"refused.bad-no-problems.json":          "/data/problems",
	"validated.bad-status.json":             "/data/findings/0/status",
	"validated.bad-level.json":              "/data/findings/0/level",
	"validated.bad-null-findings.json":      "/data/findings",
	"rejected.bad-no-problems.json":         "/data/problems",
	"placed.bad-location.json":              "/data/placements/0/location",
	"placed.bad-free.json":                  "/data/placements/0/considered/0/freeBytes",
	"registered.bad-heartbeat.json":         "/data/agents/0/heartbeat",
	"started.bad-no-jobs.json":              "/data/jobs",
	"rehearsed.bad-no-would.json":           "/data/would",
	"completed.bad-no-item.json":            "/data/machines/0/item",
	"failed.bad-no-remedy.json":             "/data/remedy",
	"failed.bad-state.json":                 "/data/machines/0/state",
	"cancelled.bad-no-case.json":            "/data/case",
	"cancelling.bad-unknown-field.json":     "/data/by",
	"retrying.bad-unknown-field.json":       "/data/by",
	"waiting.bad-for.json":                  "/data/for",
	"waiting.bad-items.json":                "/data/items",
	"waiting.bad-no-next-look.json":         "/data/nextLook",
	"progressed.bad-percent.json":           "/data/percent",
	"progressed.bad-fraction.json":          "/data/machines/0/percent",
	"returned.bad-no-item.json":             "/data/item",
	"violated.bad-no-do.json":               "/data/do",
	"cleared.bad-no-until.json":             "/data/until",
	"acknowledged.bad-no-reason.json":       "/data/reason",
	"unwatched.bad-writer.json":             "/data/writer",
	"watched.bad-no-vm.json":                "/data/vm",
	"voided.bad-no-reason.json":             "/data/reason",
	"notification.bad-level.json":           "/data/level",
	"notification.bad-state.json":           "/data/state",
	"dead.bad-reason.json":                  "/data/reason",
	"dead.bad-original.json":                "/data/original",
}

func TestBadExamples(t *testing.T) {
	t.Parallel()
	found := examples(t, "*.bad-*.json")
	for name := range badExamples {
		if found[name] == nil {
			t.Errorf("%s is in the table and not among the examples", name)
		}
	}
	for name, raw := range found {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place, listed := badExamples[name]
			if !listed {
				t.Fatal("not in the table")
			}
			problems := holds(raw)
			if len(problems) == 0 {
				t.Fatal("nothing refuses it")
			}
			for _, p := range problems {
				if p.Place != place || p.Message == "" || p.Code == "" {
					t.Errorf("got %+v, want one problem at %q", p, place)
				}
			}
		})
	}
}

func TestBadCommandsAreInvalid(t *testing.T) {
	t.Parallel()
	for name, raw := range examples(t, "request.bad-*.json") {
		_, err := events.ParseCommand(events.TypeRequest, raw, nil, "seq-1")
		wantInvalid(t, name, err, badExamples[name])
	}
	for name, raw := range examples(t, "envelope.bad-*.json") {
		if name == "envelope.bad-case.json" {
			continue // an accepted event, not a command
		}
		_, err := events.ParseCommand(events.TypeRequest, raw, nil, "seq-1")
		wantInvalid(t, name, err, badExamples[name])
	}
}

// wantInvalid checks that err is an *Invalid with one problem, at a place.
func wantInvalid(t testing.TB, what string, err error, place string) {
	t.Helper()
	var invalid *events.Invalid
	if !errors.As(err, &invalid) {
		t.Errorf("%s: error %v, want an *Invalid at %q", what, err, place)
		return
	}
	if len(invalid.Problems) != 1 || invalid.Problems[0].Place != place {
		t.Errorf("%s: problems %+v, want one at %q", what, invalid.Problems, place)
	}
}

func TestEveryKindIsDocumented(t *testing.T) {
	t.Parallel()
	all, err := schemas.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range events.Kinds() {
		if all[k.Name] == nil {
			t.Errorf("%s has no schema", k.Name)
		}
		examples(t, k.Name+".ok*.json")
		examples(t, k.Name+".bad-*.json")
	}
	for name := range all {
		known := slices.ContainsFunc(events.Kinds(), func(k events.Kind) bool { return k.Name == name })
		if !known && name != "envelope" && name != "common" {
			t.Errorf("the schema %s belongs to no kind of event", name)
		}
	}
}
