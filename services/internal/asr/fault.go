package asr

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"reprotect.example/services/observed"
)

// ownStatus: statuses that mean the same whatever code stands in the body.
var ownStatus = map[int]string{
	http.StatusUnauthorized: CodeLogin, http.StatusForbidden: CodeForbidden, http.StatusTooManyRequests: CodeThrottled,
}

// elseStatus: what a status means when the code in the body is not a known one.
var elseStatus = map[int]string{
	http.StatusNotFound: CodeNotFound, http.StatusConflict: CodeConflict, http.StatusRequestTimeout: CodeUnavailable,
	http.StatusInternalServerError: CodeUnavailable, http.StatusBadGateway: CodeUnavailable,
	http.StatusServiceUnavailable: CodeUnavailable, http.StatusGatewayTimeout: CodeUnavailable,
}

// fault gives an error of the SDK the form that the product shows; what names the machine or vault.
func (c *Client) fault(what string, err error) error {
	var (
		fault   *observed.Fault
		refused *azcore.ResponseError
		network net.Error
	)
	switch {
	case errors.As(err, &fault):
		told := *fault
		told.What = what + ": " + fault.What
		return &told
	case errors.As(err, &refused):
		return c.refusal(what, refused)
	case errors.Is(err, context.Canceled):
		return c.owned(CodeInterrupted, what, "", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return c.owned(CodeTimeout, what, "", context.DeadlineExceeded)
	case untrusted(err):
		f := c.owned(CodeCertificate, what, err.Error(), nil)
		if c.options.CAFile == "" {
			f.Remedy = "name the PEM file of the authority that signed it under azure.caFile; " + f.Remedy
		} else {
			f.Remedy = fmt.Sprintf("put the authority that signed it into %s (azure.caFile); %s", c.options.CAFile, f.Remedy)
		}
		return f
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF):
		return c.owned(CodeUnreachable, what, err.Error(), nil)
	}
	return c.owned(CodeUnexpected, what, err.Error(), nil)
}

// owned does not keep the SDK's own errors: they hold the request with its token.
func (c *Client) owned(code, what, words string, err error) *observed.Fault {
	class, remedy := Explain(code, "")
	return &observed.Fault{Class: class, Code: code, What: what, Words: scrub(words, c.login.secret()), Remedy: remedy, Err: err}
}

func (c *Client) refusal(what string, refused *azcore.ResponseError) *observed.Fault {
	resp := refused.RawResponse
	said := wordsOf(resp)
	if said.code == "" {
		said.code = refused.ErrorCode
	}
	known, isKnown := lookUp(said.code, said.message)

	var f *observed.Fault
	if code, ok := ownStatus[resp.StatusCode]; ok && !(isKnown && slices.Contains(saysMore, known.Code)) {
		f = c.owned(code, what, said.String(), nil)
		if isKnown && strings.EqualFold(known.Code, said.code) { // of what it may be that, it says
			f.Remedy = known.Remedy()
		}
	} else if isKnown && strings.EqualFold(known.Code, said.code) {
		f = c.owned(known.Code, what, said.message, nil)
	} else if isKnown { // by its words: Azure's code, if any, says less, but is shown
		f = c.owned(known.Code, what, said.String(), nil)
	} else if code, ok := byStatus(resp.StatusCode, said.code); ok {
		f = c.owned(code, what, said.String(), nil)
	} else if said.code == "" {
		f = c.owned(CodeUnexpected, what, said.message, nil)
	} else {
		f = c.owned(said.code, what, said.message, nil)
		f.Remedy = first(scrub(said.action, c.login.secret()), "see the error in the vault's jobs in the Azure portal")
	}
	f.After = pause(resp, c.options.Now())
	return f
}

// saysMore are codes that say more than a status 403 does.
var saysMore = []string{"LinkedAuthorizationFailed", "RequestDisallowedByPolicy"}

// byStatus is what the status of a refusal means whose code nobody knows. A 409 with a code of its own may be a lock, a
// registration or more: it is another operation only when it says no more than the status.
func byStatus(status int, code string) (string, bool) {
	meaning, ok := elseStatus[status]
	return meaning, ok && (status != http.StatusConflict || code == "" || strings.EqualFold(code, "Conflict"))
}

// said is an error as Resource Manager words it.
type said struct{ code, message, action string }

func (s said) String() string {
	if s.code == "" {
		return s.message
	}
	return s.code + ": " + s.message
}

// wordsOf reads the body of an error. Site Recovery's real code stands in the first detail, not at the top
// (seen in recordings). A body that is not Resource Manager's gives the HTTP status.
func wordsOf(resp *http.Response) said {
	var body struct {
		Error struct {
			Code, Message string
			Details       []struct{ Code, Message, RecommendedAction string }
		}
	}
	content, err := runtime.Payload(resp)
	if err != nil || json.Unmarshal(content, &body) != nil || body.Error.Code == "" && body.Error.Message == "" {
		return said{message: "HTTP " + resp.Status}
	}
	s := said{code: body.Error.Code, message: body.Error.Message}
	for _, d := range body.Error.Details {
		if d.Code == "" {
			continue
		}
		s.code, s.action = d.Code, d.RecommendedAction
		if d.Message != "" {
			s.message = d.Message
		}
		break
	}
	return s
}

func untrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

var (
	// Azure signs the addresses of an operation's status with these parameters.
	signed = regexp.MustCompile(`([?&](?:t|c|s|h|sig|code|token)=)[^&\s"'<>]+`)
	bearer = regexp.MustCompile(`(?i)\bbearer\s+[^\s"',;]+`)
	spaces = regexp.MustCompile(`\s+`)
)

// scrub makes words of others fit to be shown: no token, no signature, one line, at most 1,000 characters.
func scrub(words, secret string) string {
	if secret != "" {
		words = strings.ReplaceAll(words, secret, "…")
	}
	words = signed.ReplaceAllString(words, "${1}…")
	words = bearer.ReplaceAllString(words, "bearer …")
	words = strings.TrimSpace(spaces.ReplaceAllString(words, " "))
	if r := []rune(words); len(r) > 1000 {
		words = string(r[:1000]) + "…"
	}
	return words
}
