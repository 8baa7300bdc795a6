package channel

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"reprotect.example/events"
	"reprotect.example/services/internal/config"
)

// smtp takes mails as RFC 5321 says, and answers DATA with a code of its own when refuse is not empty.
func smtp(t *testing.T, refuse string) (address string, mails <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan string, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewReader(conn)
				say := func(s string) { fmt.Fprintf(conn, "%s\r\n", s) }
				say("220 mail.example ESMTP")
				for {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); verb {
					case "EHLO", "HELO":
						say("250-mail.example")
						say("250 8BITMIME")
					case "DATA":
						say("354 go on")
						var body strings.Builder
						for {
							line, err := lines.ReadString('\n')
							if err != nil {
								return
							}
							if line == ".\r\n" {
								break
							}
							body.WriteString(strings.TrimPrefix(line, "."))
						}
						if refuse != "" {
							say(refuse)
							continue
						}
						got <- body.String()
						say("250 taken")
					case "QUIT":
						say("221 bye")
						return
					default:
						say("250 ok")
					}
				}
			}()
		}
	}()
	return fmt.Sprintf("smtp://%s/?from=reprotect@example.com&to=ops@example.com,night@example.com", l.Addr()), got
}

// A mail has no header but its own, whatever a machine is called, and is there as text and as HTML.
func TestMail(t *testing.T) {
	address, mails := smtp(t, "")
	for _, lang := range []string{"en", "ja"} {
		post := open(t, Options{Notify: config.Notify{Kind: config.KindEmail, Lang: lang}, Address: address})
		for _, name := range hostile {
			if err := post(t.Context(), message(name)); err != nil {
				t.Fatalf("%.20q: %v", name, err)
			}
			m, err := mail.ReadMessage(strings.NewReader(<-mails))
			if err != nil {
				t.Fatal(err)
			}
			for header := range m.Header {
				if !slices.Contains([]string{"Date", "Mime-Version", "Message-Id", "Subject", "User-Agent", "X-Mailer", "From", "To", "Content-Type", "Auto-Submitted", "Importance", "Priority", "X-Priority", "X-Msmail-Priority"}, header) {
					t.Errorf("%.20q: header %s", name, header)
				}
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil || !strings.HasPrefix(subject, "[") {
				t.Errorf("%q: %v", subject, err)
			}
			kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
			if err != nil || kind != "multipart/alternative" {
				t.Fatalf("%s: %v", kind, err)
			}
			parts := multipart.NewReader(m.Body, parameters["boundary"])
			for _, want := range []string{"text/plain", "text/html"} {
				part, err := parts.NextPart()
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(part)
				if err != nil || !strings.HasPrefix(part.Header.Get("Content-Type"), want) || strings.Contains(string(body), "<script>") && want == "text/html" {
					t.Errorf("%s: %v\n%s", want, err, body)
				}
			}
		}
	}
}

// The mails of one story are shown together.
func TestMailsOfAStory(t *testing.T) {
	address, mails := smtp(t, "")
	post := open(t, Options{Notify: config.Notify{Kind: config.KindEmail}, Address: address})
	first := message("db01")
	second := first
	second.Number, second.State = 2, events.NoteClosed
	second.ID += "-2"
	if err := post(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := post(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	a, _ := mail.ReadMessage(strings.NewReader(<-mails)) // TestMail holds their form
	b, _ := mail.ReadMessage(strings.NewReader(<-mails))
	if a.Header.Get("Message-Id") == "" || b.Header.Get("In-Reply-To") != a.Header.Get("Message-Id") || b.Header.Get("Message-Id") == a.Header.Get("Message-Id") {
		t.Errorf("%v\n%v", a.Header, b.Header)
	}
}

func TestMailRefused(t *testing.T) {
	address, _ := smtp(t, "451 later")
	if err := open(t, Options{Notify: config.Notify{Kind: config.KindEmail}, Address: address})(t.Context(), message("db01")); err == nil || !strings.Contains(err.Error(), "451") {
		t.Errorf("%v", err)
	}
}
