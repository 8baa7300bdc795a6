package cli

import "testing"

func TestCaseFilter(t *testing.T) {
	for id, good := range map[string]bool{
		"r7": true, "r-20261122-pvemny--web01": true, "": false, "r7.>": false, "R7": false, "r7 x": false, "*": false,
	} {
		if _, err := caseFilter(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}
