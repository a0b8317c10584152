package scrub

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// at is a place by its path; a number is an index, and "name:kind" a member with a type.
func at(m mark, path string) *place {
	p := &place{mark: m}
	for part := range strings.SplitSeq(path, "/") {
		name, kind, _ := strings.Cut(part, ":")
		e := element{key: name, index: -1, pair: -1, kinds: kindNames[kind]}
		if name >= "0" && name <= "9" {
			e.key, e.index = "", int(name[0]-'0')
		}
		p.path = append(p.path, e)
	}
	return p
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		selector string
		place    *place
		want     bool
	}{
		{"foo", at(markYes, "extra/foo:string"), true},
		{"foo", at(markYes, "extra/foo/bar:string"), false},
		{"extra.foo", at(markYes, "extra/foo:string"), true},
		{"extra.foo", at(markYes, "contexts/extra/foo:string"), false},
		{"EXTRA.'foo'", at(markYes, "extra/Foo:string"), true},
		{"extra.*", at(markYes, "extra/foo:string"), true},
		{"extra.*", at(markYes, "extra/foo/bar:string"), false},
		{"extra.**", at(markYes, "extra/foo/bar:string"), true},
		{"extra.**", at(markYes, "extra:object"), true},
		{"extra.**.bar", at(markYes, "extra/a/b/bar:string"), true},
		{"extra.**.bar", at(markYes, "extra/bar:string"), true},
		{"extra.**.bar", at(markYes, "extra/a/b/baz:string"), false},
		{"**.bar", at(markYes, "extra/a/bar:string"), true},
		{"**", at(markYes, "extra/a:string"), true},
		{"$string", at(markYes, "extra/a:string"), true},
		{"$string", at(markYes, "extra/a:number"), false},
		{"$string", at(markMaybe, "tags/a:string"), false},
		{"$object.a", at(markYes, "extra:object/a:string"), true},
		{"tags.a", at(markMaybe, "tags/a:string"), true},
		{"tags.*", at(markMaybe, "tags/a:string"), true},
		{"tags.**", at(markMaybe, "tags/a:string"), false},
		{"**", at(markNo, "release:string"), false},
		{"!foo", at(markNo, "release:string"), false},
		{"$error.value", at(markYes, "exception/values/0:exception/value:string"), true},
		{"exception.values.*.value", at(markYes, "exception/values/0/value:string"), true},
		{"exception.values.0.value", at(markYes, "exception/values/0/value:string"), true},
		{"exception.values.1.value", at(markYes, "exception/values/0/value:string"), false},
		{"$http.headers.X-Key", at(markYes, "request:request/headers/X-Key:string"), true},
		{"'a b'", at(markYes, "extra/a b:string"), true},
		{"'it''s'", at(markYes, "extra/it's:string"), true},
		{"$string && !foo", at(markYes, "extra/foo:string"), false},
		{"$string & ~foo", at(markYes, "extra/bar:string"), true},
		{"foo|bar||baz", at(markYes, "extra/baz:string"), true},
		{"a || b && c", at(markYes, "extra/a:string"), true},
		{"(a || b) && c", at(markYes, "extra/a:string"), false},
		{" ( foo ) ", at(markYes, "extra/foo:string"), true},
	}
	for _, tt := range tests {
		s, err := parseSelector(tt.selector)
		if err != nil {
			t.Errorf("%s: %v", tt.selector, err)
			continue
		}
		if got := s.match(tt.place); got != tt.want {
			t.Errorf("%s: want %t, got %t for %+v", tt.selector, tt.want, got, tt.place.path)
		}
	}
}

func TestSelectorErrorsGiveThePosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "position 1: a path",
		"$nothing":               "position 1: no type",
		"a.$":                    "position 3: no type",
		"*":                      "position 2: * must",
		"**.a.**":                "position 6: **",
		"(a":                     "position 3: closing",
		"a b":                    "position 3: nothing",
		"'a":                     "position 1: quote",
		"a &&":                   "position 5: a path",
		"a.#":                    "position 3: a name",
		"99999999999999999999":   "position 21: index",
		strings.Repeat("(", 40):  "position 33: more than 32",
		strings.Repeat("a", 513): "longer than 512",
	} {
		_, err := parseSelector(text)
		if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: want %q, got %v", text, want, err)
		}
	}
}

// FuzzSelector: whatever parses answers for any place, and its negation answers the opposite.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{"$string && !(debug_meta.** | 'a b'.0)", "**.a.*", "~$user.email", "a.b.c||d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSelector(text)
		if err != nil {
			return
		}
		for _, p := range []*place{at(markYes, "extra/a/b:string"), at(markMaybe, "user:user/email:string")} {
			if s.match(p) == (notSelector{s}).match(p) {
				t.Errorf("%q and its negation agree", text)
			}
		}
	})
}
