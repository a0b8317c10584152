package search_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/search"
)

func text(values ...string) (list []search.Value) {
	for _, v := range values {
		list = append(list, search.Value{Text: strings.ReplaceAll(v, "*", string(search.Wildcard))})
	}
	return list
}

func TestParse(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for q, want := range map[string][]search.Term{
		"":                                     nil,
		"  boom  in  view ":                    {{Values: text("boom in view"), Pos: 2}},
		`"two words" more`:                     {{Values: text("two words more")}},
		"is:unresolved":                        {{Field: search.FieldIs, Values: text("unresolved")}},
		"!is:Muted x":                          {{Field: search.FieldIs, Negated: true, Values: text("ignored")}, {Values: text("x"), Pos: 10}},
		"level:[error,fatal]":                  {{Field: search.FieldLevel, Values: text("error", "fatal")}},
		`browser:[a, "b c" ,d*]`:               {{Field: search.FieldTag, Tag: "browser", Values: text("a", "b c", "d*")}},
		`tags[level]:odd`:                      {{Field: search.FieldTag, Tag: "level", Values: text("odd")}},
		`"odd key":v`:                          {{Field: search.FieldTag, Tag: "odd key", Values: text("v")}},
		`url:https://x.y/?a=1`:                 {{Field: search.FieldTag, Tag: "url", Values: text("https://x.y/?a=1")}},
		`https://x.y/z`:                        {{Values: text("https://x.y/z")}},
		`user.email:a@b.c`:                     {{Field: search.FieldProperty, Tag: "user.email", Values: text("a@b.c")}},
		`user:id:7`:                            {{Field: search.FieldUser, Values: text("id:7")}},
		`release:""`:                           {{Field: search.FieldRelease, Values: text("")}},
		"has:user":                             {{Field: search.FieldHas, Values: text("user")}},
		"timesSeen:>=2k":                       {{Field: search.FieldTimesSeen, Op: search.OpGreaterEq, Values: []search.Value{{Number: 2000}}}},
		"times_seen:=5":                        {{Field: search.FieldTimesSeen, Values: []search.Value{{Number: 5}}}},
		"age:-24h":                             {{Field: search.FieldFirstSeen, Op: search.OpGreaterEq, Values: []search.Value{{Ago: 24 * time.Hour}}}},
		"lastSeen:+1w":                         {{Field: search.FieldLastSeen, Op: search.OpLessEq, Values: []search.Value{{Ago: 7 * 24 * time.Hour}}}},
		"firstSeen:2026-05-01":                 {{Field: search.FieldFirstSeen, Values: []search.Value{{Time: day, Day: true}}}},
		"firstSeen:<2026-05-01T02:00:00+02:00": {{Field: search.FieldFirstSeen, Op: search.OpLess, Values: []search.Value{{Time: day}}}},
		"error.handled:true":                   {{Field: search.FieldUnhandled, Values: text("false")}},
	} {
		got, err := search.Parse(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		if diff := cmp.Diff(want, got.Terms, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q, diff)
		}
	}
	got, err := search.Parse(`title:a\*b* message:"x*\*\"y"`)
	w := string(search.Wildcard)
	want := []search.Term{{Field: search.FieldTitle, Values: []search.Value{{Text: "a*b" + w}}}, {Field: search.FieldTitle, Values: []search.Value{{Text: "x" + w + `*"y`}}, Pos: 12}}
	if diff := cmp.Diff(want, got.Terms); diff != "" || err != nil {
		t.Errorf("wildcards: %v\n%s", err, diff)
	}
}

func TestParseErrorsPointAtTheCharacter(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]int{
		"is:nonsense":          3,
		"x level:":             8,
		"timesSeen:>many":      11,
		"age:24h":              4,
		"firstSeen:2026-13-01": 10,
		"a OR":                 4,
		"or b":                 0,
		"a or AND b":           5,
		"(a b":                 0,
		"a (b (c OR d)":        2,
		"a b) c":               -1,
		"a )":                  2,
		"(a OR )":              6,
		"x ()":                 3,
		"((((((a))))))":        5,
		"(level:nonsense)":     7,
		"(" + strings.Repeat("a:b OR ", 20) + "a:b)": 141,
		`title:"open`:                            11,
		`"open`:                                  5,
		"level:[error":                           12,
		"level:[]":                               7,
		"level:[error]x":                         13,
		"is:[new]":                               3,
		"timesSeen:>[1]":                         11,
		"issue.id:99999999999999999999":          9,
		strings.Repeat("a:b ", 21):               80,
		strings.Repeat("x", 5000):                4096,
		"k:[" + strings.Repeat("a,", 101) + "a]": 3 + 200,
	} {
		_, err := search.Parse(q)
		if want < 0 { // a word of its own
			if err != nil {
				t.Errorf("%s: %v", q, err)
			}
			continue
		}
		var at *search.Error
		if !errors.As(err, &at) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.40s: want an error, got %v", q, err)
			continue
		}
		if at.Pos != want || at.Expected == "" {
			t.Errorf("%.40s: want position %d, got %+v", q, want, at)
		}
	}
}

// TestAlternatives: AND binds before OR, words may have parentheses of their own, and what is printed
// is read as the same.
func TestAlternatives(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		"a b OR c":                              `"a b" OR "c"`,
		"level:error OR level:fatal":            "level:error OR level:fatal",
		"level:error or level:fatal AND boom":   `level:error OR level:fatal "boom"`,
		"(level:error OR level:fatal) boom":     `(level:error OR level:fatal) "boom"`,
		"a AND b":                               `"a" AND "b"`,
		"(a) (b)":                               `"a" AND "b"`,
		"((a))":                                 `"a"`,
		"!(level:error OR platform:go) is:new":  `!(level:error OR platform:"go") is:new`,
		"!(level:error)":                        `!(level:error)`,
		"(is:new (level:info OR !level:debug))": `is:new (level:info OR !level:debug)`,
		"a OR (b OR c d:e)":                     `"a" OR ("b" OR "c" d:"e")`,
		"foo() OR bar(x)":                       `"foo()" OR "bar(x)"`,
		"(title:f(x) OR title:\"a)\")":          `title:"f(x)" OR title:"a)"`,
		"(level:[error,fatal] OR b)":            `level:[error, fatal] OR "b"`,
		"oracle android":                        `"oracle android"`,
		`"a OR b"`:                              `"a OR b"`,
		"x OR AND:y":                            `"x" OR AND:"y"`,
	} {
		got, err := search.Parse(q)
		if err != nil || got.String() != want {
			t.Errorf("%s: want %s, got %s, %v", q, want, got, err)
			continue
		}
		if again, err := search.Parse(want); err != nil || again.String() != want {
			t.Errorf("%s is read as %s, %v", want, again, err)
		}
	}
	q, err := search.Parse("a (level:error OR (is:new timesSeen:>3)) !(is:resolved)")
	n := 0
	for range q.Leaves() {
		n++
	}
	if err != nil || n != 5 || !q.Asks(search.FieldIs) || q.Asks(search.FieldRelease) {
		t.Errorf("%d leaves, %v", n, err)
	}
}

// FuzzParse: whatever parses survives printing and parsing unchanged, positions aside.
func FuzzParse(f *testing.F) {
	for _, q := range []string{"is:unresolved boom", `!release:["a b",c*] "x"`, `tags[level]:a\*`, "age:-24h users:>3", `"k\"ey":v`, "firstSeen:>2026-05-01T10:00", "has:\"a b\"",
		"a OR (b AND !(level:error OR c:d)) e", "((x) or y)(z)", "foo(bar) OR \"a)\" and k:[a,b]"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		first, err := search.Parse(q)
		if err != nil {
			var at *search.Error
			if !errors.As(err, &at) || at.Pos < 0 || at.Pos > len(q) {
				t.Fatalf("%q: %v", q, err)
			}
			return
		}
		again, err := search.Parse(first.String())
		if err != nil && len(first.String()) > search.MaxBytes {
			return
		}
		if diff := cmp.Diff(first, again, cmpopts.IgnoreFields(search.Term{}, "Pos"), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%q printed %q: %v (-first +again):\n%s", q, first, err, diff)
		}
	})
}
