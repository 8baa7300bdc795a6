package build

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRead(t *testing.T) {
	fromGit := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "da9470e3ac60037a6d427c09b9c9d4db0a12140b"}, {Key: "vcs.time", Value: "2026-11-28T00:38:42Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	released := [3]string{"1.2.3", "0123456789abcdef", "2026-11-27T00:00:00Z"}
	for name, c := range map[string]struct {
		release [3]string
		info    *debug.BuildInfo
		want    Info
		line    string
	}{
		"a work tree": {info: fromGit, want: Info{Version: "(devel)", Commit: "da9470e3ac60037a6d427c09b9c9d4db0a12140b", Date: "2026-11-28T00:38:42Z", Modified: true},
			line: "(devel), commit da9470e3ac60 and changes to it, 2026-11-28T00:38:42Z"},
		"a release":         {release: released, info: fromGit, want: Info{Version: "1.2.3", Commit: "0123456789abcdef", Date: "2026-11-27T00:00:00Z", Modified: true}, line: "1.2.3, commit 0123456789ab and changes to it, 2026-11-27T00:00:00Z"},
		"a release archive": {release: released, info: &debug.BuildInfo{}, want: Info{Version: "1.2.3", Commit: "0123456789abcdef", Date: "2026-11-27T00:00:00Z"}, line: "1.2.3, commit 0123456789ab, 2026-11-27T00:00:00Z"},
		"by go install":     {info: &debug.BuildInfo{Main: debug.Module{Version: "v1.4.0"}}, want: Info{Version: "v1.4.0"}, line: "v1.4.0"},
		"nothing known":     {info: &debug.BuildInfo{}, want: Info{Version: "(devel)"}, line: "(devel)"},
	} {
		t.Run(name, func(t *testing.T) {
			version, commit, date = c.release[0], c.release[1], c.release[2]
			defer func() { version, commit, date = "", "", "" }()
			got := read(c.info)
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Info{}, "Go", "Platform")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.String() != c.line {
				t.Errorf("%q, want %q", got.String(), c.line)
			}
		})
	}
}
