// Package config reads the YAML file with which every program of the product starts.
//
// Load is strict: an unknown key, a value of the wrong kind, a secret written into the file and a setting that
// cannot work are refused, all at once, each with its line and its path. What the file leaves out gets the
// documented default. Relative paths start from the folder of the file, not from where a program was started.
//
// The file holds no secrets, and so neither does a Config: it names files (…File) or environment variables
// (env:NAME), read when they are needed.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	yamlv3 "go.yaml.in/yaml/v3"
)

// Config is the whole file.
type Config struct {
	Bus     Bus    `koanf:"bus"`
	DataDir string `koanf:"dataDir"` // default ./data
	// RequestedBy is who asks by this config's commands, for the event log; "": $REPROTECT_REQUESTED_BY, else user@host.
	RequestedBy string          `koanf:"requestedBy"`
	Azure       Azure           `koanf:"azure"`
	Sites       map[string]Site `koanf:"sites"` // by name; at least one
	Notify      []Notify        `koanf:"notify"`
	HTTP        HTTP            `koanf:"http"`
	Journal     Journal         `koanf:"journal"`
	Audit       Audit           `koanf:"audit"`
}

// Bus is at most one of the two; with neither, JetStream runs inside the process, under DataDir.
type Bus struct {
	NATS       *NATS       `koanf:"nats"`
	ServiceBus *ServiceBus `koanf:"serviceBus"`
}

// Journal says where the journal's API is: who serves it listens there, who asks goes there.
type Journal struct {
	Listen    string `koanf:"listen"` // "" is http.listen
	URL       string `koanf:"url"`    // default: http:// and the address of Listen
	TokenFile string `koanf:"tokenFile"`
	CAFile    string `koanf:"caFile"`
}

// Audit says how the event log is proved.
type Audit struct {
	KeyFile string `koanf:"keyFile"` // the private key with which the journal signs checkpoints; "": it signs none
}

// JournalURL is where the journal answers.
func (c Config) JournalURL() string {
	if c.Journal.URL != "" {
		return c.Journal.URL
	}
	return "http://" + cmp.Or(c.Journal.Listen, c.HTTP.Listen)
}

// NATS is a server or cluster with JetStream.
type NATS struct {
	URL          string `koanf:"url"` // several are separated by commas
	CredsFile    string `koanf:"credsFile"`
	User         string `koanf:"user"`
	PasswordFile string `koanf:"passwordFile"`
	PasswordEnv  string `koanf:"password"` // env:NAME
	TLS          TLS    `koanf:"tls"`
	Replicas     int    `koanf:"replicas"` // of the streams: 1 (default), 3 or 5
	InboxPrefix  string `koanf:"inboxPrefix"`
}

// TLS names what to trust.
type TLS struct {
	CAFile string `koanf:"caFile"` // PEM; "" is the system's roots
}

// ServiceBus is an Azure Service Bus namespace: with the Azure credential, or by a connection string.
type ServiceBus struct {
	Namespace            string `koanf:"namespace"` // such as contoso.servicebus.windows.net
	ConnectionStringFile string `koanf:"connectionStringFile"`
	ConnectionStringEnv  string `koanf:"connectionString"` // env:NAME
	// WebSockets takes AMQP through HTTPS, port 443, instead of TCP 5671.
	WebSockets bool `koanf:"webSockets"`
	// Proxy is the HTTP proxy that WebSockets go through: its address, or env:NAME where that holds a password.
	Proxy string `koanf:"proxy"`
}

// Azure says which cloud. Endpoint, CAFile and TokenFile are for a lab; without TokenFile the SDK's default
// chain of credentials is used.
type Azure struct {
	Cloud     string `koanf:"cloud"` // public (default), usgov, china
	Endpoint  string `koanf:"endpoint"`
	CAFile    string `koanf:"caFile"`
	TokenFile string `koanf:"tokenFile"`
}

// Site is a vault and the vCenter to which its machines come home.
type Site struct {
	Name     string   `koanf:"-"` // its key; a token of subjects: a-z, 0-9 and -
	Vault    Vault    `koanf:"vault"`
	Fabric   string   `koanf:"fabric"` // "" where the vault has one
	VCenter  VCenter  `koanf:"vcenter"`
	Defaults Defaults `koanf:"defaults"`
	Network  Network  `koanf:"network"`
	Strict   bool     `koanf:"strict"` // a check that cannot be read blocks
	Limits   Limits   `koanf:"limits"`

	// ConfigurationServerAddress is the IP address of the configuration server as it is to be after a restore;
	// "" when none is recorded, and none is compared.
	ConfigurationServerAddress string `koanf:"configurationServerAddress"`

	// Inventory paths of the VMs of master targets and appliances, by the names that Site Recovery has for those. Only
	// what is not found by its id, host name or address needs one.
	MasterTargets map[string]string `koanf:"masterTargets"`
	Appliances    map[string]string `koanf:"appliances"`
}

// Vault is a Recovery Services vault.
type Vault struct {
	Subscription  string `koanf:"subscription"`
	ResourceGroup string `koanf:"resourceGroup"`
	Name          string `koanf:"name"`
}

// VCenter is the vCenter of a site and the account that reads it.
type VCenter struct {
	URL          string `koanf:"url"`
	Username     string `koanf:"username"`
	PasswordFile string `koanf:"passwordFile"`
	PasswordEnv  string `koanf:"password"`   // env:NAME
	Thumbprint   string `koanf:"thumbprint"` // SHA-1 or SHA-256 in hex, colons optional
	CAFile       string `koanf:"caFile"`
	Proxy        string `koanf:"proxy"` // address of an HTTP proxy, or none; "": as HTTPS_PROXY and NO_PROXY say
}

// Defaults apply where a request names nothing.
type Defaults struct {
	MasterTarget      ByOS   `koanf:"masterTarget"`
	ProcessServer     string `koanf:"processServer"`
	Appliance         string `koanf:"appliance"`
	Datastore         string `koanf:"datastore"` // a name, or auto (default)
	RetentionDrive    ByOS   `koanf:"retentionDrive"`
	LogStorageAccount string `koanf:"logStorageAccount"`
	RunAsAccount      ByOS   `koanf:"runAsAccount"` // by id or name: for a machine that is protected to Azure again, where which one it had is not known
}

// ByOS is a choice that depends on the machine's system.
type ByOS struct {
	Windows string `koanf:"windows"`
	Linux   string `koanf:"linux"`
}

// For returns the choice for windows or linux; "" for anything else.
func (b ByOS) For(os string) string {
	switch os {
	case "windows":
		return b.Windows
	case "linux":
		return b.Linux
	}
	return ""
}

// Network is what the operator says of the way between Azure and the site.
type Network struct {
	Path   string  `koanf:"path"` // vpn, expressroute; "" when not said
	Probes []Probe `koanf:"probes"`
}

// Probe is an address that must accept a TCP connection.
type Probe struct {
	Name    string `koanf:"name"`
	Address string `koanf:"address"` // host:port
}

// Limits pace the work of a site.
type Limits struct {
	AgentWait       time.Duration `koanf:"agentWait"`       // for the agent to register; default 20m
	Look            time.Duration `koanf:"look"`            // between two looks at the vault; default 30s
	JobWait         time.Duration `koanf:"jobWait"`         // for a job and its replication; default 24h
	StartsPerMinute int           `koanf:"startsPerMinute"` // submissions; default 60
	Concurrent      int           `koanf:"concurrent"`      // reprotects under way at once; default 20
}

// Notify is where notifications go. For every kind the address is a secret, since who knows it can write there.
type Notify struct {
	Name    string `koanf:"name"`
	Kind    string `koanf:"kind"` // teams, slack, webhook, email, pagerduty; bus says how stories are told on the bus, and has no address
	URLFile string `koanf:"urlFile"`
	URLEnv  string `koanf:"url"`     // env:NAME
	Channel string `koanf:"channel"` // of slack with a bot token: the id of the channel
	// The secret with which a webhook is signed, as Standard Webhooks has it: whsec_ and base64.
	SecretFile string `koanf:"secretFile"`
	SecretEnv  string `koanf:"secret"` // env:NAME

	Levels []string `koanf:"levels"` // info, warning, critical; default warning and critical
	Lang   string   `koanf:"lang"`   // en (default), ja
	Route  Route    `koanf:"route"`  // what else it must be about
	Detail string   `koanf:"detail"` // story (default), or machine: each fact by itself
	// Digest is how often a request that moves is told of at most; default 5m.
	Digest time.Duration `koanf:"digest"`
	// Stale is the age from which messages are posted as one summary; default 1h.
	Stale time.Duration `koanf:"stale"`
	Quiet string        `koanf:"quiet"` // hours without info, as in 22:00-07:00; "": none
	Zone  string        `koanf:"zone"`  // of these hours, as in Asia/Tokyo; "": UTC
}

// Kinds of channels, and how much they tell.
const (
	KindTeams     = "teams"
	KindSlack     = "slack"
	KindWebhook   = "webhook"
	KindEmail     = "email"
	KindPagerDuty = "pagerduty"
	KindBus       = "bus"

	DetailStory   = "story"
	DetailMachine = "machine"
)

// Route narrows what a channel takes; an empty list takes any.
type Route struct {
	Sites    []string `koanf:"sites"`
	Plans    []string `koanf:"plans"`
	Machines []string `koanf:"machines"` // patterns, as in web*
}

// QuietHours are the hours of the day in which nothing of level info is posted, since midnight; both 0: none.
func (n Notify) QuietHours() (from, to time.Duration, zone *time.Location, err error) {
	if zone, err = time.LoadLocation(cmp.Or(n.Zone, "UTC")); err != nil || n.Quiet == "" {
		return 0, 0, zone, err
	}
	begin, end, found := strings.Cut(n.Quiet, "-")
	if !found {
		return 0, 0, zone, errors.New("must be two times of the day, as in 22:00-07:00")
	}
	for _, part := range []struct {
		text string
		to   *time.Duration
	}{{begin, &from}, {end, &to}} {
		at, err := time.Parse("15:04", strings.TrimSpace(part.text))
		if err != nil {
			return 0, 0, zone, errors.New("must be two times of the day, as in 22:00-07:00")
		}
		*part.to = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	return from, to, zone, nil
}

// HTTP is the console, the API, /metrics and /ready.
type HTTP struct {
	Listen    string `koanf:"listen"`    // default 127.0.0.1:8480
	PublicURL string `koanf:"publicURL"` // where people reach the console, such as https://reprotect.example.com; "": at Listen
	Auth      *Auth  `koanf:"auth"`      // nil: nobody acts over HTTP, and only loopback reads
}

// Auth says who reads and acts over HTTP: one of the two.
type Auth struct {
	TokenFile string `koanf:"tokenFile"` // with a token: who has it acts
	Proxy     *Proxy `koanf:"proxy"`
}

// Proxy is a proxy that has asked people who they are, and says so in headers.
type Proxy struct {
	UserHeader   string   `koanf:"userHeader"`   // such as X-Forwarded-User
	GroupsHeader string   `koanf:"groupsHeader"` // groups separated by commas
	From         []string `koanf:"from"`         // the networks of the proxy: headers from elsewhere count for nothing
	Operators    []string `koanf:"operators"`    // groups whose members act; everybody else reads
	Approvers    []string `koanf:"approvers"`    // groups whose members approve
}

// OnLoopback says whether only this machine reaches http.listen.
func (h HTTP) OnLoopback() bool {
	host, _, err := net.SplitHostPort(h.Listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Path is the file that a program reads: the one it was told, else $REPROTECT_CONFIG, else reprotect.yaml.
func Path(told string) string {
	return cmp.Or(told, os.Getenv("REPROTECT_CONFIG"), "reprotect.yaml")
}

// Load reads and checks a file. The error is a Problems when the file could be read.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, missing(path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, fmt.Errorf("config %s: %w", path, err)
	}
	c, problems := parse(text)
	if len(problems) > 0 {
		return Config{}, Problems{File: path, List: problems}
	}
	c.resolve(folder)
	return c, nil
}

// missing is the path of a config that is not there.
type missing string

func (m missing) Error() string {
	return fmt.Sprintf("there is no config %s: name one with --config or $REPROTECT_CONFIG; 'reprotect config init' writes one to begin with", string(m))
}

func (m missing) Is(target error) bool { return target == os.ErrNotExist }

// parse works in three steps: the shape, on the YAML nodes, which know their lines; the values, decoded over
// the defaults; what the values mean. A step begins when the one before found nothing wrong.
func parse(text []byte) (Config, []Problem) {
	var document yamlv3.Node
	if err := yamlv3.Unmarshal(text, &document); err != nil {
		return Config{}, syntaxProblems(err)
	}
	s := shapeOf(&document)
	if len(s.problems) > 0 {
		return Config{}, s.problems
	}
	k := koanf.New(".")
	c := Config{}
	if err := errors.Join(k.Load(rawbytes.Provider(text), yaml.Parser()), setDefaults(k), k.Unmarshal("", &c)); err != nil {
		return Config{}, []Problem{{What: err.Error()}}
	}
	for name, site := range c.Sites {
		site.Name = name
		c.Sites[name] = site
	}
	for i := range c.Notify {
		c.Notify[i].setDefaults()
	}
	return c, c.check(s.lines)
}

// SiteNames lists the sites in alphabetical order.
func (c Config) SiteNames() []string { return slices.Sorted(maps.Keys(c.Sites)) }

// Problems is everything that is wrong with a file.
type Problems struct {
	File string
	List []Problem
}

// Problem is one of them. It never repeats a value that may be a secret.
type Problem struct {
	Line int    // 0 when there is none to point at
	Path string // such as sites.tokyo.vcenter.url; "" for the whole file
	What string // what is wrong, and what would be right
}

// Error has a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.String()
	}
	if len(lines) == 1 {
		return fmt.Sprintf("config %s: %s", p.File, lines[0])
	}
	return fmt.Sprintf("config %s: %d problems:\n  %s", p.File, len(lines), strings.Join(lines, "\n  "))
}

func (p Problem) String() string {
	s := p.What
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("line %d: %s", p.Line, s)
	}
	return s
}
