package postgres_test

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

func TestWalkingEventsVisitsEachOnceAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []event.ID
	for n := range 7 {
		r := sample(n, "boom")
		ids = append(ids, r.ID)
		w.record(r)
	}
	issue := w.int("select id from issues where project_id = 1")
	q := postgres.EventWalk{Project: 1, Issue: issue, Limit: 3}
	var seen []event.ID
	var last postgres.EventWalkPage
	for pages := 0; ; pages++ {
		page, err := w.st.WalkEvents(t.Context(), q)
		if err != nil || pages > 3 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, r := range page.Rows {
			seen = append(seen, r.ID)
		}
		last = page
		if q.At = page.Older; q.At == "" {
			break
		}
	}
	if len(seen) != 7 || seen[0] != ids[6] || seen[6] != ids[0] {
		t.Fatalf("walked %v, of %v", seen, ids)
	}
	back, err := w.st.WalkEvents(t.Context(), postgres.EventWalk{Project: 1, Issue: issue, Limit: 3, At: last.Newer})
	if err != nil || len(back.Rows) != 3 || back.Rows[0].ID != seen[3] || back.Newer == "" || back.Older == "" {
		t.Errorf("back from the last page: %+v, %v", back, err)
	}
	if _, err := w.st.WalkEvents(t.Context(), postgres.EventWalk{Project: 1, Issue: issue, At: "nonsense"}); err == nil {
		t.Error("a place that is none is taken")
	}
	if n, err := w.st.EventRank(t.Context(), 1, issue, noon.Add(2*time.Second), ids[2]); n != 4 || err != nil {
		t.Errorf("want 4 newer events, got %d, %v", n, err)
	}
}
