package grouping

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func TestBaseRulesAreComplete(t *testing.T) {
	t.Parallel()
	for want, base := range map[int]*ruleset{334: baseRules2026(), 326: baseRules2023()} {
		if n := len(base.rules); n != want {
			t.Errorf("%d base rules, want %d", n, want)
		}
		for _, r := range base.rules {
			for _, m := range slices.Concat(r.static, r.dynamic, []*matcher{r.caller, r.callee}) {
				if m != nil && m.glob != nil && m.glob.shape == shapeNever {
					t.Errorf("%s can never match", m)
				}
			}
		}
	}
	if n := len(builtInFingerprints()); n != 7 {
		t.Errorf("%d built-in fingerprint rules, want 7", n)
	}
}

func TestRuleErrorsNameLineAndColumn(t *testing.T) {
	t.Parallel()
	enhancements := func(s string) error { _, err := ParseEnhancements(s); return err }
	fingerprints := func(s string) error { _, err := ParseFingerprintRules(s); return err }
	for _, c := range []struct {
		parse      func(string) error
		text, want string
	}{
		{enhancements, "function:x -app\n\n  path:y", "line 3, column 9: a rule needs at least one action"},
		{enhancements, "-app", "line 1, column 1: a rule needs at least one condition"},
		{enhancements, "colour:red -app", `line 1, column 1: "colour" is no condition of stack-trace rules`},
		{enhancements, "function -app", `line 1, column 9: a colon is expected after "function"`},
		{enhancements, "function: -app", "line 1, column 10: a pattern is missing"},
		{enhancements, `function:"ü -app`, "line 1, column 10: the quoted text is never closed"},
		{enhancements, `function:"ü" -ap`, `line 1, column 14: "ap" is no action; app and group are`},
		{enhancements, "function:x ^app", "line 1, column 13: + or - is expected here"},
		{enhancements, "function:x size=3", `line 1, column 12: "size" is no action`},
		{enhancements, "function:x category=", "line 1, column 21: a value of letters, digits and _ . - is expected after ="},
		{enhancements, "function:x category=a:b", "line 1, column 22: an action such as -app or category=name is expected here"},
		{enhancements, "function:x -apps", `line 1, column 12: "apps" is no action; app and group are`},
		{enhancements, `"a b":x -app`, `line 1, column 1: a quoted key has letters, digits and _ . : - only, not " "`},
		{enhancements, "function:x max-frames=many", "line 1, column 12: max-frames takes a whole number"},
		{enhancements, "[ function:x | function:y -app", "line 1, column 14: a ] is expected after the condition"},
		{enhancements, "[ function:x ] function:y -app", "line 1, column 16: a | is expected after the caller"},
		{enhancements, "function:x | function:y -app", "line 1, column 14: a [ is expected before the callee"},
		{fingerprints, "type:x", "line 1, column 7: -> and a fingerprint are expected after the conditions"},
		{fingerprints, "# a\n-> x", "line 2, column 1: a rule needs at least one condition"},
		{fingerprints, "type:x ->", "line 1, column 10: a fingerprint is expected after ->"},
		{fingerprints, "kind:x -> y", `line 1, column 1: "kind" is no condition of fingerprint rules`},
		{fingerprints, "type:x -> {{ y", "line 1, column 11: the variable is never closed"},
		{fingerprints, "type:x -> {{ a b }}", "line 1, column 11: a variable is written {{ name }}"},
		{fingerprints, "type:x -> a,,b", "line 1, column 13: a part of the fingerprint is expected before the comma"},
		{fingerprints, "\r\rtype:x -> , a", "line 3, column 11: a part of the fingerprint is expected before the comma"},
		{fingerprints, `type:x -> y colour="red"`, `line 1, column 13: "colour" is no attribute; title is`},
	} {
		err := c.parse(c.text)
		if fault.KindOf(err) != fault.Invalid || fault.Public(err) != c.want {
			t.Errorf("%q:\nwant %s\n got %v", c.text, c.want, err)
		}
	}
	if err := enhancements(strings.Repeat("#", maxRuleBytes+1)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("rules beyond the limit: %v", err)
	}
	if err := fingerprints(strings.Repeat("type:x -> y\n", maxRules+1)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("too many rules: %v", err)
	}
}

func TestRulesMayBeWrittenInManyWays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "# nothing\n\n", "function:x -app # why", `"stack.function":"a b" -app`, "\tfunction:x\t-app\r\n",
		"function:x +app -group category=y max-frames=2 min-frames=1", "function:x v+prefix ^-sentinel invert-stacktrace=1 -app",
		"[ function:a ] | function:b | [ !category:c ] ^-group", `value:"*\"quoted\"*" -group`,
		"function:x -app+group^-group#why", "function:x max-frames = 3 -app", "function:x -app\rfunction:y -app",
	} {
		if _, err := ParseEnhancements(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	got, err := ParseFingerprintRules(`!"tags.a:b":x type:"y\"z" -> one,two, "th ree"{{four}} , a:b="x" title="T {{ four }}"`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one", "two", "th ree", "{{four}}", `a:b="x"`}
	if diff := cmp.Diff(want, got.own[0].fingerprint); diff != "" {
		t.Errorf("fingerprint (-want +got):\n%s", diff)
	}
	if got.own[0].title != "T {{ four }}" {
		t.Errorf("title %q", got.own[0].title)
	}
}

func TestQuotedTextHasEscapes(t *testing.T) {
	t.Parallel()
	got, err := ParseFingerprintRules(`message:"\x41\u00e9\U0001f600\101\t\"\'\x4\{\*\u12" -> "{{default}}" "{{  a  }}"`)
	if err != nil {
		t.Fatal(err)
	}
	if m := got.own[0].groups[groupTopLevel][0]; m.pattern != "Aé😀A\t\"'"+`\x4\{\*\u12` {
		t.Errorf("pattern %q", m.pattern)
	}
	if diff := cmp.Diff([]string{"{{ default }}", "{{  a  }}"}, got.own[0].fingerprint); diff != "" {
		t.Errorf("fingerprint (-want +got):\n%s", diff)
	}
}

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		mode    globMode
		yes, no string // separated by blanks
	}{
		{"abc", globText, "abc", "ABC abcd"},
		{"a*", globText, "a abc a/b", "ba"},
		{"*b", globText, "b ab a/b", "ba"},
		{"*b*", globText, "b abc", "ac"},
		{"a*c*e", globText, "ace abcde", "aec"},
		{"a?c", globText, "abc aüc", "ac abbc"},
		{"[a-c]x", globText, "ax cx", "dx"},
		{"[!a-c]x", globText, "dx", "ax"},
		{"[^a]x", globText, "bx", "ax"},
		{"?[[]K*", globText, "-[Kx +[K", "[K -K"},
		{"{a,b*}c", globText, "ac bc bxc", "cc a"},
		{`\*\{x\}`, globText, "*{x}", "a{x}"},
		{`[]]`, globText, "]", "["},
		{"a[", globText, "", "a a["},
		{"{a", globText, "", "a {a"},
		{"a}", globText, "", "a a}"},
		{`a\`, globText, "", `a a\`},
		{"[z-a]", globText, "", "a z"},
		{"**/packages/x/**", globText, "packages/x/y a/packages/x/y", "packages/x"},
		{"DOG*", globFolded, "dogs", "cat"},
		{"/usr/lib/**", globPath, "/usr/lib/a /usr/lib/a/b usr/lib/a /USR/LIB/x", "/usr/lib /opt/usr/lib/a"},
		{"**/vendor/**", globPath, "/a/vendor/b vendor/b /vendor/x/y", "/a/vendors/b vendor"},
		{"**/libart.so", globPath, "libart.so /x/libart.so", "xlibart.so"},
		{"lib*", globPath, "libx.so", "/a/libx.so lib/x"},
		{"/a/**/z", globPath, "/a/z /a/b/z /a/b/c/z a/z", "/a/zz"},
		{"**/*relic*/**", globPath, "/x/newrelic-2/y relic/y", "/x/relic"},
		{"**.app/Contents/**", globPath, "Shop.app/Contents/x", "/A/Shop.app/Contents/x"},
		{`C:\Win*\**`, globPath, `c:/windows/x C:\WINDOWS\a\b`, "d:/windows/x"},
		{"**", globPath, "a a/b", ""},
		{"{/a,/b}/c", globPath, "/a/c b/c", "/c"},
	} {
		g := compileGlob(c.pattern, c.mode)
		for _, v := range strings.Fields(c.yes) {
			if !g.match(fold(v, c.mode)) {
				t.Errorf("%s does not match %s", c.pattern, v)
			}
		}
		for _, v := range strings.Fields(c.no) {
			if g.match(fold(v, c.mode)) {
				t.Errorf("%s matches %s", c.pattern, v)
			}
		}
	}
}

// TestShapesAgreeWithTheirRegularExpression: the cheap tests are only cheaper.
func TestShapesAgreeWithTheirRegularExpression(t *testing.T) {
	t.Parallel()
	values := []string{"", "/", "a", "/a", "a/", "a/b", "/a/b", "x/a/b", "/x/a", "ab", "xab", "/a/", "a/a/a"}
	for _, pattern := range []string{"a", "/a", "a/**", "/a/**", "**/a", "**/a/**", "a/**/b", "**", "*", "a*", "*a", "*a*", "**/a*"} {
		for _, mode := range []globMode{globText, globPath} {
			g := compileGlob(pattern, mode)
			c := globCompiler{pattern: pattern, path: mode == globPath}
			if !c.parse() {
				t.Fatalf("%s cannot be read", pattern)
			}
			slow := regexp.MustCompile(`(?s)\A` + c.re.String() + `\z`)
			for _, v := range values {
				want := slow.MatchString(v) || mode == globPath && !strings.HasPrefix(v, "/") && slow.MatchString("/"+v)
				if got := g.match(v); got != want {
					t.Errorf("%s against %q in mode %d: %t, as regular expression %t", pattern, v, mode, got, want)
				}
			}
		}
	}
}

func TestFunctionNamesAreTrimmed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ platform, name, want string }{
		{"native", "main", "main"},
		{"native", "<redacted>", "<redacted>"},
		{"native", "foo(int) const", "foo"},
		{"native", "void scopes::foo::go<int>(int, char const*) const &", "scopes::foo::go<T>"},
		{"native", "std::vector<std::pair<int, int> >::push_back(int&&)", "std::vector<T>::push_back"},
		{"native", "ns::operator<<(std::ostream&, T const&)", "ns::operator<<"},
		{"native", "Functor::operator()(int) const", "Functor::operator()"},
		{"native", "Ptr<T>::operator->() const", "Ptr<T>::operator->"},
		{"native", "`anonymous namespace'::start", "`anonymous namespace'::start"},
		{"native", "(anonymous namespace)::run(int)", "(anonymous namespace)::run"},
		{"native", "?A0xc3a0617d::crash", "`anonymous namespace'::crash"},
		{"native", "foo::{lambda(int)#1}::operator()(int) const", "foo::lambda::operator()"},
		{"native", "<lambda_0123456789abcdef0123456789abcdef>::operator()", "<lambda>::operator()"},
		{"native", "do_it::$_12::operator()", "do_it::lambda::operator()"},
		{"native", "foo(int) [clone .isra.0]", "foo"},
		{"native", "<sentry::Logger as log::Log>::log", "sentry::Logger::log"},
		{"native", "<T as core::fmt::Display>::fmt", "core::fmt::Display::fmt"},
		{"native", "app::main::h0123456789abcdef", "app::main"},
		{"native", "memcpy@@GLIBC_2.14", "memcpy"},
		{"native", "memcpy@GLIBC_2.2.5", "memcpy"},
		{"native", "@fast@8", "fast"},
		{"native", "_stdcall@12", "_stdcall"},
		{"native", "  spaced  ", "spaced"},
		{"cocoa", "-[NSView drawRect:]", "-[NSView drawRect:]"},
		{"cocoa", "Foo.bar(x: Int) -> Swift.Bool", "Foo.bar"},
		{"cocoa", "Foo.bar() throws -> Int", "Foo.bar"},
		{"cocoa", "closure #1 in Foo.bar() -> ()", "closure in Foo.bar"},
		{"swift", "thunk for @escaping @callee_guaranteed () -> ()", "thunk for closure"},
		{"swift", "partial apply @callee_guaranteed () -> ()", "closure"},
		{"swift", "variable initialization expression of static Foo.x", "initializer expression of Foo.x"},
		{"csharp", "Program.Main (string[] args)", "Program.Main"},
		{"python", "f(x)", "f(x)"},
		{"swift", "variable initialization expression of ::Foo.x", "initializer expression of :Foo.x"},
		{"swift", "throws -> Int", "Int"},
		{"native", " ", " "},
		{"native", "$_12operator()", "$_12operator()"},
		{"native", "main::$_0é", "main::$_0é"},
		{"native", "run::{lambda(f()#x, int)#12}::operator()", "run::lambda::operator()"},
		{"native", "{lambda(std::array<int, {1}>)#2}::operator()(int) const", "lambda::operator()"},
		{"native", "( anonymous namespace )::run(int)", "(anonymous namespace)::run"},
		{"native", "broken(int", "broken"},
		{"native", "a::b<int", "a::b"},
		{"native", "x> y(int)::z<int>", "xint"},
		{"native", "void f { g", "f"},
		{"native", "foo@bar@12", "foo@bar"},
		{"native", "(", "("},
		{"native", "()", "()"},
	} {
		if got := TrimFunction(c.name, c.platform); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.platform, c.name, got, c.want)
		}
	}
}

// TestRulesRememberWhatTheyChanged: in-app before the rules can be told and restored.
func TestRulesRememberWhatTheyChanged(t *testing.T) {
	t.Parallel()
	ev := &event.Event{Platform: "python", Stacktrace: &event.Stacktrace{Frames: []event.Frame{
		{Function: "a", InApp: new(true)}, {Function: "b"}, {Function: "c", InApp: new(false)},
	}}}
	rules := compile(t, "function:a -app\nfunction:c category=deep\ncategory:deep +app", "")
	for range 2 {
		New(Newest(), rules).Assign(ev)
		var got []any
		for _, f := range ev.Stacktrace.Frames {
			got = append(got, *f.InApp, *f.Data.OrigInApp, f.Data.Category)
		}
		want := []any{false, 1, "", false, -1, "", true, 0, "deep"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	if New(Newest(), Rules{}).Assign(ev); !*ev.Stacktrace.Frames[0].InApp {
		t.Error("without the rule the client's decision is not restored")
	}
}

// TestMainExceptionIsFound: a wrapper made by a framework does not title the event.
func TestMainExceptionIsFound(t *testing.T) {
	t.Parallel()
	mechanism := func(id, parent int, kind, source string) *event.Mechanism {
		m := &event.Mechanism{ExceptionID: new(id), Type: kind, Source: source}
		if parent >= 0 {
			m.ParentID = new(parent)
		}
		return m
	}
	for name, list := range map[string][]event.Exception{
		"react": {
			{Type: "Error", Value: reactRecovered[1], Mechanism: mechanism(5, -1, "g", "")},
			{Type: "TypeError", Mechanism: mechanism(7, 5, "g", "cause")},
		},
		"rxjava": {
			{Type: "IOException", Mechanism: mechanism(7, 5, "g", "")},
			{Type: "CompositeException", Module: "io.reactivex.rxjava3.exceptions", Mechanism: mechanism(5, -1, "UncaughtExceptionHandler", "")},
		},
		"group": {
			{Type: "Inner", Mechanism: mechanism(7, 0, "g", "")},
			{Type: "Group", Mechanism: &event.Mechanism{ExceptionID: new(0), IsExceptionGroup: new(true)}},
		},
	} {
		ev := &event.Event{Platform: "java", Exceptions: list}
		New(Newest(), Rules{}).Assign(ev)
		if ev.MainExceptionID == nil || *ev.MainExceptionID != 7 {
			t.Errorf("%s: main exception %v, want 7", name, ev.MainExceptionID)
		}
	}
}

// TestHintsSayWhy: the tree explains what rules and flags did to a frame.
func TestHintsSayWhy(t *testing.T) {
	t.Parallel()
	g := New(Newest(), compile(t, "function:b -app -group\nfunction:c +app\nfunction:e max-frames=1", ""))
	ev := &event.Event{Platform: "go", Stacktrace: &event.Stacktrace{Frames: []event.Frame{
		{Function: "a", InApp: new(true)}, {Function: "b", InApp: new(true)}, {Function: "c", InApp: new(false)},
		{Function: "d"}, {Function: "e", InApp: new(true)},
	}}}
	e := g.Explain(ev)
	hints := map[string][]string{}
	for _, v := range e.Variants {
		for _, frame := range v.Component.Values[0].Values {
			hints[v.Name] = append(hints[v.Name], frame.Hint)
		}
	}
	want := map[string][]string{
		"app": {
			"marked in-app by the client but ignored because only 1 frame is considered by custom stacktrace rule (function:e max-frames=1)",
			"marked out of app by custom stacktrace rule (function:b -app)",
			"marked in-app by custom stacktrace rule (function:c +app) but ignored because only 1 frame is considered by custom stacktrace rule (function:e max-frames=1)",
			"non app frame",
			"marked in-app by the client",
		},
		"system": {
			"ignored because only 1 frame is considered by custom stacktrace rule (function:e max-frames=1)",
			"ignored by custom stacktrace rule (function:b -group)",
			"ignored because only 1 frame is considered by custom stacktrace rule (function:e max-frames=1)",
			"ignored because only 1 frame is considered by custom stacktrace rule (function:e max-frames=1)",
			"",
		},
	}
	if diff := cmp.Diff(want, hints); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
}

func TestHashesAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	h := hashOf("chunkloaderror")
	if got := h.String(); got != "5d731dcf8ecc4f042eeacf528d8d8da9" {
		t.Errorf("hash %s", got)
	}
	if back, err := ParseHash(h.String()); err != nil || back != h {
		t.Errorf("read %s, %v", back, err)
	}
	for _, s := range []string{"", "5D731DCF8ECC4F042EEACF528D8D8DA9", "xyz", h.String() + "0"} {
		if _, err := ParseHash(s); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", s, err)
		}
	}
}
