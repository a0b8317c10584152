// Package httpx turns handlers that return errors into http.Handlers: a failure's kind becomes the
// status and its public text the body.
package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Handler answers a request or returns why it could not. After it returned an error it must not
// have written anything.
type Handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP calls h and answers its error, if any, as JSON.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		Error(w, r, err)
	}
}

// JSON answers with v as a JSON document.
func JSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode the answer")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone; there is nobody left to tell
	return nil
}

type problem struct {
	Detail string   `json:"detail"`
	Causes []string `json:"causes,omitempty"`
}

// Error answers err as {"detail": text, "causes": [...]} with the status of its kind, and logs it
// when it is a defect of ours or of something we depend on.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	kind := fault.KindOf(err)
	Log(r.Context(), r, err)
	SetRetryAfter(w.Header(), err)
	_ = JSON(w, kind.Status(), problem{fault.Public(err), fault.Causes(err)})
}

// SetRetryAfter sets the Retry-After header when err says when to come back: whole seconds,
// rounded up.
func SetRetryAfter(h http.Header, err error) {
	var e *fault.Error
	if errors.As(err, &e) && e.After > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.After.Seconds()))))
	}
}

// Log records a failed request once: defects as errors, absent dependencies as warnings, and
// callers' mistakes not at all.
func Log(ctx context.Context, r *http.Request, err error) {
	level := slog.LevelError
	switch fault.KindOf(err) {
	case fault.Internal:
		if ctx.Err() != nil { // the client left; whatever failed then is no defect
			level = slog.LevelInfo
		}
	case fault.Unavailable:
		level = slog.LevelWarn
	default:
		return
	}
	slog.Default().Log(ctx, level, "request failed", "method", r.Method, "route", r.Pattern, "err", err)
}
