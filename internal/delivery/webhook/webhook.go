package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// maxResponseBytes is how much of an answer the delivery log keeps.
const maxResponseBytes = 1 << 10

// minTokenBytes is the length from which a part of an address is taken for a token and hidden.
const minTokenBytes = 8

// Channel posts alerts to addresses. It is safe for concurrent use.
type Channel struct {
	client *outbound.Client
	key    *seal.Key
	agent  string
}

// New returns a channel that posts through client, opens settings with key, and introduces itself
// as release of Tocsin.
func New(client *outbound.Client, key *seal.Key, release string) *Channel {
	agent := "Tocsin"
	if release != "" {
		agent += "/" + release
	}
	return &Channel{client, key, agent}
}

// Send posts j's payload once. Every status but 2xx is a failure; 410 Gone and destinations that
// are not allowed are final ones.
func (c *Channel) Send(ctx context.Context, j *alert.Job) alert.Answer {
	s, err := Open(j.Project, j.Settings, c.key)
	if err != nil {
		return alert.Answer{Error: "the settings cannot be read: " + fault.Public(err), Final: true}
	}
	req, err := c.request(ctx, s, j, time.Now())
	if err != nil {
		return alert.Answer{Error: fault.Public(err), Final: true}
	}
	res, err := c.client.Do(req)
	if err != nil {
		kind := fault.KindOf(err)
		return alert.Answer{
			Error: fault.Public(err),
			Final: kind == fault.Denied || kind == fault.Invalid,
			Cut:   ctx.Err() != nil,
		}
	}
	a := alert.Answer{Status: res.Status, Response: head(res.Body, s, req.URL)}
	if res.Status >= 200 && res.Status < 300 {
		return a
	}
	a.Error, a.Final = "answered "+strconv.Itoa(res.Status), res.Status == http.StatusGone
	switch {
	case a.Final:
		a.Error += ": the destination is gone"
	case res.Status >= 300 && res.Status < 400:
		a.Error += ": redirects are not followed"
	}
	a.RetryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return a
}

func (c *Channel) request(ctx context.Context, s Settings, j *alert.Job, now time.Time) (*http.Request, error) {
	u, err := outbound.ParseURL(s.URL)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(j.Payload))
	if err != nil {
		return nil, fault.New(fault.Invalid, "this is not a URL")
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, by its contract
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Request-ID", hex.EncodeToString(id[:]))
	req.Header.Set("Sentry-Hook-Resource", "event_alert")
	return req, sign(req.Header, s, MessageID(j.ID), j.Payload, now)
}

// MessageID is the Webhook-Id of a delivery: the same for each of its tries.
func MessageID(delivery int64) string { return fmt.Sprintf("msg_%d", delivery) }

// head is the start of an answer as the log may keep it: text, without the secret parts of the
// address that a receiver may repeat.
func head(body []byte, s Settings, u *url.URL) string {
	text := strings.ToValidUTF8(string(body), "\ufffd")
	text = strings.ReplaceAll(text, "\x00", "\ufffd") // Postgres keeps no NUL in text
	hide := []string{s.Secret.Reveal(), s.OldSecret.Reveal(), u.RequestURI(), u.RawQuery, u.Path}
	hide = append(hide, strings.FieldsFunc(u.Path+"/"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=;?", r) })...)
	for _, h := range hide {
		if len(h) >= minTokenBytes {
			text = strings.ReplaceAll(text, h, "[redacted]")
		}
	}
	return cut(text, maxResponseBytes)
}

// retryAfter reads a Retry-After header, seconds or a date; zero when it says nothing.
// Rule: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func retryAfter(value string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	if seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), most)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}
