package vsphere

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

const (
	// loginLimit bounds a login, which runs apart from the callers that wait for it.
	loginLimit = 30 * time.Second
	// loginPause is how long a refused login is not tried again. vCenter locks an account after five failures
	// within three minutes by default; a retrying service must not be the one that locks it.
	loginPause = time.Minute
)

// session is one login at the vCenter with what was learned at once.
type session struct {
	vim      *vim25.Client
	user     types.UserSession
	managers managers
	all      types.ManagedObjectReference // view of every machine and place, kept up to date by vCenter
	log      *zap.Logger
}

// sessions hands out the one live session and replaces it when it died.
type sessions struct {
	client   *Client
	endpoint *url.URL
	username string
	password string

	flight singleflight.Group

	mu      sync.Mutex
	current *session
	refused error     // the last login, when it was refused
	until   time.Time // until when that answer stands
}

func newSessions(c *Client, endpoint *url.URL, username, password string) *sessions {
	return &sessions{client: c, endpoint: endpoint, username: username, password: password}
}

// with runs f in a live session. When the session turns out to be dead, it logs in again and runs f once more.
func (ss *sessions) with(ctx context.Context, f func(*session) error) error {
	s, err := ss.live(ctx, nil)
	if err != nil {
		return err
	}
	if err = f(s); !fault.Is(err, &types.NotAuthenticated{}) {
		return err
	}
	ss.client.log.Debug("vCenter session expired", zap.String("vcenter", ss.client.url))
	if s, err = ss.live(ctx, s); err != nil {
		return err
	}
	return f(s)
}

// live returns a session other than dead. However many callers ask at once, one login is made for all of them;
// it goes on when the caller that started it gives up.
func (ss *sessions) live(ctx context.Context, dead *session) (*session, error) {
	for {
		if s := ss.peek(); s != nil && s != dead {
			return s, nil
		}
		ch := ss.flight.DoChan("login", func() (any, error) {
			if s := ss.peek(); s != nil && s != dead {
				return s, nil
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginLimit)
			defer cancel()
			return ss.login(ctx)
		})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case r := <-ch:
			if r.Err != nil {
				return nil, r.Err
			}
			// A flight that another caller started may have settled for the session that is dead to this one.
			if s := r.Val.(*session); s != dead {
				return s, nil
			}
		}
	}
}

func (ss *sessions) peek() *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.current
}

// forget drops the live session and returns it.
func (ss *sessions) forget() *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.current
	ss.current = nil
	return s
}

func (ss *sessions) login(ctx context.Context) (*session, error) {
	ss.mu.Lock()
	refused, until := ss.refused, ss.until
	ss.mu.Unlock()
	if refused != nil && ss.client.now().Before(until) {
		return nil, refused
	}

	// A SOAP client of its own for every session: a fresh cookie jar, the shared connections.
	sc := soap.NewClient(ss.endpoint, false)
	sc.Client.Transport = vCenterOnly{ss.client.transport}
	vim, err := vim25.NewClient(ctx, sc)
	if err != nil {
		return nil, err
	}
	res, err := methods.Login(ctx, vim, &types.Login{
		This:     *vim.ServiceContent.SessionManager,
		UserName: ss.username,
		Password: ss.password,
		Locale:   "en_US", // fault messages that can be looked up
	})
	if err != nil {
		err = &loginError{user: ss.username, err: err}
		if fault.Is(err, &types.InvalidLogin{}) {
			ss.mu.Lock()
			ss.refused, ss.until = err, ss.client.now().Add(loginPause)
			ss.mu.Unlock()
		}
		return nil, err
	}
	s := &session{vim: vim, user: res.Returnval, log: ss.client.log}
	if err := s.open(ctx); err != nil {
		// The login is good and nobody will use it: each try would leave one more at the vCenter.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutLimit)
		defer cancel()
		s.logout(ctx)
		return nil, err
	}
	ss.mu.Lock()
	ss.current, ss.refused = s, nil
	ss.mu.Unlock()
	ss.client.log.Debug("logged in to vCenter", zap.String("vcenter", ss.client.url), zap.String("user", s.user.UserName))
	return s, nil
}

// logoutLimit bounds the logout of a session that turned out to be of no use.
const logoutLimit = 5 * time.Second

// open learns what every look needs.
func (s *session) open(ctx context.Context) (err error) {
	if s.managers, err = readManagers(ctx, s); err != nil {
		return err
	}
	s.all, err = viewAll(ctx, s)
	return err
}

// logout ends the session at the vCenter, as far as that can be reached.
func (s *session) logout(ctx context.Context) {
	if _, err := methods.Logout(ctx, s.vim, &types.Logout{This: *s.vim.ServiceContent.SessionManager}); err != nil {
		s.log.Debug("vCenter logout failed; the session ends there when it has been idle", zap.Error(err))
	}
}
