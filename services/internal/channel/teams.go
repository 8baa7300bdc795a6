package channel

import (
	"context"

	"reprotect.example/events"
	"reprotect.example/services/notifier"
)

// mostCard is what a Workflows webhook takes: 28 KB, of which some is left for what Teams adds.
const mostCard = 27 << 10

type object = map[string]any

// teams posts an adaptive card to the webhook of a workflow. All text stands in text runs, which know no Markdown.
func teams(o Options) (func(context.Context, notifier.Message) error, error) {
	address, err := webAddress(o.Address)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, m notifier.Message) error {
		body, err := cardOf(pageOf(m, o.Notify.Lang), m.Level, m.State)
		if err != nil {
			return err
		}
		return post(ctx, o, address, map[string]string{"Content-Type": "application/json"}, body)
	}, nil
}

var colours = map[string]string{events.LevelInfo: "Default", events.LevelWarning: "Warning", events.LevelCritical: "Attention"}

// cardOf leaves lines out at the end until the card is small enough.
func cardOf(p page, level, state string) ([]byte, error) {
	for {
		body, err := encode(card(p, level, state))
		if err != nil || len(body) <= mostCard {
			return body, err
		}
		switch longest := longestOf(p.lines); {
		case longest >= 0 && len(p.lines[longest]) > 1024:
			p.lines[longest] = cut(p.lines[longest], len(p.lines[longest])/2)
		case len(p.lines) > 1:
			p.lines = append(p.lines[:len(p.lines)-2:len(p.lines)-2], "…")
			if len(p.lines) == 1 {
				p.lines = nil
			}
		default:
			p.lines, p.title = nil, cut(p.title, len(p.title)/2)
		}
	}
}

func longestOf(lines []string) int {
	at := -1
	for i, l := range lines {
		if at < 0 || len(l) > len(lines[at]) {
			at = i
		}
	}
	return at
}

func card(p page, level, state string) object {
	colour := colours[level]
	if state == events.NoteClosed {
		colour = "Good"
	}
	run := func(text string, more object) object {
		r := object{"type": "TextRun", "text": text}
		for k, v := range more {
			r[k] = v
		}
		return object{"type": "RichTextBlock", "inlines": []object{r}}
	}
	body := []object{run(p.title, object{"weight": "Bolder", "size": "Medium", "color": colour})}
	for _, l := range p.lines {
		body = append(body, run(l, nil))
	}
	body = append(body, run(p.level+" · "+p.foot, object{"isSubtle": true, "size": "Small"}))
	content := object{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"fallbackText": p.title, "msteams": object{"width": "Full"}, "body": body,
	}
	if p.link != "" {
		content["actions"] = []object{{"type": "Action.OpenUrl", "title": p.open, "url": p.link}}
	}
	return object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": content,
	}}}
}
