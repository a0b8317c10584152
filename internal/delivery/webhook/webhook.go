package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// Limits of a secret, in bytes.
const (
	minSecretBytes = 16
	maxSecretBytes = 256
)

// Spec describes the channel.
var Spec = delivery.Spec{
	Name: alert.ChannelWebhook, Label: "Webhook", About: "Posts signed JSON that receivers of Sentry's webhooks understand.",
	Secret: "secret",
	Fields: []delivery.Field{
		{Name: "url", Label: "Address", Kind: delivery.FieldURL, Required: true, Help: "https://… that answers 2xx"},
		{Name: "secret", Label: "Secret", Kind: delivery.FieldSecret, Help: "Signs every request; 16 to 256 characters. Made for you when it is empty."},
		{Name: "old_secret", Label: "Old secret", Kind: delivery.FieldSecret, Help: "Signs too, while the receiver changes from one to the other."},
		{Name: "format", Label: "Form", Kind: delivery.FieldChoice, Choices: []string{FormatSentry, FormatIssue, FormatLegacy, FormatTocsin},
			Help: "sentry: issue alerts; issue: issue changes; legacy: the WebHooks plugin; tocsin: our own"},
	},
	Check: check,
}

func check(s delivery.Settings) (string, error) {
	for _, name := range []string{"secret", "old_secret"} {
		if secret := s[name]; secret != "" {
			if n := len(secret); n < minSecretBytes || n > maxSecretBytes {
				return "", fault.New(fault.Invalid, "a webhook's secret has %d to %d bytes", minSecretBytes, maxSecretBytes)
			}
			if _, err := signingKey(seal.Secret(secret)); err != nil {
				return "", err
			}
		}
	}
	return delivery.Shown(s["url"])
}

// NewSecret makes a random secret in the form that Standard Webhooks prescribes.
// Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func NewSecret() seal.Secret {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails, by its contract
	return seal.Secret(standardPrefix + base64.StdEncoding.EncodeToString(raw[:]))
}

// Channel posts alerts to addresses. It is safe for concurrent use.
type Channel struct{ poster *delivery.Poster }

// New returns a channel that posts through p.
func New(p *delivery.Poster) *Channel { return &Channel{p} }

// Send posts j's payload once.
func (c *Channel) Send(ctx context.Context, j *alert.Job, s delivery.Settings) alert.Answer {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, by its contract
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	h := http.Header{}
	h.Set("Request-Id", hex.EncodeToString(id[:]))
	h.Set("Sentry-Hook-Resource", resource(s["format"]))
	if err := sign(h, s, MessageID(j.ID), j.Payload, time.Now()); err != nil {
		return alert.Answer{Error: fault.Public(err), Final: true}
	}
	a, _ := c.poster.Do(ctx, delivery.Request{URL: s["url"], Header: h, Body: j.Payload, Secrets: []string{s["secret"], s["old_secret"]}})
	return a
}

func resource(format string) string {
	if format == FormatIssue {
		return "issue"
	}
	return "event_alert"
}

// MessageID is the Webhook-Id of a delivery: the same for each of its tries.
func MessageID(delivery int64) string { return fmt.Sprintf("msg_%d", delivery) }
