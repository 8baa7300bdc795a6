package events

import "testing"

// People read sentences, not places in JSON (A10, A10b).
func TestSentence(t *testing.T) {
	for _, tt := range []struct{ place, message, want string }{
		{"", "No such machine.", "No such machine"},
		{"web01", "its agent has not registered.", "web01: its agent has not registered"},
		{"/data/machines/0/name", `No replicated machine "wbe01" is in vault v`, `No replicated machine "wbe01" is in vault v`},
		{"/data/masterTarget", "Ångström takes no master target", "Ångström takes no master target"},
		{"/data/machines", "minItems: got 0, want 1", "machines must not be empty"},
		{"/machines/2/name", "minLength: got 0, want 1", "machine 3 name must not be empty"},
		{"/data/machines/11", "minProperties: got 1, want 2", "machine 12 must have 2 at least"},
		{"/data/reason", "maxLength: got 900, want 500", "reason has 900, and may have 500 at most"},
		{"/data/waive/x", "is not known here", "waive.x is not known here"},
		{"/data/case", "'X' does not match pattern '^[a-z]+$'", "case is not written as it must be"},
		{"/data/dryRun", "got string, want boolean", "dryRun is not written as it must be"},
		{"/", "must be a JSON object", "must be a JSON object"},
	} {
		if got := (Problem{Place: tt.place, Message: tt.message}).Sentence(); got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.place, tt.message, got, tt.want)
		}
	}
}
