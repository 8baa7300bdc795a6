package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"go.yaml.in/yaml/v3"
)

// top of the work tree; packages are made from there.
var top, _ = filepath.Abs("../..")

// releaser is what .goreleaser.yaml says, as far as it is looked at here.
type releaser struct {
	Builds []struct {
		ID, Main, Binary string
		Goos, Goarch     []string
		Flags, Ldflags   []string
	}
	NFPMs    []map[string]any `yaml:"nfpms"`
	Archives []struct {
		Files []string
	}
	Checksum map[string]any
	SBOMs    []map[string]any `yaml:"sboms"`
}

func readReleaser(t *testing.T) releaser {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var r releaser
	if err := yaml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Each program is built for every system, and says of which release it is: by variables that there are, in the package that
// reads them.
func TestReleaseBuildsBothPrograms(t *testing.T) {
	r := readReleaser(t)
	source, err := os.ReadFile(filepath.Join(top, "services", "internal", "build", "build.go"))
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for _, b := range r.Builds {
		programs = append(programs, b.Binary)
		if _, err := os.Stat(filepath.Join(top, b.Main, "main.go")); err != nil || filepath.Base(b.Main) != b.Binary {
			t.Errorf("%s: %v", b.Main, err)
		}
		if !slices.Equal(b.Goos, []string{"linux", "darwin", "windows"}) || !slices.Contains(b.Flags, "-trimpath") || !slices.Contains(b.Ldflags, "-s -w") {
			t.Errorf("%s is built for %v with %v and %v", b.Binary, b.Goos, b.Flags, b.Ldflags)
		}
		set := regexp.MustCompile(`^-X reprotect\.example/services/internal/build\.(\w+)=\{\{ \.\w+ \}\}$`)
		var variables []string
		for _, flag := range b.Ldflags {
			if m := set.FindStringSubmatch(flag); m != nil {
				variables = append(variables, m[1])
			}
		}
		if declared := "var " + strings.Join(variables, ", ") + " string\n"; len(variables) != 3 || !bytes.Contains(source, []byte(declared)) {
			t.Errorf("%s: a release sets %v, which the package build has not", b.Binary, variables)
		}
	}
	slices.Sort(programs)
	if !slices.Equal(programs, []string{"reprotect", "reprotectd"}) || len(r.Checksum) == 0 || len(r.SBOMs) == 0 {
		t.Errorf("a release has %v, checksums %v, bills of material %v", programs, r.Checksum, r.SBOMs)
	}
}

// build makes a package of a version, with programs that stand for the real ones.
func build(t *testing.T, format, version string) string {
	t.Helper()
	r := readReleaser(t)
	if len(r.NFPMs) != 1 {
		t.Fatalf("%d packages", len(r.NFPMs))
	}
	described := r.NFPMs[0]
	contents := described["contents"].([]any)
	folder := t.TempDir()
	for _, b := range r.Builds {
		program := filepath.Join(folder, b.Binary)
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho "+b.Binary+" "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, map[string]any{"src": program, "dst": described["bindir"].(string) + "/" + b.Binary})
	}
	described["contents"] = contents
	described["name"], described["arch"], described["version"] = described["package_name"], runtime.GOARCH, version
	for _, key := range []string{"package_name", "formats", "bindir"} { // goreleaser's own
		delete(described, key)
	}
	text, err := yaml.Marshal(described)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(top) // paths of the file are from there
	config, err := nfpm.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	info, err := config.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	info = nfpm.WithDefaults(info)
	packager, err := nfpm.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	var made bytes.Buffer
	if err := packager.Package(info, &made); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, packager.ConventionalFileName(info))
	if err := os.WriteFile(file, made.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// machine is a root without anything in it but a systemd that notes what it is asked.
type machine struct {
	t    *testing.T
	root string
	path string // with its own systemctl before all others
	said string // what systemctl was asked
}

func newMachine(t *testing.T) machine {
	t.Helper()
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("no dpkg here")
	}
	m := machine{t: t, root: t.TempDir(), said: filepath.Join(t.TempDir(), "systemctl")}
	bin := t.TempDir()
	m.path = bin + string(os.PathListSeparator) + os.Getenv("PATH") + ":/usr/sbin:/sbin"
	for _, folder := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "run/systemd/system", "etc"} {
		if err := os.MkdirAll(filepath.Join(m.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{
		filepath.Join(m.root, "var/lib/dpkg/status"): "",
		filepath.Join(bin, "systemctl"):              "#!/bin/sh\necho \"$*\" >> " + m.said + "\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// dpkg works on the machine's root; the package's scripts run outside of it, and are told where it is.
func (m machine) dpkg(args ...string) string {
	m.t.Helper()
	cmd := exec.Command("dpkg", append([]string{"--root=" + m.root, "--force-not-root", "--force-script-chrootless", "--force-depends", "--force-confdef", "--force-confold", "--log=/dev/null"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+m.path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("dpkg %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// asked is what systemctl was asked since the last time.
func (m machine) asked() []string {
	m.t.Helper()
	text, err := os.ReadFile(m.said)
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	_ = os.Remove(m.said) // it may not be there
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (m machine) read(file string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, file))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m machine) asks(when string, want ...string) {
	m.t.Helper()
	if got := m.asked(); !slices.Equal(got, want) {
		m.t.Errorf("%s asks systemctl %q, want %q", when, got, want)
	}
}

// The package is installed, upgraded, removed and purged. A changed config stays, secrets are root's alone, the service is
// started by nobody, restarted by an upgrade, ended by the removal, and the event log outlives all of it.
func TestDebianPackage(t *testing.T) {
	first, second := build(t, "deb", "1.0.0"), build(t, "deb", "1.1.0")
	m := newMachine(t)
	if out := m.dpkg("--install", first); !strings.Contains(out, "systemctl enable --now reprotectd") {
		t.Errorf("nobody says how to go on:\n%s", out)
	}
	m.asks("the install", "daemon-reload")
	unit := m.read("usr/lib/systemd/system/reprotectd.service")
	for _, line := range regexp.MustCompile(`(?m)^Exec\w+=(\S+)`).FindAllStringSubmatch(unit, -1) {
		info, err := os.Stat(filepath.Join(m.root, line[1]))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("the unit runs %s: %v", line[1], err)
		}
	}
	for _, named := range []string{"/etc/reprotect/reprotect.yaml", "/etc/reprotect/secrets"} {
		if !strings.Contains(unit, named) {
			t.Errorf("the unit does not name %s, which the package brings", named)
		}
	}
	if info, err := os.Stat(filepath.Join(m.root, "etc/reprotect/secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("secrets: %v, %v", info, err)
	}
	for file, text := range map[string]string{"etc/reprotect/reprotect.yaml": "# mine\n", "etc/reprotect/secrets/vcenter-password": "secret\n", "var/lib/private/reprotect/log": "events\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(m.root, file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(m.root, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	m.dpkg("--install", second)
	m.asks("the upgrade", "daemon-reload", "try-restart reprotectd.service")
	if program := m.read("usr/bin/reprotectd"); !strings.Contains(program, "1.1.0") {
		t.Errorf("the program is %s", program)
	}
	if config := m.read("etc/reprotect/reprotect.yaml"); config != "# mine\n" {
		t.Errorf("the config is %s", config)
	}

	m.dpkg("--remove", "reprotect")
	m.asks("the removal", "disable --now reprotectd.service", "daemon-reload")
	if _, err := os.Stat(filepath.Join(m.root, "usr/bin/reprotectd")); !os.IsNotExist(err) {
		t.Errorf("the program stays: %v", err)
	}
	if m.read("etc/reprotect/reprotect.yaml") != "# mine\n" || m.read("etc/reprotect/secrets/vcenter-password") != "secret\n" {
		t.Error("config or secrets changed")
	}
	if out := m.dpkg("--purge", "reprotect"); !strings.Contains(out, "/var/lib/private/reprotect") {
		t.Errorf("nobody says that the log stays:\n%s", out)
	}
	if m.read("var/lib/private/reprotect/log") != "events\n" {
		t.Error("the event log is gone")
	}
}

func TestRPM(t *testing.T) {
	file := build(t, "rpm", "1.0.0")
	made, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if magic := []byte{0xed, 0xab, 0xee, 0xdb}; !bytes.HasPrefix(made, magic) || !strings.HasPrefix(filepath.Base(file), "reprotect-1.0.0") {
		t.Errorf("%s is no rpm", file)
	}
}
