package near

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWord(t *testing.T) {
	known := []string{"web01", "web02", "db01", "list", "request", "retry", "ÜBUNG"}
	for word, want := range map[string]string{
		"wbe01": "web01", "WEB01x": "web01", "lst": "list", "reqest": "request", "web03": "web01", "übumg": "ÜBUNG",
		"": "", "q": "", "mail77": "", "xyz": "", "db1": "db01",
	} {
		if got := Word(word, slices.Values(known)); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// A distance is one: of nothing to itself, the same both ways, never less than the difference in length.
func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"a", ""}: 1, {"ab", "ba"}: 1, {"kitten", "sitting"}: 3, {"ca", "abc"}: 3, {"web01", "wbe01"}: 1, {"日本", "本日"}: 1,
	} {
		if got := Distance(pair[0], pair[1]); got != want {
			t.Errorf("%v: %d, want %d", pair, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[a-c]{0,6}`).Draw(t, "a"), rapid.StringMatching(`[a-c]{0,6}`).Draw(t, "b")
		d := Distance(a, b)
		if d != Distance(b, a) || (d == 0) != (a == b) || d < len(a)-len(b) || d < len(b)-len(a) || d > max(len(a), len(b)) {
			t.Fatalf("%q and %q: %d", a, b, d)
		}
	})
}
