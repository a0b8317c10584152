// Package slack delivers alerts to Slack: through an incoming webhook, or with a bot's token, which
// makes one thread per issue and buttons that work.
package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// defaultAPI is where Slack's API is.
const defaultAPI = "https://slack.com"

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelSlack, Label: "Slack", About: "Posts to a channel, by an incoming webhook or as a bot with buttons.",
	Fields: []delivery.Field{
		{Name: "url", Label: "Incoming webhook", Kind: delivery.FieldURL, Help: "https://hooks.slack.com/services/…; or a bot token below"},
		{Name: "token", Label: "Bot token", Kind: delivery.FieldSecret, Help: "xoxb-…, with the scope chat:write"},
		{Name: "channel", Label: "Channel", Kind: delivery.FieldText, Help: "name or id; needed with a bot token"},
		{Name: "signing_secret", Label: "Signing secret", Kind: delivery.FieldSecret, Help: "of the app; makes the buttons work"},
		{Name: "api", Label: "API address", Kind: delivery.FieldURL, Help: "only for GovSlack: https://slack-gov.com"},
	},
	Check: check,
}

func check(s delivery.Settings) (string, error) {
	switch {
	case s["token"] == "" && s["url"] == "":
		return "", fault.New(fault.Invalid, "Slack needs the address of an incoming webhook, or a bot token")
	case s["token"] != "" && s["channel"] == "":
		return "", fault.New(fault.Invalid, "a bot of Slack needs the channel to post to")
	case s["token"] != "":
		return "#" + strings.TrimPrefix(delivery.Line(s["channel"], 100), "#"), nil
	}
	return delivery.Shown(s["url"])
}

// Channel posts to Slack. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type payload struct {
	Channel     string       `json:"channel,omitempty"`
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
	Thread      string       `json:"thread_ts,omitempty"`
}

type attachment struct {
	Color    string `json:"color"`
	Fallback string `json:"fallback"`
	Blocks   []any  `json:"blocks"`
}

type obj map[string]any

// Render returns the message as Block Kit.
// Rule: https://docs.slack.dev/reference/block-kit/blocks
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	fallback := Escape(m.Subject)
	p := payload{Text: fallback, Attachments: []attachment{{Color: m.Color, Fallback: fallback, Blocks: blocks(&m, n)}}}
	if s["token"] != "" {
		p.Channel = s["channel"]
	}
	return delivery.JSON(p)
}

var emoji = map[string]string{"fatal": ":rotating_light:", "error": ":red_circle:", "warning": ":large_orange_diamond:", "info": ":large_blue_circle:", "debug": ":white_circle:"}

func blocks(m *delivery.Message, n *alert.Notice) []any {
	mark := emoji[m.Level]
	switch {
	case n.Kind == alert.NoticeResolve:
		mark = ":white_check_mark:"
	case mark == "":
		mark = ":red_circle:"
	}
	what := Escape(m.What)
	if m.Test {
		what = "Test: " + what
	}
	list := []any{
		section(mark + " " + what + "\n*<" + m.TitleURL + "|" + link(m.Title) + ">*"),
	}
	if m.Culprit != "" {
		list = append(list, textContext(Escape(m.Culprit)))
	}
	if m.Text != "" {
		list = append(list, section(Escape(delivery.Short(m.Text, 2500))))
	}
	if m.Code != "" {
		list = append(list, section("```"+Escape(delivery.Fence(m.Code))+"```"))
	}
	if facts := factLine(m.Facts); facts != "" {
		list = append(list, section(facts))
	}
	for _, i := range m.Items {
		list = append(list, section("<"+i.URL+"|"+link(i.Title)+">\n"+Escape(i.Text)))
	}
	if m.Notes != "" {
		list = append(list, section(Escape(m.Notes)))
	}
	if n.Interactive && n.Change.Issue != 0 && n.Digest == nil && n.Kind != alert.NoticeResolve {
		list = append(list, buttons(n))
	}
	var foot []string
	for _, f := range m.Footer {
		foot = append(foot, f.Label+": <"+f.URL+"|"+link(f.Text)+">")
	}
	return append(list, textContext(strings.Join(foot, "    ")))
}

func factLine(facts []delivery.Fact) string {
	var parts []string
	for _, f := range facts {
		parts = append(parts, Escape(f.Label)+": *"+strings.ReplaceAll(Escape(f.Text), "*", "∗")+"*")
	}
	return delivery.Short(strings.Join(parts, "\n"), 2900)
}

// buttons resolve, archive and give away the issue without leaving the chat.
func buttons(n *alert.Notice) obj {
	block, _ := json.Marshal(map[string]int64{"issue": n.Change.Issue, "rule": n.Rule.ID, "project": n.Change.Project}) // numbers only
	elements := []any{
		button("resolve", "Resolve", "primary"), button("archive", "Archive", ""), button("acknowledge", "I'm on it", ""),
	}
	var options []any
	for _, m := range n.Members {
		options = append(options, obj{"text": plain(delivery.Line(m.Name, 70)), "value": "user:" + itoa(m.ID)})
	}
	if len(options) > 0 {
		elements = append(elements, obj{"type": "static_select", "action_id": "assign", "placeholder": plain("Assign to…"), "options": options})
	}
	return obj{"type": "actions", "block_id": string(block), "elements": elements}
}

func button(action, label, style string) obj {
	b := obj{"type": "button", "action_id": action, "value": action, "text": plain(label)}
	if style != "" {
		b["style"] = style
	}
	return b
}

func plain(text string) obj   { return obj{"type": "plain_text", "text": text, "emoji": false} }
func section(text string) obj { return obj{"type": "section", "text": mrkdwn(text)} }
func mrkdwn(text string) obj  { return obj{"type": "mrkdwn", "text": text, "verbatim": true} }
func textContext(text string) obj {
	return obj{"type": "context", "elements": []any{mrkdwn(delivery.Short(text, 1900))}}
}

// Escape keeps Slack from reading commands, mentions, links and blocks of code in text: <!channel>
// becomes words.
// Rule: https://docs.slack.dev/messaging/formatting-message-text (escaping text)
func Escape(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	return strings.NewReplacer("://", ":\u2060//", "```", "'''").Replace(delivery.BreakCalls(s))
}

// link is text inside a link of ours.
func link(s string) string {
	return strings.NewReplacer("|", "¦", "*", "∗", "`", "'", "\n", " ").Replace(Escape(s))
}

// apiAnswer is what Slack's API says, always with status 200.
type apiAnswer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	TS      string `json:"ts"`
	Channel string `json:"channel"`
}

// lasting are errors that another try does not change.
var lasting = map[string]bool{"invalid_auth": true, "account_inactive": true, "token_revoked": true, "channel_not_found": true, "is_archived": true,
	"not_in_channel": true, "invalid_blocks": true, "missing_scope": true, "no_permission": true, "msg_too_long": true}

// Send posts j's payload once; as a bot, into the issue's thread when there is one.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	secrets := []string{s["token"], s["signing_secret"], s["url"]}
	if s["token"] == "" {
		a, body := c.poster.Do(ctx, delivery.Request{URL: s["url"], Body: j.Payload, Secrets: secrets})
		if a.Status == http.StatusNotFound && (strings.HasPrefix(string(body), "no_service") || strings.HasPrefix(string(body), "no_team")) {
			a.Final, a.Gone = true, true
		}
		return a
	}
	api := s["api"]
	if api == "" {
		api = defaultAPI
	}
	h := http.Header{}
	h.Set("Authorization", "Bearer "+s["token"])
	h.Set("Content-Type", "application/json; charset=utf-8")
	a, body := c.poster.Do(ctx, delivery.Request{URL: strings.TrimSuffix(api, "/") + "/api/chat.postMessage", Header: h, Body: threaded(j.Payload, j.Thread), Secrets: secrets})
	if a.Error != "" {
		return a
	}
	var said apiAnswer
	if err := json.Unmarshal(body, &said); err != nil || !said.OK {
		reason := delivery.Line(said.Error, 100)
		if reason == "" {
			reason = "something that is not Slack's"
		}
		a.Error, a.Final = "Slack answered "+reason, lasting[said.Error]
		if said.Error == "ratelimited" || said.Error == "rate_limited" {
			a.RetryAfter = time.Minute
		}
		return a
	}
	a.Thread = said.TS
	return a
}

// threaded adds the thread to a payload that was rendered without one.
func threaded(body []byte, thread string) []byte {
	if thread == "" {
		return body
	}
	var p map[string]json.RawMessage
	if json.Unmarshal(body, &p) != nil {
		return body
	}
	p["thread_ts"], _ = json.Marshal(thread) // text
	out, err := delivery.JSON(p)
	if err != nil {
		return body
	}
	return out
}
