package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// Continue puts ctx into the trace that a traceparent names; one that is empty or malformed leaves it
// as it is.
// Rule: https://www.w3.org/TR/trace-context/#traceparent-header
func Continue(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}
