package grouping

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// TestCandidatesMeetEveryCondition: ruling out rules by how texts begin is only cheaper than testing
// each of their conditions.
func TestCandidatesMeetEveryCondition(t *testing.T) {
	t.Parallel()
	own := compile(t, "function:a* function:ab -app\nfunction:{a,b}c -app\n!function:a* path:/srv/** -app\nmodule:m.* path:s* -group", "")
	frames := []event.Frame{
		{}, {Function: "ab"}, {Function: "ac"}, {Function: "bc"}, {Function: "abc", AbsPath: "srv/x"},
		{Function: "z", Filename: "/srv/x"}, {Module: "m.x", Filename: "s.py"}, {Module: "m.x", Filename: "/s.py"},
		{Function: "main", Module: "java.util.List", Package: "/usr/lib/x", AbsPath: "a/b.py"},
		{Function: "std::x", Package: "usr/lib/y", AbsPath: "/usr/local/lib/z"},
		{Module: "android.os.Handler", Package: `C:\WINDOWS\x`, AbsPath: "package:sentry/a"},
		{Function: "-[NSISEngine x]", Module: "akka.x", Package: "UIKit", AbsPath: "https://unpkg.com/x"},
		{Function: "?[Sentry x", Package: "C:/Program Files/NVIDIA Corporation/a", Filename: "lib/ui/hooks.dart"},
		{Function: "free", Module: "sun.x", Package: "/System/Library/Extensions/AMDRadeonX/y", Filename: "x/vendor/y"},
	}
	for _, rs := range own.Enhancements.sets(Newest()) {
		for i := range frames {
			for f := range familyCount {
				st := frameState{frame: &frames[i], family: f, function: either(frames[i].Function, "<unknown>")}
				got := rs.candidates(&st, st.appendKey(nil))
				for n, r := range rs.rules {
					want := r.families[f]
					for _, m := range r.static {
						want = want && m.frame(&st)
					}
					if got.has(n) != want {
						t.Errorf("%+v, %s: rule %q is a candidate: %t, want %t", frames[i], familyNames[f], r.appText+r.groupText, got.has(n), want)
					}
				}
			}
		}
	}
}

// TestTheTreeAgreesWithItsVariant: what something else replaces does not contribute, and says why.
func TestTheTreeAgreesWithItsVariant(t *testing.T) {
	t.Parallel()
	e := New(Newest(), compile(t, "", "family:other -> one")).Explain(decode(t, []byte(`{"platform":"go","message":"x"}`)))
	root := e.Variants[0].Component
	if root.Contributes || root.Hint != "ignored because custom server fingerprint takes precedence" || !root.Values[0].Contributes {
		t.Errorf("message under a fingerprint: %+v", root)
	}
	e = New(Newest(), Rules{}).Explain(decode(t, []byte(
		`{"csp":{"effective_directive":"script-src","violated_directive":"script-src 'unsafe-eval'","blocked_uri":"self"}}`)))
	report := e.Variants[0].Component.Values[0]
	violation, uri := report.Values[1], report.Values[2]
	if violation.ID != "violation" || !violation.Contributes || uri.Contributes || uri.Hint != "ignored because violation takes precedence" {
		t.Errorf("violation %+v, address %+v", violation, uri)
	}
}

// TestFramesNameTheRuleThatChangedThem: rules that find a frame as they want it explain nothing.
func TestFramesNameTheRuleThatChangedThem(t *testing.T) {
	t.Parallel()
	rules := compile(t, "function:a -group\nmodule:m -group\nfunction:b -group\nmodule:m function:b +group", "")
	e := New(Newest(), rules).Explain(decode(t, []byte(
		`{"platform":"go","stacktrace":{"frames":[{"function":"a","module":"m"},{"function":"b","module":"m"}]}}`)))
	hints := map[string][]string{}
	for i := range e.Variants {
		for _, trace := range e.Variants[i].Component.Values {
			hints[e.Variants[i].Name] = append(hints[e.Variants[i].Name], trace.Hint)
			for _, frame := range trace.Values {
				hints[e.Variants[i].Name] = append(hints[e.Variants[i].Name], frame.Hint)
			}
		}
	}
	want := map[string][]string{
		"app":    {"ignored because it contains no in-app frames", "non app frame", "non app frame"},
		"system": {"", "ignored by custom stacktrace rule (function:a -group)", "un-ignored by custom stacktrace rule (module:m function:b +group)"},
	}
	if diff := cmp.Diff(want, hints); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
