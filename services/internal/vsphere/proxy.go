package vsphere

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// NoProxy as Options.Proxy reaches the vCenter without one, whatever the environment says.
const NoProxy = "none"

// proxyOf says which proxy a request goes through: that of the options, else that of the environment (HTTPS_PROXY, but for
// what NO_PROXY names).
func proxyOf(option string) (func(*http.Request) (*url.URL, error), error) {
	switch option {
	case "":
		return http.ProxyFromEnvironment, nil
	case NoProxy:
		return nil, nil
	}
	u, err := url.Parse(option)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" { // err may hold a password
		return nil, fmt.Errorf("vcenter.proxy is neither %s nor an address such as http://proxy.example:3128", NoProxy)
	}
	return http.ProxyURL(u), nil
}

// proxyError is a proxy that did not let a request through.
type proxyError struct {
	proxy string
	err   error
}

func (e *proxyError) Error() string { return fmt.Sprintf("the proxy %s: %v", e.proxy, e.err) }
func (e *proxyError) Unwrap() error { return e.err }

// refusesTunnel tells a proxy that answers in the vCenter's place from the vCenter.
func refusesTunnel(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Host, fmt.Errorf("answered %s", res.Status)}
}

// proxy is the proxy between here and the vCenter; "" when there is none.
func (c *Client) proxy() string {
	if c.transport.Proxy == nil {
		return ""
	}
	u, err := c.transport.Proxy(&http.Request{URL: c.sessions.endpoint})
	if err != nil || u == nil {
		return ""
	}
	return u.Host
}
