package asr

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"reprotect.example/services/observed"
)

// throttlePause is how long a client stays away after a 429 without Retry-After. Azure's bucket for reads
// refills with 25 a second (Microsoft Learn, "Understand how Azure Resource Manager throttles requests").
const throttlePause = 10 * time.Second

// Throttle keeps clients away from Azure for as long as a 429 asked. Azure throttles a principal in a subscription
// as a whole, so the clients of one subscription share one, and those of different subscriptions do not. Reads and
// writes have separate buckets and therefore separate gates.
type Throttle struct{ reads, writes gate }

// NewThrottle makes one that holds nobody back yet; nil now means time.Now.
func NewThrottle(now func() time.Time) *Throttle {
	if now == nil {
		now = time.Now
	}
	return &Throttle{gate{now: now}, gate{now: now}}
}

// gate holds back the requests of one kind.
type gate struct {
	now   func() time.Time
	mu    sync.Mutex
	until time.Time
}

// Do is a policy of the SDK: it runs once a call.
func (g *gate) Do(req *policy.Request) (*http.Response, error) {
	g.mu.Lock()
	wait := g.until.Sub(g.now())
	g.mu.Unlock()
	if wait > 0 {
		class, remedy := Explain(CodeThrottled, "")
		return nil, &observed.Fault{Class: class, Code: CodeThrottled, After: wait,
			What: "Azure was not asked, because it throttles", Remedy: remedy}
	}
	resp, err := req.Next()
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		g.mu.Lock()
		if until := g.now().Add(pause(resp, g.now())); until.After(g.until) {
			g.until = until
		}
		g.mu.Unlock()
	}
	return resp, err
}

// counter counts every try.
type counter struct{ requests, throttled *atomic.Int64 }

// Do is a policy of the SDK: it runs once a try.
func (c *counter) Do(req *policy.Request) (*http.Response, error) {
	c.requests.Add(1)
	resp, err := req.Next()
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		c.throttled.Add(1)
	}
	return resp, err
}

// transient are the statuses after which a read is tried again at once.
var transient = []int{http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// askAgain is the SDK's own rule less two cases: 429 goes back to the caller, who can wait without holding
// anything, and a certificate that is not trusted does not become so by asking again.
func askAgain(resp *http.Response, err error) bool {
	if err != nil {
		return !untrusted(err)
	}
	return slices.Contains(transient, resp.StatusCode)
}

// pause is how long an answer asks to stay away: Retry-After in seconds or as a date.
func pause(resp *http.Response, now time.Time) time.Duration {
	asked := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(asked); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if at, err := http.ParseTime(asked); err == nil && at.After(now) {
		return min(at.Sub(now), time.Hour)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return throttlePause
	}
	return 0
}
