package asrsim

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Limit is the token bucket of the service; the real one has 250 reads burst and 25 a second, 200 writes and 10
// (documented). A burst of 0 is no limit.
type Limit struct {
	ReadBurst, WriteBurst           int
	ReadsPerSecond, WritesPerSecond float64
}

// gate is what stands before every handler: the network, the login, the throttle.
type gate struct {
	reads, writes *rate.Limiter // nil: no limit

	down, unauthorized bool
	throttled          int // requests still to be turned away
	retryAfter         time.Duration
}

func newGate(l Limit) gate {
	limiter := func(burst int, perSecond float64) *rate.Limiter {
		if burst <= 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	return gate{reads: limiter(l.ReadBurst, l.ReadsPerSecond), writes: limiter(l.WriteBurst, l.WritesPerSecond)}
}

// admit returns the answer of a request that goes no further.
func (g *gate) admit(s *Server, r *http.Request, rq *request, read bool) (rp reply, turnedAway bool) {
	if g.down {
		s.counts["down"]++
		return armError(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is temporarily unavailable. Please retry later."), true
	}
	if rp, bad := g.login(s, r, rq); bad {
		s.counts["unauthorized"]++
		return rp, true
	}
	wait, throttled := g.wait(read, rq.now)
	if !throttled {
		return reply{}, false
	}
	s.counts["throttled"]++
	sort := "write"
	if read {
		sort = "read"
	}
	return armError(http.StatusTooManyRequests, "SubscriptionRequestsThrottled", fmt.Sprintf(
		"Number of '%s' requests for subscription '%s' exceeded the limit. Please try again after '%s' seconds.",
		sort, s.sc.Subscription, seconds(wait))).with("Retry-After", seconds(wait)), true
}

// login demands the bearer token. The answers are those of Azure Resource Manager.
func (g *gate) login(s *Server, r *http.Request, rq *request) (rp reply, bad bool) {
	refuse := func(code, message, description string) (reply, bool) {
		tenant := s.sc.UUID("tenant", "")
		return armError(http.StatusUnauthorized, code, message).with("WWW-Authenticate", fmt.Sprintf(
			`Bearer authorization_uri="https://login.windows.net/%s", error="invalid_token", error_description="%s"`, tenant, description)), true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or not a bearer token.",
			"The authentication failed because of missing 'Authorization' header.")
	case g.unauthorized:
		return refuse("ExpiredAuthenticationToken", fmt.Sprintf(
			"The access token expiry UTC time '%s' is earlier than current UTC time '%s'.", stamp(rq.now.Add(-time.Minute)), stamp(rq.now)),
			"The access token has expired.")
	case s.opt.Token != "" && !sameToken(token, s.opt.Token):
		return refuse("InvalidAuthenticationToken", "The access token is invalid.", "Could not validate the access token.")
	}
	return reply{}, false
}

// wait says whether a request is over the limit, and when to come back.
func (g *gate) wait(read bool, now time.Time) (time.Duration, bool) {
	if g.throttled > 0 {
		g.throttled--
		return g.retryAfter, true
	}
	limiter := g.writes
	if read {
		limiter = g.reads
	}
	if limiter == nil || limiter.AllowN(now, 1) {
		return 0, false
	}
	missing := 1 - limiter.TokensAt(now)
	return time.Duration(math.Ceil(missing / float64(limiter.Limit()) * float64(time.Second))), true
}
