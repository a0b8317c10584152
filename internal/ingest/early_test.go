package ingest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// TestASpentLimitIsAnsweredWithoutDecoding: what cannot be decoded past its first bytes is still refused
// for the limit, with the same answer and outcome, and everything else is read.
func TestASpentLimitIsAnsweredWithoutDecoding(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	s.projects.put(limitedProject(quota.Quota{ID: "day", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: 1, Window: 24 * time.Hour, Reason: "daily_limit"}))
	h := s.routes()
	header, body := costly(t, "gzip")
	send := func(b []byte) (int, string, map[outcome.Key]int64) {
		s.counts()
		r := httptest.NewRequest(http.MethodPost, envelopePath, bytes.NewReader(b))
		r.Header = header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		_, limits, _ := strings.Cut(w.Header().Get(quota.Header), ":")
		return w.Code, w.Body.String() + limits, s.counts()
	}
	if code, text, _ := send(body(eventID(1))); code != http.StatusOK {
		t.Fatalf("the first: %d %s", code, text)
	}
	limited := map[outcome.Key]int64{{Project: 1, KeyID: 11, Category: outcome.Error, Kind: outcome.RateLimited, Reason: "daily_limit"}: 1}
	answer := detail("dropped data due to a quota or internal rate limit being reached") + "error:project:daily_limit"
	whole := body(eventID(2))
	broken := append([]byte{}, whole...)
	broken[len(broken)/2] ^= 0xff
	for name, b := range map[string][]byte{"whole": whole, "broken in its midst": broken} {
		if code, text, counts := send(b); code != http.StatusTooManyRequests || text != answer || cmp.Diff(limited, counts) != "" {
			t.Errorf("%s: %d %s %v", name, code, text, counts)
		}
	}
	session := "{\"type\":\"session\"}\n" + sessionNow() + "\n"
	two := gzipped([]byte("{}\n{\"type\":\"event\",\"length\":2}\n{}\n" + session))
	if code, text, counts := send(two); code != http.StatusOK || len(counts) != 2 {
		t.Errorf("an event and a session: %d %s %v", code, text, counts)
	}
	if code, text, _ := send(gzipped([]byte("{}\n" + session))); code != http.StatusOK {
		t.Errorf("a session: %d %s", code, text)
	}
	if code, text, _ := send([]byte("no gzip, but long enough to be looked at")); code != http.StatusBadRequest {
		t.Errorf("garbage: %d %s", code, text)
	}
	if !s.budget.small.TryAcquire(s.cfg.BodyMemoryBytes / 3) {
		t.Error("memory was not given back")
	}
}
