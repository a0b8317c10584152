// Package fault lists the kinds of failure a caller can tell apart. It alone decides what HTTP
// status a failure becomes and whether a queued message that failed is worth redelivering.
package fault

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind says what went wrong in terms a caller can act on.
type Kind uint8

// The kinds of failure. The zero value, Internal, is what an unclassified error counts as.
const (
	Internal        Kind = iota // a defect or an unexpected state of ours
	Invalid                     // the caller's input is malformed; repeating it is pointless
	Unknown                     // the thing named does not exist, or not for this caller
	Conflict                    // the thing changed or exists already
	Denied                      // the caller is not allowed
	Unauthenticated             // the caller did not say who it is, or was not believed
	TooLarge                    // a size or count limit was passed
	Limited                     // a quota or rate limit was passed; see After
	Unsupported                 // the content type or encoding is not one we read
	Unavailable                 // a dependency is away; the same request may succeed later
)

var kinds = [...]struct {
	name   string
	status int
}{
	Internal:        {"internal", http.StatusInternalServerError},
	Invalid:         {"invalid", http.StatusBadRequest},
	Unknown:         {"unknown", http.StatusNotFound},
	Conflict:        {"conflict", http.StatusConflict},
	Denied:          {"denied", http.StatusForbidden},
	Unauthenticated: {"unauthenticated", http.StatusUnauthorized},
	TooLarge:        {"too large", http.StatusRequestEntityTooLarge},
	Limited:         {"limited", http.StatusTooManyRequests},
	Unsupported:     {"unsupported", http.StatusUnsupportedMediaType},
	Unavailable:     {"unavailable", http.StatusServiceUnavailable},
}

// String names the kind in lower case.
func (k Kind) String() string { return kinds[k].name }

// Status is the HTTP status that answers a failure of this kind.
func (k Kind) Status() int { return kinds[k].status }

// Retryable reports whether the same work may succeed later without a change by the caller.
// Queues redeliver after retryable failures and dead-letter the rest.
func (k Kind) Retryable() bool { return k == Internal || k == Limited || k == Unavailable }

// Error is a failure with a kind and a text that may be shown to the caller. The cause, if any,
// is for logs only.
type Error struct {
	Kind  Kind
	Text  string        // shown to callers; never contains secrets or payload
	After time.Duration // Limited and Unavailable: when to try again; zero when unknown
	cause error
}

// New returns a failure whose text is shown to callers.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// Wrap returns a failure that keeps cause for logs and errors.Is, and shows text to callers.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...), cause: cause}
}

// RetryAfter sets when the caller may try again and returns e.
func (e *Error) RetryAfter(d time.Duration) *Error {
	e.After = d
	return e
}

// Error is the text for logs: what callers see, then the cause.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Text
	}
	return e.Text + ": " + e.cause.Error()
}

// Unwrap returns the cause, nil when there is none.
func (e *Error) Unwrap() error { return e.cause }

// KindOf classifies any error; errors of other packages are Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Public is the text that may be shown to a caller.
func Public(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Text
	}
	return "internal error"
}

// Causes lists the texts of the failures below err that may be shown, outermost first.
func Causes(err error) []string {
	var texts []string
	var e *Error
	for errors.As(err, &e) && e.cause != nil {
		err = e.cause
		var inner *Error
		if !errors.As(err, &inner) {
			break
		}
		texts = append(texts, inner.Text)
	}
	return texts
}
