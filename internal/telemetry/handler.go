package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/trace"
)

// handler writes records as JSON with the service and trace they belong to, and reports errors
// through the scope of their context.
type handler struct {
	next  slog.Handler
	attrs []slog.Attr // added by With, for reports
}

func newHandler(out io.Writer, level slog.Level) *handler {
	return &handler{next: slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})}
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.next.WithAttrs(attrs), append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.next.WithGroup(name), h.attrs}
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, rec slog.Record) error {
	scope := scopeOf(ctx)
	if scope != nil {
		rec.AddAttrs(slog.String("service", scope.Service))
		if rec.Level >= slog.LevelError && ctx.Value(quietKey{}) == nil {
			scope.report(rec, h.attrs)
		}
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		rec.AddAttrs(slog.String("trace_id", sc.TraceID().String()))
	}
	return h.next.Handle(ctx, rec)
}

// report sends one record as an event: its "err" attribute as the exception, its message as the
// title, every other attribute as a tag.
func (s *Scope) report(rec slog.Record, attrs []slog.Attr) {
	if s.hub == nil {
		return
	}
	suppressed, ok := s.budget.take(time.Now())
	if !ok {
		return
	}
	event := sentry.NewEvent()
	each := func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
			event = s.hub.Client().EventFromException(err, sentry.LevelError)
		}
		return true
	}
	rec.Attrs(each)
	event.Level = sentry.LevelError
	event.Message = rec.Message
	event.Logger = s.Service
	event.Fingerprint = []string{"{{ default }}", s.Service, rec.Message}
	tag := func(a slog.Attr) bool {
		if a.Key != "err" {
			event.Tags[a.Key] = a.Value.String()
		}
		return true
	}
	if event.Tags == nil {
		event.Tags = map[string]string{}
	}
	for _, a := range attrs {
		tag(a)
	}
	rec.Attrs(tag)
	if suppressed > 0 {
		event.Contexts = map[string]sentry.Context{"reports": {"suppressed": suppressed}}
	}
	s.hub.CaptureEvent(event)
}

// reportsPerMinute bounds own reports, so that an outage makes a handful of events and not a
// second outage.
const reportsPerMinute = 10

// budget is a token bucket that remembers how many records it turned away.
type budget struct {
	mu         sync.Mutex
	tokens     float64
	at         time.Time
	suppressed int
}

func newBudget() *budget { return &budget{tokens: reportsPerMinute} }

// take reports whether one more report may be sent now, and how many were turned away since the
// last one that was.
func (b *budget) take(now time.Time) (suppressed int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() {
		b.tokens = min(reportsPerMinute, b.tokens+now.Sub(b.at).Minutes()*reportsPerMinute)
	}
	b.at = now
	if b.tokens < 1 {
		b.suppressed++
		return 0, false
	}
	b.tokens--
	suppressed, b.suppressed = b.suppressed, 0
	return suppressed, true
}
