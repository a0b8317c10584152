// Package googlechat delivers alerts to a space of Google Chat, one thread per issue.
package googlechat

import (
	"context"
	"html"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelGoogleChat, Label: "Google Chat", About: "Posts a card to a space by its webhook.",
	Fields: []delivery.Field{{Name: "url", Label: "Webhook", Kind: delivery.FieldURL, Required: true, Help: "https://chat.googleapis.com/v1/spaces/…"}},
	Check:  func(s delivery.Settings) (string, error) { return delivery.Shown(s["url"]) },
}

// Channel posts to Google Chat. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type obj map[string]any

// Render returns the message as one card. Its texts are a subset of HTML, so they are escaped as such.
// Rule: https://developers.google.com/workspace/chat/api/reference/rest/v1/cards
func (c *Channel) Render(n *alert.Notice, _ delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	what := m.What
	if m.Test {
		what = "Test: " + what
	}
	esc := html.EscapeString
	widgets := []any{}
	paragraph := func(text string) { widgets = append(widgets, obj{"textParagraph": obj{"text": text}}) }
	if m.Culprit != "" {
		paragraph(esc(m.Culprit))
	}
	if m.Text != "" {
		paragraph(strings.ReplaceAll(esc(m.Text), "\n", "<br>"))
	}
	if m.Code != "" {
		paragraph("<font color=\"#555f6b\">" + strings.ReplaceAll(esc(m.Code), "\n", "<br>") + "</font>")
	}
	for _, f := range m.Facts {
		widgets = append(widgets, obj{"decoratedText": obj{"topLabel": esc(f.Label), "text": esc(f.Text), "wrapText": true}})
	}
	for _, i := range m.Items {
		paragraph("<a href=\"" + esc(i.URL) + "\">" + esc(i.Title) + "</a><br>" + esc(i.Text))
	}
	if m.Notes != "" {
		paragraph(strings.ReplaceAll(esc(m.Notes), "\n", "<br>"))
	}
	widgets = append(widgets, obj{"buttonList": obj{"buttons": []any{obj{"text": "Open", "onClick": obj{"openLink": obj{"url": m.TitleURL}}}}}})
	card := obj{"header": obj{"title": m.Title, "subtitle": what}, "sections": []any{obj{"widgets": widgets}}}
	message := obj{"cardsV2": []any{obj{"cardId": "delivery-" + strconv.FormatInt(n.Delivery, 10), "card": card}}}
	if n.Change.Issue != 0 && n.Digest == nil {
		message["thread"] = obj{"threadKey": "issue-" + strconv.FormatInt(n.Change.Project, 10) + "-" + strconv.FormatInt(n.Change.Issue, 10)}
	}
	return delivery.JSON(message)
}

// Send posts j's payload once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	u, err := url.Parse(s["url"])
	if err != nil {
		return alert.Answer{Error: fault.Public(fault.New(fault.Invalid, "this is not a URL")), Final: true}
	}
	q := u.Query()
	q.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
	u.RawQuery = q.Encode()
	a, _ := c.poster.Do(ctx, delivery.Request{URL: u.String(), Body: j.Payload, Secrets: []string{s["url"], q.Get("key"), q.Get("token")}})
	return a
}
