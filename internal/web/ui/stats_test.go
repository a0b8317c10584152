package ui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// TestTheTableOfStatsIsTheLedger counts items of several kinds and looks for each number, their sum
// and what is left of it when a category is chosen.
func TestTheTableOfStatsIsTheLedger(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	minute := time.Now().UTC().Truncate(time.Minute)
	count := func(c outcome.Category, k outcome.Kind, reason string, n int64) outcome.Count {
		return outcome.Count{Quantity: n, Key: outcome.Key{Project: s.made.ProjectID, Category: c, Kind: k, Reason: reason, Minute: minute}}
	}
	err := s.store.ApplyOutcomes(t.Context(), []outcome.Batch{{ID: [16]byte{7}, Counts: []outcome.Count{
		count(outcome.Error, outcome.Accepted, "", 1204), count(outcome.Error, outcome.Filtered, "localhost", 31),
		count(outcome.Transaction, outcome.RateLimited, "key_quota", 500), count(outcome.Error, outcome.Received, "", 1235)}}})
	if err != nil {
		t.Fatal(err)
	}
	b := s.signedIn()
	page := b.page("/o/default/stats")
	for _, want := range []string{"1,204", "31", "500", "1,735", "localhost", "key quota", "rate limited", "The database has"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, `class="num"`); strings.Contains(page, "received") || n < 4 {
		t.Error("what came in counts as an outcome")
	}
	if page := b.page("/o/default/stats?range=1h&category=error"); !strings.Contains(page, "1,235") || strings.Contains(page, "key quota") {
		t.Error("the choice of a category does not hold")
	}
	if page := b.page("/o/default/stats?project=nowhere"); !strings.Contains(page, "Nothing arrived") {
		t.Error("a project that is not there has numbers")
	}
	for _, r := range []string{"1h", "24h", "7d", "30d", "90d"} {
		if page := b.page(fmt.Sprintf("/o/default/stats?range=%s", r)); !strings.Contains(page, "1,204") {
			t.Errorf("in %s the newest items are missing", r)
		}
	}
}
