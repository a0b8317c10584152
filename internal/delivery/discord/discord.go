// Package discord delivers alerts to Discord by a channel's webhook.
package discord

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
)

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelDiscord, Label: "Discord", About: "Posts to a channel by its webhook.",
	Fields: []delivery.Field{{Name: "url", Label: "Webhook", Kind: delivery.FieldURL, Required: true, Help: "https://discord.com/api/webhooks/…"}},
	Check:  func(s delivery.Settings) (string, error) { return delivery.Shown(s["url"]) },
}

// Channel posts to Discord. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type payload struct {
	Content  string   `json:"content"`
	Embeds   []embed  `json:"embeds"`
	Mentions mentions `json:"allowed_mentions"`
}

type mentions struct {
	Parse []string `json:"parse"` // empty: nobody is called, whatever the text says
}

type embed struct {
	Title       string  `json:"title"`
	Description string  `json:"description"`
	URL         string  `json:"url"`
	Color       int64   `json:"color"`
	Fields      []field `json:"fields,omitempty"`
	Footer      footer  `json:"footer"`
	Timestamp   string  `json:"timestamp"`
}

type field struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline"`
}

type footer struct {
	Text string `json:"text"`
}

// Limits of Discord, in characters; bytes are never more.
// Rule: https://docs.discord.com/developers/resources/message#embed-object-embed-limits
const (
	maxTitle       = 256
	maxDescription = 2000
	maxFields      = 25
	maxValue       = 1000
	maxEmbed       = 5500
)

// Render returns the message as one embed.
func (c *Channel) Render(n *alert.Notice, _ delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	e := embed{Title: delivery.Short(delivery.Markdown(m.Title), maxTitle), URL: m.TitleURL, Timestamp: m.At.UTC().Format(time.RFC3339)}
	e.Color, _ = strconv.ParseInt(strings.TrimPrefix(m.Color, "#"), 16, 32)
	parts := []string{"**" + delivery.Markdown(m.What) + "**"}
	if m.Culprit != "" {
		parts = append(parts, delivery.Markdown(m.Culprit))
	}
	if m.Text != "" {
		parts = append(parts, delivery.Markdown(m.Text))
	}
	if m.Code != "" {
		parts = append(parts, "```\n"+delivery.Fence(delivery.Short(m.Code, 800))+"\n```")
	}
	for _, i := range m.Items {
		parts = append(parts, "["+delivery.Markdown(delivery.Short(i.Title, 100))+"]("+i.URL+")\n"+delivery.Markdown(i.Text))
	}
	if m.Notes != "" {
		parts = append(parts, delivery.Markdown(m.Notes))
	}
	e.Description = whole(parts, maxDescription)
	size := len(e.Title) + len(e.Description)
	for _, f := range m.Facts[:min(len(m.Facts), maxFields)] {
		add := field{delivery.Short(f.Label, maxTitle), delivery.Short(delivery.Markdown(f.Text), maxValue), len(f.Text) < 40}
		if size += len(add.Name) + len(add.Value); size > maxEmbed {
			break
		}
		e.Fields = append(e.Fields, add)
	}
	e.Footer.Text = footerText(&m, n)
	p := payload{Embeds: []embed{e}, Mentions: mentions{[]string{}}}
	if m.Test {
		p.Content = "Test"
	}
	return delivery.JSON(p)
}

// whole joins as many parts as fit, so that no block of code is cut open.
func whole(parts []string, most int) string {
	text := ""
	for _, p := range parts {
		if len(text)+len(p)+2 > most {
			break
		}
		text = strings.TrimPrefix(text+"\n\n"+p, "\n\n")
	}
	return text
}

func footerText(m *delivery.Message, n *alert.Notice) string {
	text := m.ShortID
	if n.Rule.Name != "" {
		text = strings.TrimSpace(text + " via " + delivery.Line(n.Rule.Name, 100))
	}
	if text == "" {
		text = m.Project
	}
	return text
}

// Send posts j's payload once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	a, _ := c.poster.Do(ctx, delivery.Request{URL: s["url"], Body: j.Payload, Secrets: []string{s["url"]}})
	if a.Status == 404 { // the webhook was deleted
		a.Final, a.Gone = true, true
	}
	return a
}
