package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"reprotect.example/services/cases"
	"reprotect.example/services/internal/journalclient"
)

// requestView is the form of a request.
type requestView struct {
	Sites    []string
	Machines string
	Plan     string
	Site     string
	Refused  *journalclient.Problem // why this person may not send it
}

// requestForm shows what can be asked for; the address may fill some of it in.
func (c *Console) requestForm(_ *http.Request, d *sheet, _ *snapshot) error {
	q := query(d.Query)
	d.It = requestView{
		Sites: c.o.Sites, Machines: strings.Join(q["machine"], "\n"), Plan: q.get("plan"), Site: q.get("site"), Refused: c.mayAct(d.Who, "request"),
	}
	return nil
}

func (c *Console) sendRequest(w http.ResponseWriter, r *http.Request) {
	if !c.form(w, r) {
		return
	}
	p := personOf(r)
	if problem := c.mayAct(p, "request"); problem != nil {
		c.refuse(w, r, problem)
		return
	}
	f := r.PostForm
	data := map[string]any{"reason": strings.TrimSpace(f.Get("reason"))}
	for _, key := range []string{"site", "plan", "datastore", "masterTarget"} {
		if v := strings.TrimSpace(f.Get(key)); v != "" {
			data[key] = v
		}
	}
	var machines []map[string]any
	for _, name := range names(f.Get("machines")) {
		machines = append(machines, map[string]any{"name": name})
	}
	if machines != nil {
		data["machines"] = machines
	}
	for _, key := range []string{"dryRun", "together"} {
		if f.Get(key) != "" {
			data[key] = true
		}
	}
	if (machines == nil) == (data["plan"] == nil) {
		c.refuse(w, r, says(http.StatusBadRequest, "command.wrong", "say which machines: their names, or a recovery plan", "Go back, and fill in one of the two."))
		return
	}
	id, problem := c.publish(r.Context(), p, "request", data)
	if problem != nil {
		c.refuse(w, r, problem)
		return
	}
	http.Redirect(w, r, "/cases?request="+url.QueryEscape(id)+"&sent="+url.QueryEscape(id), http.StatusSeeOther)
}

// actView is the form of a command about a case or an alarm.
type actView struct {
	Command string
	Case    string
	Names   []string
	Site    string
	Alarm   *cases.Alarm
	Refused *journalclient.Problem
}

// acts are the commands that a form sends, with the field that names what each is about.
var acts = map[string]string{"cancel": "case", "retry": "case", "acknowledge": "alarm"}

func (c *Console) actForm(r *http.Request, d *sheet, s *snapshot) error {
	v := actView{Command: r.PathValue("command")}
	about, known := acts[v.Command]
	if !known {
		return says(http.StatusNotFound, "command.unknown", "there is no command "+cut(v.Command, 40), "Begin at /cases.")
	}
	v.Refused = c.mayAct(d.Who, v.Command)
	id := d.Query.Get(about)
	if about == "alarm" {
		theCase, a, found := s.alarmOf(id)
		if !found {
			return says(http.StatusNotFound, "alarm.unknown", "there is no such alarm", "See /alarms for all of them.")
		}
		v.Case, v.Names, v.Site, v.Alarm = theCase.ID, []string{labelOf(theCase, a)}, theCase.Site, &a
	} else {
		theCase, found := s.find(id)
		if !found {
			return says(http.StatusNotFound, "case.unknown", "there is no case "+cut(id, 128), "See /cases for all cases.")
		}
		v.Case, v.Names, v.Site = theCase.ID, theCase.Labels(), theCase.Site
	}
	d.It, d.Title = v, d.Say("act-"+v.Command)
	return nil
}

func (c *Console) sendAct(w http.ResponseWriter, r *http.Request) {
	if !c.form(w, r) {
		return
	}
	p, command := personOf(r), r.PathValue("command")
	about, known := acts[command]
	if !known {
		c.refuse(w, r, says(http.StatusNotFound, "command.unknown", "there is no command "+cut(command, 40), "Begin at /cases."))
		return
	}
	if problem := c.mayAct(p, command); problem != nil {
		c.refuse(w, r, problem)
		return
	}
	f := r.PostForm
	id, problem := c.publish(r.Context(), p, command, map[string]any{about: f.Get(about), "reason": strings.TrimSpace(f.Get("reason"))})
	if problem != nil {
		c.refuse(w, r, problem)
		return
	}
	back := "/alarms?sent=" + url.QueryEscape(id)
	if about == "case" {
		back = "/cases/" + url.PathEscape(f.Get("case")) + "?sent=" + url.QueryEscape(id)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// loginView is the form by which people say who they are.
type loginView struct {
	Back string
	Can  bool
}

func (c *Console) loginPage(w http.ResponseWriter, r *http.Request) {
	d := &sheet{Lang: langOf(r), Name: "login", Now: c.o.Now(), Who: personOf(r), Path: r.URL.Path, Query: url.Values{}, console: c}
	d.Title = d.Say("page-login")
	d.It = loginView{Back: localPath(r.URL.Query().Get("back")), Can: c.access.signsIn()}
	c.whole(w, d, http.StatusOK)
}

// localPath is an address of this console, and nothing else.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !c.access.checkForm(personOf(r), r.PostForm.Get("token")) {
		c.refuse(w, r, says(http.StatusForbidden, "console.form-old", "the form is old", "Load the page again, and send it once more."))
		return
	}
	name := r.PostForm.Get("name")
	if !nameable(name) {
		c.refuse(w, r, says(http.StatusBadRequest, "command.wrong", "the name is missing, or too long", "Say who you are, in up to 100 letters: the event log keeps it."))
		return
	}
	if !c.access.tries.Allow() {
		c.refuse(w, r, says(http.StatusTooManyRequests, "console.busy", "too many have tried to sign in", "Wait some seconds, and try again."))
		return
	}
	cookie, ok := c.access.signIn(r.PostForm.Get("secret"), name, c.o.Now())
	if !ok {
		c.refuse(w, r, says(http.StatusForbidden, "token.wrong", "the token is wrong", "Take it from the file that http.auth.tokenFile of the config names."))
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, localPath(r.PostForm.Get("back")), http.StatusSeeOther) //nolint:gosec // localPath lets paths of this server through only
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	if !c.form(w, r) {
		return
	}
	http.SetCookie(w, c.access.cookie("", -1))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// chooseLang keeps the language that somebody chose, and goes back to where it was chosen.
func (c *Console) chooseLang(w http.ResponseWriter, r *http.Request) {
	lang := r.PathValue("lang")
	if !slices.Contains([]string{english, japanese}, lang) {
		c.refuse(w, r, says(http.StatusNotFound, "address.unknown", "there is no such language here", "There are en and ja."))
		return
	}
	//nolint:gosec // Secure is left out where the page is served without TLS, on loopback
	http.SetCookie(w, &http.Cookie{Name: langCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: c.access.secure, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, localPath(r.URL.Query().Get("back")), http.StatusSeeOther) //nolint:gosec // localPath lets paths of this server through only
}
