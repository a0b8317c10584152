package release_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/release"
)

func TestVersionsAreOrdered(t *testing.T) {
	t.Parallel()
	// Each is older than the next.
	names := []string{"app@0.9", "app@1.0.0-alpha", "app@1.0.0-beta", "other@1.0", "1.0.0+1", "app@1.0.0+9", "app@1.0.0+10", "1.0.0.1", "1.2", "app@1.10.0", "2"}
	for i := range len(names) - 1 {
		a, okA := release.Parse(names[i])
		b, okB := release.Parse(names[i+1])
		if !okA || !okB {
			t.Fatalf("want versions, got %q %v and %q %v", names[i], okA, names[i+1], okB)
		}
		if a.Compare(b) != -1 || b.Compare(a) != 1 || a.Compare(a) != 0 {
			t.Errorf("want %q older than %q, got %d and %d", names[i], names[i+1], a.Compare(b), b.Compare(a))
		}
	}
}

func TestNamesThatAreNoVersions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "main", "app@", "app@1.2.3.4.5", "1..2", "1.x", "1.0-", "-1", "123456789012",
		"app@deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", "99999999999999999999"} {
		if v, ok := release.Parse(name); ok {
			t.Errorf("%q: want no version, got %+v", name, v)
		}
	}
}

func TestAProjectFollowsVersionsWhenItsNewestReleasesAreNamedSo(t *testing.T) {
	t.Parallel()
	const v, n = "app@1.0", "nightly"
	for _, c := range []struct {
		newest []string
		want   bool
	}{
		{nil, false}, {[]string{v}, true}, {[]string{n, v}, false}, {[]string{v, n}, true},
		{[]string{n, n, v}, true}, {[]string{n, n, n, v}, false}, {[]string{"1.0"}, true}, {[]string{"1.0", n}, false},
		{[]string{"2026.11.20", "2026.11.3-2"}, true}, {[]string{"1871", "v1870"}, true}, {[]string{"1871", n, "1869"}, false},
		{[]string{v, n, n, n, n, n, n, n, n, n}, false}, {[]string{v, n, n, n, n, n, n, n, v, v}, true},
		{[]string{n, n, n, v, v, v, v, v, v, v}, false},
	} {
		var seen []release.Seen
		for _, name := range c.newest {
			seen = append(seen, release.Seen{Version: name})
		}
		if got := release.FollowsSemver(seen); got != c.want {
			t.Errorf("%q: want %v, got %v", c.newest, c.want, got)
		}
	}
}

func TestOtherwiseTheDayDecides(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	seen := []release.Seen{{Version: "zebra", FirstSeen: day(1)}, {Version: "apple", FirstSeen: day(2)}}
	order := release.Order(seen, seen)
	for _, c := range []struct {
		a, b string
		want int
	}{{"zebra", "apple", -1}, {"apple", "zebra", 1}, {"apple", "apple", 0}, {"unseen", "apple", 1}, {"apple", "unseen", -1}} {
		if got, semver := order(c.a, c.b); got != c.want || semver {
			t.Errorf("%s and %s: want %d by day, got %d, %v", c.a, c.b, c.want, got, semver)
		}
	}
}

func TestComparingIsAntisymmetric(t *testing.T) {
	t.Parallel()
	names := rapid.StringMatching(`(app@)?[0-9]{1,2}(\.[0-9]{1,2}){0,3}(-[a-z]{1,3})?(\+[0-9a-z]{1,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, ok := release.Parse(names.Draw(t, "a"))
		b, ok2 := release.Parse(names.Draw(t, "b"))
		if !ok || !ok2 {
			t.Fatal("want versions")
		}
		if a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%+v and %+v: %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"app@1.2.3-rc1+build.5", "1", "@", "a@b@1.0", "1.0+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := release.Parse(s); ok && v.Compare(v) != 0 {
			t.Errorf("%q does not equal itself: %+v", s, v)
		}
	})
}
