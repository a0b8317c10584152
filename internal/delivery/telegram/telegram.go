// Package telegram delivers alerts to Telegram through a bot.
package telegram

import (
	"context"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const defaultAPI = "https://api.telegram.org"

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelTelegram, Label: "Telegram", About: "Writes to a chat as a bot; replies to its first message about an issue.",
	Fields: []delivery.Field{
		{Name: "token", Label: "Bot token", Kind: delivery.FieldSecret, Required: true, Help: "123456:ABC…, from @BotFather"},
		{Name: "chat", Label: "Chat", Kind: delivery.FieldText, Required: true, Help: "number of the chat, or @name of a channel"},
		{Name: "thread", Label: "Topic", Kind: delivery.FieldText, Help: "number of a topic of a forum"},
		{Name: "api", Label: "API address", Kind: delivery.FieldURL, Help: "only for a Bot API server of your own"},
	},
	Check: check,
}

var (
	tokenForm = regexp.MustCompile(`^[0-9]{1,20}:[A-Za-z0-9_-]{10,100}$`)
	chatForm  = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z0-9_]{3,64})$`)
)

func check(s delivery.Settings) (string, error) {
	switch {
	case !tokenForm.MatchString(s["token"]):
		return "", fault.New(fault.Invalid, "a bot token of Telegram is a number, a colon and letters")
	case !chatForm.MatchString(s["chat"]):
		return "", fault.New(fault.Invalid, "a chat of Telegram is a number, or @ and the name of a channel")
	}
	if _, err := strconv.ParseInt(s["thread"], 10, 64); s["thread"] != "" && err != nil {
		return "", fault.New(fault.Invalid, "a topic of Telegram is a number")
	}
	return "chat " + s["chat"], nil
}

// Channel writes as a bot. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

type payload struct {
	Chat        string   `json:"chat_id"`
	Thread      int64    `json:"message_thread_id,omitempty"`
	Text        string   `json:"text"`
	ParseMode   string   `json:"parse_mode"`
	LinkPreview preview  `json:"link_preview_options"`
	Keyboard    keyboard `json:"reply_markup"`
	Reply       *reply   `json:"reply_parameters,omitempty"`
}

type preview struct {
	Disabled bool `json:"is_disabled"`
}

type keyboard struct {
	Rows [][]button `json:"inline_keyboard"`
}

type button struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

type reply struct {
	Message int64 `json:"message_id"`
	Lax     bool  `json:"allow_sending_without_reply"`
}

// maxText is how long a message may be.
const maxText = 4000

// Render returns the message as HTML of the few tags that Telegram knows.
// Rule: https://core.telegram.org/bots/api#html-style
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	m := delivery.Compose(n)
	what := m.What
	if m.Test {
		what = "Test: " + what
	}
	lines := []string{html.EscapeString(what), `<b><a href="` + html.EscapeString(m.TitleURL) + `">` + html.EscapeString(m.Title) + "</a></b>"}
	for _, text := range []string{m.Culprit, m.Text} {
		if text != "" {
			lines = append(lines, html.EscapeString(text))
		}
	}
	if m.Code != "" {
		lines = append(lines, "<pre>"+html.EscapeString(m.Code)+"</pre>")
	}
	for _, f := range m.Facts {
		lines = append(lines, html.EscapeString(f.Label)+": <b>"+html.EscapeString(f.Text)+"</b>")
	}
	for _, i := range m.Items {
		lines = append(lines, `• <a href="`+html.EscapeString(i.URL)+`">`+html.EscapeString(i.Title)+"</a>\n"+html.EscapeString(i.Text))
	}
	if m.Notes != "" {
		lines = append(lines, html.EscapeString(m.Notes))
	}
	text := ""
	for _, l := range lines { // whole lines, so that no tag is cut open
		if len(text)+len(l)+1 > maxText {
			break
		}
		text = strings.TrimPrefix(text+"\n"+l, "\n")
	}
	p := payload{Chat: s["chat"], Text: text, ParseMode: "HTML", LinkPreview: preview{true}}
	p.Thread, _ = strconv.ParseInt(s["thread"], 10, 64) // checked before
	if strings.HasPrefix(m.TitleURL, "https://") {      // Telegram refuses others
		p.Keyboard.Rows = [][]button{{{"Open", m.TitleURL}}}
	} else {
		p.Keyboard.Rows = [][]button{}
	}
	return delivery.JSON(p)
}

// Send writes j's message once, as a reply to the first about the issue.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	api := s["api"]
	if api == "" {
		api = defaultAPI
	}
	a, body := c.poster.Do(ctx, delivery.Request{URL: strings.TrimSuffix(api, "/") + "/bot" + s["token"] + "/sendMessage",
		Body: threaded(j.Payload, j.Thread), Secrets: []string{s["token"]}})
	var said struct {
		OK          bool   `json:"ok"`
		Description string `json:"description"`
		Result      struct {
			ID int64 `json:"message_id"`
		} `json:"result"`
		Parameters struct {
			RetryAfter int64 `json:"retry_after"`
		} `json:"parameters"`
	}
	if len(body) == 0 || json.Unmarshal(body, &said) != nil {
		return a
	}
	if a.Error != "" {
		if said.Description != "" {
			a.Error += ": " + delivery.Line(said.Description, 200)
		}
		a.RetryAfter = max(a.RetryAfter, time.Duration(min(max(said.Parameters.RetryAfter, 0), 86400))*time.Second)
		a.Final = a.Final || a.Status == 400 || a.Status == 401 || a.Status == 403 || a.Status == 404
		return a
	}
	if said.Result.ID != 0 {
		a.Thread = strconv.FormatInt(said.Result.ID, 10)
	}
	return a
}

func threaded(body []byte, thread string) []byte {
	id, err := strconv.ParseInt(thread, 10, 64)
	if err != nil {
		return body
	}
	var p payload
	if json.Unmarshal(body, &p) != nil {
		return body
	}
	p.Reply = &reply{id, true}
	out, err := delivery.JSON(p)
	if err != nil {
		return body
	}
	return out
}
