// Package email delivers alerts by mail: HTML and text, one thread per issue, and a header by which
// a mail program can unsubscribe its reader with one click.
package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/mail"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxRecipients is how many addresses one destination may have.
const maxRecipients = 50

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelEmail, Label: "E-mail", About: "Sends mail to fixed addresses, such as a mailing list.",
	Fields: []delivery.Field{
		{Name: "to", Label: "Addresses", Kind: delivery.FieldText, Required: true, Help: "one or several, with commas between them"},
		{Name: "subject", Label: "Subject", Kind: delivery.FieldText, Help: "of alerts; $shortID, $title, $project and ${tag:key} are filled in. Empty: $shortID: what happened: $title"},
	},
	Check: check,
}

func check(s delivery.Settings) (string, error) {
	list, err := mail.ParseAddressList(s["to"])
	if err != nil || len(list) > maxRecipients {
		return "", fault.New(fault.Invalid, "addresses are up to %d, such as ops@example.com, with commas between them", maxRecipients)
	}
	target := list[0].Address
	if len(list) > 1 {
		target += " and " + strconv.Itoa(len(list)-1) + " more"
	}
	return delivery.Short(target, 200), nil
}

// Channel sends mail through the operator's relay. It is safe for concurrent use.
type Channel struct {
	relay *Relay
	base  string
}

// New returns a channel; without a relay every message fails with words that say so. base is the
// installation's address.
func New(relay *Relay, base string) *Channel { return &Channel{relay, base} }

// Render writes the whole message.
func (c *Channel) Render(n *alert.Notice, s delivery.Settings) ([]byte, error) {
	return Compose(n, recipients(s), s["subject"], c.relay.Sender(c.base))
}

// Compose writes a message with headers that no text of an event can add to.
func Compose(n *alert.Notice, to []string, subject string, from *mail.Address) ([]byte, error) {
	m := delivery.Compose(n)
	text := m.Plain()
	if n.Unsubscribe != "" {
		text += "\n-- \nNo more mail like this: " + n.Unsubscribe + "\n"
	}
	var page bytes.Buffer
	if err := layout.Execute(&page, view{Message: &m, Unsubscribe: n.Unsubscribe}); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "render mail")
	}
	sum := sha256.Sum256([]byte(text + page.String())) // no text can contain its own
	msg := gomail.NewMsg(gomail.WithBoundary("tocsin-"+hex.EncodeToString(sum[:16])), gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	if err := msg.FromFormat(from.Name, from.Address); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the sender of mail is not an address")
	}
	if err := msg.To(to...); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "a recipient of mail is not an address")
	}
	msg.Subject(header(subjectOf(subject, &m, n), 400))
	msg.SetDateWithValue(m.At.UTC())
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	msg.SetMessageIDWithValue("delivery." + strconv.FormatInt(n.Delivery, 10) + "@" + domain)
	if n.Change.Issue != 0 && n.Digest == nil { // all mail about an issue hangs from one root, which need not exist
		root := "<issue." + strconv.FormatInt(n.Change.Project, 10) + "." + strconv.FormatInt(n.Change.Issue, 10) + "@" + domain + ">"
		msg.SetGenHeader(gomail.HeaderReferences, root)
		msg.SetGenHeader(gomail.HeaderInReplyTo, root)
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Sentry-Project", header(n.Change.ProjectSlug, 100))
	if n.Change.Logger != "" {
		msg.SetGenHeader("X-Sentry-Logger", header(n.Change.Logger, 100))
	}
	if n.Change.Level != "" {
		msg.SetGenHeader("X-Sentry-Logger-Level", header(n.Change.Level, 20))
	}
	if n.Unsubscribe != "" {
		// Rule: https://www.rfc-editor.org/rfc/rfc8058
		msg.SetGenHeaderPreformatted(gomail.HeaderListUnsubscribe, "<"+n.Unsubscribe+">")
		msg.SetGenHeader(gomail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	msg.SetBodyString(gomail.TypeTextPlain, text)
	msg.AddAlternativeString(gomail.TypeTextHTML, page.String())
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write mail")
	}
	return out.Bytes(), nil
}

// Plain writes a message of text alone, for what is sent past the queue of alerts.
func Plain(from *mail.Address, to []string, subject, text string) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	if err := errors.Join(msg.FromFormat(from.Name, from.Address), msg.To(to...)); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "an address of mail is not one")
	}
	msg.Subject(header(subject, 400))
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, delivery.Block(text, 4000)+"\n")
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write mail")
	}
	return out.Bytes(), nil
}

// header is text for a header: one line, in which nothing passes for an encoded word of our own.
// Rule: https://www.rfc-editor.org/rfc/rfc2047#section-2
func header(s string, most int) string {
	return strings.ReplaceAll(delivery.Line(s, most), "=?", "=\u2060?")
}

// subjectOf fills in a subject's variables.
// Rule: https://docs.sentry.io/product/alerts/notifications/ (subject templates)
func subjectOf(template string, m *delivery.Message, n *alert.Notice) string {
	if template == "" || m.ShortID == "" {
		return m.Subject
	}
	pairs := []string{"$shortID", m.ShortID, "$title", m.Title, "$projectID", n.Change.ProjectSlug, "$project", m.Project, "$orgID", n.Change.Org}
	for _, t := range n.Detail.Tags {
		pairs = append(pairs, "${tag:"+t[0]+"}", t[1])
	}
	text := delivery.Line(strings.NewReplacer(pairs...).Replace(template), 400)
	if m.Test {
		text = "[Test] " + text
	}
	return text
}

func recipients(s delivery.Settings) []string {
	list, err := mail.ParseAddressList(s["to"])
	if err != nil {
		return nil
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.Address
	}
	return out
}

// Send hands the message to the relay once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	return c.relay.Deliver(ctx, c.relay.Sender(c.base).Address, recipients(s), j.Payload)
}
