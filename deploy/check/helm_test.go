package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

const chartDir = "../helm"

// serviceMonitor is of the Prometheus operator, as far as the chart uses it.
type serviceMonitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  meta.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// release is what the chart makes of values, read strictly as the types that Kubernetes has for it.
type release struct {
	pods     map[string]core.PodTemplateSpec // by workload: Deployment/x, StatefulSet/x, Job/x
	replicas map[string]int32
	services map[string]core.Service
	accounts map[string]core.ServiceAccount
	secrets  map[string]core.Secret
	policies map[string]networking.NetworkPolicy
	budgets  map[string]policy.PodDisruptionBudget
	monitors map[string]serviceMonitor
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func readValues(t *testing.T, text []byte) map[string]any {
	t.Helper()
	values, err := chartutil.ReadValues(text)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func render(c *chart.Chart, values map[string]any) (map[string]string, error) {
	options := chartutil.ReleaseOptions{Name: "home", Namespace: "dr", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

func install(t *testing.T, values map[string]any) release {
	t.Helper()
	files, err := render(load(t), values)
	if err != nil {
		t.Fatal(err)
	}
	r := release{
		map[string]core.PodTemplateSpec{}, map[string]int32{}, map[string]core.Service{}, map[string]core.ServiceAccount{}, map[string]core.Secret{},
		map[string]networking.NetworkPolicy{}, map[string]policy.PodDisruptionBudget{}, map[string]serviceMonitor{},
	}
	for name, text := range files {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		for document := range strings.SplitSeq(text, "\n---") {
			var head meta.TypeMeta
			if err := yaml.Unmarshal([]byte(document), &head); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			if head.Kind != "" {
				r.add(t, head, []byte(document))
			}
		}
	}
	return r
}

func strictly[T any](t *testing.T, text []byte) T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return object
}

func (r release) add(t *testing.T, head meta.TypeMeta, text []byte) {
	t.Helper()
	switch head.APIVersion + " " + head.Kind {
	case "apps/v1 Deployment":
		d := strictly[apps.Deployment](t, text)
		r.workload(t, head.Kind, d.Name, d.Spec.Selector, d.Spec.Template)
		r.replicas[d.Name] = *d.Spec.Replicas
	case "apps/v1 StatefulSet":
		s := strictly[apps.StatefulSet](t, text)
		r.workload(t, head.Kind, s.Name, s.Spec.Selector, s.Spec.Template)
		r.replicas[s.Name] = *s.Spec.Replicas
	case "batch/v1 Job":
		j := strictly[batch.Job](t, text)
		r.pods[head.Kind+"/"+j.Name] = j.Spec.Template
	case "v1 Service":
		s := strictly[core.Service](t, text)
		r.services[s.Name] = s
	case "v1 ServiceAccount":
		s := strictly[core.ServiceAccount](t, text)
		r.accounts[s.Name] = s
	case "v1 Secret":
		s := strictly[core.Secret](t, text)
		r.secrets[s.Name] = s
	case "networking.k8s.io/v1 NetworkPolicy":
		n := strictly[networking.NetworkPolicy](t, text)
		r.policies[n.Name] = n
	case "policy/v1 PodDisruptionBudget":
		b := strictly[policy.PodDisruptionBudget](t, text)
		r.budgets[b.Name] = b
	case "monitoring.coreos.com/v1 ServiceMonitor":
		m := strictly[serviceMonitor](t, text)
		r.monitors[m.Name] = m
	default:
		t.Errorf("nobody here knows %s %s", head.APIVersion, head.Kind)
	}
}

func (r release) workload(t *testing.T, kind, name string, selector *meta.LabelSelector, pod core.PodTemplateSpec) {
	t.Helper()
	if !labels.SelectorFromSet(selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
		t.Errorf("%s %s does not select its own pods", kind, name)
	}
	for label := range selector.MatchLabels { // Kubernetes lets nobody change a selector: what an upgrade changes may not be in it
		if label == "helm.sh/chart" || label == "app.kubernetes.io/version" {
			t.Errorf("%s %s selects by %s", kind, name, label)
		}
	}
	r.pods[kind+"/"+name] = pod
}

// selected are the workloads whose pods have these labels.
func (r release) selected(wanted map[string]string) (names []string) {
	for name, pod := range r.pods {
		if labels.SelectorFromSet(wanted).Matches(labels.Set(pod.Labels)) {
			names = append(names, strings.SplitN(name, "/", 2)[1])
		}
	}
	return names
}

func valueFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

// Each file of values renders into objects that Kubernetes takes, and holds to what the chart promises. RENDERED is a folder
// into which the configs go, for the product's own reader.
func TestChart(t *testing.T) {
	for _, file := range valueFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			values := readValues(t, text)
			r := install(t, values)
			together := values["mode"] == "together"
			if n := len(r.replicas); together && n != 1 || !together && n != 7 {
				t.Errorf("%d workloads: %v", n, r.replicas)
			}
			for name, pod := range r.pods {
				restricted(t, name, pod)
				r.belongs(t, name, pod)
			}
			r.names(t)
			if folder := os.Getenv("RENDERED"); folder != "" {
				for name, secret := range r.secrets {
					config := filepath.Join(folder, strings.TrimSuffix(filepath.Base(file), "-values.yaml")+"-"+name+".yaml")
					if err := os.WriteFile(config, []byte(secret.StringData["reprotect.yaml"]), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// restricted holds a pod to the profile "restricted" of Kubernetes' pod security standards, and to a root that cannot be
// written to.
func restricted(t *testing.T, name string, pod core.PodTemplateSpec) {
	t.Helper()
	s := pod.Spec
	if s.HostNetwork || s.HostPID || s.HostIPC || s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken {
		t.Errorf("%s has the host's network, or a token of the cluster", name)
	}
	if c := s.SecurityContext; c == nil || c.RunAsNonRoot == nil || !*c.RunAsNonRoot || c.RunAsUser == nil || *c.RunAsUser == 0 ||
		c.SeccompProfile == nil || c.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: its pod is %+v", name, c)
	}
	for _, v := range s.Volumes {
		if v.Secret == nil && v.Projected == nil && v.EmptyDir == nil && v.PersistentVolumeClaim == nil {
			t.Errorf("%s has the volume %s of another kind", name, v.Name)
		}
	}
	for _, c := range s.Containers {
		x := c.SecurityContext
		if x == nil || x.AllowPrivilegeEscalation == nil || *x.AllowPrivilegeEscalation || x.Privileged != nil && *x.Privileged ||
			x.ReadOnlyRootFilesystem == nil || !*x.ReadOnlyRootFilesystem || x.Capabilities == nil ||
			!slices.Equal(x.Capabilities.Drop, []core.Capability{"ALL"}) || len(x.Capabilities.Add) > 0 {
			t.Errorf("%s: container %s is %+v", name, c.Name, x)
		}
		if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() && c.Name != "executor" {
			t.Errorf("%s: container %s asks for no memory, or may take all", name, c.Name)
		}
		for _, e := range c.Env {
			if e.Value != "" {
				t.Errorf("%s: %s is a value in the pod", name, e.Name)
			}
		}
	}
}

// belongs holds a workload to its own identity, its own probes, and its own secrets.
func (r release) belongs(t *testing.T, name string, pod core.PodTemplateSpec) {
	t.Helper()
	kind, full, _ := strings.Cut(name, "/")
	service := strings.TrimPrefix(full, "home-")
	c := pod.Spec.Containers[0]
	if _, there := r.accounts[full]; pod.Spec.ServiceAccountName != full || !there {
		t.Errorf("%s runs as %s", name, pod.Spec.ServiceAccountName)
	}
	role := service
	if kind == "Job" {
		role = "admin"
	} else {
		if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet.Path != "/ready" || c.LivenessProbe == nil || c.LivenessProbe.HTTPGet.Path != "/live" || c.StartupProbe == nil {
			t.Errorf("%s lacks a probe", name)
		}
		if i := slices.Index(c.Args, "--target"); i < 0 || c.Args[i+1] != service {
			t.Errorf("%s runs %v", name, c.Args)
		}
	}
	mounted := map[string]bool{}
	for _, m := range c.VolumeMounts {
		mounted[m.Name] = true
	}
	for _, v := range pod.Spec.Volumes {
		if !mounted[v.Name] {
			t.Errorf("%s does not mount %s", name, v.Name)
		}
		if v.Name == "nats" && (len(v.Secret.Items) != 1 || v.Secret.Items[0].Key != role) {
			t.Errorf("%s has the passwords %v", name, v.Secret.Items)
		}
		if v.Name == "config" && v.Secret.SecretName != full {
			t.Errorf("%s has the config of %s", name, v.Secret.SecretName)
		}
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.Secret.Name == "slack" && service != "notifier" || source.Secret.Name == "vcenter" && service == "notifier" && len(v.Projected.Sources) > 1 {
				t.Errorf("%s has the secret %s", name, source.Secret.Name)
			}
		}
	}
}

// names holds the objects that name others to what there is.
func (r release) names(t *testing.T) {
	t.Helper()
	for name, s := range r.services {
		if found := r.selected(s.Spec.Selector); !slices.Equal(found, []string{name}) {
			t.Errorf("service %s leads to %v", name, found)
		}
	}
	for name, n := range r.policies {
		if found := r.selected(n.Spec.PodSelector.MatchLabels); !slices.Equal(found, []string{name}) {
			t.Errorf("the policy of %s is about %v", name, found)
		}
		if !slices.Equal(n.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress}) {
			t.Errorf("the policy of %s leaves a direction open: %v", name, n.Spec.PolicyTypes)
		}
	}
	if len(r.policies) > 0 && len(r.policies) != len(r.pods) {
		t.Errorf("%d policies for %d workloads", len(r.policies), len(r.pods))
	}
	for name, b := range r.budgets {
		if found := r.selected(b.Spec.Selector.MatchLabels); !slices.Equal(found, []string{name}) || r.replicas[name] < 2 {
			t.Errorf("the budget of %s is about %v, with %d replicas", name, found, r.replicas[name])
		}
	}
	for name, m := range r.monitors {
		for service, s := range r.services {
			if !labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
				t.Errorf("monitor %s leaves out %s", name, service)
			}
		}
	}
}

// Who reaches what: notifier posts and looks at nothing; only who looks reaches vCenter; the set-up reaches the bus alone.
func TestPoliciesByService(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "ci", "nats-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values := readValues(t, text)
	r := install(t, values)
	reaches := func(service, cidr string) bool {
		return slices.ContainsFunc(r.policies["home-"+service].Spec.Egress, func(e networking.NetworkPolicyEgressRule) bool {
			return slices.ContainsFunc(e.To, func(p networking.NetworkPolicyPeer) bool { return p.IPBlock != nil && p.IPBlock.CIDR == cidr })
		})
	}
	for service, want := range map[string][3]bool{ // the bus, vCenter, anywhere by HTTPS
		"validator": {true, true, true}, "executor": {true, true, true}, "guard": {true, true, true}, "journal": {true, true, true},
		"notifier": {true, false, true}, "setup": {true, false, false},
	} {
		if got := [3]bool{reaches(service, "10.0.0.0/8"), reaches(service, "10.1.0.10/32"), reaches(service, "0.0.0.0/0")}; got != want {
			t.Errorf("%s reaches the bus, vCenter, all: %v, want %v", service, got, want)
		}
	}
	if n := len(r.policies["home-executor"].Spec.Ingress); n != 1 {
		t.Errorf("%d kinds of peers reach the executor", n)
	}
	if n := len(r.policies["home-journal"].Spec.Ingress); n != 2 {
		t.Errorf("%d kinds of peers reach the journal", n)
	}
}

func TestChartIsLinted(t *testing.T) {
	for _, file := range valueFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.All(chartDir, readValues(t, text), "dr", true).Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %s", filepath.Base(file), m)
			}
		}
	}
}

// What cannot work is refused before anything is installed.
func TestSchemaRefuses(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(chartDir, "ci", "servicebus-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"no image":                    func(v map[string]any) { delete(v, "image") },
		"no site":                     func(v map[string]any) { v["config"] = map[string]any{} },
		"a mistyped key":              func(v map[string]any) { v["sevices"] = map[string]any{} },
		"a service that there is not": func(v map[string]any) { v["services"] = map[string]any{"auditor": map[string]any{}} },
		"two journals":                func(v map[string]any) { v["services"] = map[string]any{"journal": map[string]any{"replicas": 2}} },
		"a bus of nobody":             func(v map[string]any) { v["bus"] = map[string]any{"kind": "kafka"} },
		"no namespace":                func(v map[string]any) { v["bus"] = map[string]any{"kind": "serviceBus"} },
		"a bus inside seven pods":     func(v map[string]any) { v["bus"] = map[string]any{"kind": "embedded"} },
		"one pod on NATS":             func(v map[string]any) { v["mode"], v["bus"] = "together", map[string]any{"kind": "nats"} },
		"a config with its own bus":   func(v map[string]any) { v["config"].(map[string]any)["bus"] = map[string]any{} },
		"a secret as a value":         func(v map[string]any) { v["secrets"] = map[string]any{"vcenter-password": "geheim"} },
		"an identity that is none":    func(v map[string]any) { v["azure"] = map[string]any{"clientID": "me"} },
	} {
		t.Run(name, func(t *testing.T) {
			values := readValues(t, good)
			if _, err := render(load(t), values); err != nil {
				t.Fatalf("the good values: %v", err)
			}
			values = readValues(t, good)
			change(values)
			if _, err := render(load(t), values); err == nil {
				t.Error("taken")
			}
		})
	}
}
