package events_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"reprotect.example/events"
)

// The log as `reprotect log -o jsonl` prints it, one event a line; shortened to what the examples show.
const eventLog = `{"specversion":"1.0","id":"r7-web01/request","source":"/reprotect/tokyo/validator","type":"io.reprotect.accepted.v1","time":"2026-11-22T01:00:00Z","case":"r7-web01","step":"request","data":{"case":{"requestedBy":"ops@example.com","machines":[{"name":"web01","item":"/i/1","architecture":"modernized"}]}}}
{"specversion":"1.0","id":"r7-web01/validation/note","source":"/reprotect/tokyo/notifier","type":"io.reprotect.notification.v1","case":"r7-web01","data":{"level":"info","title":"web01: checks passed","text":"Nothing blocks.","fact":"r7-web01/validation","kind":"validated"}}
{"specversion":"1.0","id":"r7-web01/guard/9","source":"/reprotect/tokyo/guard","type":"io.reprotect.violated.v1","time":"2026-11-22T01:33:00Z","case":"r7-web01","step":"guard","data":{"code":"machine.powered-off","machine":"web01","what":"web01 was switched on.","endangers":"its disks","do":"Switch it off."}}
{"specversion":"1.0","id":"r7-web01/guard/9/note","source":"/reprotect/tokyo/notifier","type":"io.reprotect.notification.v1","case":"r7-web01","data":{"level":"critical","title":"web01 was switched on","text":"Switch it off in vCenter at once.","fact":"r7-web01/guard/9","kind":"violated"}}
{"specversion":"1.0","id":"r7-web01/weather/1","source":"/reprotect/tokyo/weather","type":"io.reprotect.clouded.v3","time":"2026-11-22T01:40:00Z","case":"r7-web01","data":{"cover":0.8}}
{"specversion":"1.0","id":"r7-web01/replication","source":"/reprotect/tokyo/executor","type":"io.reprotect.completed.v1","time":"2026-11-22T01:45:00Z","case":"r7-web01","step":"replication","data":{"case":{"requestedBy":"ops@example.com","machines":[{"name":"web01","item":"/i/1","architecture":"modernized"}]},"machines":[{"machine":"web01","item":"/i/1"}]}}
`

// A chat bot: reads the log from a pipe and says what a person must know.
func Example_chatBot() {
	say := func(message string) { fmt.Println(message) } // a real one calls its chat here
	if err := chatBot(strings.NewReader(eventLog), say); err != nil {
		fmt.Println(err)
	}
	// Output:
	// web01 was switched on: Switch it off in vCenter at once.
}

func chatBot(log io.Reader, say func(string)) error {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, events.MaxSize+1)
	for lines.Scan() {
		e, err := events.Parse(lines.Bytes())
		if err != nil {
			return err
		}
		if e.Type != events.TypeNotification.CloudType() {
			continue
		}
		note, err := events.As(events.TypeNotification, e)
		if err != nil {
			return err
		}
		if note.Data.Level == events.LevelWarning || note.Data.Level == events.LevelCritical {
			say(note.Data.Title + ": " + note.Data.Text)
		}
	}
	return lines.Err()
}

// An audit reader: lists what was decided for each case, when, and who had asked.
func Example_audit() {
	if err := audit(strings.NewReader(eventLog)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// r7-web01 2026-11-22T01:00:00Z request accepted, asked by ops@example.com
	// r7-web01 passed over: io.reprotect.clouded.v3 is not known to this version
	// r7-web01 2026-11-22T01:45:00Z replication completed, asked by ops@example.com
}

func audit(log io.Reader) error {
	askedBy := map[string]string{} // by case
	for lines := json.NewDecoder(log); ; {
		var raw json.RawMessage
		if err := lines.Decode(&raw); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		e, err := events.Parse(raw)
		if err != nil {
			return err
		}
		kind, known := events.KindOf(e.Type)
		if !known {
			fmt.Printf("%s passed over: %s is not known to this version\n", e.Case, e.Type)
			continue
		}
		if kind == events.TypeAccepted.Kind {
			accepted, err := events.As(events.TypeAccepted, e)
			if err != nil {
				return err
			}
			askedBy[e.Case] = accepted.Data.Case.RequestedBy
		}
		if kind.Decides() {
			fmt.Printf("%s %s %s %s, asked by %s\n", e.Case, e.Time.Format(time.RFC3339), e.Step, kind.Name, askedBy[e.Case])
		}
	}
}
