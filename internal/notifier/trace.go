package notifier

import (
	"bytes"
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// traced runs a try of j in a span of the trace that made its change, or of a trace of its own where that
// is not known: a digest tells of many. The destination is not told of it.
func traced(ctx context.Context, j *alert.Job, send func(context.Context) alert.Answer) alert.Answer {
	ctx, span := otel.Tracer("github.com/tocsin-dev/tocsin/internal/notifier").Start(origin(ctx, j), "deliver "+j.Channel, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	answer := send(ctx)
	if span.IsRecording() {
		span.SetAttributes(attribute.Int64("tocsin.delivery", j.ID), attribute.Int("tocsin.delivery.attempt", j.AttemptCount))
		if answer.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", answer.Status))
		}
	}
	if answer.Error != "" {
		span.SetStatus(codes.Error, answer.Error)
	}
	return answer
}

// origin puts ctx into the trace that j's change names.
func origin(ctx context.Context, j *alert.Job) context.Context {
	if !bytes.Contains(j.Notice, []byte(`"trace"`)) { // as when traces are off
		return ctx
	}
	var seed struct {
		Change struct {
			Trace string `json:"trace"`
		} `json:"change"`
	}
	if json.Unmarshal(j.Notice, &seed) != nil {
		return ctx // rendering it tells
	}
	return telemetry.Continue(ctx, seed.Change.Trace)
}
