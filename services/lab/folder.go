package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"reprotect.example/services/lab/asrsim"
	"reprotect.example/services/lab/scenario"
)

const configName = "reprotect.yaml"

// folder is what the lab writes.
type folder struct {
	ready                    Ready
	scenario                 scenario.Scenario
	logStorage               string
	serverAddress            string // of the configuration server; "" when there is none
	probed                   *port
	caPEM                    []byte
	azureToken, controlToken string
}

// writeFolder writes the files, lab.json last: who finds it finds all of them.
func writeFolder(dir string, f folder) error {
	config, err := f.config()
	if err != nil {
		return err
	}
	lab, err := json.Marshal(handle{Control: f.ready.Control, Token: f.controlToken, CAFile: f.ready.Azure.CAFile})
	if err != nil {
		return err
	}
	type file struct {
		path    string
		content []byte
	}
	files := []file{
		{f.ready.Azure.CAFile, f.caPEM},
		{f.ready.Azure.TokenFile, []byte(f.azureToken + "\n")},
		{filepath.Join(dir, "vcenter-password"), []byte(f.ready.VCenter.Password + "\n")},
		{f.ready.Config, config},
	}
	if bus := f.ready.ServiceBus; bus != nil {
		files = append(files, file{filepath.Join(dir, "servicebus-connection"), []byte(bus.ConnectionString + "\n")})
	}
	for _, file := range append(files, file{filepath.Join(dir, handleName), lab}) {
		if err := os.WriteFile(file.path, file.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// freePort is a port of loopback that is free now: with Service Bus, the journal must be found where the config says.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// config is the text of reprotect.yaml. HTTP listens on a free port, since the services may run as several
// processes with this one file.
func (f folder) config() ([]byte, error) {
	s := f.scenario
	values := struct {
		Ready
		MasterTarget, RetentionDrive         map[string]string
		ProcessServer, Appliance, LogStorage string
		ServerAddress, ProbeName, Probe      string
		AgentWait, Look                      time.Duration
		StartsPerMinute                      int
		Journal                              string
	}{
		Ready: f.ready, LogStorage: f.logStorage,
		ServerAddress: f.serverAddress, ProbeName: f.probed.name, Probe: f.probed.address,
		MasterTarget: map[string]string{}, RetentionDrive: map[string]string{},
		AgentWait: max(s.Real(20*time.Minute), 30*time.Second), // time for a person to act
		Look:      max(s.Real(30*time.Second), 50*time.Millisecond),
		// That of the product, in simulated minutes.
		StartsPerMinute: max(int(60*float64(time.Minute)/float64(s.Real(time.Minute))), 1),
	}
	if f.ready.ServiceBus != nil {
		var err error
		if values.Journal, err = freePort(); err != nil {
			return nil, err
		}
	}
	for _, mt := range s.MasterTargets {
		if values.MasterTarget[mt.OS] == "" {
			values.MasterTarget[mt.OS], values.RetentionDrive[mt.OS] = mt.Name, mt.Retention
		}
	}
	if len(s.MasterTargets) > 0 {
		values.ProcessServer = asrsim.ProcessServer
	}
	if len(s.Appliances) == 1 { // of many, the product takes the one with the most room
		values.Appliance = s.Appliances[0].Name
	}
	var text bytes.Buffer
	if err := configTemplate.Execute(&text, values); err != nil {
		return nil, fmt.Errorf("write %s: %w", configName, err)
	}
	return text.Bytes(), nil
}

// Go's quoting of a string is also YAML's.
var configTemplate = template.Must(template.New(configName).Parse(`# Written by 'reprotect lab': against this lab, and only while it runs.
{{- with .NATS}}
bus:
  nats: {url: {{printf "%q" .URL}}}
{{- end}}
{{- with .ServiceBus}}
bus:
  serviceBus: {connectionStringFile: servicebus-connection}
{{- end}}
dataDir: data
azure: {endpoint: {{printf "%q" .Azure.Endpoint}}, caFile: ca.pem, tokenFile: azure-token}
sites:
  tokyo:
    vault:
      subscription: {{printf "%q" .Azure.Subscription}}
      resourceGroup: {{printf "%q" .Azure.ResourceGroup}}
      name: {{printf "%q" .Azure.Vault}}
    vcenter:
      url: {{printf "%q" .VCenter.URL}}
      username: {{printf "%q" .VCenter.Username}}
      passwordFile: vcenter-password
      caFile: ca.pem
    defaults:
      masterTarget: {windows: {{printf "%q" .MasterTarget.windows}}, linux: {{printf "%q" .MasterTarget.linux}}}
      processServer: {{printf "%q" .ProcessServer}}
      appliance: {{printf "%q" .Appliance}}
      datastore: auto
      retentionDrive: {windows: {{printf "%q" .RetentionDrive.windows}}, linux: {{printf "%q" .RetentionDrive.linux}}}
      logStorageAccount: {{printf "%q" .LogStorage}}
      runAsAccount: {windows: windows, linux: linux}
    network: {path: expressroute, probes: [{name: {{.ProbeName}}, address: {{printf "%q" .Probe}}}]}
{{- with .ServerAddress}}
    configurationServerAddress: {{printf "%q" .}}
{{- end}}
    limits: {agentWait: {{.AgentWait}}, look: {{.Look}}, jobWait: 24h, startsPerMinute: {{.StartsPerMinute}}}
http: {listen: "127.0.0.1:0"}
{{- with .Journal}}
journal: {listen: {{printf "%q" .}}}
{{- end}}
`))
