// Package build tells how this program was made.
package build

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// A release sets these with -ldflags "-X reprotect.example/services/internal/build.version=…", since what Go writes down by
// itself is missing where the sources are no git work tree (a source archive, the image's build).
var version, commit, date string

// Info is how a program was made. What nobody wrote down is empty.
type Info struct {
	Version  string `json:"version"` // "(devel)" outside a release
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit, RFC 3339
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"` // as "linux/amd64"
}

// Read tells of the program that runs: what its release says, else what Go wrote down.
func Read() Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return read(info)
}

func read(info *debug.BuildInfo) Info {
	b := Info{Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	var revision, at string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.time":
			at = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	b.Version = cmp.Or(version, info.Main.Version, "(devel)")
	b.Commit, b.Date = cmp.Or(commit, revision), cmp.Or(date, at)
	return b
}

// String is one line for people: version, and the commit with its date where they are known.
func (b Info) String() string {
	s := b.Version
	if b.Commit == "" {
		return s
	}
	s += ", commit " + b.Commit[:min(12, len(b.Commit))]
	if b.Modified {
		s += " and changes to it"
	}
	if b.Date != "" {
		s += ", " + b.Date
	}
	return s
}
