// Package telemetry sets up what a process says about itself: JSON logs, OpenTelemetry traces,
// Prometheus metrics, and its own errors, which go to a Sentry DSN like any other program's.
//
// A service's context carries its Scope. A log record at level error written with that context is
// reported through the scope's client; records below it are only written.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Config says where a process's own records go. The zero value logs at info to standard error and
// reports nothing.
type Config struct {
	LogLevel     slog.Level `help:"Least severe level that is logged: debug, info, warn or error." default:"info" env:"TOCSIN_LOG_LEVEL"`
	SentryDSN    string     `name:"sentry-dsn" help:"DSN that this process reports its own errors to; empty reports nowhere. It may be a project of this very server." env:"TOCSIN_SENTRY_DSN"`
	Environment  string     `help:"Environment named in own reports." default:"production" env:"TOCSIN_ENVIRONMENT"`
	OTLPEndpoint string     `name:"otlp-endpoint" help:"OTLP/HTTP endpoint that traces are sent to, such as http://127.0.0.1:4318; empty sends none." env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	TraceRatio   float64    `help:"Share of requests traced, 0 to 1, when an endpoint is set." default:"1" env:"TOCSIN_TRACE_RATIO"`
}

// Version is the release of this build: the module's version, or the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return "tocsin@" + v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "tocsin@" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "tocsin@dev"
}

// Start installs the process's log handler and tracer. The returned stop flushes both within the
// context's deadline.
func Start(ctx context.Context, process string, cfg Config, out io.Writer) (stop func(context.Context) error, err error) {
	if out == nil {
		out = os.Stderr
	}
	slog.SetDefault(slog.New(newHandler(out, cfg.LogLevel)))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	if cfg.OTLPEndpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(tracesURL(cfg.OTLPEndpoint)))
	if err != nil {
		return nil, fmt.Errorf("set up the trace exporter: %w", err)
	}
	provider := trace.NewTracerProvider(
		trace.WithBatcher(exporter, trace.WithBatchTimeout(2*time.Second)),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(cfg.TraceRatio))),
		trace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", process),
			attribute.String("service.version", Version()),
			attribute.String("deployment.environment.name", cfg.Environment),
		)),
	)
	otel.SetTracerProvider(provider)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		slog.Warn("traces were not delivered", "err", err)
	}))
	return provider.Shutdown, nil
}

// tracesURL completes a base endpoint with the path of the traces signal, as the exporter's own
// reading of the environment variable would.
func tracesURL(endpoint string) string {
	endpoint = strings.TrimSuffix(endpoint, "/")
	if strings.HasSuffix(endpoint, "/v1/traces") {
		return endpoint
	}
	return endpoint + "/v1/traces"
}

// Scope is one service's identity in logs and reports. A process that runs several services has
// several scopes.
type Scope struct {
	Service string
	hub     *sentry.Hub // nil reports nowhere
	budget  *budget
	// internalProject is the project own reports go to when it lives on this server, else 0.
	internalProject int64
}

// NewScope initialises the service's own client. Without a DSN it costs nothing.
func NewScope(service string, cfg Config) (*Scope, error) {
	s := &Scope{Service: service, budget: newBudget()}
	if cfg.SentryDSN == "" {
		return s, nil
	}
	dsn, err := sentry.NewDsn(cfg.SentryDSN)
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_SENTRY_DSN: %w", err)
	}
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:              cfg.SentryDSN,
		Release:          Version(),
		Environment:      cfg.Environment,
		AttachStacktrace: true,
		ServerName:       hostname(),
	})
	if err != nil {
		return nil, fmt.Errorf("set up own error reports: %w", err)
	}
	scope := sentry.NewScope()
	scope.SetTag("service", service)
	s.hub = sentry.NewHub(client, scope)
	_, _ = fmt.Sscan(dsn.GetProjectID(), &s.internalProject)
	return s, nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// Flush waits until reports are sent, at most until ctx ends and never longer than two seconds,
// so that stopping is not delayed by an unreachable server.
func (s *Scope) Flush(ctx context.Context) {
	if s.hub == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s.hub.Client().FlushWithContext(ctx)
}

type scopeKey struct{}
type quietKey struct{}

// With returns a context whose log records belong to s.
func With(ctx context.Context, s *Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

func scopeOf(ctx context.Context) *Scope {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	return s
}

// Quiet returns a context under which errors are logged and not reported. Work done on behalf of
// the project that own reports go to runs quiet, so that a failure to handle a report never makes
// another report.
func Quiet(ctx context.Context) context.Context {
	return context.WithValue(ctx, quietKey{}, true)
}

// QuietFor returns Quiet(ctx) when any of the projects is the one own reports go to.
func QuietFor(ctx context.Context, projects ...int64) context.Context {
	s := scopeOf(ctx)
	if s == nil || s.internalProject == 0 {
		return ctx
	}
	for _, p := range projects {
		if p == s.internalProject {
			return Quiet(ctx)
		}
	}
	return ctx
}
