package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"html/template"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"reprotect.example/services/notifier"
)

// email sends a mail. The address is that of the server with sender and receivers:
// smtp://user:password@mail.example.com:587/?from=reprotect@example.com&to=ops@example.com,night@example.com. smtp is with
// STARTTLS, which must be there unless the server is on loopback; smtps is TLS from the beginning.
func email(o Options) (func(context.Context, notifier.Message) error, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("the address must be smtp:// or smtps://, user and password, the server, and ?from=…&to=…")
	}
	from, to := u.Query().Get("from"), strings.Split(u.Query().Get("to"), ",")
	probe := mail.NewMsg()
	if probe.From(from) != nil || probe.To(to...) != nil {
		return nil, errors.New("the address must name a sender and receivers: ?from=reprotect@example.com&to=ops@example.com")
	}
	options := []mail.Option{mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTimeout(perMail)}
	if loopback(u.Hostname()) {
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic), mail.WithTLSConfig(&tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true})) // #nosec G402 -- a relay on this machine has no certificate for its name
	}
	if u.Scheme == "smtps" {
		options = append(options, mail.WithSSL())
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		options = append(options, mail.WithPort(port))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	return func(ctx context.Context, m notifier.Message) error {
		client, err := mail.NewClient(u.Hostname(), options...)
		if err != nil {
			return err
		}
		msg, err := mailOf(pageOf(m, o.Notify.Lang), m, from, to)
		if err != nil {
			return refused(err)
		}
		err = client.DialAndSendWithContext(ctx, msg)
		var failed *mail.SendError
		if errors.As(err, &failed) && failed.ErrorCode() >= 552 && failed.ErrorCode() <= 554 && failed.Reason == mail.ErrSMTPDataClose {
			return refused(err) // this mail is never taken
		}
		return err
	}, nil
}

const perMail = 10e9 // ten seconds

// mailOf is a mail in plain text and in HTML. Those of one story answer its first, so that mail programs show them together.
func mailOf(p page, m notifier.Message, from string, to []string) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(from), msg.To(to...)); err != nil {
		return nil, err
	}
	host := from[strings.LastIndexByte(from, '@')+1:]
	id := func(name string) string {
		sum := sha256.Sum256([]byte(name))
		return hex.EncodeToString(sum[:16]) + "@" + strings.Trim(host, "> ")
	}
	msg.Subject("[" + p.level + "] " + cut(p.title, 200))
	msg.SetMessageIDWithValue(id(m.ID))
	msg.SetDateWithValue(m.Time)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Thread != "" && m.Number > 1 {
		msg.SetGenHeader(mail.HeaderInReplyTo, "<"+id(m.Thread)+">")
		msg.SetGenHeader(mail.HeaderReferences, "<"+id(m.Thread)+">")
	} else if m.Thread != "" {
		msg.SetMessageIDWithValue(id(m.Thread))
	}
	if m.Level == "critical" {
		msg.SetImportance(mail.ImportanceHigh)
	}
	text := p.title + "\n\n" + strings.Join(p.lines, "\n") + "\n"
	if p.link != "" {
		text += "\n" + p.link + "\n"
	}
	msg.SetBodyString(mail.TypeTextPlain, text+"\n-- \n"+p.foot+"\n")
	var html bytes.Buffer
	if err := mailPage.Execute(&html, map[string]any{"Title": p.title, "Level": p.level, "Lines": p.lines, "Link": p.link, "Open": p.open, "Foot": p.foot}); err != nil {
		return nil, err
	}
	msg.AddAlternativeString(mail.TypeTextHTML, html.String())
	return msg, nil
}

var mailPage = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body style="font-family:sans-serif;max-width:46em">
<p style="color:#555;margin:0">{{.Level}}</p><h2 style="margin:.2em 0 .6em">{{.Title}}</h2>
{{range .Lines}}<p style="margin:.3em 0">{{.}}</p>
{{end}}{{with .Link}}<p><a href="{{.}}">{{$.Open}}</a></p>
{{end}}<p style="color:#555;font-size:small">{{.Foot}}</p>
</body></html>
`))
