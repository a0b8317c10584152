package view

import (
	"bytes"
	"html"
	"os/exec"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"unicode/utf8"
)

func TestVisibleShowsWhatDeceives(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, äöü 漢字 🙂\n\t": "plain text, äöü 漢字 🙂\n\t",
		"a\u202eb":                 `a\u202eb`,
		"\u200bzero\ufeff":         `\u200bzero\ufeff`,
		"iso\u2066late\u2069":      `iso\u2066late\u2069`,
		"nul\x00 esc\x1b[31m":      `nul\u0000 esc\u001b[31m`,
		"bad \xff\xfe bytes":       `bad \xff\xfe bytes`,
		"c1 \u0085":                `c1 \u0085`,
	} {
		if got := string(Visible([]byte(in))); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

// FuzzVisible: what comes out is UTF-8 without any deceptive character, is left alone the second
// time, and neither makes nor loses a mark of HTML.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{"", "a\u202eb", "\xff<b>\xfe&amp;", "\u2066\"'>", "x\x00y"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out := Visible(bytes.Clone(in))
		if !utf8.Valid(out) {
			t.Errorf("not UTF-8: %q", out)
		}
		for _, r := range string(out) {
			if deceptive(r) || r < 0x20 && !strings.ContainsRune("\n\t\r", r) {
				t.Errorf("%U is left in %q", r, out)
			}
		}
		if again := Visible(bytes.Clone(out)); !bytes.Equal(again, out) {
			t.Errorf("second time: %q, first %q", again, out)
		}
		for _, mark := range []string{"<", ">", "&", `"`, "'"} {
			if bytes.Count(in, []byte(mark)) != bytes.Count(out, []byte(mark)) {
				t.Errorf("number of %s changed: %q to %q", mark, in, out)
			}
		}
	})
}

// FuzzHighlight: colouring loses no character and classes are the ones the style sheet knows.
func FuzzHighlight(f *testing.F) {
	f.Add("go", "\tif x == \"a\\\"b\" { // no\n")
	f.Add("python", "def f(x): # it's \"fine\"")
	f.Add("javascript", "/* open")
	f.Fuzz(func(t *testing.T, language, text string) {
		h := highlighter{language: language}
		for line := range strings.SplitSeq(text, "\n") {
			var sb strings.Builder
			for _, p := range h.line(line) {
				if !strings.Contains(" k s n c", p.Class) {
					t.Errorf("class %q", p.Class)
				}
				sb.WriteString(p.Text)
			}
			if sb.String() != line {
				t.Errorf("want %q, got %q", line, sb.String())
			}
		}
	})
}

// TestCurlSurvivesTheShell gives the command line to a real shell and compares what arrives.
func TestCurlSurvivesTheShell(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"plain", "it's", "$(touch /tmp/x) `id` $HOME", "a\nb", `back\slash "quoted"`, "", "--flag", "*?[]!#"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shell(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q: %q, %v", s, out, err)
		}
	}
	c := command{r: &event.Request{Method: "POST", URL: "https://shop.example/pay", Query: []event.Pair{{Key: "a", Value: "1 2"}},
		Headers: []event.Pair{{Key: "X-A", Value: "b'c"}, {Key: "Host", Value: "x"}}}, body: "{}"}
	want := `curl -X 'POST' 'https://shop.example/pay?a=1+2' \` + "\n" + `  -H 'X-A: b'\''c' \` + "\n" + `  --data-raw '{}'`
	if got := c.curl(); got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
	want = `http --raw '{}' 'POST' 'https://shop.example/pay?a=1+2' \` + "\n" + `  'X-A:b'\''c'`
	if got := c.httpie(); got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
}

func TestLinksFromEventsAreWebLinks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://example.com/a?b": "https://example.com/a?b", "http://localhost:3000/": "http://localhost:3000/",
		"javascript:alert(1)": "", "data:text/html,x": "", "/local": "", "//host": "", "ftp://x": "", "": "", "http://": "", "JaVaScRiPt:x": "",
	} {
		if got := webLink(in); html.UnescapeString(got) != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}
