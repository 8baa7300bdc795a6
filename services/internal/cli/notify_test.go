package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestNotifyTest(t *testing.T) {
	var posted []string
	deps := Deps{
		Channels: func(string) ([]string, error) { return []string{"ops", "night"}, nil },
		TestChannel: func(_ context.Context, _, name string) error {
			posted = append(posted, name)
			if name == "night" {
				return errors.New("answered 404: no such webhook")
			}
			return nil
		},
	}
	for _, c := range []struct {
		args   []string
		status int
		out    string
		err    string
		posted int
	}{
		{[]string{"notify", "test", "ops"}, exitGood, "ops: taken\n", "", 1},
		{[]string{"notify", "test"}, exitNotReached, "ops: taken\n", "404", 2},
		{[]string{"notify", "test", "nobody"}, exitUsage, "", "ops, night", 0},
		{[]string{"notify", "test", "night", "-o", "json"}, exitNotReached, `"ok": false`, "404", 1},
	} {
		posted = nil
		var out, errs strings.Builder
		status := Main(t.Context(), c.args, deps, strings.NewReader(""), &out, &errs)
		if status != c.status || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) || len(posted) != c.posted {
			t.Errorf("%v: %d\n%s\n%s\nposted %v", c.args, status, out.String(), errs.String(), posted)
		}
	}
}
