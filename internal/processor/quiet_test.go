package processor

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// A defect that an own report runs into is not reported, or reports would feed on themselves; the
// same defect met by anybody else's event is.
func TestADefectMetByAnOwnReportMakesNoReport(t *testing.T) {
	var reports atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reports.Add(1) }))
	t.Cleanup(srv.Close)
	cfg := telemetry.Config{SentryDSN: strings.Replace(srv.URL, "http://", "http://a1b2c3d4e5f60718293a4b5c6d7e8f90@", 1) + "/42"}
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	stop, err := telemetry.Start(t.Context(), "test", telemetry.Config{}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop(context.Background()) })
	scope, err := telemetry.NewScope("processor", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := telemetry.With(t.Context(), scope)
	s := &Service{decode: func(context.Context, *event.Raw, *worker) (postgres.Record, error) { panic("defect") }}
	for project, want := range map[int64]int64{42: 0, 7: 1} {
		reports.Store(0)
		if v := s.decodeOne(ctx, &event.Raw{Project: project}, new(worker)); v.err == nil {
			t.Fatal("the panic was lost")
		}
		scope.Flush(t.Context())
		if got := reports.Load(); got != want {
			t.Errorf("project %d: want %d reports, got %d", project, want, got)
		}
	}
}
