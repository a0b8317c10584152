package issue_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// schemes are the ways in which projects name their releases, each from older to newer.
var schemes = map[string]func(n int) string{
	"package":  func(n int) string { return fmt.Sprintf("shop@1.%d.0", n) },
	"semver":   func(n int) string { return fmt.Sprintf("1.%d.3-rc1", n) },
	"calendar": func(n int) string { return fmt.Sprintf("2026.%d.%d", 1+n/28, 1+n%28) },
	"build":    func(n int) string { return fmt.Sprint(997 + n) },
	"hash":     func(n int) string { return fmt.Sprintf("%040x", 7919*(n+1)) }, // ordered by the day they were first seen
}

// history is a project that saw n releases one after the other.
func history(name func(int) string, n int) issue.Order {
	var seen []release.Seen
	for i := n - 1; i >= 0; i-- {
		seen = append(seen, release.Seen{Version: name(i), FirstSeen: now.Add(time.Duration(i) * time.Hour)})
	}
	return issue.Order(release.Order(seen, seen[:min(n, 10)]))
}

// TestOlderReleasesNeverRegress: whatever way releases are named and however late the events come,
// those of releases before the fix leave an issue resolved, and the first of a later one re-opens it,
// once.
func TestOlderReleasesNeverRegress(t *testing.T) {
	t.Parallel()
	for scheme, name := range schemes {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(3, 60).Draw(t, "releases")
			fix := rapid.IntRange(1, n-2).Draw(t, "fix")
			order := history(name, n)
			resolution := &issue.Resolution{InRelease: name(fix)}
			first := fix // an event of the very release shows that the fix does not hold
			if rapid.Bool().Draw(t, "next release") {
				resolution, first = &issue.Resolution{InNextRelease: true, AfterRelease: name(fix)}, fix+1
			}
			s, _, err := issue.Apply(issue.State{FirstSeen: now}, issue.Action{Status: ptr(issue.Resolved), Resolution: resolution}, 0, now)
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(1, 20).Draw(t, "older events") {
				old := rapid.IntRange(0, first-1).Draw(t, "older")
				next, step := issue.Sight(s, issue.Sighting{At: now, Release: name(old)}, order)
				if next.Status != issue.Resolved || step.Change != "" {
					t.Fatalf("%s: resolved by %+v, an event of %s: %+v", scheme, resolution, name(old), step)
				}
				s = next
			}
			regressions := 0
			for range rapid.IntRange(1, 20).Draw(t, "newer events") {
				newer := rapid.IntRange(first, n-1).Draw(t, "newer")
				var step issue.Step
				if s, step = issue.Sight(s, issue.Sighting{At: now, Release: name(newer)}, order); step.Flags.IsRegression {
					regressions++
				}
			}
			if regressions != 1 || s.Substatus != issue.Regressed {
				t.Fatalf("%s: want one regression, got %d and %+v", scheme, regressions, s)
			}
		})
	}
}

func TestACommitHoldsUntilAReleaseHasIt(t *testing.T) {
	t.Parallel()
	order := history(schemes["package"], 5)
	s := issue.State{Status: issue.Resolved, Resolution: &issue.Resolution{InCommit: "abc"}}
	for _, version := range []string{"", "shop@1.0.0", "shop@1.4.0", "never-seen"} {
		if got, step := issue.Sight(s, issue.Sighting{At: now, Release: version}, order); got.Status != issue.Resolved || step.Change != "" {
			t.Errorf("%q: want it resolved until a release has the commit, got %+v", version, got)
		}
	}
}
