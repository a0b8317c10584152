// Package opsgenie opens and closes alerts through Opsgenie's Alert API, which Jira Service
// Management speaks too.
package opsgenie

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const defaultAPI = "https://api.opsgenie.com"

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelOpsgenie, Label: "Opsgenie", About: "Opens an alert per issue, and closes it when the issue is resolved.", Resolves: true,
	Fields: []delivery.Field{
		{Name: "key", Label: "API key", Kind: delivery.FieldSecret, Required: true, Help: "of an API integration"},
		{Name: "priority", Label: "Priority", Kind: delivery.FieldChoice, Choices: []string{"P1", "P2", "P3", "P4", "P5"}, Help: "empty: by the event's level"},
		{Name: "api", Label: "API address", Kind: delivery.FieldURL, Help: "https://api.eu.opsgenie.com in Europe"},
	},
	Check: func(s delivery.Settings) (string, error) {
		if len(s["key"]) < 16 || strings.ContainsAny(s["key"], " \r\n") {
			return "", fault.New(fault.Invalid, "an API key of Opsgenie is 36 letters, digits and dashes")
		}
		return "team of key …" + s["key"][len(s["key"])-4:], nil
	},
}

// Channel sends to Opsgenie. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

// request is what is stored: the call to make, without the key.
type request struct {
	Path string          `json:"path"`
	Body json.RawMessage `json:"body"`
}

type body struct {
	Message     string            `json:"message,omitempty"`
	Alias       string            `json:"alias,omitempty"`
	Description string            `json:"description,omitempty"`
	Details     map[string]string `json:"details,omitempty"`
	Entity      string            `json:"entity,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Priority    string            `json:"priority,omitempty"`
	Source      string            `json:"source,omitempty"`
	Note        string            `json:"note,omitempty"`
}

// maxMessage is Opsgenie's limit, in characters.
const maxMessage = 130

var priorities = map[string]string{"fatal": "P1", "error": "P2", "warning": "P3", "info": "P4", "debug": "P5"}

// Render returns the call to make.
// Rule: https://docs.opsgenie.com/docs/alert-api
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	alias := "sentry: " + strconv.FormatInt(n.Change.Issue, 10)
	if n.Change.Issue == 0 || n.Digest != nil {
		alias = "sentry: delivery " + strconv.FormatInt(n.Delivery, 10)
	}
	if n.Kind == alert.NoticeResolve {
		raw, err := delivery.JSON(body{Source: "Tocsin", Note: m.What})
		if err != nil {
			return nil, err
		}
		return delivery.JSON(request{"/v2/alerts/" + url.PathEscape(alias) + "/close?identifierType=alias", raw})
	}
	b := body{Message: delivery.Short(m.Title, maxMessage), Alias: alias, Description: delivery.Short(m.Plain(), 15000), Entity: delivery.Short(m.Culprit, 500),
		Tags: []string{"level:" + m.Level}, Priority: priorities[m.Level], Source: "Tocsin", Details: map[string]string{"url": m.TitleURL}}
	if m.Test {
		b.Message = delivery.Short("Test: "+m.Title, maxMessage)
	}
	for _, f := range m.Facts {
		b.Details[f.Label] = f.Text
	}
	for _, choice := range []string{s["priority"], n.Action.Severity} {
		if strings.HasPrefix(choice, "P") {
			b.Priority = choice
		}
	}
	if b.Priority == "" {
		b.Priority = "P3"
	}
	raw, err := delivery.JSON(b)
	if err != nil {
		return nil, err
	}
	return delivery.JSON(request{"/v2/alerts", raw})
}

// Send makes j's call once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	var r request
	if err := json.Unmarshal(j.Payload, &r); err != nil {
		return alert.Answer{Error: "the stored message cannot be read", Final: true}
	}
	api := s["api"]
	if api == "" {
		api = defaultAPI
	}
	h := http.Header{}
	h.Set("Authorization", "GenieKey "+s["key"])
	a, _ := c.poster.Do(ctx, delivery.Request{URL: strings.TrimSuffix(api, "/") + r.Path, Header: h, Body: r.Body, Secrets: []string{s["key"]}})
	if a.Status == 401 || a.Status == 403 || a.Status == 422 {
		a.Final = true
	}
	return a
}
