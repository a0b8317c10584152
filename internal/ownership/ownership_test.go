package ownership_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/ownership"
)

var cart = ownership.Facts{Paths: []string{"src/shop/cart.py", "/srv/src/shop/cart.py", "src/web/views.py"}, Modules: []string{"shop.cart"},
	URL: "https://shop.example.org/checkout/pay?step=2", Tags: []event.Pair{{Key: "tenant", Value: "north"}}}

func TestTheLastMatchingRuleWins(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"path:src/shop/* a@x.org":                                      "a@x.org",
		"path:*/CART.py a@x.org":                                       "a@x.org",
		"path:/srv/src/* a@x.org":                                      "a@x.org",
		"path:lib/* a@x.org":                                           "",
		"module:shop.* a@x.org\nurl:*/checkout/* b@x.org":              "b@x.org",
		"tags.tenant:north #north\n# the end\n\ntags.tenant:south c@x": "#north",
		`url:"https://shop.example.org/checkout/pay?step=2" a@x.org`:   "a@x.org",
		"codeowners:/src/shop/ #shop":                                  "#shop",
		"src/shop/* a@x.org":                                           "a@x.org",
		"\"src/shop/*\" #a:b":                                          "#a:b",
		"path:src/shop/* a@x.org b@x.org\npath:src/web/* c@x.org":      "c@x.org",
	} {
		rules, err := ownership.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := ""
		if r := rules.Match(cart); r != nil {
			got = r.Owners[0]
		}
		if got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

func TestLinesThatAreNoRules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"path:a a@x.org\nsrc/*":                  "Line 2: a rule names 1 to",
		"file:a a@x.org":                         "Line 1: unknown kind",
		"path:src/*":                             "Line 1: a rule names 1 to",
		"path:src/* everybody":                   `"everybody" is no owner`,
		`path:"src a@x.org`:                      "quotes are not closed",
		"path: a@x.org":                          "a pattern has 1 to",
		strings.Repeat("path:a a@x.org\n", 4000): "at most 3000",
		strings.Repeat("#", 300<<10):             "at most 262144 bytes",
	} {
		if _, err := ownership.Parse(text); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.Public(err), want) {
			t.Errorf("%.40q: want %q, got %v", text, want, err)
		}
	}
}

func TestCodeOwnersFilesMatchAsGitDoes(t *testing.T) {
	t.Parallel()
	for pattern, paths := range map[string]struct{ yes, no []string }{
		"*":             {[]string{"a.go", "x/y/z.js"}, nil},
		"*.js":          {[]string{"a.js", "x/y/z.js"}, []string{"a.jsx"}},
		"/build/logs/":  {[]string{"build/logs/a.txt", "build/logs/x/b"}, []string{"x/build/logs/a", "build/logs"}},
		"docs/*":        {[]string{"docs/a.md"}, []string{"docs/x/a.md", "x/docs/a.md"}},
		"apps/":         {[]string{"apps/a", "x/apps/b/c"}, []string{"apps"}},
		"**/logs":       {[]string{"logs/a", "x/logs", "x/y/logs/b"}, []string{"catalogs"}},
		"/docs/**/a.md": {[]string{"docs/a.md", "docs/x/y/a.md"}, []string{"x/docs/a.md"}},
		"cart?.py":      {[]string{"cart1.py", "x/cart2.py"}, []string{"cart.py", "cart/.py"}},
	} {
		rules, err := ownership.ParseCodeOwners(pattern + " @ann @acme/shop a@x.org # why\n[Section]\n")
		if err != nil || len(rules) != 1 {
			t.Fatalf("%q: %v, %v", pattern, rules, err)
		}
		if diff := cmp.Diff([]string{"@ann", "@acme/shop", "a@x.org"}, rules.Owners()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", pattern, diff)
		}
		for _, p := range paths.yes {
			if rules.Match(ownership.Facts{Paths: []string{p}}) == nil {
				t.Errorf("%q does not match %q", pattern, p)
			}
		}
		for _, p := range paths.no {
			if rules.Match(ownership.Facts{Paths: []string{p}}) != nil {
				t.Errorf("%q matches %q", pattern, p)
			}
		}
	}
}

func TestWrittenRulesComeBeforeTheFile(t *testing.T) {
	t.Parallel()
	raw, _ := ownership.Parse("path:src/shop/* nobody@x.org a@x.org")
	file, _ := ownership.ParseCodeOwners("*.py @ann\n/src/web/views.py")
	s := ownership.Settings{Actors: map[string]string{"a@x.org": "user:1", "@ann": "user:2"}}
	if actors, by, rule := s.Owner(raw, file, cart); len(actors) != 1 || actors[0] != "user:1" || by != "projectOwnership" || rule != "path:src/shop/*" {
		t.Errorf("want the written rule, got %v, %q, %q", actors, by, rule)
	}
	if actors, _, _ := s.Owner(nil, file, cart); actors != nil {
		t.Errorf("the last pattern has no owner, got %v", actors)
	}
	if actors, by, _ := s.Owner(nil, file[:1], cart); len(actors) != 1 || actors[0] != "user:2" || by != "codeowners" {
		t.Errorf("want the file's owner, got %v, %q", actors, by)
	}
}

// FuzzParse: whatever parses can be matched, and says who owns.
func FuzzParse(f *testing.F) {
	f.Add("path:src/* a@x.org #team\ntags.a:\"b c\" x@y")
	f.Add("**/*.[ch] @a\n\\ x @b")
	f.Fuzz(func(t *testing.T, text string) {
		if rules, err := ownership.Parse(text); err == nil {
			if r := rules.Match(cart); r != nil && len(r.Owners) == 0 {
				t.Errorf("a rule without owners: %+v", r)
			}
		}
		if rules, err := ownership.ParseCodeOwners(text); err == nil {
			rules.Match(cart)
		}
	})
}
