package event_test

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// The rows of the conformance table about the contents of events, each under its number.
// Rule: getsentry/relay relay-event-schema/src/protocol, relay-event-normalization/src

func TestRowsAboutExceptionsLevelsAndTimes(t *testing.T) {
	t.Parallel()
	one := map[string]string{"exception.values.0.type": `"A"`, "exception.values.1": ""}
	checkRules(t, []rule{
		{"row 46 bare list", `{"exception":[{"type":"A"}]}`, one},
		{"row 46 single object", `{"exception":{"type":"A"}}`, one},
		{"row 46 values", `{"exception":{"values":[{"type":"A"}]}}`, one},
		{"row 46 empty", `{"exception":{}}`, map[string]string{"exception": "", "errors": ""}},
		{"row 47 old name", `{"sentry.interfaces.Exception":{"values":[{"type":"A"}]}}`, one},
		{"row 48 value is an object", `{"exception":[{"type":"A","value":{"a":1}}]}`, map[string]string{"exception.values.0.value": `"{\"a\":1}"`}},
		{"row 49 critical", `{"level":"critical"}`, map[string]string{"level": `"fatal"`}},
		{"row 49 log", `{"level":"log"}`, map[string]string{"level": `"info"`}},
		{"row 49 number", `{"level":40}`, map[string]string{"level": `"error"`}},
		{"row 49 invalid", `{"level":"warn"}`, map[string]string{"level": `"error"`, "_meta.level.~.err.0.0": `"invalid_data"`}},
		{"row 50 without zone", `{"timestamp":"2026-11-21T07:00:00"}`, map[string]string{"timestamp": "1795244400"}},
		{"row 51 ahead", `{"timestamp":"2026-11-21T07:07:05Z"}`, map[string]string{"timestamp": "1795244705", "_meta.timestamp.~.err.0.0": `"future_timestamp"`,
			"_meta.timestamp.~.err.0.1": `{"sdk_time":"2026-11-21T07:07:05Z","server_time":"2026-11-21T07:05:05Z"}`}},
		{"row 51 too old", `{"timestamp":"2026-08-01T00:00:00Z"}`, map[string]string{"timestamp": "1795244705", "_meta.timestamp.~.err.0.0": `"past_timestamp"`}},
		{"row 51 missing", `{}`, map[string]string{"timestamp": "1795244705", "received": "1795244705", "_meta.timestamp": ""}},
		{"row 59 neither type nor exception", `{}`, map[string]string{"type": `"default"`}},
		{"row 59 exception", `{"exception":[{"type":"A"}]}`, map[string]string{"type": `"error"`}},
	}, delivery())
}

func TestRowsAboutTagsAndNames(t *testing.T) {
	t.Parallel()
	for _, tags := range []string{`{"foo bar":"baz","non string":42,"bool":true}`, `[["foo bar","baz"],["non string",42],["bool",true]]`} {
		e := normalized(t, `{"tags":`+tags+`}`, delivery())
		for key, want := range map[string]string{"foo-bar": "baz", "non-string": "42", "bool": "True"} {
			if got := tag(e, key); got != want {
				t.Errorf("row 52: %s: want %q, got %q", tags, want, got)
			}
		}
	}
	e := normalized(t, `{"server_name":"web-1","environment":"","tags":{"environment":"staging","release":"r","dist":"d","user":"u","filename":"f","function":"g"}}`, delivery())
	for key, want := range map[string]string{"environment": "staging", "release": "", "dist": "", "user": "", "filename": "", "function": "", "server_name": "web-1"} {
		if got := tag(e, key); got != want {
			t.Errorf("row 55: tag %s: want %q, got %q", key, want, got)
		}
	}
	checkRules(t, []rule{
		{"row 53 long value", `{"tags":{"a":"` + strings.Repeat("x", 201) + `"}}`, map[string]string{"_meta.tags.a.~.err.0.0": `"value_too_long"`, "tags": `[["level","error"]]`}},
		{"row 54 environment", `{"tags":{"environment":"staging"}}`, map[string]string{"environment": `"staging"`}},
		{"row 55 server name", `{"server_name":"web-1"}`, map[string]string{"server_name": "", "tags.0": `["server_name","web-1"]`}},
		{"row 56 blanks around", `{"dist":" foo "}`, map[string]string{"dist": `"foo"`}},
		{"row 56 only blanks", `{"dist":" "}`, map[string]string{"dist": ""}},
		{"row 57 number", `{"release":42}`, map[string]string{"release": `"42"`}},
		{"row 58 platform", `{"platform":"cobol"}`, map[string]string{"platform": `"other"`}},
		{"row 60 error", `{"measurements":{"lcp":{"value":1}}}`, map[string]string{"measurements": ""}},
		{"row 60 transaction", `{"type":"transaction","measurements":{"LCP":{"value":1}," x.y ":{"value":2},"A B":{"value":3}}}`,
			map[string]string{"measurements": `{"lcp":{"unit":"millisecond","value":1},"x.y":{"unit":"none","value":2}}`, "_meta.measurements.~.val": `"a b"`}},
	}, delivery())
}

func TestRowsAboutMessagesAndLimits(t *testing.T) {
	t.Parallel()
	frames := func(s string) string { return `{"exception":[{"type":"A","stacktrace":{"frames":[` + s + `]}}]}` }
	const p = "exception.values.0.stacktrace.frames"
	message := func(text, template string) map[string]string {
		return map[string]string{"logentry.formatted": text, "logentry.message": template}
	}
	checkRules(t, []rule{
		{"row 61 percent", `{"logentry":{"message":"hello, %s!","params":["world"]}}`, message(`"hello, world!"`, `"hello, %s!"`)},
		{"row 61 braces", `{"logentry":{"message":"hello, {}!","params":["world"]}}`, message(`"hello, world!"`, `"hello, {}!"`)},
		{"row 61 numbered braces", `{"logentry":{"message":"{1} {0}","params":["a","b"]}}`, message(`"b a"`, `"{1} {0}"`)},
		{"row 61 named", `{"logentry":{"message":"hello, %(name)s!","params":{"name":"world"}}}`, message(`"hello, world!"`, `"hello, %(name)s!"`)},
		{"row 62 no parameters", `{"logentry":{"message":"hello, %s!"}}`, message(`"hello, %s!"`, "")},
		{"row 62 only parameters", `{"logentry":{"params":["a"]}}`, map[string]string{"logentry": "", "_meta.logentry.~.err.0.0": `"invalid_data"`}},
		{"row 63 filename is a URL", frames(`{"filename":"http://foo.com/foo.js"}`), map[string]string{p + ".0.abs_path": `"http://foo.com/foo.js"`, p + ".0.filename": `"/foo.js"`}},
		{"row 63 URL without path", frames(`{"abs_path":"http://foo.com/"}`), map[string]string{p + ".0.filename": `"http://foo.com/"`}},
		{"row 64 frames", frames(strings.Repeat(`{"function":"a"},`, 50) + strings.Repeat(`{"function":"b"},`, 249) + `{"function":"last"}`),
			map[string]string{p + ".249.function": `"last"`, p + ".0.function": `"b"`, p + ".250": "", "_meta." + p + ".~.len": "300"}},
		{"row 65 culprit", `{"culprit":"` + strings.Repeat("x", 300) + `"}`, map[string]string{"culprit": `"` + strings.Repeat("x", 197) + `..."`,
			"_meta.culprit.~": `{"len":300,"rem":[["!limit","s",197,200]]}`}},
		{"row 66 deep", `{"extra":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}}`, map[string]string{"extra.a.b.c.d.e.f": `"{\"g\":{\"h\":1}}"`}},
		{"row 67 ty", `{"breadcrumbs":[{"ty":"http"}]}`, map[string]string{"breadcrumbs.values.0.type": `"http"`}},
	}, delivery())
}

func TestRowsAboutUsersRequestsAndContexts(t *testing.T) {
	t.Parallel()
	const mac = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36`
	const windows = `Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/119.0`
	agent := func(platform, ua string) string {
		return `{"platform":"` + platform + `","request":{"headers":{"User-Agent":"` + ua + `"}}}`
	}
	checkRules(t, []rule{
		{"row 68 number", `{"user":{"id":42}}`, map[string]string{"user.id": `"42"`}},
		{"row 68 list", `{"user":{"id":[],"email":"a@b"}}`, map[string]string{"user.id": "", "_meta.user.id.~.err.0.0": `"invalid_data"`}},
		{"row 69 split", `{"request":{"url":"http://a/b?x=1#y"}}`, map[string]string{"request.url": `"http://a/b"`, "request.query_string": `[["x","1"]]`, "request.fragment": `"y"`}},
		{"row 69 given fields", `{"request":{"url":"http://a/b?x=1#y","query_string":"z=2","fragment":"f"}}`, map[string]string{"request.query_string": `[["z","2"]]`, "request.fragment": `"f"`}},
		{"row 70 JSON body", `{"request":{"data":"{\"foo\":\"bar\"}"}}`, map[string]string{"request.data": `{"foo":"bar"}`, "request.inferred_content_type": `"application/json"`}},
		{"row 70 method", `{"request":{"method":"!!!!","url":"http://a"}}`, map[string]string{"request.method": "", "_meta.request.method.~.val": `"!!!!"`}},
		{"row 71 cookies", `{"request":{"headers":{"Cookie":"a=b;c=d"}}}`, map[string]string{"request.cookies": `[["a","b"],["c","d"]]`, "request.headers": ""}},
		{"row 72 javascript", agent("javascript", mac), map[string]string{"contexts.browser.name": `"Chrome"`, "contexts.device.family": `"Mac"`, "contexts.os.name": `"Mac OS X"`, "contexts.client_os": ""}},
		{"row 72 python", agent("python", mac), map[string]string{"contexts.browser.name": `"Chrome"`, "contexts.client_os.os": `"Mac OS X >=10.15.7"`, "contexts.os": ""}},
		{"row 73 Mac OS X", agent("javascript", mac), map[string]string{"contexts.os.version": `">=10.15.7"`}},
		{"row 73 Windows", agent("javascript", windows), map[string]string{"contexts.os.version": `">=10"`}},
		{"row 74 asked for", `{"platform":"python","user":{"ip_address":"{{auto}}"}}`, map[string]string{"user.ip_address": `"203.0.113.7"`}},
		{"row 74 javascript", `{"platform":"javascript"}`, map[string]string{"user.ip_address": `"203.0.113.7"`}},
		{"row 74 python", `{"platform":"python"}`, map[string]string{"user": ""}},
		{"row 75 valid", `{"platform":"python","request":{"env":{"REMOTE_ADDR":"192.0.2.9"}}}`, map[string]string{"user.ip_address": `"192.0.2.9"`}},
		{"row 75 invalid", `{"platform":"python","request":{"env":{"REMOTE_ADDR":"whoops"}}}`, map[string]string{"user": ""}},
		{"row 76 reprocessing", `{"contexts":{"reprocessing":{"a":1},"x":{"a":1}}}`, map[string]string{"contexts": `{"x":{"a":1}}`}},
		{"row 77 trace", `{"contexts":{"trace":{"trace_id":"4C79F60C11214EB38604F4AE0781BFB2","span_id":"FA90FDEAD5F74053"}}}`,
			map[string]string{"contexts.trace": `{"span_id":"fa90fdead5f74053","status":"unknown","trace_id":"4c79f60c11214eb38604f4ae0781bfb2"}`}},
	}, delivery())
	for _, payload := range []string{`{"type":"transaction",` + timesText + `}`, `{"type":"transaction","timestamp":1,"contexts":{"trace":{` + traceText + `}}}`} {
		e, err := event.Decode([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		if err := e.ValidTransaction(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("row 78: %s: want it refused, got %v", payload, err)
		}
	}
}

func TestPlacesOfUsers(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"no database", `{"user":{"ip_address":"192.0.2.1"}}`, map[string]string{"user.geo": ""}},
	}, delivery())
	d := delivery()
	d.Geo = somewhere
	checkRules(t, []rule{
		{"known", `{"user":{"ip_address":"192.0.2.1"}}`, map[string]string{"user.geo": `{"city":"Boxford","country_code":"GB"}`}},
		{"of the connection", `{"platform":"javascript"}`, map[string]string{"user.geo.city": `"Boxford"`}},
		{"given", `{"user":{"ip_address":"192.0.2.1","geo":{"city":"Mine"}}}`, map[string]string{"user.geo": `{"city":"Mine"}`}},
		{"unknown", `{"user":{"ip_address":"10.0.0.1"}}`, map[string]string{"user.geo": ""}},
		{"no address", `{"platform":"python","user":{"id":1}}`, map[string]string{"user.geo": ""}},
	}, d)
}
