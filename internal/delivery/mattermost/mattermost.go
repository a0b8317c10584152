// Package mattermost delivers alerts to Mattermost, and to what understands its incoming webhooks.
package mattermost

import (
	"context"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
)

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelMattermost, Label: "Mattermost", About: "Posts to a channel by an incoming webhook.",
	Fields: []delivery.Field{
		{Name: "url", Label: "Incoming webhook", Kind: delivery.FieldURL, Required: true, Help: "https://…/hooks/…"},
		{Name: "channel", Label: "Channel", Kind: delivery.FieldText, Help: "another than the webhook's own"},
		{Name: "username", Label: "Name", Kind: delivery.FieldText, Help: "that messages come from"},
	},
	Check: func(s delivery.Settings) (string, error) { return delivery.Shown(s["url"]) },
}

// Channel posts to Mattermost. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type payload struct {
	Channel     string       `json:"channel,omitempty"`
	Username    string       `json:"username,omitempty"`
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	Fallback  string  `json:"fallback"`
	Color     string  `json:"color"`
	Title     string  `json:"title"`
	TitleLink string  `json:"title_link"`
	Text      string  `json:"text"`
	Fields    []field `json:"fields,omitempty"`
	Footer    string  `json:"footer"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// Render returns the message as one attachment.
// Rule: https://developers.mattermost.com/integrate/reference/message-attachments/
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	parts := []string{"**" + delivery.Markdown(m.What) + "**"}
	for _, text := range []string{m.Culprit, m.Text} {
		if text != "" {
			parts = append(parts, delivery.Markdown(text))
		}
	}
	if m.Code != "" {
		parts = append(parts, "```\n"+delivery.Fence(m.Code)+"\n```")
	}
	for _, i := range m.Items {
		parts = append(parts, "* ["+delivery.Markdown(i.Title)+"]("+i.URL+") "+delivery.Markdown(i.Text))
	}
	if m.Notes != "" {
		parts = append(parts, delivery.Markdown(m.Notes))
	}
	a := attachment{Fallback: delivery.Markdown(m.Subject), Color: m.Color, Title: delivery.Markdown(m.Title), TitleLink: m.TitleURL,
		Text: strings.Join(parts, "\n"), Footer: m.Project}
	if m.ShortID != "" {
		a.Footer = m.ShortID + " · " + m.Project
	}
	for _, f := range m.Facts {
		a.Fields = append(a.Fields, field{f.Label, delivery.Markdown(f.Text), len(f.Text) < 40})
	}
	p := payload{Channel: s["channel"], Username: s["username"], Attachments: []attachment{a}}
	if m.Test {
		p.Text = "Test"
	}
	return delivery.JSON(p)
}

// Send posts j's payload once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	a, _ := c.poster.Do(ctx, delivery.Request{URL: s["url"], Body: j.Payload, Secrets: []string{s["url"]}})
	return a
}
