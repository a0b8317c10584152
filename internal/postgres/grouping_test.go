package postgres_test

import (
	"crypto/md5"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/project"
)

func TestAnUpgradeOfGroupingReopensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(sample(0, "old"))
	w.exec("update issues set status = 1, substatus = 0, resolution = '{\"in_release\":\"shop@9.0.0\"}'")
	moved := sample(1, "new")
	moved.FormerHashes = [][16]byte{md5.Sum([]byte("old"))}
	w.record(moved)
	w.record(sample(2, "new")) // the issue has learned the new hash
	w.want(1, "select count(*) from issues")
	w.want(3, "select times_seen from issues")
	w.want(1, "select status from issues")
	w.want(2, "select count(*) from issue_hashes")

	both := sample(3, "another")
	both.FormerHashes = [][16]byte{md5.Sum([]byte("another, formerly"))}
	w.record(both)
	w.want(2, "select count(distinct issue_id) from issue_hashes")
	w.want(4, "select count(*) from issue_hashes")
}

func TestProjectsMoveToTheNewestGrouping(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	set := func(p int64, g grouping.Settings) {
		text, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.st.ChangeSettings(t.Context(), p, func(s *project.Settings) error { s.Grouping = text; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(1, grouping.Settings{Config: grouping.Newstyle2023, Fingerprints: "type:A -> a"})
	for _, want := range []int{2, 0} {
		if n, err := w.st.UpgradeGrouping(t.Context()); err != nil || n != want {
			t.Fatalf("want %d changed projects, got %d, %v", want, n, err)
		}
	}
	s, err := w.st.Settings(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	g, err := grouping.ReadSettings(s.Grouping)
	if err != nil || g.Config != grouping.Newstyle2026 || g.Secondary != grouping.Newstyle2023 || g.Fingerprints != "type:A -> a" {
		t.Errorf("%+v, %v", g, err)
	}
	old, err := w.st.GroupingOf(t.Context(), 1, g.GroupedBy())
	if diff := cmp.Diff(grouping.Settings{Config: grouping.Newstyle2026, Fingerprints: "type:A -> a"}, old); err != nil || diff != "" {
		t.Errorf("the rules an event names: %v (-want +got):\n%s", err, diff)
	}
	if _, err := w.st.GroupingOf(t.Context(), 2, g.GroupedBy()); fault.KindOf(err) != fault.Unknown {
		t.Errorf("rules of another project: %v", err)
	}
}
