package delivery

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outbound"
)

// maxResponseBytes is how much of an answer the delivery log keeps.
const maxResponseBytes = 1 << 10

// minTokenBytes is the length from which a part of an address is taken for a token and hidden.
const minTokenBytes = 8

// Poster posts messages through the guarded client. It is safe for concurrent use.
type Poster struct {
	Client *outbound.Client
	Agent  string // User-Agent
}

// Request is one message over HTTP.
type Request struct {
	Method  string // empty: POST
	URL     string
	Header  http.Header
	Body    []byte
	Secrets []string // that must not show in the log
}

// Do sends r once and says what came of it, with the body of the answer. Every status but 2xx is
// a failure; 410 Gone and destinations that are not allowed are final ones.
func (p *Poster) Do(ctx context.Context, r Request) (alert.Answer, []byte) {
	u, err := outbound.ParseURL(r.URL)
	if err != nil {
		return alert.Answer{Error: fault.Public(err), Final: true}, nil
	}
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return alert.Answer{Error: "this is not a URL", Final: true}, nil
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", p.Agent)
	res, err := p.Client.Do(req)
	if err != nil {
		kind := fault.KindOf(err)
		return alert.Answer{
			Error: fault.Public(err),
			Final: kind == fault.Denied || kind == fault.Invalid,
			Cut:   ctx.Err() != nil,
		}, nil
	}
	return judge(&res, r, u), res.Body
}

func judge(res *outbound.Response, r Request, u *url.URL) alert.Answer {
	a := alert.Answer{Status: res.Status, Response: head(res.Body, r.Secrets, u)}
	if res.Status >= 200 && res.Status < 300 {
		return a
	}
	a.Error = "answered " + strconv.Itoa(res.Status)
	a.Gone = res.Status == http.StatusGone
	a.Final = a.Gone
	switch {
	case a.Gone:
		a.Error += ": the destination is gone"
	case res.Status >= 300 && res.Status < 400:
		a.Error += ": redirects are not followed"
	}
	a.RetryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return a
}

// head is the start of an answer as the log may keep it: text, without the secret parts of the
// address that a receiver may repeat.
func head(body []byte, secrets []string, u *url.URL) string {
	text := strings.ToValidUTF8(string(body), "\ufffd")
	text = strings.ReplaceAll(text, "\x00", "\ufffd") // Postgres keeps no NUL in text
	hide := append([]string{u.RequestURI(), u.RawQuery, u.Path}, secrets...)
	hide = append(hide, strings.FieldsFunc(u.Path+"/"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=;?", r) })...)
	for _, h := range hide {
		if len(h) >= minTokenBytes {
			text = strings.ReplaceAll(text, h, "[redacted]")
		}
	}
	return Cut(text, maxResponseBytes)
}

// retryAfter reads a Retry-After header, seconds or a date; zero when it says nothing.
// Rule: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func retryAfter(value string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	if seconds, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
		return min(max(time.Duration(min(seconds, most.Seconds())*float64(time.Second)), 0), most)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), most)
	}
	return 0
}
