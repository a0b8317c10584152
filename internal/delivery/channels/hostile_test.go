package channels_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"golang.org/x/net/html"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outbound"
)

// hostiles are texts that somebody who can send events would like people in a chat to see.
var hostiles = map[string]string{
	"calls":      "<!channel> <!here|here> <@U123> <!subteam^S1> @everyone @here @channel <@&42> <users/all>",
	"links":      "<https://evil.example|Sign in> [Sign in](https://evil.example) ![](https://evil.example/p.png) https://evil.example/x www.evil.example <https://evil.example> [a]: https://evil.example",
	"markup":     "**bold** _it_ ~s~ # h\n> q\n* * *\n1. x\n- y\n| a | b |\n|---|---|\n<h1>big</h1> &lt;script&gt; &amp;",
	"fences":     "``` ```\n```\nout\n~~~\n`tick` </pre></code> ```js",
	"html":       "</a></b><script>alert(1)</script><img src=x onerror=alert(1)><a href=\"javascript:alert(1)\">x</a><!-- <style>*{display:none}</style>",
	"headers":    "x\r\nBcc: victim@evil.example\r\nContent-Type: text/html\r\n\r\n<h1>forged</h1>\r\n.\r\nRCPT TO:<victim@evil.example>\n\tfolded",
	"encoded":    "=?utf-8?q?=0D=0ABcc:_victim@evil.example?= =?UTF-7?Q?+AA0ACg-Bcc?=",
	"unicode":    "\u202egnp.exe\u202c \u200b\u2066x\u2069 \ufeff\u00ad\U000e0041\U000e0042 Z\u0351\u0346\u034c \u2028\u2029 bad\xff\xfe \x00\x07\x1b[31m\x7f\u0085",
	"templates":  "{{DATE(2017-02-14T06:08:39Z, SHORT)}} ${tag:browser} $title {{7*7}} %s %n {% raw %}",
	"long":       strings.Repeat("é*_[<&@", 20_000),
	"long lines": strings.Repeat("x\n", 50_000),
}

func hostile(s string) *alert.Notice {
	n := notice()
	c := &n.Change
	c.Kind, c.Title, c.Culprit, c.Logger, c.Release, c.Environment, c.Text, c.Type = issue.ChangeCommented, s, s, s, s, s, s, "error"
	n.Rule.Name, n.Action.Notes, n.Reason = s, s, s
	n.Detail = alert.Detail{Message: s + ".", Frame: s, Code: s, Tags: [][2]string{{"browser", s}, {s, s}}, Commit: s, Previous: s}
	n.Members = []alert.Person{{ID: 7, Name: s}}
	return n
}

func hostileDigest(s string) *alert.Notice {
	n := digest()
	for i := range n.Digest.Issues {
		d := &n.Digest.Issues[i]
		d.Title, d.Culprit, d.Release, d.Rule = s, s, s, s
	}
	return n
}

// maxBytes is what services take at most, with room.
const maxBytes = 100 << 10

// TestHostileTextIsDeliveredHarmless reads every message as its service does, with parsers that are
// not ours, and finds nothing that calls, links elsewhere, or was made of markup.
func TestHostileTextIsDeliveredHarmless(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		settings := k.settings("https://chat.example" + hook)
		ch := k.open(t, outbound.Options{}, relayTo(t, "smtp://127.0.0.1:1"))
		for name, s := range hostiles {
			for form, n := range map[string]*alert.Notice{"alert": hostile(s), "digest": hostileDigest(s)} {
				where := k.name + ", " + name + ", " + form
				got, err := ch.Render(n, settings)
				if err != nil {
					t.Errorf("%s: %v", where, err)
					continue
				}
				if len(got) > maxBytes || !utf8.Valid(got) {
					t.Errorf("%s: %d bytes, valid UTF-8: %v", where, len(got), utf8.Valid(got))
				}
				for _, wrong := range judge(&k, got) {
					t.Errorf("%s: %s", where, wrong)
				}
			}
		}
	}
}

// judge says what is wrong with a message, as a reader of that channel would see it.
func judge(k *kind, got []byte) []string {
	if !k.http() {
		return judgeMail(got)
	}
	var p any
	if err := json.Unmarshal(got, &p); err != nil {
		return []string{"not JSON: " + err.Error()}
	}
	var wrong []string
	walk(p, "", func(path, s string) {
		if bad := unseen(s); bad != "" {
			wrong = append(wrong, fmt.Sprintf("%s at %s", bad, path))
		}
		switch k.channel {
		case alert.ChannelSlack:
			wrong = append(wrong, judgeSlack(path, s)...)
		case alert.ChannelDiscord, alert.ChannelMattermost, alert.ChannelTeams:
			wrong = append(wrong, judgeMarkdown(path, s)...)
		case alert.ChannelTelegram:
			if path == ".text" {
				wrong = append(wrong, judgeHTML(s, "a", "b", "pre")...)
			}
		case alert.ChannelGoogleChat:
			if strings.HasSuffix(path, ".text") || strings.HasSuffix(path, "Label") {
				wrong = append(wrong, judgeHTML(s, "a", "b", "br", "font")...)
			}
		}
	})
	if k.channel == alert.ChannelDiscord {
		if m := p.(map[string]any)["allowed_mentions"].(map[string]any)["parse"].([]any); len(m) != 0 {
			wrong = append(wrong, "mentions are parsed")
		}
	}
	return wrong
}

func walk(v any, path string, f func(path, s string)) {
	switch v := v.(type) {
	case string:
		f(path, v)
	case []any:
		for _, e := range v {
			walk(e, path+"[]", f)
		}
	case map[string]any:
		for name, e := range v {
			f(path+".(name)", name)
			walk(e, path+"."+name, f)
		}
	}
}

// unseen names what hides in a text: control characters, and those that turn or hide others.
func unseen(s string) string {
	for _, r := range s {
		switch {
		case unicode.IsControl(r) && r != '\n', r == '\u2028', r == '\u2029':
			return fmt.Sprintf("the control character %U", r)
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200b, r == 0xfeff, r == 0xad, r >= 0xe0000 && r <= 0xe007f:
			return fmt.Sprintf("the hidden character %U", r)
		}
	}
	return ""
}

var slackTokens = regexp.MustCompile(`<([^>]*)>`)

// judgeSlack reads mrkdwn: whatever stands between < and > is a command or a link.
// Rule: https://docs.slack.dev/messaging/formatting-message-text
func judgeSlack(path, s string) (wrong []string) {
	if strings.HasSuffix(path, ".block_id") || strings.HasSuffix(path, ".options[].text.text") { // JSON of ours; plain text
		return nil
	}
	for _, m := range slackTokens.FindAllStringSubmatch(s, -1) {
		if !strings.HasPrefix(m[1], base+"/") {
			wrong = append(wrong, "Slack reads "+m[0]+" at "+path)
		}
	}
	if regexp.MustCompile(`@(everyone|here|channel)`).MatchString(s) {
		wrong = append(wrong, "somebody is called at "+path)
	}
	rest := slackTokens.ReplaceAllString(s, "")
	if strings.Contains(rest, "://evil") {
		wrong = append(wrong, "Slack makes a link of an address at "+path)
	}
	if n := strings.Count(s, "```"); n != 0 && n != 2 {
		wrong = append(wrong, fmt.Sprintf("%d fences at %s", n, path))
	}
	return wrong
}

// In blocks of code and in footers no service looks for names.
var (
	calls  = regexp.MustCompile(`@(everyone|here|channel|all)\b|<@[^\x{2060}]`)
	fenced = regexp.MustCompile("(?s)```\n.*?\n```")
)

// judgeMarkdown reads a text with a Markdown parser, bare addresses included.
func judgeMarkdown(path, s string) (wrong []string) {
	if strings.HasSuffix(path, "footer.text") || path == ".attachments[].footer" { // shown as it is
		return nil
	}
	if calls.MatchString(fenced.ReplaceAllString(s, "")) {
		wrong = append(wrong, "somebody is called at "+path)
	}
	if strings.HasSuffix(path, "url") || strings.HasSuffix(path, "title_link") || strings.HasSuffix(path, "$schema") {
		if !strings.HasPrefix(s, base+"/") && !strings.HasPrefix(s, "http://adaptivecards.io/") {
			wrong = append(wrong, "leads to "+s)
		}
		return wrong
	}
	source := []byte(s)
	tree := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			if !strings.HasPrefix(string(n.Destination), base+"/") {
				wrong = append(wrong, "a link to "+string(n.Destination)+" at "+path)
			}
		case *ast.AutoLink:
			if !strings.HasPrefix(string(n.URL(source)), base+"/") {
				wrong = append(wrong, "a link to "+string(n.URL(source))+" at "+path)
			}
		case *ast.Image, *ast.RawHTML, *ast.HTMLBlock, *ast.Heading, *ast.Blockquote, *ast.ThematicBreak:
			wrong = append(wrong, n.Kind().String()+" at "+path)
		case *ast.FencedCodeBlock:
			if !strings.HasSuffix(path, "description") && path != ".attachments[].text" {
				wrong = append(wrong, "a block of code at "+path)
			}
		}
		return ast.WalkContinue, nil
	})
	return wrong
}

// judgeHTML reads a text with an HTML parser; only the tags may be in it, and links lead home.
func judgeHTML(s string, tags ...string) (wrong []string) {
	z := html.NewTokenizer(strings.NewReader(s))
	depth := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			if depth != 0 {
				wrong = append(wrong, "a tag is cut open")
			}
			return wrong
		case html.StartTagToken:
			tag := z.Token()
			if !slices.Contains(tags, tag.Data) {
				wrong = append(wrong, "the tag "+tag.String())
			}
			if tag.Data != "br" && tag.Data != "meta" && tag.Data != "img" {
				depth++
			}
			for _, a := range tag.Attr {
				if a.Key == "href" && !strings.HasPrefix(a.Val, base+"/") || strings.HasPrefix(a.Key, "on") || a.Key == "src" {
					wrong = append(wrong, "the attribute "+a.Key+"="+a.Val)
				}
			}
		case html.EndTagToken:
			depth--
		case html.SelfClosingTagToken, html.CommentToken:
			wrong = append(wrong, "the mark "+z.Token().String())
		}
	}
}

var mailHeaders = []string{"Auto-Submitted", "Content-Type", "Date", "From", "In-Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "Message-Id", "Mime-Version",
	"References", "Subject", "To", "X-Sentry-Logger", "X-Sentry-Logger-Level", "X-Sentry-Project"}

// judgeMail reads a message with a mail parser.
func judgeMail(got []byte) (wrong []string) {
	for i, line := range bytes.Split(got, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			wrong = append(wrong, fmt.Sprintf("line %d has %d bytes or a bare line end", i+1, len(line)))
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(got))
	if err != nil {
		return append(wrong, err.Error())
	}
	for name, values := range m.Header {
		if !slices.Contains(mailHeaders, name) || len(values) != 1 {
			wrong = append(wrong, fmt.Sprintf("the header %s: %q", name, values))
		}
		value, err := new(mime.WordDecoder).DecodeHeader(values[0])
		if bad := unseen(value); err != nil || bad != "" || strings.Contains(value, "\n") {
			wrong = append(wrong, fmt.Sprintf("the header %s: %q, %v, %s", name, value, err, bad))
		}
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "ops@example.com" {
		wrong = append(wrong, fmt.Sprintf("it goes to %v, %v", to, err))
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return append(wrong, err.Error())
	}
	var types []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err != nil {
			break
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		types = append(types, kind)
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		page := strings.ReplaceAll(string(body), "\r\n", "\n")
		if bad := unseen(page); bad != "" {
			wrong = append(wrong, bad+" in "+kind)
		}
		if kind == "text/html" {
			page = strings.TrimPrefix(page, "<!doctype html>")
			wrong = append(wrong, judgeHTML(page, "html", "head", "meta", "title", "body", "table", "tr", "td", "th", "p", "h1", "a", "pre", "ul", "li", "br", "span")...)
		}
	}
	if !slices.Equal(types, []string{"text/plain", "text/html"}) {
		wrong = append(wrong, fmt.Sprintf("its parts are %v", types))
	}
	return wrong
}

// A subject of a destination's own is filled in with texts of events, and stays one line.
func TestASubjectOfOnesOwnIsHarmless(t *testing.T) {
	t.Parallel()
	k := kinds()[0]
	ch := k.open(t, outbound.Options{}, relayTo(t, "smtp://127.0.0.1:1"))
	for name, s := range hostiles {
		got, err := ch.Render(hostile(s), delivery.Settings{"to": "ops@example.com", "subject": "[$project] $title ${tag:browser} $shortID"})
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range judgeMail(got) {
			t.Errorf("%s: %s", name, wrong)
		}
		m, err := mail.ReadMessage(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || !strings.HasPrefix(subject, "[Checkout] ") || len(subject) > 400 {
			t.Errorf("%s: the subject is %q, %v", name, subject, err)
		}
	}
}

// Addresses in messages are ours: nothing that an event says becomes part of one.
func TestAddressesAreEscaped(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		if !k.http() {
			continue
		}
		got, err := k.open(t, outbound.Options{}, nil).Render(hostile("x"), k.settings("https://chat.example"+hook))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range regexp.MustCompile(`https://tocsin\.example[^"|)\s\\<>]*`).FindAllString(string(got), -1) {
			if u, err := url.Parse(at); err != nil || u.Host != "tocsin.example" {
				t.Errorf("%s: %q, %v", k.name, at, err)
			}
		}
	}
}
