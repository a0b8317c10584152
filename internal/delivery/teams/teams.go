// Package teams delivers alerts to Microsoft Teams as adaptive cards, by a workflow's address.
package teams

import (
	"context"
	"fmt"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
)

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelTeams, Label: "Microsoft Teams", About: "Posts a card to a channel by a workflow or incoming webhook.",
	Fields: []delivery.Field{{Name: "url", Label: "Workflow address", Kind: delivery.FieldURL, Required: true,
		Help: "of “Post to a channel when a webhook request is received”"}},
	Check: func(s delivery.Settings) (string, error) { return delivery.Shown(s["url"]) },
}

// Channel posts to Teams. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type obj map[string]any

// Render returns the message as one adaptive card.
// Rule: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
func (c *Channel) Render(n *alert.Notice, _ delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	what := m.What
	if m.Test {
		what = "Test: " + what
	}
	body := []any{
		text("["+delivery.Markdown(m.Title)+"]("+m.TitleURL+")", obj{"size": "Large", "weight": "Bolder"}),
		text(delivery.Markdown(what), obj{"weight": "Bolder", "color": color(m.Level, n.Kind)}),
	}
	if m.Culprit != "" {
		body = append(body, text(delivery.Markdown(m.Culprit), obj{"isSubtle": true}))
	}
	if m.Text != "" {
		body = append(body, text(delivery.Markdown(m.Text), nil))
	}
	if m.Code != "" {
		body = append(body, text(delivery.Markdown(m.Code), obj{"fontType": "Monospace"}))
	}
	var facts []any
	for _, f := range m.Facts {
		facts = append(facts, obj{"title": f.Label, "value": delivery.Markdown(f.Text)})
	}
	if len(facts) > 0 {
		body = append(body, obj{"type": "FactSet", "facts": facts})
	}
	for _, i := range m.Items {
		body = append(body, text("["+delivery.Markdown(i.Title)+"]("+i.URL+")  \n"+delivery.Markdown(i.Text), nil))
	}
	if m.Notes != "" {
		body = append(body, text(delivery.Markdown(m.Notes), nil))
	}
	at := m.At.UTC().Format(time.RFC3339)
	foot := fmt.Sprintf("{{DATE(%s, SHORT)}} at {{TIME(%s)}}", at, at)
	if n.RuleURL() != "" {
		foot = m.ShortID + " via [" + delivery.Markdown(delivery.Line(n.Rule.Name, 100)) + "](" + n.RuleURL() + ") · " + foot
	}
	body = append(body, text(foot, obj{"isSubtle": true, "size": "Small"}))
	card := obj{"type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.4", "body": body,
		"msteams": obj{"width": "Full"}, "actions": []any{obj{"type": "Action.OpenUrl", "title": "View issue", "url": m.TitleURL}}}
	return delivery.JSON(obj{"type": "message", "attachments": []any{
		obj{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}})
}

func text(t string, more obj) obj {
	b := obj{"type": "TextBlock", "text": t, "wrap": true}
	for k, v := range more {
		b[k] = v
	}
	return b
}

func color(level string, kind alert.NoticeKind) string {
	switch {
	case kind == alert.NoticeResolve:
		return "Good"
	case level == "warning":
		return "Warning"
	case level == "info" || level == "debug":
		return "Accent"
	}
	return "Attention"
}

// Send posts j's payload once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	a, _ := c.poster.Do(ctx, delivery.Request{URL: s["url"], Body: j.Payload, Secrets: []string{s["url"]}})
	return a
}
