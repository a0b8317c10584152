package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestOwnErrorsBecomeIssuesWithoutAStorm breaks a background task for good, in an installation
// that reports its own errors to itself: each report is recorded, which fails in the background
// again, and yet there is no more than a handful of them.
func TestOwnErrorsBecomeIssuesWithoutAStorm(t *testing.T) {
	t.Parallel()
	in := &instance{credentials: credentials{URL: "http://" + freeAddress(t)}}
	db := in.prepare(t)
	if _, err := db.Exec(t.Context(), `alter table issue_tags rename to issue_tags_lost`); err != nil {
		t.Fatal(err)
	}
	in.start(t, "TOCSIN_SENTRY_DSN="+in.DSN, "TOCSIN_ENVIRONMENT=self")
	if status, err := in.send(t.Context(), eventID(1), plainEvent); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	var own issueRow
	in.await("a report of the failing task", 40e9, func(ctx context.Context) error {
		rows, err := in.issues(ctx, "fold+pending")
		for _, r := range rows {
			if strings.Contains(r.Title, "fold pending") {
				own = r
				return err
			}
		}
		return fmt.Errorf("issues of ours: %+v, %v", rows, err)
	})
	var event struct {
		Tags []struct{ Key, Value string }
	}
	if err := in.api(t.Context(), "issues/"+own.ID+"/events/latest/", &event); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, tag := range event.Tags {
		found[tag.Key] = tag.Value
	}
	if found["service"] != "processor" || found["environment"] != "self" || !strings.HasPrefix(found["release"], "tocsin@") {
		t.Errorf("tags of the report: %v", found)
	}
	rows, err := in.issues(t.Context(), "fold+pending")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, r := range rows {
		n, err := strconv.Atoi(r.Count)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total > 20 {
		t.Errorf("%d own reports", total)
	}
}
