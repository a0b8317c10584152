// Package ntfy delivers alerts to phones through a topic of ntfy, the public one or one's own.
package ntfy

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
)

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelNtfy, Label: "ntfy", About: "Pushes to phones through a topic.",
	Fields: []delivery.Field{
		{Name: "url", Label: "Topic address", Kind: delivery.FieldURL, Required: true, Help: "https://ntfy.sh/my-topic"},
		{Name: "token", Label: "Access token", Kind: delivery.FieldSecret, Help: "tk_…, for topics that are protected"},
	},
	Check: func(s delivery.Settings) (string, error) {
		if _, _, err := split(s["url"]); err != nil {
			return "", err
		}
		return delivery.Shown(s["url"])
	},
}

var topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// split parts the address of a topic into the server's and the topic.
func split(address string) (server, topic string, err error) {
	u, err := outbound.ParseURL(address)
	if err != nil {
		return "", "", err
	}
	topic = strings.Trim(u.Path, "/")
	if !topicForm.MatchString(topic) {
		return "", "", fault.New(fault.Invalid, "the address of a topic ends in its name: https://ntfy.sh/my-topic")
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(), topic, nil
}

// Channel publishes to ntfy. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type payload struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags"`
	Click    string   `json:"click"`
	Actions  []action `json:"actions"`
}

type action struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

var priorities = map[string]int{"fatal": 5, "error": 4, "warning": 3, "info": 2, "debug": 1}

// Render returns the message as JSON to publish; its texts are shown as they are.
// Rule: https://docs.ntfy.sh/publish/#publish-as-json
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	_, topic, err := split(s["url"])
	if err != nil {
		return nil, err
	}
	m := delivery.Compose(n)
	lines := []string{m.Title}
	for _, text := range []string{m.Culprit, m.Text, m.Code} {
		if text != "" {
			lines = append(lines, text)
		}
	}
	for _, f := range m.Facts {
		lines = append(lines, f.Label+": "+f.Text)
	}
	for _, i := range m.Items {
		lines = append(lines, "• "+i.Title+" ("+i.Text+")")
	}
	if m.Notes != "" {
		lines = append(lines, m.Notes)
	}
	title := m.What
	if m.Test {
		title = "Test: " + title
	}
	p := payload{Topic: topic, Title: delivery.Short(title, 200), Message: delivery.Short(strings.Join(lines, "\n"), 3800), Priority: 4,
		Tags: []string{"rotating_light"}, Click: m.TitleURL, Actions: []action{{"view", "Open", m.TitleURL}}}
	if level, ok := priorities[m.Level]; ok {
		p.Priority = level
	}
	if n.Kind == alert.NoticeResolve {
		p.Tags, p.Priority = []string{"white_check_mark"}, 2
	}
	return delivery.JSON(p)
}

// Send publishes j's payload once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	server, topic, err := split(s["url"])
	if err != nil {
		return alert.Answer{Error: fault.Public(err), Final: true}
	}
	h := http.Header{}
	if s["token"] != "" {
		h.Set("Authorization", "Bearer "+s["token"])
	}
	a, _ := c.poster.Do(ctx, delivery.Request{URL: server, Header: h, Body: j.Payload, Secrets: []string{s["token"], topic}})
	return a
}
