package ingest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// The headers by which browsers let pages of any origin send to us and read our answers.
// Rule: getsentry/relay relay-server/src/middlewares/cors.rs
var (
	anyOrigin     = []string{"*"}
	exposeHeaders = []string{"x-sentry-error, x-sentry-rate-limits, retry-after"}
)

const allowHeaders = "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, authorization, content-encoding, transfer-encoding"

// cors sets the headers of cross-origin requests on every answer, refusals included, and answers
// preflights without a look at who asks.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Access-Control-Allow-Origin"] = anyOrigin
		h["Access-Control-Expose-Headers"] = exposeHeaders
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", http.MethodPost)
			h.Set("Access-Control-Allow-Headers", allowHeaders)
			h.Set("Access-Control-Max-Age", "3600")
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fail answers a refusal: the body of httpx, and its text again in a header that pages may read.
// Rule: https://develop.sentry.dev/sdk/overview/#reading-the-response
func fail(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("X-Sentry-Error", headerText(fault.Public(err)))
	if errors.Is(err, errDisk) {
		w.Header().Set(quota.Header, quota.FormatHeader([]quota.Limit{backpressure}))
	}
	httpx.Error(w, r, err)
}

// headerText makes a text fit for a header's value.
func headerText(s string) string {
	return clip(strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s), 256)
}

// failed sets the limits of a refusal and returns it.
func (s *Service) failed(w http.ResponseWriter, rec receipt, err error) error {
	setLimits(w, rec)
	return err
}

func setLimits(w http.ResponseWriter, rec receipt) {
	if len(rec.limits) > 0 {
		w.Header().Set(quota.Header, quota.FormatHeader(rec.limits))
	}
}

var jsonType = []string{"application/json"}

// answerID answers 200 with the id of the event, when there is one.
func answerID(w http.ResponseWriter, rec receipt) {
	setLimits(w, rec)
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusOK)
	if rec.id.IsZero() {
		_, _ = w.Write([]byte("{}")) // the client may have gone; what it sent is kept
		return
	}
	const head, tail = `{"id":"`, `"}`
	var b [len(head) + 2*len(rec.id) + len(tail)]byte
	copy(b[:], head)
	hex.Encode(b[len(head):], rec.id[:])
	copy(b[len(b)-len(tail):], tail)
	_, _ = w.Write(b[:]) // as above
}

// pixel is a transparent picture of one pixel.
var pixel, _ = base64.StdEncoding.DecodeString("R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")

// answerPixel answers 200 with a picture, for clients that send by loading one.
func answerPixel(w http.ResponseWriter, rec receipt) {
	setLimits(w, rec)
	w.Header().Set("Content-Type", "image/gif")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(pixel) // the client may have gone; what it sent is kept
}

// unreadable counts a request whose body cannot be read, and returns why.
func (s *Service) unreadable(q *request, err error) error {
	if q.client == nil {
		return err
	}
	reason := outcome.ReasonInternal
	switch fault.KindOf(err) {
	case fault.TooLarge:
		reason = outcome.ReasonTooLarge + ":" + q.category.String()
	case fault.Unsupported:
		reason = outcome.ReasonContentType
	case fault.Invalid:
		switch {
		case err == errEmpty:
			reason = outcome.ReasonNoData
		case err == errPayload:
			reason = outcome.ReasonPayload
		default:
			reason = outcome.ReasonInvalidCompression
		}
	case fault.Unavailable:
		s.drop(q, q.category, outcome.RateLimited, outcome.ReasonBackpressure, 1)
		return err
	}
	s.drop(q, q.category, outcome.Invalid, reason, 1)
	return err
}

// mediaType is a content type without its parameters, in lower case.
func mediaType(v string) string {
	v, _, _ = strings.Cut(v, ";")
	return strings.ToLower(strings.TrimSpace(v))
}
