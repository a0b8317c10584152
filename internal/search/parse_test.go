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
		"is:nonsense":                            3,
		"x level:":                               8,
		"timesSeen:>many":                        11,
		"age:24h":                                4,
		"firstSeen:2026-13-01":                   10,
		"a OR b":                                 2,
		"(a) and b":                              4,
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

// FuzzParse: whatever parses survives printing and parsing unchanged, positions aside.
func FuzzParse(f *testing.F) {
	for _, q := range []string{"is:unresolved boom", `!release:["a b",c*] "x"`, `tags[level]:a\*`, "age:-24h users:>3", `"k\"ey":v`, "firstSeen:>2026-05-01T10:00", "has:\"a b\""} {
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
