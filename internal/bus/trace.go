package bus

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const tracerName = "github.com/tocsin-dev/tocsin/internal/bus"

func tracer() trace.Tracer { return otel.Tracer(tracerName) }

// traceText is the trace context of ctx as header lines, nil when there is none.
// Rule: https://www.w3.org/TR/trace-context/
func traceText(ctx context.Context) []byte {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	var b []byte
	for _, k := range sortedKeys(carrier) {
		b = append(append(append(append(b, k...), ':'), carrier[k]...), '\n')
	}
	return b
}

// withTrace gives ctx the remote trace context that traceText wrote.
func withTrace(ctx context.Context, text []byte) context.Context {
	if len(text) == 0 {
		return ctx
	}
	carrier := propagation.MapCarrier{}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); ok {
			carrier[k] = v
		}
	}
	return otel.GetTextMapPropagator().Extract(ctx, carrier)
}
