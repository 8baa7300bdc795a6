package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"reprotect.example/events"
	"reprotect.example/services/notifier"
)

// What Slack's blocks take at most.
const (
	mostHeader  = 150
	mostSection = 3000
	mostBlocks  = 40
)

// slackTo posts to a webhook, or, with a bot token, to a channel: there each story is one message that changes in place,
// with what happened in its thread.
func slackTo(o Options) (func(context.Context, notifier.Message) error, error) {
	if strings.HasPrefix(o.Address, "xoxb-") {
		if o.Notify.Channel == "" {
			return nil, errors.New("a bot token needs the id of a channel: set channel")
		}
		options := []slack.Option{slack.OptionHTTPClient(o.HTTP)}
		if o.API != "" {
			options = append(options, slack.OptionAPIURL(o.API))
		}
		b := &bot{client: slack.New(o.Address, options...), channel: o.Notify.Channel, lang: o.Notify.Lang, roots: map[string]root{}}
		return b.post, nil
	}
	address, err := webAddress(o.Address)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, m notifier.Message) error {
		p := pageOf(m, o.Notify.Lang)
		no := false
		err := slack.PostWebhookCustomHTTPContext(ctx, address, o.HTTP, &slack.WebhookMessage{
			Text: fallback(p), Blocks: &slack.Blocks{BlockSet: blocks(p, m)}, UnfurlLinks: &no, UnfurlMedia: &no,
		})
		return slackError(err)
	}, nil
}

// fallback is what a notification of the phone shows, with the three characters escaped that mean something there.
func fallback(p page) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(p.level + ": " + cut(p.title, mostSection))
}

// blocks are plain text only: nothing in a name is a mention, a link or an emoji.
func blocks(p page, m notifier.Message) []slack.Block {
	plain := func(text string, most int) *slack.TextBlockObject {
		no := false
		return &slack.TextBlockObject{Type: slack.PlainTextType, Text: cut(or(text, "-"), most), Emoji: &no}
	}
	mark := map[string]string{events.LevelInfo: "", events.LevelWarning: "⚠ ", events.LevelCritical: "⛔ "}[m.Level]
	if m.State == events.NoteClosed {
		mark = "✔ "
	}
	all := []slack.Block{slack.NewHeaderBlock(plain(mark+p.title, mostHeader))}
	text := ""
	flush := func() {
		if text != "" && len(all) < mostBlocks {
			all = append(all, slack.NewSectionBlock(plain(text, mostSection), nil, nil))
		}
		text = ""
	}
	for _, l := range p.lines {
		if len(text)+len(l)+1 > mostSection {
			flush()
		}
		text = strings.TrimPrefix(text+"\n"+l, "\n")
	}
	flush()
	if p.link != "" {
		button := slack.NewButtonBlockElement("console", "", plain(p.open, 75))
		button.URL = p.link
		all = append(all, slack.NewActionBlock("", button))
	}
	return append(all, slack.NewContextBlock("", plain(p.level+" · "+p.foot, mostSection)))
}

// bot is a channel with a bot token. Which message a story has stands in the channel itself, as metadata: after a restart it
// is found there.
type bot struct {
	client        *slack.Client
	channel, lang string
	mu            sync.Mutex
	roots         map[string]root // by thread
}

type root struct {
	at      string // Slack's name for the message
	number  int    // of the message of the story that it shows
	replied int    // of the last that was told in its thread
}

const metadata = "reprotect_story"

func (b *bot) post(ctx context.Context, m notifier.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	thread := or(m.Thread, m.ID)
	r, err := b.find(ctx, thread, m.Since)
	if err != nil {
		return slackError(err)
	}
	if r.at != "" && r.number >= max(m.Number, 1) {
		return nil // it was posted before
	}
	p := pageOf(m, b.lang)
	content := []slack.MsgOption{
		slack.MsgOptionText(fallback(p), false), slack.MsgOptionBlocks(blocks(p, m)...), slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: metadata, EventPayload: map[string]any{"thread": thread, "number": strconv.Itoa(max(m.Number, 1))}}),
	}
	if r.at == "" {
		_, at, err := b.client.PostMessageContext(ctx, b.channel, content...)
		if err == nil {
			b.roots[thread] = root{at: at, number: max(m.Number, 1)}
		}
		return slackError(err)
	}
	if r.replied < m.Number { // people hear of a reply, and not of a change
		if _, _, err := b.client.PostMessageContext(ctx, b.channel, slack.MsgOptionText(fallback(p), false), slack.MsgOptionTS(r.at), slack.MsgOptionDisableLinkUnfurl()); err != nil {
			return slackError(err)
		}
		r.replied = m.Number
		b.roots[thread] = r
	}
	if _, _, _, err := b.client.UpdateMessageContext(ctx, b.channel, r.at, content...); err != nil {
		return slackError(err)
	}
	r.number = max(m.Number, 1)
	b.roots[thread] = r
	return nil
}

// find looks for the message of a story, in what is remembered and then in the channel.
func (b *bot) find(ctx context.Context, thread string, since time.Time) (root, error) {
	if r, known := b.roots[thread]; known {
		return r, nil
	}
	asked := &slack.GetConversationHistoryParameters{ChannelID: b.channel, Limit: 200, IncludeAllMetadata: true}
	if !since.IsZero() {
		asked.Oldest = fmt.Sprintf("%d.000000", since.Add(-time.Hour).Unix())
	}
	for range 10 {
		page, err := b.client.GetConversationHistoryContext(ctx, asked)
		if err != nil {
			return root{}, err
		}
		for _, message := range page.Messages {
			of := message.Metadata
			if name, _ := of.EventPayload["thread"].(string); of.EventType == metadata && name == thread {
				text, _ := of.EventPayload["number"].(string)
				number, _ := strconv.Atoi(text)
				r := root{at: message.Timestamp, number: number}
				b.roots[thread] = r
				return r, nil
			}
		}
		if asked.Cursor = page.ResponseMetaData.NextCursor; !page.HasMore || asked.Cursor == "" {
			break
		}
	}
	return root{}, nil
}

// ofThisMessage are Slack's words for what no other try changes.
var ofThisMessage = []string{"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text", "invalid_metadata_format", "metadata_too_large"}

func slackError(err error) error {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var said slack.SlackErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return &notifier.Refusal{Status: 429, After: limited.RetryAfter, Err: errors.New("answered 429: too many messages")}
	case errors.As(err, &status):
		return judge(status.Code, "", status.Status, time.Time{})
	case errors.As(err, &said):
		return &notifier.Refusal{Status: 200, Permanent: slices.Contains(ofThisMessage, said.Err), Err: fmt.Errorf("answered by Slack: %s", printable(said.Err))}
	}
	return withoutAddress(err)
}
