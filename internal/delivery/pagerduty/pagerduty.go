// Package pagerduty opens and resolves incidents through PagerDuty's Events API v2.
package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const defaultAPI = "https://events.pagerduty.com"

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelPagerDuty, Label: "PagerDuty", About: "Opens an incident per issue, and resolves it when the issue is resolved.", Resolves: true,
	Fields: []delivery.Field{
		{Name: "routing_key", Label: "Integration key", Kind: delivery.FieldSecret, Required: true, Help: "of an integration “Events API v2”"},
		{Name: "severity", Label: "Severity", Kind: delivery.FieldChoice, Choices: []string{"critical", "error", "warning", "info"}, Help: "empty: by the event's level"},
		{Name: "api", Label: "API address", Kind: delivery.FieldURL, Help: "https://events.eu.pagerduty.com in Europe"},
	},
	Check: check,
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9]{20,64}$`)

func check(s delivery.Settings) (string, error) {
	if !keyForm.MatchString(s["routing_key"]) {
		return "", fault.New(fault.Invalid, "an integration key of PagerDuty is 32 letters and digits")
	}
	return "service …" + s["routing_key"][len(s["routing_key"])-4:], nil
}

// Channel sends to PagerDuty. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type event struct {
	RoutingKey string   `json:"routing_key"` // filled in when it is sent: payloads are stored
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Payload    *payload `json:"payload,omitempty"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
	Links      []link   `json:"links,omitempty"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Severity  string         `json:"severity"`
	Source    string         `json:"source"`
	Component string         `json:"component"`
	Timestamp string         `json:"timestamp"`
	Details   map[string]any `json:"custom_details"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// maxSummary is PagerDuty's limit, in characters; bytes are never more.
const maxSummary = 1024

var severities = map[string]string{"fatal": "critical", "error": "error", "warning": "warning", "info": "info", "debug": "info"}

// keyHole stands in stored payloads where the key goes.
const keyHole = "••routing key••"

// Render returns the event; the key is not in it.
// Rule: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	e := event{RoutingKey: keyHole, Action: "trigger", DedupKey: dedup(n)}
	if n.Kind == alert.NoticeResolve {
		e.Action = "resolve"
		return delivery.JSON(e)
	}
	severity := severities[m.Level]
	for _, choice := range []string{s["severity"], n.Action.Severity} { // the rule's word counts most
		if severities[choice] != "" || choice == "critical" {
			severity = choice
		}
	}
	if severity == "" {
		severity = "error"
	}
	source := m.Culprit
	if source == "" {
		source = "<unknown>"
	}
	details := map[string]any{"what": m.What, "title": m.Title}
	for _, f := range m.Facts {
		details[f.Label] = f.Text
	}
	if m.Code != "" {
		details["where"] = m.Code
	}
	if m.Notes != "" {
		details["notes"] = m.Notes
	}
	for _, t := range n.Detail.Tags {
		details["tag "+delivery.Line(t[0], 100)] = delivery.Line(t[1], 200)
	}
	var issues []string
	for _, i := range m.Items {
		issues = append(issues, i.Title+" ("+i.Text+")")
	}
	if issues != nil {
		details["issues"] = issues
	}
	e.Payload = &payload{Summary: delivery.Short(summary(&m), maxSummary), Severity: severity, Source: source, Component: delivery.Line(n.Change.ProjectSlug, 100),
		Timestamp: m.At.UTC().Format(time.RFC3339), Details: details}
	e.Client, e.ClientURL, e.Links = "Tocsin", m.TitleURL, []link{{m.TitleURL, "View the issue"}}
	return delivery.JSON(e)
}

func summary(m *delivery.Message) string {
	if m.Test {
		return "Test: " + m.Title
	}
	return "[" + m.Project + "] " + m.Title
}

// dedup names the incident: that of the issue, or one of its own.
func dedup(n *alert.Notice) string {
	if n.Change.Issue == 0 || n.Digest != nil {
		return "tocsin-delivery-" + strconv.FormatInt(n.Delivery, 10)
	}
	return "tocsin-" + strconv.FormatInt(n.Change.Project, 10) + "-" + delivery.Line(n.Change.ShortID, 200)
}

// Send sends j's event once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	api := s["api"]
	if api == "" {
		api = defaultAPI
	}
	key, err := json.Marshal(s["routing_key"])
	if err != nil {
		return alert.Answer{Error: "the integration key cannot be sent", Final: true}
	}
	body := bytes.Replace(j.Payload, []byte(`"`+keyHole+`"`), key, 1)
	a, _ := c.poster.Do(ctx, delivery.Request{URL: strings.TrimSuffix(api, "/") + "/v2/enqueue", Body: body, Secrets: []string{s["routing_key"]}})
	if a.Status == 400 { // the event or the key is wrong, and will be
		a.Final = true
	}
	return a
}
