package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"reprotect.example/events"
	"reprotect.example/events/bus"
	"reprotect.example/services/cases"
	"reprotect.example/services/internal/journalclient"
)

// publishTime is how long the bus may take to store a command.
const publishTime = 10 * time.Second

// approvals are the commands that are for approvers.
var approvals = []string{"approve"}

// mayAct says why somebody may not send a command; nil: it may.
func (c *Console) mayAct(p person, command string) *journalclient.Problem {
	switch {
	case c.o.Publish == nil || c.access.Token == "" && c.access.Proxy == nil:
		return says(http.StatusForbidden, "console.read-only", "this console only reads", "Name who may act under http.auth of the config, or use the command line.")
	case !p.Reads || p.Name == "":
		return notSignedIn()
	case slices.Contains(approvals, command) && !p.Approves, !slices.Contains(approvals, command) && !p.Acts:
		return says(http.StatusForbidden, "console.not-permitted", p.Name+" may not do this", "Ask somebody of the groups that http.auth of the config names.")
	}
	return nil
}

// publish puts a command on the bus: what was asked, and who asks. The id is the command's, and a request's own.
func (c *Console) publish(ctx context.Context, p person, name string, data map[string]any) (id string, problem *journalclient.Problem) {
	kind, known := events.KindOf(name)
	if !known || kind.Role != events.Command {
		return "", says(http.StatusNotFound, "command.unknown", "there is no command "+cut(name, 40), "Commands are "+strings.Join(commandNames(), ", ")+".")
	}
	data["requestedBy"] = p.by(data["requestedBy"])
	if reason, _ := data["reason"].(string); strings.TrimSpace(reason) == "" {
		return "", says(http.StatusBadRequest, "command.wrong", "the reason is missing", "Say why, such as the number of a change: the event log keeps it.")
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return "", says(http.StatusBadRequest, "command.wrong", "the command cannot be written: "+err.Error(), "Send a JSON object.")
	}
	if problems := events.Validate(kind, raw); problems != nil {
		return "", says(http.StatusBadRequest, "command.wrong", (&events.Invalid{Problems: problems}).Error(), "See section 3 of the contract, or /api/v1/openapi.json.")
	}
	now := c.o.Now().UTC()
	id = c.o.NewID(now)
	encoded, err := events.Encode(events.Event[json.RawMessage]{
		Header: events.Header{ID: id, Source: "/reprotect/console", Time: now, Type: kind.CloudType(), DataSchema: kind.Schema()}, Data: raw,
	})
	if err != nil {
		return "", says(http.StatusRequestEntityTooLarge, "event.too-large", err.Error(), "Ask for fewer machines at once.")
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	if err := c.o.Publish(ctx, bus.Message{Subject: events.CommandSubject(kind), ID: id, Data: encoded}); err != nil {
		c.o.Log.Warn("command not published", "command", name, "by", p.Name, "error", err)
		return "", says(http.StatusServiceUnavailable, "bus.unreachable", "the command could not be put on the bus: "+err.Error(), "Nothing was asked for. Try again when the bus is there; the page Health says whether it is.")
	}
	c.o.Log.Info("command published", "command", name, "id", id, "by", p.Name)
	return id, nil
}

// by is who asks, as the event log will say. A script with the token may say for whom it asks; a person cannot be another.
func (p person) by(claimed any) string {
	if name, ok := claimed.(string); ok && p.BySecret && nameable(name) {
		return strings.TrimSpace(name) + " (token)"
	}
	return p.Name
}

// commandNames lists the commands that this version knows.
func commandNames() (names []string) {
	for _, k := range events.Kinds() {
		if k.Role == events.Command {
			names = append(names, k.Name)
		}
	}
	return names
}

// command is POST /api/v1/commands/{name}.
func (c *Console) command(w http.ResponseWriter, r *http.Request) {
	p, name := personOf(r), r.PathValue("name")
	if problem := c.mayAct(p, name); problem != nil {
		c.refuse(w, r, problem)
		return
	}
	// A browser cannot be made to send either by another site.
	if !p.BySecret && !c.access.checkForm(p, r.Header.Get("X-CSRF-Token")) {
		c.refuse(w, r, says(http.StatusForbidden, "console.form-old", "the header X-CSRF-Token is missing or old", "Take it from /api/v1/session, or send the token of http.auth.tokenFile as 'Authorization: Bearer …'."))
		return
	}
	if kind := strings.TrimSpace(strings.Split(r.Header.Get("Content-Type"), ";")[0]); !strings.EqualFold(kind, "application/json") {
		c.refuse(w, r, says(http.StatusUnsupportedMediaType, "command.wrong", "the content type is "+cut(kind, 40), "Send the data of the command as application/json."))
		return
	}
	raw, err := io.ReadAll(r.Body)
	var data map[string]any
	if err == nil {
		err = json.Unmarshal(raw, &data)
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		c.refuse(w, r, says(http.StatusRequestEntityTooLarge, "event.too-large", "the command is too large", "Ask for fewer machines at once."))
		return
	case err != nil || data == nil:
		c.refuse(w, r, says(http.StatusBadRequest, "command.wrong", "the body is no JSON object", "Send the data of the command, such as {\"machines\": [{\"name\": \"web01\"}], \"reason\": \"CHG0012345\"}."))
		return
	}
	id, problem := c.publish(r.Context(), p, name, data)
	if problem != nil {
		c.refuse(w, r, problem)
		return
	}
	w.Header().Set("Location", "/api/v1/cases?request="+url.QueryEscape(id))
	writeJSON(w, http.StatusAccepted, sentCommand{ID: id, Command: name})
}

// sentCommand is the answer to a command: it is on the bus, and a service will answer it.
type sentCommand struct {
	ID      string `json:"id"`
	Command string `json:"command"`
}

// form reads what a person sent by a form; false: it was refused.
func (c *Console) form(w http.ResponseWriter, r *http.Request) bool {
	if !c.mayRead(w, r) {
		return false
	}
	if err := r.ParseForm(); err != nil {
		c.refuse(w, r, says(http.StatusBadRequest, "command.wrong", "the form could not be read", "Send it again, with fewer machines at once."))
		return false
	}
	if p := personOf(r); !p.BySecret && !c.access.checkForm(p, r.PostForm.Get("token")) {
		c.refuse(w, r, says(http.StatusForbidden, "console.form-old", "the form is old", "Load the page again, and send it once more."))
		return false
	}
	return true
}

// names are the lines and words that a person wrote as names of machines, each once. A name with spaces stands on a line of
// its own with commas around it.
func names(text string) (all []string) {
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ';' }) {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// alarmOf finds an alarm, and its case.
func (s *snapshot) alarmOf(id string) (cases.Case, cases.Alarm, bool) {
	for _, c := range s.Cases {
		for _, a := range c.Alarms {
			if a.ID == id {
				return c, a, true
			}
		}
	}
	return cases.Case{}, cases.Alarm{}, false
}
