package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// receiver counts the envelopes that arrive and keeps the last one.
func receiver(t *testing.T) (dsn string, count *atomic.Int64, last *atomic.Value) {
	t.Helper()
	count, last = new(atomic.Int64), new(atomic.Value)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		last.Store(string(body))
		count.Add(1)
		_, _ = w.Write([]byte(`{"id":"00000000000000000000000000000000"}`))
	}))
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "http://", "http://a1b2c3d4e5f60718293a4b5c6d7e8f90@", 1) + "/42", count, last
}

func TestErrorsAreReportedUnlessQuietOrOverBudget(t *testing.T) {
	t.Parallel()
	dsn, count, last := receiver(t)
	scope, err := NewScope("processor", Config{SentryDSN: dsn, Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(newHandler(&out, slog.LevelInfo))
	ctx := With(t.Context(), scope)

	log.WarnContext(ctx, "not reported")
	log.ErrorContext(Quiet(ctx), "quiet", "err", errors.New("while handling a report"))
	log.ErrorContext(QuietFor(ctx, 7, 42), "quiet for the internal project")
	log.ErrorContext(ctx, "batch failed", "err", errors.New("disk full"), "project", 7)
	scope.Flush(t.Context())
	if got := count.Load(); got != 1 {
		t.Fatalf("want 1 report, got %d", got)
	}
	body := last.Load().(string)
	for _, want := range []string{"batch failed", "disk full", `"environment":"test"`, `"service":"processor"`, Version()} {
		if !strings.Contains(body, want) {
			t.Errorf("report lacks %q: %s", want, body)
		}
	}
	for range 50 {
		log.ErrorContext(ctx, "storm")
	}
	scope.Flush(t.Context())
	if got := count.Load(); got != reportsPerMinute {
		t.Errorf("want %d reports in a storm, got %d", reportsPerMinute, got)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 54 {
		t.Errorf("want every record logged, 54 lines, got %d", lines)
	}
}

func TestRecordsCarryTheirService(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	scope, err := NewScope("ingest", Config{})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(newHandler(&out, slog.LevelInfo)).InfoContext(With(t.Context(), scope), "started", "port", 9000)
	var rec struct {
		Msg, Service string
		Port         int
	}
	if err := json.Unmarshal(out.Bytes(), &rec); err != nil || rec.Service != "ingest" || rec.Port != 9000 || rec.Msg != "started" {
		t.Errorf("record %s: %v", out.String(), err)
	}
}

func TestAnUnreachableServerDoesNotDelayStopping(t *testing.T) {
	t.Parallel()
	blocked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-blocked }))
	t.Cleanup(func() { close(blocked); srv.Close() })
	scope, err := NewScope("web", Config{SentryDSN: strings.Replace(srv.URL, "http://", "http://a1b2c3d4e5f60718293a4b5c6d7e8f90@", 1) + "/1"})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(newHandler(io.Discard, slog.LevelInfo)).ErrorContext(With(t.Context(), scope), "lost")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() { scope.Flush(ctx); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("flush outlived its deadline")
	}
}

func TestABadDSNIsNamed(t *testing.T) {
	t.Parallel()
	if _, err := NewScope("web", Config{SentryDSN: "http://nokey/1"}); err == nil || !strings.Contains(err.Error(), "TOCSIN_SENTRY_DSN") {
		t.Errorf("want an error naming TOCSIN_SENTRY_DSN, got %v", err)
	}
}
