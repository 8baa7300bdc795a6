package deploy

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"reprotect.example/services/internal/app"
	"reprotect.example/services/internal/config"
)

type composeFile struct {
	Services map[string]struct {
		Image      string   `yaml:"image"`
		Build      build    `yaml:"build"`
		Entrypoint []string `yaml:"entrypoint"`
		Command    []string `yaml:"command"`
		Volumes    []string `yaml:"volumes"`
		Secrets    []secret `yaml:"secrets"`
		EnvFile    []string `yaml:"env_file"`
	} `yaml:"services"`
	Secrets map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
	Volumes map[string]any `yaml:"volumes"`
}

type build struct {
	Context    string `yaml:"context"`
	Dockerfile string `yaml:"dockerfile"`
}

// secret is a name, or a name and the file under /run/secrets.
type secret struct{ Source, Target string }

func (s *secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		s.Source, s.Target = n.Value, n.Value
		return nil
	}
	type long secret
	return n.Decode((*long)(s))
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "compose", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var f composeFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// flag is the value after a flag.
func flag(args []string, name string) string {
	if i := slices.Index(args, name); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// Each container runs the service whose name it has, with a config that loads, a NATS user of its own, and every
// secret that the config names.
func TestCompose(t *testing.T) {
	f := readCompose(t)
	var targets []string
	for name, s := range f.Services {
		if name == "nats" {
			continue
		}
		if _, err := os.Stat(filepath.Join(deploy, "compose", s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		role := admin
		if name != "set-up" {
			role = flag(s.Command, "--target")
			targets = append(targets, role)
			if role != name {
				t.Errorf("container %s runs target %q", name, role)
			}
		}
		c, err := config.Load(onHost(t, s.Volumes, flag(s.Command, "--config")))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n := c.Bus.NATS; n == nil || n.User != role || n.InboxPrefix != "_INBOX_"+role || !strings.HasPrefix(n.URL, "nats://nats:") {
			t.Errorf("%s: bus %+v", name, n)
		}
		want := []string{c.Bus.NATS.PasswordFile}
		if role != admin { // it reaches no vCenter
			want = append(want, c.Sites["tokyo"].VCenter.PasswordFile)
		}
		var given []string
		for _, s := range s.Secrets {
			given = append(given, path.Join("/run/secrets", s.Target))
			if f.Secrets[s.Source].File == "" || s.Target == "nats-password" && s.Source != "nats-"+role {
				t.Errorf("%s: secret %+v, file %q", name, s, f.Secrets[s.Source].File)
			}
		}
		if !slices.Equal(given, want) {
			t.Errorf("%s: has the secrets %v, its config names %v", name, given, want)
		}
	}
	slices.Sort(targets)
	if want := slices.Sorted(slices.Values(app.Targets())); !slices.Equal(targets, want) {
		t.Errorf("compose runs %v, there are %v", targets, want)
	}
}

func TestComposeNATS(t *testing.T) {
	f := readCompose(t)
	s := f.Services["nats"]
	if _, err := os.Stat(onHost(t, s.Volumes, flag(s.Command, "-c"))); err != nil {
		t.Error(err)
	}
	kept := slices.ContainsFunc(s.Volumes, func(v string) bool {
		volume, at, _ := strings.Cut(v, ":")
		_, named := f.Volumes[volume]
		return named && at == process(t, installed(t), "nats.conf", "").StoreDir
	})
	if !kept {
		t.Errorf("no volume keeps the event log: %v", s.Volumes)
	}
}

// onHost is the file of this work tree that a container sees under a path.
func onHost(t *testing.T, volumes []string, inside string) string {
	t.Helper()
	for _, v := range volumes {
		parts := strings.Split(v, ":")
		if rest, ok := strings.CutPrefix(inside, parts[1]+"/"); ok {
			return filepath.Join(deploy, "compose", parts[0], rest)
		}
	}
	t.Fatalf("%q is on none of the volumes %v", inside, volumes)
	return ""
}

func TestComposeConfigsDifferInTheRoleOnly(t *testing.T) {
	load := func(role string) config.Config {
		c, err := config.Load(filepath.Join(deploy, "compose", "config", role+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		c.Bus.NATS.User, c.Bus.NATS.InboxPrefix = "", ""
		return c
	}
	first := load(admin)
	for _, target := range app.Targets() {
		if diff := cmp.Diff(first, load(target)); diff != "" {
			t.Errorf("%s.yaml (-%s +%s):\n%s", target, admin, target, diff)
		}
	}
}
