package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"
	"go.uber.org/zap"

	"reprotect.example/events/bus"
	"reprotect.example/events/bus/jetstream"
	"reprotect.example/events/bus/jetstream/embedded"
	"reprotect.example/events/bus/servicebus"
	"reprotect.example/services/internal/asr"
	"reprotect.example/services/internal/config"
	"reprotect.example/services/internal/journalclient"
	"reprotect.example/services/internal/telemetry"
)

// ErrNoBus says that the config names no bus and that no daemon runs which would have one inside.
var ErrNoBus = errors.New("no bus")

// Bus is a connection to the site's bus, whichever it is, and the server itself where it runs inside this process.
type Bus struct {
	bus.Broker
	NATS    *jetstream.Conn  // nil on Service Bus
	Azure   *servicebus.Conn // nil on NATS
	Journal *journalclient.Client

	config config.Config
	server *embedded.Server
	file   string
}

// Ready says why the bus cannot be used at the moment; nil when it can.
func (b *Bus) Ready() error {
	if b.Azure != nil {
		return b.Azure.Ready()
	}
	return b.NATS.Ready()
}

// directions say why the bus takes nothing from here, or gives nothing, at the moment; nil where it does.
func (b *Bus) directions() (sends, receives error) {
	if b.Azure != nil {
		return b.Azure.Sends(), b.Azure.Receives()
	}
	return b.NATS.Sends(), b.NATS.Receives()
}

// ahead is by how much the bus's clock is ahead of this machine's.
func (b *Bus) ahead() time.Duration {
	if b.Azure != nil {
		return b.Azure.Ahead()
	}
	return b.NATS.Ahead()
}

// store is what the bus has taken of its room. Service Bus tells that to nobody but administrators ('reprotect bus status').
func (b *Bus) store(ctx context.Context) (r jetstream.Room, known bool, err error) {
	if b.NATS == nil {
		return r, false, nil
	}
	r, err = b.NATS.Store(ctx)
	return r, err == nil, err
}

// Close cuts the connection and stops a server that runs inside.
func (b *Bus) Close() {
	if b.Journal != nil {
		b.Journal.Close()
	}
	if b.Azure != nil {
		b.Azure.Close()
	}
	if b.NATS != nil {
		b.NATS.Close()
	}
	if b.server != nil {
		_ = os.Remove(b.file)
		b.server.Close()
	}
}

// SetUp makes what the product needs on the bus, or brings what exists up to it. Groups are as for Consumers.
func (b *Bus) SetUp(ctx context.Context, groups ...[]string) error {
	if b.NATS != nil {
		return b.NATS.SetUp(ctx, NATSTopology(b.config, groups...))
	}
	_, err := b.SetUpAzure(ctx, false, groups...)
	return err
}

// SetUpAzure is SetUp on Service Bus, and says what it did; dry, it says what it would do.
func (b *Bus) SetUpAzure(ctx context.Context, dry bool, groups ...[]string) ([]bus.Difference, error) {
	client, err := azureAdmin(b.config)
	switch {
	case err != nil:
		return nil, err
	case dry:
		return AzureTopology(groups...).Differences(ctx, client)
	}
	return AzureTopology(groups...).Update(ctx, client)
}

// AzureStatus reads how far each service is behind, as Service Bus counts it.
func (b *Bus) AzureStatus(ctx context.Context) (servicebus.State, error) {
	client, err := azureAdmin(b.config)
	if err != nil {
		return servicebus.State{}, err
	}
	return servicebus.Status(ctx, client)
}

// AzureServices lists the services that are set up on Service Bus. A stand-in does not tell them, nor does Azure to an
// account that may not manage: then it lists those that there may be, for all sites of the config, for each, and for
// all that it names at once.
func (b *Bus) AzureServices(ctx context.Context) ([]string, error) {
	client, err := azureAdmin(b.config)
	if err == nil {
		var services []string
		if services, err = servicebus.Services(ctx, client); err == nil {
			return services, nil
		}
	}
	if !errors.Is(err, servicebus.ErrStandIn) && !errors.Is(err, bus.ErrNotPermitted) {
		return nil, err
	}
	sites := b.config.SiteNames()
	groups := [][]string{nil, sites}
	for _, site := range sites {
		groups = append(groups, []string{site})
	}
	var services []string
	for _, c := range Consumers(groups...) {
		services = append(services, c.Service)
	}
	slices.Sort(services)
	return slices.Compact(services), nil
}

// addMissing makes what a service needs and what is not there.
func (b *Bus) addMissing(ctx context.Context, c bus.Consumer) error {
	if b.NATS != nil {
		return b.NATS.AddMissing(ctx, natsTopology(b.config, c))
	}
	client, err := azureAdmin(b.config)
	if err != nil {
		return err
	}
	return servicebus.NewTopology(c).AddMissing(ctx, client)
}

func natsTopology(c config.Config, consumers ...bus.Consumer) []jetstream.Stream {
	replicas := 1
	if c.Bus.NATS != nil {
		replicas = c.Bus.NATS.Replicas
	}
	return jetstream.Topology(replicas, consumers...)
}

// OnServiceBus says whether the config names Azure Service Bus.
func OnServiceBus(c config.Config) bool { return c.Bus.ServiceBus != nil }

// NATSTopology is what must exist on the bus where that is NATS. Groups are as for Consumers.
func NATSTopology(c config.Config, groups ...[]string) []jetstream.Stream {
	return natsTopology(c, Consumers(groups...)...)
}

// AzureTopology is what must exist on the bus where that is Service Bus. Groups are as for Consumers.
func AzureTopology(groups ...[]string) servicebus.Topology {
	return servicebus.NewTopology(Consumers(groups...)...)
}

// OpenBus connects to the bus that the config names. Where it names none, a server inside this process keeps its
// files under dataDir; when another process on this machine has it running already, that one is used. Programs
// that only look in (serve false) never start a server.
func OpenBus(ctx context.Context, c config.Config, name string, serve bool, log *zap.Logger) (*Bus, error) {
	switch {
	case c.Bus.ServiceBus != nil:
		return openAzure(c, name, log)
	case c.Bus.NATS == nil:
		return openInside(ctx, c, name, serve, log)
	}
	n := c.Bus.NATS
	password, err := c.NATSPassword()
	if err != nil {
		return nil, err
	}
	conn, err := jetstream.Connect(jetstream.Options{
		URL: n.URL, CredsFile: n.CredsFile, User: n.User, Password: password,
		CAFile: n.TLS.CAFile, Name: name, InboxPrefix: n.InboxPrefix, Log: telemetry.Slog(log),
	})
	if err != nil {
		return nil, err
	}
	return onNATS(c, conn), nil
}

func onNATS(c config.Config, conn *jetstream.Conn) *Bus {
	return &Bus{Broker: conn, NATS: conn, config: c}
}

// JournalClient asks the journal of the config.
func JournalClient(c config.Config) (*journalclient.Client, error) {
	token, err := c.JournalToken()
	if err != nil {
		return nil, err
	}
	return journalclient.New(journalclient.Options{URL: c.JournalURL(), Token: token, CAFile: c.Journal.CAFile})
}

func openAzure(c config.Config, name string, log *zap.Logger) (*Bus, error) {
	secret, err := c.ServiceBusConnectionString()
	if err != nil {
		return nil, err
	}
	proxy, err := c.ServiceBusProxy()
	if err != nil {
		return nil, err
	}
	o := servicebus.Options{
		ConnectionString: secret, Namespace: c.Bus.ServiceBus.Namespace, Name: name, Log: telemetry.Slog(log),
		Way: servicebus.Way{WebSockets: c.Bus.ServiceBus.WebSockets, Proxy: proxy},
	}
	if secret == "" {
		if o.Credential, err = asr.Credential("", c.Azure.Cloud); err != nil {
			return nil, err
		}
	}
	journal, err := JournalClient(c)
	if err != nil {
		return nil, err
	}
	conn, err := servicebus.Connect(o)
	if err != nil {
		journal.Close()
		return nil, err
	}
	return &Bus{Broker: conn, Azure: conn, Journal: journal, config: c}, nil
}

func azureAdmin(c config.Config) (*admin.Client, error) {
	secret, err := c.ServiceBusConnectionString()
	if err != nil {
		return nil, err
	}
	if secret != "" {
		return servicebus.NewAdmin(secret, "", nil, nil)
	}
	credential, err := asr.Credential("", c.Azure.Cloud)
	if err != nil {
		return nil, err
	}
	return servicebus.NewAdmin("", c.Bus.ServiceBus.Namespace, credential, nil)
}

// address is what a process with the server inside leaves for the others on the machine.
type address struct {
	URL string `json:"url"` // holds the token: the file is for this account only
}

func openInside(ctx context.Context, c config.Config, name string, serve bool, log *zap.Logger) (*Bus, error) {
	dir := c.DataDir
	file := filepath.Join(dir, "bus.json")
	if conn, err := join(file, name, log); err == nil {
		return onNATS(c, conn), nil
	}
	if !serve {
		return nil, fmt.Errorf("%w: the config names none, and no reprotectd with dataDir %s runs here: start it, or name bus.nats in the config", ErrNoBus, dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("dataDir: %w", err)
	}
	server, err := embedded.Start(embedded.Options{Dir: filepath.Join(dir, "nats"), Token: rand.Text()})
	if err != nil {
		return nil, err
	}
	conn, err := jetstream.Connect(jetstream.Options{URL: server.URL(), Name: name, Log: telemetry.Slog(log)})
	if err != nil {
		server.Close()
		return nil, err
	}
	b := onNATS(c, conn)
	b.server, b.file = server, file
	raw, err := json.Marshal(address{server.URL()})
	if err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err == nil {
		err = b.SetUp(ctx)
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("bus inside this process: %w", err)
	}
	return b, nil
}

// join connects to the server that another process has inside.
func join(file, name string, log *zap.Logger) (*jetstream.Conn, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var a address
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	return jetstream.Connect(jetstream.Options{URL: a.URL, Name: name, Log: telemetry.Slog(log)})
}
