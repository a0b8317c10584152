package event_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func TestClock(t *testing.T) {
	t.Parallel()
	d := delivery()
	now := d.ReceivedAt
	cases := []struct {
		name            string
		stamp, sent     time.Time
		want            time.Time
		kind            string
		crumb, wantCrub time.Time
	}{
		{name: "missing", want: now},
		{name: "just ahead", stamp: now.Add(60 * time.Second), want: now.Add(60 * time.Second)},
		{name: "two minutes ahead", stamp: now.Add(2 * time.Minute), want: now, kind: "future_timestamp", crumb: now.Add(time.Minute), wantCrub: now.Add(-time.Minute)},
		{name: "older than the retention", stamp: now.Add(-91 * 24 * time.Hour), want: now, kind: "past_timestamp"},
		{name: "within the retention", stamp: now.Add(-89 * 24 * time.Hour), want: now.Add(-89 * 24 * time.Hour)},
		{name: "drift below 55 minutes", stamp: now.Add(-time.Hour), sent: now.Add(-55*time.Minute + time.Second), want: now.Add(-time.Hour)},
		{name: "drift of 55 minutes", stamp: now.Add(-time.Hour), sent: now.Add(-55 * time.Minute), want: now.Add(-5 * time.Minute), kind: "clock_drift", crumb: now.Add(-2 * time.Hour), wantCrub: now.Add(-65 * time.Minute)},
		{name: "clock ahead", stamp: now.Add(2 * time.Hour), sent: now.Add(3 * time.Hour), want: now.Add(-time.Hour), kind: "clock_drift"},
	}
	for _, c := range cases {
		d.SentAt = c.sent
		e := &event.Event{Timestamp: c.stamp, Breadcrumbs: []event.Breadcrumb{{Timestamp: c.crumb}}}
		e.Normalize(d)
		if !e.Timestamp.Equal(c.want) || !e.ReceivedAt.Equal(now) {
			t.Errorf("%s: want %v, got %v received %v", c.name, c.want, e.Timestamp, e.ReceivedAt)
		}
		if got := e.Breadcrumbs[0].Timestamp; !c.wantCrub.IsZero() && !got.Equal(c.wantCrub) {
			t.Errorf("%s: want the breadcrumb at %v, got %v", c.name, c.wantCrub, got)
		}
		kind := ""
		if errs := e.Meta["timestamp"].Errors; len(errs) > 0 {
			kind = errs[0].Kind
		}
		if kind != c.kind {
			t.Errorf("%s: want error %q, got %q", c.name, c.kind, kind)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for in, valid := range map[string]bool{
		"1.0": true, "shop@2.4.1+87": true, " a ": true, "latest": false, "LATEST": false, ".": false, "..": false,
		"a/b": false, `a\b`: false, "a\nb": false, "a\x7fb": false, strings.Repeat("é", 200): true, strings.Repeat("a", 201): false,
	} {
		e := &event.Event{Release: in}
		e.Normalize(delivery())
		if got := e.Release == strings.TrimSpace(in); got != valid || valid == (len(e.Errors) > 0) {
			t.Errorf("release %q: want valid %t, got %q with %v", in, valid, e.Release, e.Errors)
		}
	}
	for in, valid := range map[string]bool{"production": true, "none": false, "None": false, "..": false, "a/b": false, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false} {
		e := &event.Event{Environment: in}
		e.Normalize(delivery())
		if got := e.Environment == in; got != valid {
			t.Errorf("environment %q: want valid %t, got %q", in, valid, e.Environment)
		}
	}
	for in, want := range map[string]string{" foo ": "foo", " ": "", "a b": "", "web-87_x.1": "web-87_x.1", strings.Repeat("a", 65): ""} {
		e := &event.Event{Dist: in}
		if e.Normalize(delivery()); e.Dist != want {
			t.Errorf("dist %q: want %q, got %q", in, want, e.Dist)
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	for _, tags := range []string{`{"foo bar":"baz","non string":42,"bool":true}`, `[["foo bar","baz"],["non string",42],["bool",true],null,["null",null]]`} {
		e := normalized(t, `{"tags":`+tags+`}`, delivery())
		if tag(e, "foo-bar") != "baz" || tag(e, "non-string") != "42" || tag(e, "bool") != "True" || len(e.Errors) != 0 {
			t.Errorf("%s: got %v and %v", tags, e.Tags, e.Errors)
		}
	}
	long := strings.Repeat("x", 201)
	e := normalized(t, `{"tags":[["a","`+long+`"],["b","`+long[1:]+`"],["c\n","v"],["d","x\ny"],["e"," "],["k","1"],["k","2"],["`+long+`","v"],["ü","v"]],"server_name":"web-1","site":"s"}`, delivery())
	for key, want := range map[string]string{"a": "", "b": long[1:], "c": "v", "d": "", "e": "", "k": "1", "server_name": "web-1", "site": "s"} {
		if got := tag(e, key); got != want {
			t.Errorf("tag %s: want %q, got %q", key, want, got)
		}
	}
	if got := e.Meta["tags.a"].Errors; len(got) != 1 || got[0].Kind != "value_too_long" {
		t.Errorf("want value_too_long, got %v", got)
	}
	if e.ServerName != "" || e.Other != nil {
		t.Errorf("want the attributes moved, got %q and %v", e.ServerName, e.Other)
	}
}

func TestTagsThatTheServerOwns(t *testing.T) {
	t.Parallel()
	e := normalized(t, `{"tags":{"release":"x","dist":"x","user":"x","filename":"x","function":"x","environment":"staging","level":"x","mine":"1"},
		"release":"r","level":"fatal","user":{"email":"a@b"},"transaction":"t","logger":"l","request":{"url":"http://a/b?c"},
		"exception":[{"type":"A","mechanism":{"type":"django","handled":false}}],
		"contexts":{"os":{"name":"Linux","version":"5","rooted":true},"device":{"family":"f","model":"m"},"runtime":{"name":"Go","version":"1"},"browser":{"name":"B"},"gpu":{"name":"g"}}}`, delivery())
	want := []event.Pair{
		{Key: "mine", Value: "1"}, {Key: "level", Value: "fatal"}, {Key: "environment", Value: "staging"}, {Key: "release", Value: "r"},
		{Key: "logger", Value: "l"}, {Key: "transaction", Value: "t"}, {Key: "url", Value: "http://a/b"}, {Key: "user", Value: "email:a@b"},
		{Key: "mechanism", Value: "django"}, {Key: "handled", Value: "no"},
		{Key: "os", Value: "Linux 5"}, {Key: "os.name", Value: "Linux"}, {Key: "os.rooted", Value: "yes"},
		{Key: "device", Value: "m"}, {Key: "device.family", Value: "f"}, {Key: "runtime", Value: "Go 1"}, {Key: "runtime.name", Value: "Go"},
		{Key: "browser", Value: "B"}, {Key: "browser.name", Value: "B"}, {Key: "gpu.name", Value: "g"},
	}
	if fmt.Sprint(e.Tags) != fmt.Sprint(want) {
		t.Errorf("want %v\n got %v", want, e.Tags)
	}
	if e.Environment != "staging" {
		t.Errorf("want the environment of the tag, got %q", e.Environment)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entry, formatted, message string }{
		{`{"message":"hello, %s!","params":["world"]}`, "hello, world!", "hello, %s!"},
		{`{"message":"%d of %05.2f%%","params":[1,2.5]}`, "1 of 2.5%", "%d of %05.2f%%"},
		{`{"message":"%(name)s","params":{"name":"n"}}`, "n", "%(name)s"},
		{`{"message":"{} and {}","params":["a","b"]}`, "a and b", "{} and {}"},
		{`{"message":"{1} {0}","params":["a","b"]}`, "b a", "{1} {0}"},
		{`{"message":"{name} {{x}}","params":{"name":{"a":1}}}`, `{"a":1} {x}`, "{name} {{x}}"},
		{`{"message":"too few %s %s","params":["a"]}`, "too few %s %s", ""},
		{`{"message":"100% sure","params":["a"]}`, "100% sure", ""},
		{`{"message":"open {","params":["a"]}`, "open {", ""},
		{`{"message":"plain"}`, "plain", ""},
		{`{"message":"t %s","formatted":"done","params":["x"]}`, "done", "t %s"},
		{`{"message":"same","formatted":"same"}`, "same", ""},
	} {
		e := normalized(t, `{"logentry":`+c.entry+`}`, delivery())
		if e.LogEntry == nil || e.LogEntry.Formatted != c.formatted || e.LogEntry.Message != c.message {
			t.Errorf("%s: want %q from %q, got %+v", c.entry, c.formatted, c.message, e.LogEntry)
		}
	}
	e := normalized(t, `{"logentry":{"params":["a"]}}`, delivery())
	if e.LogEntry != nil || len(e.Errors) != 1 {
		t.Errorf("parameters alone: want nothing and an error, got %+v and %v", e.LogEntry, e.Errors)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, payload, want string }{
		{"asked for", `{"user":{"ip_address":"{{auto}}"}}`, "203.0.113.7"},
		{"browser without user", `{"platform":"javascript"}`, "203.0.113.7"},
		{"server without user", `{"platform":"python"}`, ""},
		{"explicit", `{"platform":"javascript","user":{"ip_address":"192.0.2.1"}}`, "192.0.2.1"},
		{"invalid", `{"platform":"python","user":{"ip_address":"x","id":1}}`, ""},
		{"from the request", `{"platform":"python","request":{"env":{"REMOTE_ADDR":"192.0.2.9"}}}`, "192.0.2.9"},
		{"from the request, invalid", `{"platform":"python","request":{"env":{"REMOTE_ADDR":"x"}}}`, ""},
		{"from the request, asked for", `{"platform":"python","request":{"env":{"REMOTE_ADDR":"{{auto}}"}}}`, "203.0.113.7"},
		{"setting auto", `{"platform":"python","sdk":{"name":"s","settings":{"infer_ip":"auto"}}}`, "203.0.113.7"},
		{"setting never", `{"platform":"javascript","user":{"ip_address":"{{auto}}"},"sdk":{"name":"s","settings":{"infer_ip":"never"}}}`, ""},
		{"setting unknown", `{"platform":"javascript","sdk":{"name":"s","settings":{"infer_ip":"x"}}}`, ""},
		{"setting legacy", `{"platform":"javascript","sdk":{"name":"s","settings":{"infer_ip":"legacy"}}}`, "203.0.113.7"},
		{"security report", `{"csp":{"document_uri":"http://a"}}`, "203.0.113.7"},
	} {
		e := normalized(t, c.payload, delivery())
		got := ""
		if e.User != nil {
			got = e.User.IPAddress
		}
		if got != c.want {
			t.Errorf("%s: want %q, got %q", c.name, c.want, got)
		}
	}
}

func TestUserAgents(t *testing.T) {
	t.Parallel()
	const mac = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36`
	const windows = `Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/119.0`
	ua := func(platform, agent, more string) string {
		return `{"platform":"` + platform + `","request":{"headers":{"User-Agent":"` + agent + `"` + more + `}}}`
	}
	checkRules(t, []rule{
		{"javascript", ua("javascript", mac, ""), map[string]string{"contexts.os.name": `"Mac OS X"`, "contexts.os.version": `">=10.15.7"`, "contexts.os.os": `"Mac OS X >=10.15.7"`,
			"contexts.browser.browser": `"Chrome 120.0.0"`, "contexts.device.family": `"Mac"`, "contexts.client_os": ""}},
		{"python", ua("python", windows, ""), map[string]string{"contexts.client_os.version": `">=10"`, "contexts.os": "", "contexts.browser.name": `"Firefox"`}},
		{"nothing known", ua("javascript", "x", ""), map[string]string{"contexts": ""}},
		{"hints first", ua("javascript", mac, `,"Sec-CH-UA":"\"Not A;Brand\";v=\"99\", \"Chromium\";v=\"120\", \"Opera\";v=\"106\"","Sec-CH-UA-Platform":"\"Linux\"","Sec-CH-UA-Model":"\"Pixel\""`),
			map[string]string{"contexts.browser.browser": `"Opera 106"`, "contexts.os.os": `"Linux"`, "contexts.device": `{"model":"Pixel"}`}},
		{"contexts that are there stay", `{"platform":"javascript","contexts":{"browser":{"name":"Mine"}},"request":{"headers":{"User-Agent":"` + mac + `"}}}`,
			map[string]string{"contexts.browser.name": `"Mine"`, "contexts.os.name": `"Mac OS X"`}},
	}, delivery())
}

func TestContextsAndTypes(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"reprocessing", `{"contexts":{"reprocessing":{"a":1}}}`, map[string]string{"contexts": ""}},
		{"trace", `{"contexts":{"trace":{"trace_id":"ABC","span_id":"DEF"}}}`, map[string]string{"contexts.trace": `{"span_id":"def","status":"unknown","trace_id":"abc"}`}},
		{"runtime", `{"contexts":{"runtime":{"name":"CPython","version":"3.12"}}}`, map[string]string{"contexts.runtime.runtime": `"CPython 3.12"`}},
		{"runtime without version", `{"contexts":{"runtime":{"name":"CPython"}}}`, map[string]string{"contexts.runtime.runtime": ""}},
		{"raw description", `{"contexts":{"os":{"raw_description":"Microsoft Windows NT 10.0.19045.0"}}}`, map[string]string{"contexts.os.os": `"Windows 10"`}},
		{"no exception", `{"type":"error"}`, map[string]string{"type": `"default"`}},
		{"exception", `{"type":"default","exception":[{"type":"A"}]}`, map[string]string{"type": `"error"`}},
		{"transaction", `{"type":"transaction"}`, map[string]string{"type": `"transaction"`, "level": `"info"`}},
		{"csp", `{"csp":{"blocked_uri":"x"}}`, map[string]string{"type": `"csp"`, "csp.blocked_uri": `"x"`}},
		{"nel", `{"contexts":{"nel":{"phase":"dns"}}}`, map[string]string{"type": `"nel"`}},
		{"unknown platform", `{"platform":"cobol"}`, map[string]string{"platform": `"other"`}},
		{"measurements of an error", `{"measurements":{"lcp":{"value":1}}}`, map[string]string{"measurements": ""}},
		{"measurements", `{"type":"transaction","measurements":{"LCP":{"value":1}," x.y ":{"value":2},"A B":{"value":3}}}`, map[string]string{"measurements": `{"lcp":{"unit":"millisecond","value":1},"x.y":{"unit":"none","value":2}}`}},
		{"sdk from the client", `{}`, map[string]string{"sdk": `{"name":"sentry.python","version":"2.68.0"}`}},
		{"empty user", `{"user":{}}`, map[string]string{"user": ""}},
	}, delivery())
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	checkRules(t, []rule{
		{"without type and value", `{"exception":[{"module":"m"}]}`, map[string]string{"exception": "", "type": `"default"`, "_meta.exception.values.~.err.0.0": `"missing_attribute"`}},
		{"type in the value", `{"exception":[{"value":"ValueError: bad"}]}`, map[string]string{"exception.values.0.type": `"ValueError"`, "exception.values.0.value": `"bad"`}},
		{"type without a blank", `{"exception":[{"value":"Zählfehler:3"}]}`, map[string]string{"exception.values.0.type": `"Zählfehler"`, "exception.values.0.value": `"3"`}},
		{"two lines are no type", `{"exception":[{"value":"Error: a\nb"}]}`, map[string]string{"exception.values.0.type": "", "exception.values.0.value": `"Error: a\nb"`}},
		{"a sentence is no type", `{"exception":[{"value":"it went: bad"}]}`, map[string]string{"exception.values.0.type": "", "exception.values.0.value": `"it went: bad"`}},
		{"lone stack trace", `{"exception":[{"type":"A"}],"stacktrace":{"frames":[{"function":"f"}]}}`, map[string]string{"stacktrace": "", "exception.values.0.stacktrace.frames.0.function": `"f"`}},
		{"generic mechanism", `{"exception":[{"type":"A","mechanism":{}}]}`, map[string]string{"exception.values.0.mechanism.type": `"generic"`}},
	}, delivery())
}

func TestLongStackTracesLoseTheMiddle(t *testing.T) {
	t.Parallel()
	frames := make([]string, 120)
	for i := range frames {
		frames[i] = fmt.Sprintf(`{"function":"f","in_app":%t,"vars":{"a":1},"pre_context":["x"],"post_context":["y"]}`, i%4 == 0)
	}
	e := normalized(t, `{"stacktrace":{"frames":[`+strings.Join(frames, ",")+`]}}`, delivery())
	full := 0
	for i, f := range e.Stacktrace.Frames {
		whole := f.Vars != nil && f.PreContext != nil && f.PostContext != nil
		if whole {
			full++
		}
		if app := i%4 == 0; app && !whole {
			t.Errorf("frame %d of the application lost its lines before those of libraries", i)
		}
	}
	if full != 50 {
		t.Errorf("want 50 full frames, got %d", full)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	e := normalized(t, `{"culprit":"`+strings.Repeat("ü", 300)+`"}`, delivery())
	if want := strings.Repeat("ü", 197) + "..."; e.Culprit != want {
		t.Errorf("want 197 characters and dots, got %q", e.Culprit)
	}
	m := e.Meta["culprit"]
	if m.Length != 300 || len(m.Remarks) != 1 || m.Remarks[0] != (event.Remark{Rule: "!limit", Kind: "s", Start: 197, End: 200}) {
		t.Errorf("want a !limit remark and length 300, got %+v", m)
	}
	e = normalized(t, `{"exception":[{"type":"A","value":"`+strings.Repeat("x", 8392)+`"}]}`, delivery())
	if len(e.Exceptions[0].Value) != 8392 {
		t.Errorf("want the allowance used, got %d", len(e.Exceptions[0].Value))
	}
	deep := `{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}`
	e = normalized(t, `{"extra":`+deep+`}`, delivery())
	if got, want := string(e.Extra.Get("a")), `{"b":{"c":{"d":{"e":{"f":"{\"g\":{\"h\":1}}"}}}}}`; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	big := `"` + strings.Repeat(`x\né`, 10000) + `"`
	e = normalized(t, `{"extra":{"a":`+big+`,"b":[1,`+big+`,2],"c":{"k":`+big+`}},"contexts":{"x":{"a":`+big+`,"b":1}},"breadcrumbs":[{"data":{"a":`+big+`,"b":1}}],"request":{"data":`+big+`,"headers":{"A":`+big+`,"B":"c"}}}`, delivery())
	for name, size := range map[string]int{"a": 16384, "b": 16384, "c": 16384} {
		if v := e.Extra.Get(name); len(v) > size || len(v) < size-20 || !v.IsValid() {
			t.Errorf("extra %s: want about %d valid bytes, got %d", name, size, len(v))
		}
	}
	if v := e.Context("x").Get("a"); len(v) > 8192 || e.Context("x").Get("b") != nil {
		t.Errorf("context: want one cut member, got %d bytes and %v", len(v), e.Context("x").Get("b"))
	}
	if v := e.Breadcrumbs[0].Data.Get("a"); len(v) > 2048 || len(v) < 2000 {
		t.Errorf("breadcrumb: want 2 KiB, got %d", len(v))
	}
	if len(e.Request.Data) > 8192 || len(e.Request.Headers) != 0 {
		t.Errorf("request: want 8 KiB and no headers, got %d and %d", len(e.Request.Data), len(e.Request.Headers))
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	frames := `"stacktrace":{"frames":[{"function":"main","filename":"main.py","in_app":true},{"function":"lib","module":"lib.x","in_app":false}]}`
	for _, c := range []struct {
		name, payload string
		want          event.Metadata
	}{
		{"error", `{"platform":"python","exception":[{"type":"ValueError","value":"bad\nthing",` + frames + `}]}`,
			event.Metadata{Type: "ValueError", Value: "bad\nthing", Filename: "main.py", Function: "main", Title: "ValueError: bad", Culprit: "main.py in main", Location: "main.py"}},
		{"javascript", `{"platform":"javascript","exception":[{"type":"E",` + frames + `}]}`,
			event.Metadata{Type: "E", Filename: "main.py", Function: "main", Title: "E", Culprit: "main(main.py)", Location: "main.py"}},
		{"transaction as culprit", `{"transaction":"/checkout","exception":[{"type":"E","value":"v"}]}`, event.Metadata{Type: "E", Value: "v", Title: "E: v", Culprit: "/checkout"}},
		{"native signal", `{"platform":"native","exception":[{"type":"SIGSEGV","value":"v","mechanism":{"type":"signalhandler","synthetic":true},"stacktrace":{"frames":[{"function":"crash"},{"function":"<redacted>"}]}}]}`,
			event.Metadata{Value: "v", Function: "crash", Title: "crash"}},
		{"no type", `{"exception":[{"value":"with a stack"}]}`, event.Metadata{Type: "Error", Value: "with a stack", Title: "with a stack"}},
		{"message", `{"message":"\n first \nsecond","request":{"url":"http://a/b"}}`, event.Metadata{Title: "first", Culprit: "http://a/b"}},
		{"nothing", `{}`, event.Metadata{Title: "<unlabeled event>"}},
		{"transaction", `{"type":"transaction"}`, event.Metadata{Title: "<unlabeled transaction>"}},
		{"main exception", `{"main_exception_id":0,"exception":[{"type":"Root","value":"r","mechanism":{"type":"m","exception_id":0}},{"type":"B","value":"b"}]}`, event.Metadata{Type: "Root", Value: "r", Title: "Root: r"}},
		{"long message", `{"message":"` + strings.Repeat("a", 300) + `"}`, event.Metadata{Title: strings.Repeat("a", 253) + "..."}},
	} {
		got := normalized(t, c.payload, delivery()).Metadata()
		if got != c.want {
			t.Errorf("%s:\nwant %+v\n got %+v", c.name, c.want, got)
		}
	}
}

func TestZonedClientAddress(t *testing.T) {
	t.Parallel()
	d := delivery()
	d.ClientIP = netip.MustParseAddr("::ffff:192.0.2.5")
	if e := normalized(t, `{"platform":"javascript"}`, d); e.User == nil || e.User.IPAddress != "192.0.2.5" {
		t.Errorf("want the plain IPv4 address, got %+v", e.User)
	}
}

func TestTagsOfTheClientWinOverDerivedOnes(t *testing.T) {
	t.Parallel()
	e := normalized(t, `{"tags":{"url":"mine","os":"mine","level":"x","user":"x"},"level":"fatal","user":{"id":1},"request":{"url":"http://a/b"},"contexts":{"os":{"name":"Linux"}}}`, delivery())
	for key, want := range map[string]string{"url": "mine", "os": "mine", "os.name": "Linux", "level": "fatal", "user": "id:1"} {
		if got := tag(e, key); got != want {
			t.Errorf("tag %s: want %q, got %q", key, want, got)
		}
	}
}
