package console

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"reprotect.example/events"
)

var tokenField = regexp.MustCompile(`name="token" value="([0-9a-f]+)"`)

func (w *world) formToken(path string, change func(*http.Request)) string {
	w.t.Helper()
	m := tokenField.FindStringSubmatch(w.send(http.MethodGet, path, "", change).body)
	if m == nil {
		w.t.Fatalf("%s has no form", path)
	}
	return m[1]
}

func form(values url.Values) (string, func(*http.Request)) {
	return values.Encode(), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
}

func all(changes ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		for _, c := range changes {
			c(r)
		}
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func (w *world) signIn(secret string) (func(*http.Request), reply) {
	w.t.Helper()
	body, typed := form(url.Values{"token": {w.formToken("/login", nil)}, "name": {"Ann"}, "secret": {secret}, "back": {"/cases"}})
	got := w.send(http.MethodPost, "/login", body, typed)
	cookies := got.Cookies()
	return func(r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}, got
}

const request = `{"machines": [{"name": "web01"}], "reason": "CHG0012345"}`

// Who acts is who the config says, and the event log says who it was; nobody can be another.
func TestWhoActs(t *testing.T) {
	t.Parallel()
	proxy := &Proxy{UserHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Operators: []string{"ops"}, Approvers: []string{"boss"}}
	elsewhere := *proxy
	elsewhere.From = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	typed := header("Content-Type", "application/json")
	bearer := func(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }
	as := func(user, groups string) func(*http.Request) {
		return all(header("X-Forwarded-User", user), header("X-Forwarded-Groups", groups))
	}
	for name, tc := range map[string]struct {
		access Access
		who    func(*http.Request)
		csrf   bool // take it from session
		body   string
		status int
		by     string
		code   string
	}{
		"nobody is named":                   {loopback, nil, true, request, 403, "", "console.read-only"},
		"a token, and none is named":        {loopback, bearer("secret"), false, request, 403, "", "console.read-only"},
		"the token":                         {Access{Loopback: true, Token: "secret"}, bearer("secret"), false, request, 202, "token", ""},
		"the token, for a person":           {Access{Loopback: true, Token: "secret"}, bearer("secret"), false, `{"machines": [{"name": "web01"}], "reason": "x", "requestedBy": "ann"}`, 202, "ann (token)", ""},
		"the token, for no name":            {Access{Loopback: true, Token: "secret"}, bearer("secret"), false, `{"machines": [{"name": "web01"}], "reason": "x", "requestedBy": "a\nb"}`, 202, "token", ""},
		"a wrong token":                     {Access{Loopback: true, Token: "secret"}, bearer("Secret"), false, request, 401, "", "console.not-signed-in"},
		"no token":                          {Access{Loopback: true, Token: "secret"}, nil, true, request, 401, "", "console.not-signed-in"},
		"the token that reads":              {Access{Loopback: true, Token: "secret", ReadToken: "look"}, bearer("look"), false, request, 401, "", "console.not-signed-in"},
		"an operator":                       {Access{Proxy: proxy}, as("ann@example.com", "dev, ops"), true, request, 202, "ann@example.com", ""},
		"an operator who says another name": {Access{Proxy: proxy}, as("ann@example.com", "ops"), true, `{"machines": [{"name": "web01"}], "reason": "x", "requestedBy": "bob"}`, 202, "ann@example.com", ""},
		"an operator without a form token":  {Access{Proxy: proxy}, as("ann@example.com", "ops"), false, request, 403, "", "console.form-old"},
		"of another group":                  {Access{Proxy: proxy}, as("ann@example.com", "dev,opsy"), true, request, 403, "", "console.not-permitted"},
		"an approver only":                  {Access{Proxy: proxy}, as("ann@example.com", "boss"), true, request, 403, "", "console.not-permitted"},
		"of no group":                       {Access{Proxy: proxy}, header("X-Forwarded-User", "ann"), true, request, 403, "", "console.not-permitted"},
		"from elsewhere than the proxy":     {Access{Proxy: &elsewhere, Loopback: true}, as("ann@example.com", "ops"), true, request, 401, "", "console.not-signed-in"},
		"named twice":                       {Access{Proxy: proxy}, all(as("ann", "ops"), func(r *http.Request) { r.Header.Add("X-Forwarded-User", "bob") }), false, request, 401, "", "console.not-signed-in"},
		"groups twice":                      {Access{Proxy: proxy}, all(as("ann", "dev"), func(r *http.Request) { r.Header.Add("X-Forwarded-Groups", "ops") }), true, request, 403, "", "console.not-permitted"},
		"without a reason":                  {Access{Token: "secret"}, bearer("secret"), false, `{"machines": [{"name": "web01"}]}`, 400, "", "command.wrong"},
		"with what no request has":          {Access{Token: "secret"}, bearer("secret"), false, `{"machine": "web01", "reason": "x"}`, 400, "", "command.wrong"},
		"no object":                         {Access{Token: "secret"}, bearer("secret"), false, `null`, 400, "", "command.wrong"},
		"no JSON":                           {Access{Token: "secret"}, bearer("secret"), false, `{`, 400, "", "command.wrong"},
		"too much":                          {Access{Token: "secret"}, bearer("secret"), false, `{"reason": "` + strings.Repeat("x", mostBody) + `"}`, 413, "", "event.too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, tc.access)
			who := tc.who
			if who == nil {
				who = all()
			}
			if tc.csrf {
				var s session
				if got := w.send(http.MethodGet, "/api/v1/session", "", who); got.StatusCode == http.StatusOK {
					if err := json.Unmarshal([]byte(got.body), &s); err != nil {
						t.Fatal(err)
					}
				}
				who = all(who, header("X-CSRF-Token", s.CSRF))
			}
			got := w.send(http.MethodPost, "/api/v1/commands/request", tc.body, all(typed, who))
			if got.StatusCode != tc.status || !strings.Contains(got.body, tc.code) {
				t.Fatalf("%d %s, want %d %s", got.StatusCode, got.body, tc.status, tc.code)
			}
			if tc.status != http.StatusAccepted {
				if len(w.published) > 0 {
					t.Errorf("something was published: %s", w.published[0].Data)
				}
				return
			}
			w.asked(t, events.TypeRequest.Kind, tc.by)
		})
	}
}

// asked holds the one command that was published to what it should be.
func (w *world) asked(t *testing.T, kind events.Kind, by string) events.Event[any] {
	t.Helper()
	if len(w.published) != 1 || w.published[0].Subject != events.CommandSubject(kind) {
		t.Fatalf("published: %v", w.published)
	}
	e, err := events.Read(w.published[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	var who struct{ RequestedBy string }
	raw, _ := json.Marshal(e.Data)
	if err := json.Unmarshal(raw, &who); err != nil || who.RequestedBy != by {
		t.Errorf("it is asked by %q, want %q (%v)", who.RequestedBy, by, err)
	}
	return e
}

// A person signs in with the token, and sends a request by the form.
func TestRequestByForm(t *testing.T) {
	t.Parallel()
	w := open(t, Access{Loopback: true, Token: "secret"})
	me, in := w.signIn("secret")
	if in.StatusCode != http.StatusSeeOther || in.Header.Get("Location") != "/cases" {
		t.Fatalf("sign in: %d %s", in.StatusCode, in.Header)
	}
	if c := in.Cookies()[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie: %+v", c)
	}
	token := w.formToken("/request", me)
	body, typed := form(url.Values{"token": {token}, "machines": {"web01\n db01, app 1 ;web01"}, "reason": {"CHG1"}, "dryRun": {"1"}})
	got := w.send(http.MethodPost, "/request", body, all(me, typed))
	if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/cases?request=r-") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	e := w.asked(t, events.TypeRequest.Kind, "Ann (token)")
	r := e.Data.(events.Request)
	var named []string
	for _, m := range r.Machines {
		named = append(named, m.Name)
	}
	if strings.Join(named, "|") != "web01|db01|app 1" || !r.DryRun || r.Reason != "CHG1" || e.ID == "" {
		t.Errorf("the request: %+v", r)
	}
	// The form's token is that of the person alone.
	if got := w.send(http.MethodPost, "/request", body, typed); got.StatusCode != http.StatusForbidden {
		t.Errorf("without the session: %d", got.StatusCode)
	}
	other := strings.Repeat("0", len(token))
	body, _ = form(url.Values{"token": {other}, "machines": {"web01"}, "reason": {"CHG1"}})
	if got := w.send(http.MethodPost, "/request", body, all(me, typed)); got.StatusCode != http.StatusForbidden {
		t.Errorf("with another token: %d", got.StatusCode)
	}
	for what, values := range map[string]url.Values{
		"no machines":  {"token": {token}, "reason": {"x"}},
		"both":         {"token": {token}, "reason": {"x"}, "machines": {"a"}, "plan": {"ERP"}},
		"no reason":    {"token": {token}, "machines": {"a"}, "reason": {"  "}},
		"another site": {"token": {token}, "machines": {"a"}, "reason": {"x"}, "site": {"No.Site"}},
	} {
		body, typed := form(values)
		if got := w.send(http.MethodPost, "/request", body, all(me, typed)); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", what, got.StatusCode)
		}
	}
	if len(w.published) != 1 {
		t.Errorf("%d commands were published", len(w.published))
	}
}

func TestSignInIsGuarded(t *testing.T) {
	t.Parallel()
	w := open(t, Access{Token: "secret", ReadToken: "look", PublicURL: "https://reprotect.example.com"})
	for _, path := range []string{"/", "/cases", "/health"} {
		if got := w.get(path); got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/login?back=") {
			t.Errorf("%s without a session: %d", path, got.StatusCode)
		}
	}
	for _, path := range []string{"/api/v1/cases", "/api/v1/status", "/api/v1/events", "/api/v1/log", "/api/v1/openapi.json"} {
		if got := w.get(path); got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without a token: %d", path, got.StatusCode)
		}
		if path != "/api/v1/log" && path != "/api/v1/events" {
			if got := w.send(http.MethodGet, path, "", header("Authorization", "bearer look")); got.StatusCode != http.StatusOK && got.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s with the token that reads: %d", path, got.StatusCode)
			}
		}
	}
	me, in := w.signIn("look")
	if c := in.Cookies()[0]; !c.Secure {
		t.Errorf("the cookie goes over http, too: %+v", c)
	}
	if got := w.send(http.MethodGet, "/cases", "", me); got.StatusCode != http.StatusOK {
		t.Errorf("a reader: %d", got.StatusCode)
	}
	if got := w.send(http.MethodGet, "/request", "", me); strings.Contains(got.body, `action="/request"`) || !strings.Contains(got.body, "may not do this") {
		t.Error("a reader gets the form of a request")
	}
	forged := all(me, func(r *http.Request) {
		c, _ := r.Cookie(sessionCookie)
		raw, sum, _ := strings.Cut(c.Value, ".")
		r.Header.Del("Cookie")
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: raw + "x." + sum})
	})
	if got := w.send(http.MethodGet, "/cases", "", forged); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a forged session: %d", got.StatusCode)
	}
	refused := 0
	for range 12 {
		if _, in := w.signIn("guess"); in.StatusCode == http.StatusTooManyRequests {
			refused++
		} else if in.StatusCode != http.StatusForbidden {
			t.Errorf("a wrong token: %d", in.StatusCode)
		}
	}
	if refused == 0 {
		t.Error("tokens may be guessed as fast as one likes")
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	a := newAccess(Access{Token: "secret"})
	cookie, ok := a.signIn("secret", "Ann", begun)
	if !ok {
		t.Fatal("no session")
	}
	if p, ok := a.session(cookie.Value, begun.Add(sessionLasts)); !ok || !p.Acts || p.Name != "Ann (token)" {
		t.Errorf("at its end: %+v", p)
	}
	if _, ok := a.session(cookie.Value, begun.Add(sessionLasts+1)); ok {
		t.Error("it lasts longer")
	}
	if _, ok := newAccess(Access{Token: "another"}).session(cookie.Value, begun); ok {
		t.Error("it outlives its token")
	}
	if _, ok := newAccess(Access{ReadToken: "secret"}).session(cookie.Value, begun); ok {
		t.Error("it acts by a token that reads")
	}
}

// Another site can neither send anything, nor read, nor show the console in a frame.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	w := open(t, Access{Loopback: true, Token: "secret", PublicURL: "https://reprotect.example.com"})
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for h, status := range map[string]int{
		"localhost:1": 200, "127.0.0.1": 200, "[::1]:8480": 200, "10.1.2.3:8480": 200, "reprotect.example.com": 200, "REPROTECT.example.com:443": 200,
		"evil.example": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example:8480": 421, "reprotect.example.com.evil.example": 421,
	} {
		for _, path := range []string{"/health", "/api/v1/sites", "/assets/live.js"} {
			if got := w.send(http.MethodGet, path, "", host(h)); got.StatusCode != status {
				t.Errorf("%s as %s: %d, want %d", path, h, got.StatusCode, status)
			}
		}
	}
	if got := w.send(http.MethodGet, "/api/v1/sites", "", all(host("reprotect.internal"), header("Authorization", "Bearer secret"))); got.StatusCode != http.StatusOK {
		t.Errorf("a script that has the token, by another name: %d", got.StatusCode)
	}
	me, _ := w.signIn("secret")
	body, typed := form(url.Values{"token": {w.formToken("/request", me)}, "machines": {"web01"}, "reason": {"CHG1"}})
	for what, from := range map[string]func(*http.Request){
		"fetched across sites":  header("Sec-Fetch-Site", "cross-site"),
		"fetched from a sister": header("Sec-Fetch-Site", "same-site"),
		"of another origin":     header("Origin", "https://evil.example"),
	} {
		if got := w.send(http.MethodPost, "/request", body, all(me, typed, from)); got.StatusCode != http.StatusForbidden || len(w.published) > 0 {
			t.Errorf("%s: %d", what, got.StatusCode)
		}
	}
	if got := w.send(http.MethodPost, "/request", body, all(me, typed, header("Origin", "https://reprotect.example.com"))); got.StatusCode != http.StatusSeeOther {
		t.Errorf("from the console behind its proxy: %d %s", got.StatusCode, got.body)
	}
	got := w.get("/health")
	for name, want := range map[string]string{
		"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin",
	} {
		if !strings.Contains(got.Header.Get(name), want) {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
	if policy := got.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy: %s", policy)
	}
	for _, bad := range []string{"style=", "onclick", "<style", "http://", "https://"} {
		if strings.Contains(got.body, bad) {
			t.Errorf("a page holds %s", bad)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	w := open(t, loopback)
	w.knows()
	for path, status := range map[string]int{
		"/cases?q=" + strings.Repeat("x", mostLetters):                      200,
		"/cases?q=" + strings.Repeat("x", mostLetters+1):                    400,
		"/api/v1/status?lang=" + strings.Repeat("x", mostLetters+1):         400,
		"/cases?" + strings.Repeat("a=b&", mostQuery/4):                     200,
		"/cases?" + strings.Repeat("a=b&", mostQuery/4) + "c":               400,
		"/api/v1/status?lung=en":                                            400,
		"/api/v1/status?lang=en&lang=ja":                                    400,
		"/api/v1/preflight?" + strings.Repeat("machine=a&", mostRepeated+1): 400,
		"/lang/fr": 404, "/lang/ja?back=https://evil.example/": 303,
	} {
		got := w.get(path)
		if got.StatusCode != status {
			t.Errorf("%.60s: %d, want %d", path, got.StatusCode, status)
		}
		if to := got.Header.Get("Location"); to != "" && to != "/" {
			t.Errorf("%.60s leads to %s", path, to)
		}
	}
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/cases?state=failed": "/cases?state=failed", "": "/", "cases": "/", "//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/", "/a\nb": "/", "javascript:alert(1)": "/",
	} {
		if got := localPath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
