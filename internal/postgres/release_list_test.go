package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// TestReleasesAreWalkedBothWays pages through the releases of two projects and back, however many
// share a moment, and keeps those of an environment apart.
func TestReleasesAreWalkedBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for n := range 7 {
		version, at := fmt.Sprintf("shop@1.%d.0", n), noon.Add(time.Duration(n/2)*time.Hour)
		for _, project := range []int64{1, 2} {
			w.exec("insert into releases (project_id, version, created_at) values ($1, $2, $3)", project, version, at)
			want = append(want, fmt.Sprint(version, project))
		}
	}
	slices.Reverse(want)
	read := func(q postgres.ReleaseWalk) (names []string, page postgres.ReleaseWalkPage) {
		t.Helper()
		q.Projects, q.Limit = []int64{1, 2}, 4
		page, err := w.st.WalkReleases(t.Context(), 1, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			names = append(names, fmt.Sprint(r.Version, r.Project))
		}
		return names, page
	}
	var all []string
	var last postgres.ReleaseWalkPage
	for at := "first"; at != ""; at = last.Older {
		if at == "first" {
			at = ""
		}
		var names []string
		names, last = read(postgres.ReleaseWalk{At: at})
		all = append(all, names...)
	}
	if !slices.Equal(all, want) {
		t.Errorf("want %q, got %q", want, all)
	}
	before, page := read(postgres.ReleaseWalk{At: last.Newer})
	if !slices.Equal(before, want[8:12]) || page.Newer == "" || page.Older == "" {
		t.Errorf("the page before the last one: want %q, got %q", want[8:12], before)
	}
	if none, page := read(postgres.ReleaseWalk{Part: "9.9"}); len(none) != 0 || page.Older != "" {
		t.Errorf("no release has the part, got %q", none)
	}
	rec := sample(0, "in staging")
	rec.Environment, rec.Release = "staging", "shop@1.3.0"
	w.record(rec)
	w.fold()
	if staged, _ := read(postgres.ReleaseWalk{Environments: []string{"staging"}}); !slices.Equal(staged, []string{"shop@1.3.01"}) {
		t.Errorf("releases of an environment: %q", staged)
	}
	if _, err := w.st.WalkReleases(t.Context(), 1, postgres.ReleaseWalk{At: "nowhere"}); err == nil {
		t.Error("a place that is none is taken")
	}
}
