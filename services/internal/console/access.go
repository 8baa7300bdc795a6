package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
)

// Access says who reads and who acts.
type Access struct {
	Loopback  bool   // only this machine reaches the console: it is read without a word, unless there is a ReadToken
	PublicURL string // where people reach it; "": at its own address
	Token     string // who has it acts; "": nobody does by a token
	ReadToken string // who has it reads
	Proxy     *Proxy
}

// Proxy is a proxy that has asked people who they are.
type Proxy struct {
	UserHeader, GroupsHeader string
	From                     []netip.Prefix
	Operators, Approvers     []string // groups
}

// person is who asks.
type person struct {
	Name     string // for the event log; "": nobody is known
	Reads    bool
	Acts     bool
	Approves bool
	BySecret bool // sent a token with this very request: no other site can have made the browser do so
}

// access decides by what a request carries.
type access struct {
	Access
	host   string // of PublicURL
	key    []byte // of this process, for the tokens of forms
	tries  *rate.Limiter
	secure bool
}

func newAccess(a Access) access {
	n := access{Access: a, key: []byte(rand.Text()), tries: rate.NewLimiter(1, 10)}
	if u, err := url.Parse(a.PublicURL); err == nil {
		n.host, n.secure = u.Hostname(), u.Scheme == "https"
	}
	return n
}

// open says whether everybody who reaches the console may read it.
func (a access) open() bool { return a.Loopback && a.ReadToken == "" }

// signsIn says whether people can say who they are by a token.
func (a access) signsIn() bool { return a.Token != "" || a.ReadToken != "" }

// knows is who sent a request.
func (a access) knows(r *http.Request, now time.Time) person {
	if scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		p := a.bearer(strings.TrimSpace(given))
		p.BySecret = p.Reads
		return p
	}
	if a.Proxy != nil && a.Proxy.sent(r) {
		return a.Proxy.names(r)
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if p, ok := a.session(cookie.Value, now); ok {
			return p
		}
	}
	return person{Reads: a.open()}
}

// bearer is who has a token. Tokens are compared by sums of one length, so that the time tells nothing of them.
func (a access) bearer(given string) person {
	switch {
	case a.Token != "" && same(given, a.Token):
		return person{Name: "token", Reads: true, Acts: true, Approves: true}
	case a.ReadToken != "" && same(given, a.ReadToken):
		return person{Reads: true}
	}
	return person{}
}

func same(given, want string) bool {
	g, w := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1
}

// sent says whether a request came from the proxy itself: then, and only then, its headers count.
func (p Proxy) sent(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	from, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(p.From, func(n netip.Prefix) bool { return n.Contains(from.Unmap()) })
}

// names is whom the proxy names. A header that is there twice may have been sent from outside: it names nobody.
func (p Proxy) names(r *http.Request) person {
	users := r.Header.Values(p.UserHeader)
	if len(users) != 1 || !nameable(users[0]) {
		return person{}
	}
	in := func(wanted []string) bool {
		all := r.Header.Values(p.GroupsHeader)
		return len(all) == 1 && slices.ContainsFunc(strings.Split(all[0], ","), func(group string) bool { return slices.Contains(wanted, strings.TrimSpace(group)) })
	}
	return person{Name: strings.TrimSpace(users[0]), Reads: true, Acts: in(p.Operators), Approves: in(p.Approvers)}
}

const (
	sessionCookie = "reprotect-session"
	sessionLasts  = 12 * time.Hour
	mostName      = 100 // letters
)

// nameable says whether a text can stand for a person in the event log.
func nameable(name string) bool {
	name = strings.TrimSpace(name)
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= mostName && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// session is what a signed cookie says.
func (a access) session(value string, now time.Time) (person, bool) {
	raw, sum, _ := strings.Cut(value, ".")
	content, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil {
		return person{}, false
	}
	var s signedIn
	if json.Unmarshal(content, &s) != nil || now.After(s.Until) {
		return person{}, false
	}
	token := a.ReadToken
	if s.Acts {
		token = a.Token
	}
	if token == "" || !hmac.Equal([]byte(sum), []byte(mac([]byte("session "+token), raw))) {
		return person{}, false
	}
	return person{Name: s.Name, Reads: true, Acts: s.Acts, Approves: s.Acts}, true
}

// signedIn is a session. It is kept nowhere but in the browser; a new token ends all that the old one began.
type signedIn struct {
	Name  string    `json:"name"`
	Acts  bool      `json:"acts"`
	Until time.Time `json:"until"`
}

// signIn makes the cookie of who gives a token and a name. The name is what a person says of itself, so the log says beside
// it that a token vouches for it.
func (a access) signIn(given, name string, now time.Time) (*http.Cookie, bool) {
	p := a.bearer(given)
	if !p.Reads {
		return nil, false
	}
	s := signedIn{Name: strings.TrimSpace(name) + " (token)", Acts: p.Acts, Until: now.Add(sessionLasts)}
	content, err := json.Marshal(s)
	if err != nil {
		return nil, false
	}
	raw := base64.RawURLEncoding.EncodeToString(content)
	return a.cookie(raw+"."+mac([]byte("session "+given), raw), int(sessionLasts.Seconds())), true
}

func (a access) cookie(value string, lasts int) *http.Cookie {
	//nolint:gosec // Secure is left out where the page is served without TLS, on loopback
	return &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: lasts, HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteStrictMode}
}

func mac(key []byte, text string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

// formToken must come back with what a person sends: another site cannot read it.
func (a access) formToken(p person) string { return mac(a.key, "form "+p.Name) }

func (a access) checkForm(p person, given string) bool {
	return hmac.Equal([]byte(given), []byte(a.formToken(p)))
}

// hostKnown refuses a name that some other site may have pointed at this address (DNS rebinding). An address cannot be
// pointed elsewhere.
func (a access) hostKnown(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") || a.host != "" && strings.EqualFold(host, a.host)
}
