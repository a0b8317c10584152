package release_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/release"
)

func TestMessagesNameTheIssuesTheyFix(t *testing.T) {
	t.Parallel()
	for message, want := range map[string][]string{
		"cart: round once\n\nFixes SHOP-1A2":                     {"SHOP-1A2"},
		"fixed shop-7, SHOP-8 and my-api-9; see SHOP-10":         {"SHOP-7", "SHOP-8", "MY-API-9"},
		"Closes: SHOP-3 SHOP-3":                                  {"SHOP-3"},
		"resolve SHOP-1\nResolves SHOP-2":                        {"SHOP-1", "SHOP-2"},
		"prefix SHOP-1, a bugfix SHOP-2, fix the cart of SHOP-3": nil,
		"fixes #12": nil,
		"":          nil,
	} {
		if diff := cmp.Diff(want, release.Fixes(message)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", message, diff)
		}
	}
}

func FuzzFixes(f *testing.F) {
	f.Add("Fixes SHOP-1, SHOP-2 and X-3")
	f.Fuzz(func(t *testing.T, s string) {
		ids := release.Fixes(s)
		if slices.Sort(ids); len(ids) != len(slices.Compact(slices.Clone(ids))) {
			t.Errorf("%q: an issue twice in %q", s, ids)
		}
	})
}

func TestSortKeysFollowTheVersions(t *testing.T) {
	t.Parallel()
	names := rapid.StringMatching(`(app@)?v?[0-9]{1,2}(\.[0-9]{1,2}){0,3}(-[a-z0-9]{1,3})?(\+[0-9a-z]{1,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := names.Draw(t, "a"), names.Draw(t, "b")
		va, _ := release.Parse(a)
		vb, _ := release.Parse(b)
		want, got := va.Compare(vb), bytes.Compare(release.SortKey(a), release.SortKey(b))
		if want != got && got != 0 { // builds that are one number in two spellings
			t.Fatalf("%q and %q: want %d, got %d", a, b, want, got)
		}
	})
	if release.SortKey("nightly") != nil {
		t.Error("want no key for what is no version")
	}
}

func TestVersionsThatCannotNameARelease(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "  ", ".", "..", "latest", "Latest", "a/b", `a\b`, "a\nb", string(make([]byte, 201)), "\xff"} {
		if err := release.ValidateVersion(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: want invalid, got %v", bad, err)
		}
	}
	for _, good := range []string{"app@1.0.0+1", "späti 7", "a..b"} {
		if err := release.ValidateVersion(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	if a, b := release.ID(1, "x"), release.ID(2, "x"); a == b || a <= 0 || a >= 1<<53 {
		t.Errorf("want different numbers that JavaScript keeps, got %d and %d", a, b)
	}
	if got := release.Short("app@deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"); got != "deadbeefdead" {
		t.Errorf("want a short hash, got %q", got)
	}
}

func TestSuspectsTouchedTheFailingFile(t *testing.T) {
	t.Parallel()
	touch := func(id string, paths ...string) release.Commit {
		c := release.Commit{ID: id}
		for _, p := range paths {
			c.Files = append(c.Files, release.File{Path: p, Type: "M"})
		}
		return c
	}
	frames := []release.Frame{{Path: "/usr/lib/python3/json.py"}, {Path: "/srv/app/shop/cart.py", InApp: true}, {Path: "webpack:///./shop/views.py", InApp: true}}
	removed := release.Commit{ID: "removed", Files: []release.File{{Path: "shop/cart.py", Type: "D"}}}
	got := release.Suspects(frames, []release.Commit{touch("readme", "README.md"), removed, touch("caller", "shop/views.py"), touch("newer", "shop/cart.py"),
		touch("older", "shop/cart.py"), touch("library", "usr/lib/python3/json.py"), touch("namesake", "billing/cart.py")})
	var ids []string
	for i, s := range got {
		ids = append(ids, s.Commit.ID)
		if s.Confidence <= 0 || s.Confidence > 1 || i > 0 && s.Confidence > got[i-1].Confidence {
			t.Errorf("%s: confidence %v", s.Commit.ID, s.Confidence)
		}
	}
	if diff := cmp.Diff([]string{"newer", "caller", "older", "namesake"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := release.Suspects(nil, []release.Commit{touch("a", "a.go")}); got != nil {
		t.Errorf("no frames: want nobody suspected, got %+v", got)
	}
}
