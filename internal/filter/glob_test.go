package filter

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func TestGlobs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"foo", "foo", true},
		{"foo", "FOO", true},
		{"FÖÖ", "föö", true},
		{"foo", "foobar", false},
		{"foo*", "foobar", true},
		{"*bar", "foobar", true},
		{"*oob*", "foobar", true},
		{"f*o*r", "foobar", true},
		{"f*x*r", "foobar", false},
		{"*", "a\nb", true},
		{"a*b", "a\n\nb", true},
		{"f?o", "füo", true},
		{"f?o", "fo", false},
		{"{foo,ba{r,z}}", "baz", true},
		{"{foo,ba{r,z}}", "bay", false},
		{"a{,b}", "a", true},
		{"[a-c]x", "Bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]]", "]", true},
		{"[a,{]", "{", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\{b`, "a{b", true},
		{"*a?c*", "xxabcxx", true},
		{"*ab", "abab", true},
		{"a*a", "a", false},
		{"[a-z]*?", "q", false},
	}
	for _, tt := range tests {
		g, err := compileGlob(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := (globs{g}).match(tt.text, new(maxSteps)); got != tt.want {
			t.Errorf("%s on %q: want %t, got %t", tt.pattern, tt.text, tt.want, got)
		}
	}
}

// FuzzGlob: whatever compiles matches what the same pattern matches as a regular expression.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"a*b?c", "axxbyc"}, {"{a,b}*[x-z]", "bz"}, {"*?*a", "bba"}, {`\*[!a]`, "*b"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > maxPattern || len(text) > 256 || text == "" {
			return
		}
		g, err := compileGlob(pattern)
		if err != nil {
			return
		}
		got := (globs{g}).match(text, new(maxSteps))
		if strings.ContainsAny(pattern, `[\{`) {
			return // only checked not to fail
		}
		expr := regexp.QuoteMeta(fold(pattern))
		expr = strings.NewReplacer(`\*`, `.*`, `\?`, `.`, `\}`, `}`).Replace(expr)
		re, err := regexp.Compile(`(?s)\A` + expr + `\z`)
		if err != nil {
			return
		}
		if want := re.MatchString(fold(text)); got != want {
			t.Errorf("%q on %q: want %t, got %t", pattern, text, want, got)
		}
	})
}

// FuzzCondition: whatever compiles can be asked about any event.
func FuzzCondition(f *testing.F) {
	f.Add([]byte(`{"op":"and","inner":[{"op":"eq","name":"event.release","value":"1"},{"op":"not","inner":{"op":"glob","name":"event.tags.a","value":["*"]}}]}`))
	f.Add([]byte(`{"op":"any","name":"event.exceptions","inner":{"op":"gt","name":"value","value":"a"}}`))
	ev, err := event.Decode([]byte(`{"release":"1","tags":{"a":"b"},"exception":[{"type":"A","value":"b"}],"extra":{"a":{"b":1}}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := compileCondition(raw)
		if err != nil {
			return
		}
		first := c.holds(subject{ev: ev, steps: new(maxSteps)})
		if first != c.holds(subject{ev: ev, steps: new(maxSteps)}) {
			t.Errorf("two answers to %s", raw)
		}
	})
}

func benchmarkCheck(b *testing.B, s Settings) {
	f, err := Compile(s)
	if err != nil {
		b.Fatal(err)
	}
	ev, err := event.Decode([]byte(`{"message":"order 17 could not be paid","release":"shop@1.2.3","exception":[{"type":"E","value":"card was declined"}],
		"request":{"url":"https://shop.example.com/a","headers":{"User-Agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}}}`))
	if err != nil {
		b.Fatal(err)
	}
	ev.Normalize(event.Delivery{})
	addr := netip.MustParseAddr("203.0.113.9")
	b.ReportAllocs()
	for b.Loop() {
		if reason, drop := f.Check(ev, addr); drop {
			b.Fatal(reason)
		}
	}
}

func BenchmarkZero(b *testing.B)     { benchmarkCheck(b, Settings{}) }
func BenchmarkDefaults(b *testing.B) { benchmarkCheck(b, Defaults()) }
func BenchmarkPatterns(b *testing.B) {
	s := Defaults()
	s.ErrorMessages.Patterns = []string{"*timeout*", "ResizeObserver*", "{a,b}*c", "*Network?Error*"}
	s.Releases.Releases = []string{"0.*", "*-dev"}
	s.ClientIPs.Blocked = []string{"10.0.0.0/8", "2001:db8::/32"}
	benchmarkCheck(b, s)
}
