package sourcemap_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

func parse(t testing.TB, text string) *sourcemap.Map {
	t.Helper()
	m, err := sourcemap.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return m
}

func TestSectionsStandWhereTheySay(t *testing.T) {
	t.Parallel()
	one := `{"version":3,"sources":["a.js"],"sourcesContent":["first\nsecond"],"names":["x"],"mappings":"AACAA"}`
	two := `{"version":3,"sourceRoot":"/src/","sources":["b.js","https://c/d.js"],"names":[],"mappings":"AAAA,ICCA"}`
	m := parse(t, `)]}'
{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":`+one+`},{"offset":{"line":1,"column":4},"map":`+two+`},
	{"offset":{"line":3,"column":0},"map":{"version":3,"sections":[{"offset":{"line":1,"column":0},"map":`+one+`}]}}]}`)
	for _, c := range []struct {
		line, column int
		want         string
	}{
		{1, 1, "a.js:2:1 x"}, {1, 90, "a.js:2:1 x"}, {2, 1, "none"}, {2, 5, "/src/b.js:1:1 "}, {2, 9, "https://c/d.js:2:1 "}, {3, 1, "none"}, {5, 1, "a.js:2:1 x"},
		{6, 1, "none"}, {0, 0, "none"}, {1, 0, "a.js:2:1 x"}, {-5, -5, "none"}, {1 << 40, 1, "none"},
	} {
		got := "none"
		if tok, ok := m.Lookup(c.line, c.column); ok {
			got = fmt.Sprintf("%s:%d:%d %s", tok.Source, tok.Line, tok.Column, tok.Name)
		}
		if got != c.want {
			t.Errorf("%d:%d: want %s, got %s", c.line, c.column, c.want, got)
		}
	}
	tok, _ := m.Lookup(1, 1)
	if lines, ok := m.Lines(tok, 1, 9); !ok || strings.Join(lines, "|") != "first|second" {
		t.Errorf("lines %q %v", lines, ok)
	}
	tok, _ = m.Lookup(2, 5)
	if _, ok := m.Lines(tok, 1, 9); ok {
		t.Error("lines of a text the map does not hold")
	}
}

// TestMapsThatLieAreReadAsFarAsTheyAreTrue: what points outside is left out, nothing else.
func TestMapsThatLieAreReadAsFarAsTheyAreTrue(t *testing.T) {
	t.Parallel()
	for mappings, want := range map[string]bool{
		"AAAA": true, "AAAAA": true, "AAAAk+/B": true, // a name that is not there
		"ACAA": false, "ADAA": false, // a source after the last, before the first
		"AADA": false, "AAAD": false, // a line, a column before the first
		"A": false, "DAAA": false, "AA": false, "": false, ";;;;": false,
	} {
		m := parse(t, `{"version":3,"sources":["a.js"],"names":[],"mappings":"`+mappings+`"}`)
		tok, ok := m.Lookup(1, 1)
		if ok != want || ok && tok.Source != "a.js" {
			t.Errorf("%q: want %v, got %+v %v", mappings, want, tok, ok)
		}
	}
	m := parse(t, `{"mappings":"AAAA,\/BAAA","sources":[null,7,{}],"sourcesContent":"x","names":null}`)
	if tok, ok := m.Lookup(1, 1); !ok || tok.Source != "" {
		t.Errorf("a source without a name: %+v %v", tok, ok)
	}
	m = parse(t, `{"mappings":"IAAA,FAAA,EAAA","sources":["a"]}`) // columns 4, 2, 4
	if tok, ok := m.Lookup(1, 3); !ok || !tok.Exact {
		t.Errorf("mappings out of order: %+v %v", tok, ok)
	}
}

func TestWhatIsNoMapIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"sections":[{"map":`, 6) + `{"mappings":""}` + strings.Repeat(`}]}`, 6)
	for text, reason := range map[string]string{
		"": "begin with an object", "[]": "begin with an object", "null": "begin with an object", "<!doctype html>": "begin with an object", `{"a":`: "no JSON",
		`{}`: "no mappings", `{"mappings":7}`: "no text", `{"mappings":"AA!A"}`: "damaged", `{"mappings":"AAAAAAA"}`: "too many fields",
		`{"mappings":"gggggggggggggggB"}`: "damaged", `{"sections":[1]}`: "no object", `{"sections":[{}]}`: "no map", deep: "too deeply",
		`{"sections":[{"offset":{"line":4294967295},"map":{"mappings":"` + strings.Repeat(";", 10) + `A"}}]}`: "no script has",
		")]}'": "begin with an object",
	} {
		if _, err := sourcemap.Parse([]byte(text)); !errors.Is(err, sourcemap.ErrMap) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.60s: want %q, got %v", text, reason, err)
		}
	}
}

func TestNamesAreResolvedAsBrowsersDo(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"http://localhost:9200/assets/app.min.js.map", "../../src/main.ts", "http://localhost:9200/src/main.ts"},
		{"http://h/a/b.js?x=/y", "c.js", "http://h/a/c.js"},
		{"http://h", "c.js", "http://h/c.js"},
		{"https://h/a/b.js", "//cdn/x.js", "https://cdn/x.js"},
		{"https://h/a/b.js", "/x.js", "https://h/x.js"},
		{"https://h/a/b.js", "webpack:///./x.js", "webpack:///./x.js"},
		{"app:///dist/b.js", "../src/x.ts", "app:///src/x.ts"},
		{"~/assets/b.js", "b.js.map", "~/assets/b.js.map"},
		{"/srv/app/b.js", "./b.js.map", "/srv/app/b.js.map"},
		{"b.js", "b.js.map", "b.js.map"},
		{"", "b.js.map", "b.js.map"},
		{"webpack:main", "x", "webpack:x"},
	} {
		if got := sourcemap.Join(c[0], c[1]); got != c[2] {
			t.Errorf("%s + %s: want %s, got %s", c[0], c[1], c[2], got)
		}
	}
}

// FuzzParse: whatever is read answers for any place, and takes memory in proportion to its size.
func FuzzParse(f *testing.F) {
	f.Add(file(f, "app.min.js.map"))
	f.Add([]byte(`{"sections":[{"offset":{"line":1,"column":2},"map":{"mappings":"AAAA;ACAA","sources":["a"],"sourcesContent":["x\n\u000ay"]}}]}`))
	f.Add([]byte(`{"mappings":"AAAA","sources":["a"],"names":["b"],"sourceRoot":"r","debugId":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := sourcemap.Parse(data)
		if err != nil {
			return
		}
		if m.Bytes() > 64*len(data)+4*(16<<20)+1024 {
			t.Errorf("%d bytes take %d", len(data), m.Bytes())
		}
		for line := range 6 {
			if tok, ok := m.Lookup(line, line*3); ok {
				if tok.Line < 1 || tok.Column < 1 {
					t.Errorf("%+v", tok)
				}
				m.Lines(tok, tok.Line-2, tok.Line+2)
			}
		}
	})
}
