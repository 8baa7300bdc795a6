package observed

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// SameName compares names as people read them: without regard to letter case, nor to how Unicode composes a letter.
func SameName(a, b string) bool { return a == b || NormalName(a) == NormalName(b) }

// NormalName is the form in which names compare, and by which maps keep them.
func NormalName(s string) string {
	if isPlain(s) {
		return strings.ToLower(s)
	}
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// DatastoreOf is the name of the datastore in front of a file's path as vSphere writes it: "[name] folder/file.vmdk".
// It is empty where the path names none.
func DatastoreOf(file string) string {
	rest, opened := strings.CutPrefix(file, "[")
	// The name itself may hold a bracket; the folder behind it may as well, and a file lies in one.
	name, _, closed := strings.Cut(rest, "] ")
	if !closed {
		name, closed = strings.CutSuffix(rest, "]")
	}
	if !opened || !closed {
		return ""
	}
	return name
}

// SameHost compares hosts by name or address; a short name is the same as a full one that begins with it.
func SameHost(a, b string) bool {
	if addressKey(a) != "" || addressKey(b) != "" {
		return SameAddress(a, b)
	}
	short, long := NormalName(a), NormalName(b)
	if len(short) > len(long) {
		short, long = long, short
	}
	return short != "" && (short == long || !strings.Contains(short, ".") && strings.HasPrefix(long, short+"."))
}
