package deploy

import (
	"encoding/json"
	stdflag "flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reprotect.example/events/bus/servicebus"
	"reprotect.example/services/internal/app"
)

var update = stdflag.Bool("update", false, "write what the services need into deploy/azure/topology.json")

var topologyFile = filepath.Join(deploy, "azure", "topology.json")

// The Bicep file makes what 'reprotect bus setup' makes.
func TestAzureTopology(t *testing.T) {
	want, err := json.MarshalIndent(app.AzureTopology(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(topologyFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(topologyFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run this test with -update: topology.json (-wanted +is):\n%s", diff)
	}
}

func readBicep(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "azure", file))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)(^|\s)//.*$`).ReplaceAllString(string(text), "")
}

// keys are all keys of the objects in a list.
func keys(list []map[string]any) []string {
	all := map[string]bool{}
	for _, object := range list {
		for key := range object {
			all[key] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// below is what the objects of a list have under a key.
func below(list []map[string]any, key string) (all []map[string]any) {
	for _, object := range list {
		items, _ := object[key].([]any) // null: none
		for _, item := range items {
			all = append(all, item.(map[string]any))
		}
	}
	return all
}

// Each loop uses every field that topology.json has for its kind.
func TestBicepCoversTheTopology(t *testing.T) {
	raw, err := os.ReadFile(topologyFile)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	text := readBicep(t, "servicebus.bicep")
	all := []map[string]any{root}
	topics, queues := below(all, "topics"), below(all, "queues")
	subscriptions := below(topics, "subscriptions")
	for in, fields := range map[string][]string{
		"topology": keys(all), "topic": keys(topics), "row.subscription": keys(subscriptions),
		"row.rule": keys(below(subscriptions, "rules")), "queue": keys(queues),
	} {
		if len(fields) < 2 {
			t.Errorf("%s has only the fields %v", in, fields)
		}
		for _, field := range fields {
			used := in + "." + field
			if in == "topic" && field == "subscriptions" {
				used = "map(topic.subscriptions"
			}
			if !regexp.MustCompile(regexp.QuoteMeta(used) + `\b`).MatchString(text) {
				t.Errorf("servicebus.bicep does not use %s", used)
			}
			// Azure's own name for it, in the properties of the resource.
			if regexp.MustCompile(`[a-z]+[A-Z]`).MatchString(field) && !strings.Contains(text, field+": "+used+"\n") && !strings.Contains(text, field+": "+used+" }") {
				t.Errorf("servicebus.bicep does not set %s to %s", field, used)
			}
		}
	}
	for variable, want := range map[string]string{
		"commandsTopic": servicebus.TopicCommands, "notificationsTopic": servicebus.TopicNotifications, "auditSubscription": servicebus.SubscriptionAudit,
	} {
		if !strings.Contains(text, "var "+variable+" = '"+want+"'\n") {
			t.Errorf("servicebus.bicep: %s is not %s", variable, want)
		}
	}
}

// Built-in roles of Azure, as its documentation lists them.
var roleIDs = map[string]string{
	"dataOwner":    "090c5cfd-751d-490a-894a-3ce6f1109419",
	"dataSender":   "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
	"dataReceiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
}

// Who may do what, and where: the loop, the scope and the role of each grant.
func TestBicepGrants(t *testing.T) {
	grant := regexp.MustCompile(`(?s)resource (\w+) 'Microsoft.Authorization/roleAssignments@[\d-]+' = \[for ([^:]+): \{\n  name: guid\([^\n]*\)\n(?:  scope: ([^\n]+)\n)?  properties: \{\n    principalId: (?:\w+\.)?principal\n    roleDefinitionId: (\w+(?:\.id)?)\n  \}\n\}\]`)
	for file, want := range map[string]map[string][]string{
		"servicebus.bicep": {
			"owning":                {"principal in owners", "bus", "dataOwner"},
			"topicSenders":          {"grant in sendGrants", "topics[indexOf(topicNames, grant.path)]", "dataSender"},
			"subscriptionListeners": {"grant in listenGrants", "subscriptions[indexOf(subscriptionNames, grant.path)]", "dataReceiver"},
			"chatbotListeners":      {"(bot, i) in chatbots", "chatbotSubscriptions[i]", "dataReceiver"},
			"queueSenders":          {"grant in queueGrants", "queues[indexOf(queueNames, grant.path)]", "dataSender"},
			"queueListeners":        {"grant in queueGrants", "queues[indexOf(queueNames, grant.path)]", "dataReceiver"},
		},
		"site-recovery-roles.bicep": {
			"allLook":            {"principal in services", "vault", "look.id"},
			"validatorsRefresh":  {"principal in validators", "vault", "refresh.id"},
			"executorsReprotect": {"principal in executors", "vault", "reprotect.id"},
		},
		"grant.bicep": {"granted": {"principal in principals", "", "role"}},
	} {
		text := readBicep(t, file)
		got := map[string][]string{}
		for _, m := range grant.FindAllStringSubmatch(text, -1) {
			got[m[1]] = m[2:]
			if _, builtIn := roleIDs[m[4]]; !builtIn {
				continue // one of roles.json, by the resource that makes it, or a parameter
			}
			line := "var " + m[4] + " = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '" + roleIDs[m[4]] + "')\n"
			if !strings.Contains(text, line) {
				t.Errorf("%s: %s is not the role %s", file, m[4], roleIDs[m[4]])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-wanted +is):\n%s", file, diff)
		}
		if n := strings.Count(text, "Microsoft.Authorization/roleAssignments@"); n != len(want) {
			t.Errorf("%s has %d role assignments, of which %d are known here", file, n, len(want))
		}
	}
}

// Each role of roles.json is made with its name, its words and its actions, and nothing besides.
func TestBicepMakesTheRoles(t *testing.T) {
	text := readBicep(t, "site-recovery-roles.bicep")
	made := regexp.MustCompile(`(?s)resource (\w+) 'Microsoft.Authorization/roleDefinitions@[\d-]+' = \{\n  name: guid\(vault.id, '(\w+)'\)\n  properties: \{\n    roleName: '\$\{roles\.(\w+)\.name\} \$\{vaultName\}'\n    description: roles\.(\w+)\.description\n    type: 'CustomRole'\n    assignableScopes: [^\n]+\n    permissions: \[\{ actions: roles\.(\w+)\.actions \}\]\n  \}\n\}`)
	var names []string
	for _, m := range made.FindAllStringSubmatch(text, -1) {
		if names = append(names, m[1]); slices.ContainsFunc(m[2:], func(word string) bool { return word != m[1] }) {
			t.Errorf("role %s mixes %v", m[1], m[2:])
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(readRoles(t))); !slices.Equal(names, want) || strings.Count(text, "roleDefinitions@") != len(want) {
		t.Errorf("it makes %v, roles.json has %v", names, want)
	}
}

// No key is made, read or handed out.
func TestBicepHasNoSecrets(t *testing.T) {
	for _, file := range []string{"servicebus.bicep", "site-recovery-roles.bicep", "grant.bicep"} {
		text := readBicep(t, file)
		if secret := regexp.MustCompile(`(?i)list(keys|secrets)|(primary|secondary|sharedaccess)key|connectionstring|authorizationrules`).FindString(text); secret != "" {
			t.Errorf("%s: %s", file, secret)
		}
		for _, line := range regexp.MustCompile(`(?m)^output .*$`).FindAllString(text, -1) {
			if !strings.Contains(line, "bus.properties.serviceBusEndpoint") {
				t.Errorf("%s: %s", file, line)
			}
		}
	}
}

// words of Bicep itself, and the functions of Azure that the files use.
var words = strings.Fields(`param var type resource module output existing for in string bool true false
any contains empty filter flatten guid indexOf loadJsonContent map replace resourceGroup split subscription subscriptionResourceId union uniqueString
allowed batchSize description maxLength minLength`)

// No compiler for Bicep runs here. What it would find first does: names that nothing declares, declared ones that
// nothing uses, brackets that do not close.
func TestBicepNames(t *testing.T) {
	for _, file := range []string{"servicebus.bicep", "site-recovery-roles.bicep", "grant.bicep"} {
		text := readBicep(t, file)
		inside := regexp.MustCompile(`\$\{([^}]*)\}`)
		text = regexp.MustCompile(`'[^'\n]*'`).ReplaceAllStringFunc(text, func(quoted string) string { // keep what is interpolated
			var code []string
			for _, m := range inside.FindAllStringSubmatch(quoted, -1) {
				code = append(code, m[1])
			}
			return "(" + strings.Join(code, " ") + ")"
		})
		var open []rune
		for _, r := range text {
			switch i := strings.IndexRune("([{)]}", r); {
			case i >= 3 && (len(open) == 0 || open[len(open)-1] != rune("([{"[i-3])):
				t.Fatalf("%s: %c closes nothing", file, r)
			case i >= 3:
				open = open[:len(open)-1]
			case i >= 0:
				open = append(open, r)
			}
		}
		if len(open) > 0 {
			t.Errorf("%s: %q stays open", file, string(open))
		}
		declared := map[string]int{}
		for _, m := range regexp.MustCompile(`(?m)^(?:param|var|type|resource|module) (\w+)|^output (?:\w+)`).FindAllStringSubmatch(text, -1) {
			declared[m[1]] = 0
		}
		local := regexp.MustCompile(`\bfor \(?(\w+)(?:, (\w+)\))? in|(\w+) =>`)
		for _, m := range local.FindAllStringSubmatch(text, -1) {
			for _, name := range m[1:] {
				declared[name] = 1
			}
		}
		// A word before a colon, or behind a point, is a property.
		code := regexp.MustCompile(`(?m)\.\w+|(?:^|[{,]) *\w+:|^(param|var|type|resource|module|output) \w+`).ReplaceAllString(text, " ")
		for _, name := range regexp.MustCompile(`[A-Za-z]\w*`).FindAllString(code, -1) {
			if _, is := declared[name]; !is && !slices.Contains(words, name) {
				t.Errorf("%s: nothing declares %s", file, name)
			}
			declared[name]++
		}
		for name, n := range declared {
			makes := regexp.MustCompile(`(?m)^(resource|module) ` + regexp.QuoteMeta(name) + `\b`).MatchString(text)
			if n == 0 && name != "" && !makes {
				t.Errorf("%s: nothing uses %s", file, name)
			}
		}
	}
}

// The commands of the README give each file the parameters that it has.
func TestReadmeDeploysBicep(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n")
	deployed := 0
	for _, command := range commands {
		m := regexp.MustCompile(`^az deployment group create .*--template-file (\S+) +--parameters (.*)$`).FindStringSubmatch(command)
		if m == nil {
			continue
		}
		deployed++
		file := readBicep(t, m[1])
		var given []string
		for _, p := range regexp.MustCompile(`(?:^| )(\w+)=`).FindAllStringSubmatch(m[2], -1) {
			given = append(given, p[1])
			if !regexp.MustCompile(`(?m)^param ` + p[1] + ` `).MatchString(file) {
				t.Errorf("%s has no parameter %s", m[1], p[1])
			}
		}
		for _, p := range regexp.MustCompile(`(?m)^param (\w+) [^=\n]+$`).FindAllStringSubmatch(file, -1) {
			if !slices.Contains(given, p[1]) {
				t.Errorf("%s needs the parameter %s", m[1], p[1])
			}
		}
	}
	if deployed != 2 {
		t.Errorf("the README deploys %d files", deployed)
	}
}
