package ingest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/disk"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// TestANearlyFullDiskRefusesBeforeItIsFull: with less room than the reserve clients are told to wait,
// on every route, and proxies to look elsewhere; with room again everything passes.
func TestANearlyFullDiskRefusesBeforeItIsFull(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	s.guard.dir = t.TempDir()
	h := s.routes()
	room, err := disk.At(s.guard.dir)
	if err != nil {
		t.Fatal(err)
	}
	ready := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/relay/healthcheck/ready/", nil))
		return w.Code
	}
	look := func(reserve int64) {
		s.guard.reserve = reserve
		if err := s.guard.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	look(room.Total)
	for _, path := range []string{envelopePath, "/api/1/store/"} {
		w := post(h, path, auth, event1(id, `{"message":"a"}`))
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" || w.Header().Get(quota.Header) != "60::organization:backpressure" {
			t.Errorf("%s: got %d %v", path, w.Code, w.Header())
		}
	}
	if n := sumOf(s.counts(), outcome.Error, outcome.RateLimited, "backpressure"); n != 2 || ready() != http.StatusServiceUnavailable || len(queue.events) > 0 {
		t.Errorf("want two counted, not ready, nothing kept: %d, %d, %d", n, ready(), len(queue.events))
	}

	look(0)
	if w := post(h, envelopePath, auth, event1(id, `{"message":"a"}`)); w.Code != http.StatusOK || ready() != http.StatusOK {
		t.Errorf("with room: %d, ready %d", w.Code, ready())
	}
}
