package event_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func TestShapesOfInterfaces(t *testing.T) {
	t.Parallel()
	one := map[string]string{"exception.values.0.type": `"A"`, "exception.values.1": ""}
	checkRules(t, []rule{
		{"exception as wrapper", `{"exception":{"values":[{"type":"A","value":"x"}]}}`, one},
		{"exception as list", `{"exception":[{"type":"A","value":"x"}]}`, one},
		{"exception as object", `{"exception":{"type":"A","value":"x"}}`, one},
		{"exception under its old name", `{"sentry.interfaces.Exception":[{"type":"A","value":"x"}]}`, one},
		{"null entries are passed over", `{"exception":{"values":[null,{"type":"A","value":"x"},null]}}`, one},
		{"empty exception", `{"exception":{}}`, map[string]string{"exception": "", "type": `"default"`, "errors": ""}},
		{"exception is a number", `{"exception":7}`,
			map[string]string{"exception": "", "_meta.exception.~.err.0.0": `"invalid_data"`, "_meta.exception.~.val": "7", "errors.0.type": `"invalid_data"`, "errors.0.name": `"exception"`}},
		{"exception value is an object", `{"exception":[{"type":"A","value":{"b": [1, 2]}}]}`, map[string]string{"exception.values.0.value": `"{\"b\":[1,2]}"`}},
		{"exception value is a number", `{"exception":[{"type":"A","value":12345}]}`, map[string]string{"exception.values.0.value": `"12345"`}},
		{"message as text", `{"message":"hi"}`, map[string]string{"logentry.formatted": `"hi"`, "logentry.message": ""}},
		{"message as object", `{"message":{"message":"a %s","params":["b"]}}`, map[string]string{"logentry.formatted": `"a b"`, "logentry.message": `"a %s"`}},
		{"the interface wins over the short text", `{"sentry.interfaces.Message":{"message":"a %s","params":["b"]},"message":"x"}`, map[string]string{"logentry.formatted": `"a b"`}},
		{"request under its old name", `{"sentry.interfaces.Http":{"url":"http://a/b"}}`, map[string]string{"request.url": `"http://a/b"`}},
		{"user under its old name", `{"sentry.interfaces.User":{"id":1}}`, map[string]string{"user.id": `"1"`}},
		{"stacktrace under its old name", `{"sentry.interfaces.Stacktrace":{"frames":[{"function":"f"}]}}`, map[string]string{"stacktrace.frames.0.function": `"f"`}},
		{"breadcrumbs as list, ty", `{"breadcrumbs":[{"ty":"http"}]}`, map[string]string{"breadcrumbs.values.0.type": `"http"`, "breadcrumbs.values.0.level": `"info"`}},
		{"breadcrumb without anything", `{"breadcrumbs":{"values":[{}]}}`, map[string]string{"breadcrumbs.values.0.type": `"default"`}},
		{"threads", `{"threads":{"values":[{"id":7,"crashed":true}]}}`, map[string]string{"threads.values.0.id": `"7"`, "threads.values.0.crashed": "true"}},
		{"unknown members are kept", `{"shiny":{"a": 1}}`, map[string]string{"shiny": `{"a":1}`}},
		{"unknown members of an interface are kept", `{"exception":[{"type":"A","hint":1}]}`, map[string]string{"exception.values.0.hint": "1"}},
		{"a name sent twice", `{"extra":{"a":1,"a":2}}`, map[string]string{"extra": `{"a":2}`}},
		{"mechanism as text", `{"exception":[{"type":"A","mechanism":"onerror"}]}`, map[string]string{"exception.values.0.mechanism.type": `"onerror"`}},
		{"fingerprint", `{"fingerprint":["a",1,{},true,2.9,null]}`, map[string]string{"fingerprint": `["a","1","True","2"]`, "_meta.fingerprint.2.~.err.0.0": `"invalid_data"`}},
		{"contexts that are no objects", `{"contexts":{"os":{"name":"x"},"a":1,"b":null}}`, map[string]string{"contexts.a": "", "contexts.b": "", "_meta.contexts.a.~.val": "1"}},
	}, delivery())
}

func TestShapesOfFrames(t *testing.T) {
	t.Parallel()
	frame := func(s string) string { return `{"exception":[{"type":"A","stacktrace":{"frames":[null,` + s + `]}}]}` }
	const p = "exception.values.0.stacktrace.frames.0."
	checkRules(t, []rule{
		{"null lines are empty", frame(`{"pre_context":["a",null],"context_line":"","post_context":null}`), map[string]string{p + "pre_context": `["a",""]`, p + "context_line": `""`, p + "post_context": ""}},
		{"variables as list", frame(`{"vars":["a",{"b":1}]}`), map[string]string{p + "vars": `{"0":"a","1":{"b":1}}`}},
		{"line numbers", frame(`{"lineno":-1,"colno":"x"}`), map[string]string{p + "lineno": "", p + "colno": "", "_meta." + p + "lineno.~.val": "-1"}},
		{"addresses", frame(`{"instruction_addr":4096,"symbol_addr":"0x00FF","image_addr":"16"}`), map[string]string{p + "instruction_addr": `"0x1000"`, p + "symbol_addr": `"0xff"`, p + "image_addr": `"0x10"`}},
		{"bad address", frame(`{"instruction_addr":"zz"}`), map[string]string{p + "instruction_addr": "", "_meta." + p + "instruction_addr.~.val": `"zz"`}},
		{"question mark", frame(`{"function":"?","filename":"a.py"}`), map[string]string{p + "function": "", p + "filename": `"a.py"`}},
		{"in_app stays undecided", frame(`{"in_app":null,"function":"f"}`), map[string]string{p + "in_app": ""}},
		{"URL without abs_path", frame(`{"filename":"http://foo.com/foo.js"}`), map[string]string{p + "abs_path": `"http://foo.com/foo.js"`, p + "filename": `"/foo.js"`}},
		{"URL without path", frame(`{"abs_path":"http://foo.com/"}`), map[string]string{p + "filename": `"http://foo.com/"`}},
		{"other schemes stay", frame(`{"abs_path":"app:///foo.js"}`), map[string]string{p + "filename": `"app:///foo.js"`}},
		{"what processing noted", frame(`{"data":{"orig_in_app":-1,"client_in_app":true,"sourcemap":"a.map","x":1,"category":5}}`), map[string]string{p + "data": `{"category":5,"client_in_app":true,"orig_in_app":-1,"sourcemap":"a.map","x":1}`}},
	}, delivery())
}

func TestShapesOfScalars(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"critical", `{"level":"critical"}`, map[string]string{"level": `"fatal"`}},
		{"log", `{"level":"log"}`, map[string]string{"level": `"info"`}},
		{"level by number", `{"level":40}`, map[string]string{"level": `"error"`}},
		{"no level", `{}`, map[string]string{"level": `"error"`, "errors": ""}},
		{"no such level", `{"level":"warn"}`, map[string]string{"level": `"error"`, "_meta.level.~.err.0.0": `"invalid_data"`, "_meta.level.~.val": `"warn"`}},
		{"time without zone", `{"timestamp":"2026-11-21T07:00:00"}`, map[string]string{"timestamp": "1795244400"}},
		{"time with zone", `{"timestamp":"2026-11-21T08:00:00.25+01:00"}`, map[string]string{"timestamp": "1795244400.25"}},
		{"time as number", `{"timestamp":1795244400.1234567}`, map[string]string{"timestamp": "1795244400.123457"}},
		{"time as digits", `{"timestamp":"1795244400"}`, map[string]string{"timestamp": "1795244705", "_meta.timestamp.~.err.0.0": `"invalid_data"`}},
		{"release as number", `{"release":42}`, map[string]string{"release": `"42"`}},
		{"release as list", `{"release":[1]}`, map[string]string{"release": "", "_meta.release.~.val": "[1]"}},
		{"event id with dashes", `{"event_id":"9EC79C33-EC99-42AB-8353-589FCB2E04DC"}`, map[string]string{"event_id": `"9ec79c33ec9942ab8353589fcb2e04dc"`}},
		{"bad event id", `{"event_id":"x"}`, map[string]string{"event_id": "", "_meta.event_id.~.val": `"x"`}},
		{"user id as number", `{"user":{"id":42}}`, map[string]string{"user.id": `"42"`}},
		{"user id as list", `{"user":{"id":[],"email":"a@b"}}`, map[string]string{"user.id": "", "_meta.user.id.~.err.0.0": `"invalid_data"`}},
		{"unknown user members", `{"user":{"id":1,"plan":"pro","data":{"x":1}}}`, map[string]string{"user.data": `{"plan":"pro","x":1}`}},
		{"not a number", `{"extra":{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN"}}`, map[string]string{"extra": `{"a":null,"b":[null,null],"c":"NaN"}`}},
		{"byte order mark", "\uFEFF{\"message\":\"x\"}", map[string]string{"logentry.formatted": `"x"`}},
		{"raw control characters", "{\"message\":\"a\tb\x00c\"}", map[string]string{"logentry.formatted": `"a\tbc"`}},
	}, delivery())
}

func TestShapesOfRequests(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"query as text", `{"request":{"query_string":"?a=1&b=x+y%21&c"}}`, map[string]string{"request.query_string": `[["a","1"],["b","x y!"],["c",""]]`}},
		{"query as object", `{"request":{"query_string":{"b":[1],"a":2}}}`, map[string]string{"request.query_string": `[["a","2"],["b","[1]"]]`}},
		{"query as pairs", `{"request":{"query_string":[["b","1"],["a",2],["c"]]}}`, map[string]string{"request.query_string": `[["b","1"],["a","2"]]`}},
		{"cookies as text", `{"request":{"cookies":"a=b; c=d%20e"}}`, map[string]string{"request.cookies": `[["a","b"],["c","d e"]]`}},
		{"cookies as object", `{"request":{"cookies":{"b":"1","a":"2"}}}`, map[string]string{"request.cookies": `[["a","2"],["b","1"]]`}},
		{"headers as object", `{"request":{"headers":{"x-y":["1","2"],"accept":"a"}}}`, map[string]string{"request.headers": `[["Accept","a"],["X-Y","1,2"]]`}},
		{"headers as pairs", `{"request":{"headers":[["x-FORWARDED-for","1"],["a",null]]}}`, map[string]string{"request.headers": `[["X-FORWARDED-For","1"]]`}},
		{"URL is split", `{"request":{"url":"http://a/b?x=1#y"}}`, map[string]string{"request.url": `"http://a/b"`, "request.query_string": `[["x","1"]]`, "request.fragment": `"y"`}},
		{"given fields win", `{"request":{"url":"http://a/b?x=1#y","query_string":"z=2","fragment":"f"}}`, map[string]string{"request.url": `"http://a/b"`, "request.query_string": `[["z","2"]]`, "request.fragment": `"f"`}},
		{"JSON body", `{"request":{"data":"{\"foo\":\"bar\"}","method":"!!!!"}}`, map[string]string{"request.data": `{"foo":"bar"}`, "request.inferred_content_type": `"application/json"`, "request.method": ""}},
		{"form body", `{"request":{"data":"a=1&b=2","method":"post"}}`, map[string]string{"request.data": `{"a":"1","b":"2"}`, "request.inferred_content_type": `"application/x-www-form-urlencoded"`, "request.method": `"POST"`}},
		{"text body", `{"request":{"data":"hello","headers":{"content-type":"text/plain; charset=utf-8"}}}`, map[string]string{"request.data": `"hello"`, "request.inferred_content_type": `"text/plain"`}},
		{"cookie header", `{"request":{"headers":[["cookie","a=b;c=d"],["Host","x"]]}}`, map[string]string{"request.cookies": `[["a","b"],["c","d"]]`, "request.headers": `[["Host","x"]]`}},
	}, delivery())
}

func TestOnlyObjectsAreEvents(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", " ", "null", "[]", "7", `"x"`, "{", `{"a":}`, `{"a":1}x`, `{"a":"`, "\x00", "{\"a\":NaNa}"} {
		if _, err := event.Decode([]byte(payload)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: want an invalid-input failure, got %v", payload, err)
		}
	}
}

func TestHostileDocumentsStaySmallAndFast(t *testing.T) {
	const patience = 20 * time.Second // half a second when idle; quadratic work takes many minutes
	deep := strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)
	for name, payload := range map[string]string{
		"a million tags":       `{"tags":{` + strings.TrimSuffix(strings.Repeat(`"k":"v",`, 1_000_000), ",") + `}}`,
		"a million tag pairs":  `{"tags":[` + strings.TrimSuffix(strings.Repeat(`["k","v"],`, 1_000_000), ",") + `]}`,
		"9,000 levels":         `{"extra":` + deep + `}`,
		"9,000 unknown levels": `{"x":` + deep + `}`,
		"30,000 lists":         `{"extra":{"a":` + strings.Repeat("[", 30000) + strings.Repeat("]", 30000) + `}}`,
		"a million frames":     `{"stacktrace":{"frames":[` + strings.TrimSuffix(strings.Repeat(`{},`, 1_000_000), ",") + `]}}`,
		"a million crumbs":     `{"breadcrumbs":[` + strings.TrimSuffix(strings.Repeat(`{},`, 1_000_000), ",") + `]}`,
		"a million exceptions": `{"exception":[` + strings.TrimSuffix(strings.Repeat(`{},`, 1_000_000), ",") + `]}`,
		"a million members":    `{` + strings.TrimSuffix(strings.Repeat(`"k":1,`, 1_000_000), ",") + `}`,
		"a million errors":     `{"tags":{` + strings.TrimSuffix(strings.Repeat(`"k":[],`, 1_000_000), ",") + `}}`,
		"a deep _meta":         `{"_meta":` + deep + `}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		e, err := event.Decode([]byte(payload))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e.Normalize(delivery())
		out := len(e.AppendJSON(nil))
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if took > patience || out > 600<<10 || after.TotalAlloc-before.TotalAlloc > uint64(10*len(payload)+(4<<20)) {
			t.Errorf("%s: %d bytes in, %d bytes stored, %d bytes allocated, %v", name, len(payload), out, after.TotalAlloc-before.TotalAlloc, took)
		}
	}
}

func TestDeepValuesAreCutAndRemarked(t *testing.T) {
	t.Parallel()
	e, err := event.Decode([]byte(`{"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(e.Other.Get("x")), strings.Repeat("[", 63)+"null"+strings.Repeat("]", 63); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if len(e.Meta["x"].Errors) != 1 || len(e.Errors) != 1 {
		t.Errorf("want one remark and one error, got %v and %v", e.Meta, e.Errors)
	}
}

func TestCountLimits(t *testing.T) {
	t.Parallel()
	list := func(n int, format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(format, i)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	for _, extra := range []int{-1, 0, 1, 300} {
		payload := `{"exception":{"values":[{"type":"A","stacktrace":{"frames":` + list(250+extra, `{"function":"f%d"}`) + `}}]},` +
			`"breadcrumbs":{"values":` + list(100+extra, `{"message":"b%d"}`) + `},` +
			`"threads":{"values":` + list(100+extra, `{"id":%d}`) + `},` +
			`"tags":` + list(100+extra, `["t%d","v"]`) + `}`
		e := normalized(t, payload, delivery())
		frames := e.Exceptions[0].Stacktrace.Frames
		if want := min(250, 250+extra); len(frames) != want || frames[len(frames)-1].Function != fmt.Sprintf("f%d", 249+extra) {
			t.Errorf("%+d: want the last %d frames, got %d up to %s", extra, want, len(frames), frames[len(frames)-1].Function)
		}
		if want := min(100, 100+extra); len(e.Breadcrumbs) != want || e.Breadcrumbs[want-1].Message != fmt.Sprintf("b%d", 99+extra) {
			t.Errorf("%+d: want the newest %d breadcrumbs, got %d", extra, want, len(e.Breadcrumbs))
		}
		if want := min(100, 100+extra); len(e.Threads) != want {
			t.Errorf("%+d: want %d threads, got %d", extra, want, len(e.Threads))
		}
		if got, want := len(e.Tags)-len(e.AutoTags()), min(100, 100+extra); got != want {
			t.Errorf("%+d: want %d client tags, got %d", extra, want, got)
		}
		want := 0
		if extra > 0 {
			want = 250 + extra
		}
		if got := e.Meta["exception.values.0.stacktrace.frames"].Length; got != want {
			t.Errorf("%+d: want original length %d, got %d", extra, want, got)
		}
	}
	e := normalized(t, `{"exception":`+list(60, `{"type":"E%d","value":"v"}`)+`}`, delivery())
	if len(e.Exceptions) != 50 || e.Exceptions[49].Type != "E59" {
		t.Errorf("want the last 50 exceptions, got %d", len(e.Exceptions))
	}
}

func TestNumberBombsStayText(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"1e131071": `"1e131071"`, "-1E+400": `"-1E+400"`, "1e-131071": `"1e-131071"`, "1e308": "1e308", "0e999999": "0e999999",
		"123456789012345678901234567890": "123456789012345678901234567890", "0.1": "0.1", "-0": "-0",
		strings.Repeat("9", 500): `"` + strings.Repeat("9", 500) + `"`,
	} {
		e, err := event.Decode([]byte(`{"extra":{"n":` + sent + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(e.Extra.Get("n")); got != want {
			t.Errorf("%.20s: want %.30s, got %.30s", sent, want, got)
		}
	}
	e, err := event.Decode([]byte(`{"release":1e131071,"timestamp":1e131071,"user":{"id":1e400},"level":1e9,"exception":[{"type":"A","value":1e131071}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if e.Release != "" || !e.Timestamp.IsZero() || e.User.ID != "" || e.Exceptions[0].Value != `"1e131071"` {
		t.Errorf("want no release, time and user id, got %q, %v, %q, %q", e.Release, e.Timestamp, e.User.ID, e.Exceptions[0].Value)
	}
}
