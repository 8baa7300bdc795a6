package observed

import "testing"

func TestSameHost(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"vc.example", "VC.example", true}, {"vc", "vc.example", true}, {"vc.example", "vc", true}, {"10.0.0.1", "10.0.0.1", true},
		{"vc", "vc2.example", false}, {"vc.a", "vc.a.b", false}, {"10", "10.0.0.1", false}, {"", "", false}, {"vc", "", false},
	} {
		if got := SameHost(row.a, row.b); got != row.want {
			t.Errorf("SameHost(%q, %q) = %v", row.a, row.b, got)
		}
	}
}
