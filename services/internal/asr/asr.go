// Package asr is the vault as the product sees it: Site Recovery's classic and modernized VMware protection
// behind one door, as plain facts.
//
// It is the only importer of the Site Recovery SDK, which it uses unmodified (API version 2025-01-01). Nothing
// differs between a lab and production but Options.Endpoint, Options.CAFile and the credential. Every error is
// a *observed.Fault that says what happened to which machine or vault and what to do; none holds a secret.
//
// What the service says was learned from the SDK's source and from recorded traffic; where a field is not what
// its name suggests, the conversion says so.
package asr

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	sr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/recoveryservices/armrecoveryservicessiterecovery/v2"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"reprotect.example/services/internal/looks"
	"reprotect.example/services/observed"
)

// Options of a client. Subscription, ResourceGroup, Vault and Credential are required.
type Options struct {
	Subscription, ResourceGroup, Vault string
	Credential                         azcore.TokenCredential

	Endpoint string // https address of Azure Resource Manager; "" is the cloud's own
	Cloud    string // public (or ""), usgov, china
	CAFile   string // PEM file of certificate authorities to trust beside the system's; "" is the system's only

	// Transport carries the requests; nil: the network. A simulation hands them to its vault directly.
	Transport http.RoundTripper

	// Look is the pace at which the vault is read, 30 s when zero. Fabrics, policies, mappings, vCenters and
	// plans change rarely: they are read at most every ten looks.
	Look time.Duration

	// Throttle is shared by all clients of the subscription in this process; nil: one of this client's own.
	Throttle *Throttle

	Now func() time.Time // nil: time.Now
	Log *zap.Logger      // nil: none
}

// Counters count requests to Azure since the client was made, every try for itself.
type Counters struct {
	Reads, Writes, Throttled int64
}

// Client reads one vault and submits to it. All methods may be called at the same time.
type Client struct {
	options   Options
	login     *login
	cloud     cloud.Configuration
	transport policy.Transporter
	retry     policy.RetryOptions // of reads

	read  *sr.ClientFactory // tries again as the SDK does, but not after 429: see gate
	pages pages             // lists, through the same
	write *sr.ClientFactory // tries once: a submission that is sent twice starts two jobs

	reads, writes, throttled atomic.Int64

	looks *looks.Shared[bool, observed.Vault] // asked whether everything is to be read anew
	kept  keptParts
	full  fullItems
	was   origins
}

var clouds = map[string]cloud.Configuration{
	"": cloud.AzurePublic, "public": cloud.AzurePublic, "usgov": cloud.AzureGovernment, "china": cloud.AzureChina,
}

// New makes a client; it asks Azure nothing. Errors name the option that is wrong.
func New(o Options) (*Client, error) { return newClient(o, policy.RetryOptions{}) }

func newClient(o Options, retry policy.RetryOptions) (*Client, error) {
	for _, required := range []struct{ name, value string }{
		{"subscription", o.Subscription}, {"resource group", o.ResourceGroup}, {"vault name", o.Vault},
	} {
		if required.value == "" {
			return nil, wrongOption("the "+required.name+" is missing", "name the vault's subscription, resource group and name in the site's config", nil)
		}
	}
	if o.Credential == nil {
		return nil, wrongOption("no credential was given", "make one with Credential", nil)
	}
	if o.Look <= 0 {
		o.Look = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Throttle == nil {
		o.Throttle = NewThrottle(o.Now)
	}
	c := &Client{options: o, login: &login{credential: o.Credential}, retry: retry}
	c.retry.ShouldRetry = askAgain
	c.looks = looks.New(o.Now, c.look)
	var err error
	if c.cloud, err = o.configuration(); err != nil {
		return nil, err
	}
	if c.transport, err = o.transport(); err != nil {
		return nil, err
	}
	if c.read, err = sr.NewClientFactory(o.Subscription, c.login, c.pipeline(&o.Throttle.reads, &c.reads, c.retry)); err != nil {
		return nil, wrongOption(err.Error(), "check the vault's settings", err)
	}
	manager, err := arm.NewClient("reprotect", "v1.0.0", c.login, c.pipeline(&o.Throttle.reads, &c.reads, c.retry))
	if err != nil {
		return nil, wrongOption(err.Error(), "check the vault's settings", err)
	}
	c.pages = pages{Client: manager, decoded: new(decoded), vault: "/subscriptions/" + url.PathEscape(o.Subscription) + "/resourceGroups/" + url.PathEscape(o.ResourceGroup) +
		"/providers/Microsoft.RecoveryServices/vaults/" + url.PathEscape(o.Vault)}
	c.full = fullItems{pace: rate.NewLimiter(readsPerSecond, readsBurst), items: map[string]fullItem{}}
	c.was.items = map[string]origin{}
	if c.write, err = sr.NewClientFactory(o.Subscription, c.login, c.pipeline(&o.Throttle.writes, &c.writes, policy.RetryOptions{MaxRetries: -1})); err != nil {
		return nil, wrongOption(err.Error(), "check the vault's settings", err)
	}
	return c, nil
}

// pipeline is how requests go out through a gate.
func (c *Client) pipeline(gate *gate, requests *atomic.Int64, retry policy.RetryOptions) *arm.ClientOptions {
	return &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{
			Cloud: c.cloud, Retry: retry, Transport: c.transport,
			Telemetry:        policy.TelemetryOptions{ApplicationID: "reprotect"},
			PerCallPolicies:  []policy.Policy{gate},
			PerRetryPolicies: []policy.Policy{&counter{requests: requests, throttled: &c.throttled}},
		},
		DisableRPRegistration: true, // needs a permission that the product's role has not
	}
}

// Reading is what a reader of another Azure service needs to ask as this client does: its credential, cloud,
// trust, retries and counters. What that service throttles does not stop this client.
func (c *Client) Reading() (azcore.TokenCredential, *arm.ClientOptions) {
	return c.login, c.pipeline(&gate{now: c.options.Now}, &c.reads, c.retry)
}

// Fault gives an error of such a reader the form of this client's own: a *observed.Fault that holds no secret. What
// says what could not be done.
func (c *Client) Fault(what string, err error) error { return c.fault(what, err) }

// Counters returns how much was asked so far.
func (c *Client) Counters() Counters {
	return Counters{Reads: c.reads.Load(), Writes: c.writes.Load(), Throttled: c.throttled.Load()}
}

func (c *Client) vaultID() string {
	return "/subscriptions/" + c.options.Subscription + "/resourceGroups/" + c.options.ResourceGroup +
		"/providers/Microsoft.RecoveryServices/vaults/" + c.options.Vault
}

func (o Options) configuration() (cloud.Configuration, error) {
	configuration, err := cloudNamed(o.Cloud)
	if err != nil || o.Endpoint == "" {
		return configuration, err
	}
	if u, err := url.Parse(o.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
		return configuration, wrongOption("the endpoint is not an https address", "give it as https://host:port; a token is never sent over plain http", nil)
	}
	configuration.Services = maps.Clone(configuration.Services)
	manager := configuration.Services[cloud.ResourceManager]
	manager.Endpoint = strings.TrimRight(o.Endpoint, "/")
	configuration.Services[cloud.ResourceManager] = manager
	return configuration, nil
}

func cloudNamed(name string) (cloud.Configuration, error) {
	configuration, ok := clouds[strings.ToLower(name)]
	if !ok {
		return configuration, wrongOption(fmt.Sprintf("the cloud %q is unknown", name), "use public, usgov or china", nil)
	}
	return configuration, nil
}

// transport is nil, which means the SDK's own, unless further authorities are to be trusted.
func (o Options) transport() (policy.Transporter, error) {
	if o.Transport != nil {
		return &http.Client{Transport: o.Transport}, nil
	}
	if o.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, wrongOption("the CA file cannot be read: "+err.Error(), "name a readable PEM file", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, wrongOption(fmt.Sprintf("the CA file %s holds no certificate", o.CAFile), "name a PEM file of certificate authorities", nil)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

func wrongOption(what, remedy string, err error) error {
	return &observed.Fault{Class: observed.Permanent, Code: CodeOptions, What: "the Site Recovery client cannot be set up: " + what, Remedy: remedy, Err: err}
}
