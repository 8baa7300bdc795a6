// Package vsphere reads a vCenter: machines, hosts, datastores, privileges and licences, as observations. It changes
// nothing there.
//
// One look costs the same few calls whether it is about one machine or fifty: a slim list of names and UUIDs,
// one closure over the machines in question with their hosts, datastores and clusters, the privileges, the
// licences; and the tasks of each machine that writes the disks of others, of which there are few. A property that could not be read is noted beside its machine and never fails the look.
//
// It is the only importer of govmomi outside the lab.
package vsphere

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vmware/govmomi/vim25/soap"
	"go.uber.org/zap"

	"reprotect.example/services/observed"
)

// lookLimit bounds one look, so that a vCenter that accepts connections and never answers cannot hold a caller
// that set no deadline. A look at ten thousand machines takes about two seconds.
const lookLimit = 2 * time.Minute

// Options say which vCenter to read and as whom.
type Options struct {
	URL      string // https://host[:port][/sdk]; without a user
	Username string
	Password string

	// Thumbprint pins the server's certificate: SHA-1 or SHA-256 in hex, colons optional. With it only that
	// certificate is accepted, whoever signed it. Without it the chain must lead to CAFile, or to the
	// system's roots when CAFile is empty too.
	Thumbprint string
	CAFile     string // PEM

	// Proxy is the address of an HTTP proxy in front of the vCenter, NoProxy, or "": as the environment says.
	Proxy string

	Log *zap.Logger      // nil: silent
	Now func() time.Time // nil: time.Now
}

// Client reads one vCenter. It logs in when first used and again when its session has died. Safe for
// concurrent use: calls share one session.
type Client struct {
	url       string
	sessions  *sessions
	transport *http.Transport
	log       *zap.Logger
	now       func() time.Time
}

// New prepares a client; it does not connect. An error names the option that is wrong.
func New(o Options) (*Client, error) {
	u, err := endpoint(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Username == "" || o.Password == "" {
		return nil, fmt.Errorf("vCenter %s: user name and password are both needed: set vcenter.username and vcenter.passwordFile", u.Host)
	}
	tlsConfig, err := trust(o.Thumbprint, o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("vCenter %s: %w", u.Host, err)
	}
	c := &Client{url: u.String(), log: o.Log, now: o.Now}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.transport = http.DefaultTransport.(*http.Transport).Clone()
	if c.transport.Proxy, err = proxyOf(o.Proxy); err != nil {
		return nil, fmt.Errorf("vCenter %s: %w", u.Host, err)
	}
	c.transport.OnProxyConnectResponse = refusesTunnel
	c.transport.TLSClientConfig = tlsConfig
	c.transport.ForceAttemptHTTP2 = false // as govmomi does: vCenter's SDK endpoint speaks HTTP/1.1
	c.sessions = newSessions(c, u, o.Username, o.Password)
	return c, nil
}

// endpoint parses a vCenter URL and completes it. Its errors never repeat the text, which may hold a password.
func endpoint(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("vCenter URL is empty: set vcenter.url, such as https://vcenter.example/sdk")
	}
	u, err := soap.ParseURL(s)
	if err != nil {
		return nil, errors.New("vCenter URL cannot be parsed: set vcenter.url to something like https://vcenter.example/sdk")
	}
	if u.Scheme != "https" {
		return nil, fmt.Errorf("vCenter URL has scheme %q: only https is accepted, because a password travels over it", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("vCenter URL names no host: set vcenter.url to something like https://vcenter.example/sdk")
	}
	if u.User.String() != ":" { // what ParseURL puts where there was none
		return nil, fmt.Errorf("vCenter URL of %s holds a user: set vcenter.username and vcenter.passwordFile instead", u.Host)
	}
	u.User = nil
	return u, nil
}

// Inventory looks at the machines of a query, their hosts, every datastore of those hosts with its cluster, the
// account's privileges there, the hosts' licences, and what moved the writers in the last seven days. Machines that vCenter does not show are simply not in the result:
// deleted, or hidden from the account. Errors are *observed.Fault, or the context's own when the caller cancelled.
func (c *Client) Inventory(ctx context.Context, q observed.Query) (observed.Inventory, error) {
	return c.look(ctx, "read the inventory", func(ctx context.Context, s *session) (observed.Inventory, error) {
		dir, err := readDirectory(ctx, s)
		if err != nil {
			return observed.Inventory{}, err
		}
		refs := dir.find(q.VMs)
		objects, err := readClosure(ctx, s, refs)
		if err != nil {
			return observed.Inventory{}, err
		}
		inv := observed.Inventory{Unread: map[string]string{}}
		decode(&inv, objects, dir)
		if !settled(inv, q.Writers) { // one may have another name than its guest, which is asked of all then
			guests, err := readGuests(ctx, s)
			if err != nil {
				return observed.Inventory{}, err
			}
			dir.introduce(guests)
			if more := dir.find(q.VMs); len(more) > len(refs) {
				refs = more
				if objects, err = readClosure(ctx, s, refs); err != nil {
					return observed.Inventory{}, err
				}
				inv = observed.Inventory{Unread: map[string]string{}}
				decode(&inv, objects, dir)
			}
		}
		if err := readRemovals(ctx, s, &inv, q.VMs, c.now()); err != nil {
			return observed.Inventory{}, err
		}
		if err := readMoves(ctx, s, &inv, dir, q.Writers, c.now()); err != nil {
			return observed.Inventory{}, err
		}
		if err := readPrivileges(ctx, s, &inv, privilegeEntities(dir, objects)); err != nil {
			return observed.Inventory{}, err
		}
		err = readLicences(ctx, s, &inv)
		return inv, err
	})
}

// settled says whether every writer that is asked for was found so that no guest of another machine can tell otherwise.
func settled(inv observed.Inventory, refs []observed.VMRef) bool {
	finder := observed.NewFinder(inv.VMs)
	return !slices.ContainsFunc(refs, func(ref observed.VMRef) bool {
		return !finder.Find(ref).Confirmed()
	})
}

// Datastores looks at every datastore and host that the account can see. Privileges and licences are not part
// of it and are noted as unread.
func (c *Client) Datastores(ctx context.Context) (observed.Inventory, error) {
	return c.look(ctx, "list the datastores", func(ctx context.Context, s *session) (observed.Inventory, error) {
		objects, err := readStorage(ctx, s)
		if err != nil {
			return observed.Inventory{}, err
		}
		if !showsDatacenter(objects) {
			return observed.Inventory{}, errNoDatacenter
		}
		const reason = "not part of a look at datastores"
		inv := observed.Inventory{Unread: map[string]string{unreadPrivileges: reason, unreadLicence: reason}}
		decode(&inv, objects, newDirectory(objects))
		return inv, nil
	})
}

// Close ends the session at the vCenter, as far as that can be reached, and the idle connections. The client
// logs in again when it is used after.
func (c *Client) Close(ctx context.Context) {
	if s := c.sessions.forget(); s != nil {
		s.logout(ctx)
	}
	c.transport.CloseIdleConnections()
}

// look runs one read in a live session, heads its result, and turns its error into a fault.
func (c *Client) look(ctx context.Context, what string, read func(context.Context, *session) (observed.Inventory, error)) (observed.Inventory, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var inv observed.Inventory
	err := c.sessions.with(ctx, func(s *session) (err error) {
		if inv, err = read(ctx, s); err != nil {
			return err
		}
		about := s.vim.ServiceContent.About
		inv.Version, inv.InstanceID, inv.User = about.Version, about.InstanceUuid, s.user.UserName
		return nil
	})
	if err != nil {
		return observed.Inventory{}, c.fault(what, err)
	}
	inv.Taken, inv.URL = c.now(), c.url
	return inv, nil
}
