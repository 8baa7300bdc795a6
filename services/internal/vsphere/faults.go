package vsphere

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"

	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

// Codes of the faults that this package makes; what they mean stands in the catalogue of faults.
const (
	codeUnreachable = "vcenter.unreachable"
	codeTimeout     = "vcenter.timeout"
	codeCertificate = "vcenter.certificate"
	codeLogin       = "vcenter.login"
	codePermission  = "vcenter.permission"
	codeSession     = "vcenter.session"
	codeEndpoint    = "vcenter.endpoint"
	codeFault       = "vcenter.fault"
)

// loginError marks that it was the login that failed, and for whom.
type loginError struct {
	user string
	err  error
}

func (e *loginError) Error() string { return fmt.Sprintf("login of %s: %v", e.user, e.err) }
func (e *loginError) Unwrap() error { return e.err }

// fault says what an error of a look means and what to do. what completes "vCenter X: could not …".
func (c *Client) fault(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("vCenter %s: %s: %w", c.url, what, err)
	}
	f := &observed.Fault{What: fmt.Sprintf("vCenter %s: could not %s", c.url, what), Words: words(err), Err: err}
	thumbprint, badCertificate := presentedThumbprint(err)
	var login *loginError
	var network net.Error
	var answer *answerError
	switch {
	case badCertificate:
		f.Code = codeCertificate
		f.Remedy = fmt.Sprintf("it presented SHA-256 %s; if that is the right server, set vcenter.thumbprint to it, or vcenter.caFile to the CA that signed it", thumbprint)
	case errors.Is(err, errNoDatacenter):
		f.Code = codePermission
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		f.Code = codeTimeout
	case errors.As(err, &login) && fault.Is(err, &types.InvalidLogin{}):
		f.Code = codeLogin
		f.Remedy = fmt.Sprintf("check user %s and its password (vcenter.username, vcenter.passwordFile), and that the account is not locked", login.user)
		f.After = loginPause
	case errors.As(err, &login) && fault.Is(err, &types.NoPermission{}):
		f.Code = codeLogin
		f.Remedy = fmt.Sprintf("give %s a role in this vCenter, propagating from the datacenter", login.user)
	case fault.Is(err, &types.NotAuthenticated{}):
		f.Code = codeSession
	case fault.Is(err, &types.NoPermission{}):
		f.Code = codePermission
	case isVimFault(err):
		f.Code = codeFault
	case errors.As(err, &answer) && answer.status < http.StatusInternalServerError:
		f.Code = codeEndpoint
	default:
		f.Code = codeUnreachable
	}
	if proxy := c.proxy(); proxy != "" && (f.Code == codeEndpoint || f.Code == codeUnreachable || f.Code == codeTimeout) {
		f.What += " through the proxy " + proxy
		f.Remedy = fmt.Sprintf("let the proxy %s through to it, or reach it without: name the vCenter in NO_PROXY, or set vcenter.proxy to %s", proxy, NoProxy)
	}
	known, _ := faults.Lookup(f.Code)
	f.Class, f.Remedy = known.Class, cmp.Or(f.Remedy, known.Remedy())
	return f
}

// isVimFault says whether the vCenter itself answered with a fault, as opposed to not answering.
func isVimFault(err error) bool {
	_, ok := fault.As(err, new(types.BaseMethodFault))
	return ok
}

// words are the other side's own, without the framing that Go and SOAP put around them.
func words(err error) string {
	var vim interface {
		error
		Fault() types.BaseMethodFault
	}
	if errors.As(err, &vim) {
		return strings.TrimPrefix(vim.Error(), "ServerFaultCode: ")
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err.Error()
	}
	return err.Error()
}

// answerError is an HTTP answer that cannot be a vCenter's: those are XML with status 200, or 500 for faults.
type answerError struct {
	status      int
	contentType string
}

func (e *answerError) Error() string {
	return fmt.Sprintf("answered %d %s with content type %q", e.status, http.StatusText(e.status), e.contentType)
}

// vCenterOnly refuses answers that are not SOAP before govmomi tries to decode them.
type vCenterOnly struct {
	next http.RoundTripper
}

func (t vCenterOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	contentType := res.Header.Get("Content-Type")
	soap := strings.Contains(contentType, "xml")
	if soap && (res.StatusCode == http.StatusOK || res.StatusCode == http.StatusInternalServerError) {
		return res, nil
	}
	_ = res.Body.Close() // nothing in it is used
	return nil, &answerError{status: res.StatusCode, contentType: contentType}
}
