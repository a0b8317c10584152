package event_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func TestReportsOfBrowsersAreDescribed(t *testing.T) {
	t.Parallel()
	const chrome = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36`
	d := delivery()
	d.UserAgent = chrome
	checkRules(t, []rule{
		{"csp", `{"csp":{"document_uri":"https://shop.example/cart?a=1","violated_directive":"style-src cdn.example https://shop.example/x 'none'","effective_directive":"style-src","blocked_uri":"http://b.example:8000/lol.css","referrer":"https://www.example/"}}`,
			map[string]string{"type": `"csp"`, "logger": `"csp"`, "level": `"error"`, "platform": `"other"`, "logentry.formatted": `"Blocked 'style' from 'b.example:8000'"`,
				"culprit": `"style-src cdn.example 'self' 'none'"`, "request.url": `"https://shop.example/cart"`, "request.query_string": `[["a","1"]]`,
				"request.headers": `[["Referer","https://www.example/"],["User-Agent","` + chrome + `"]]`, "user.ip_address": `"203.0.113.7"`,
				"contexts.browser.name": `"Chrome"`, "contexts.client_os.name": `"Linux"`}},
		{"hpkp", `{"hpkp":{"hostname":"a.example","port":443,"include_subdomains":true}}`, map[string]string{"type": `"hpkp"`, "logger": `"hpkp"`,
			"logentry.formatted": `"Public key pinning validation failed for 'a.example'"`, "culprit": "", "request.url": `"a.example"`, "user.ip_address": `"203.0.113.7"`, "request.headers.0.0": `"User-Agent"`}},
		{"expect-ct", `{"expectct":{"hostname":"a.example","port":443}}`, map[string]string{"type": `"expectct"`,
			"logentry.formatted": `"Expect-CT failed for 'a.example'"`, "culprit": `"a.example"`, "request.url": `"a.example"`, "user.ip_address": `"203.0.113.7"`}},
		{"expect-staple", `{"sentry.interfaces.ExpectStaple":{"hostname":"a.example","port":"443"}}`, map[string]string{"type": `"expectstaple"`,
			"logentry.formatted": `"Expect-Staple failed for 'a.example'"`, "culprit": `"a.example"`, "request.url": `"a.example"`}},
		{"what is said already stays", `{"csp":{"violated_directive":"img-src","document_uri":"http://d"},"message":"m","culprit":"c","logger":"l","request":{"url":"http://u","headers":{"Referer":"r","User-Agent":"x"}},"user":{"ip_address":"192.0.2.1"}}`,
			map[string]string{"logentry.formatted": `"m"`, "culprit": `"c"`, "logger": `"l"`, "request.url": `"http://u"`, "request.headers": `[["Referer","r"],["User-Agent","x"]]`, "user.ip_address": `"192.0.2.1"`}},
		{"parameters without a message", `{"csp":{"violated_directive":"img-src"},"logentry":{"params":[1]}}`, map[string]string{"logentry.formatted": `"Blocked inline 'image'"`, "errors": ""}},
	}, d)
}

func TestMessagesOfViolations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ directive, blocked, message, location string }{
		{"script-src", "inline", "Blocked unsafe inline 'script'", "own.example"},
		{"script-src", "eval", "Blocked unsafe eval() 'script'", "own.example"},
		{"script-src", "", "Blocked unsafe (eval() or inline) 'script'", "own.example"},
		{"script-src-attr", "self", "Blocked unsafe 'script' element", "own.example"},
		{"script-src-elem", "self", "Blocked inline script attribute", "own.example"},
		{"style-src-elem", "'self'", "Blocked 'style' or 'link' element", "own.example"},
		{"style-src-attr", "self", "Blocked style attribute", "own.example"},
		{"img-src", "self", "Blocked inline 'image'", "own.example"},
		{"base-uri", "self", "Blocked inline 'base-uri'", "own.example"},
		{"form-action", "http://b.example/x", "Blocked 'form' action to 'b.example'", "b.example"},
		{"script-src-attr", "http://b.example/x", "Blocked inline script attribute from 'b.example'", "b.example"},
		{"style-src-attr", "http://b.example/x", "Blocked style attribute from 'b.example'", "b.example"},
		{"script-src-elem", "https://b.example:444/x", "Blocked 'script' from 'b.example:444'", "b.example"},
		{"default-src", "data", "Blocked 'default-src' from 'data:'", "own.example"},
		{"font-src", "data:font/x", "Blocked 'font' from 'data:'", "own.example"},
		{"connect-src", "wss://b.example/x", "Blocked 'connect' from 'wss://b.example'", "own.example"},
		{"img-src 'self'", "http://%zz", "Blocked 'image' from 'http://%zz'", "own.example"},
	} {
		e := normalized(t, `{"csp":{"effective_directive":"`+c.directive+`","blocked_uri":"`+c.blocked+`","document_uri":"https://own.example/"}}`, delivery())
		if e.LogEntry.Formatted != c.message || e.Metadata().Title != c.message || e.Metadata().Location != c.location {
			t.Errorf("%s %s: want %q at %s, got %q, %+v", c.directive, c.blocked, c.message, c.location, e.LogEntry.Formatted, e.Metadata())
		}
	}
}

func TestTagsOfReports(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string][]event.Pair{
		`{"csp":{"violated_directive":"img-src *","blocked_uri":"https://api.stripe.com/v1/tokens?card[number]=xxx"}}`: {
			{Key: "effective-directive", Value: "img-src"}, {Key: "blocked-uri", Value: "https://api.stripe.com/v1/tokens"}, {Key: "blocked-host", Value: "api.stripe.com"}},
		`{"csp":{"effective_directive":"img-src"}}`:              {{Key: "effective-directive", Value: "img-src"}, {Key: "blocked-uri", Value: "self"}, {Key: "blocked-host"}},
		`{"csp":{"blocked_uri":"x"},"tags":{"blocked-uri":"y"}}`: {{Key: "blocked-uri", Value: "y"}},
		`{"hpkp":{"hostname":"a","port":443,"include_subdomains":false}}`: {
			{Key: "hostname", Value: "a"}, {Key: "port", Value: "443"}, {Key: "include-subdomains", Value: "false"}},
		`{"expectct":{"hostname":"a","port":"443"}}`: {{Key: "hostname", Value: "a"}, {Key: "port", Value: "443"}},
		`{"expectstaple":{"hostname":"a","response_status":"ERROR_RESPONSE","cert_status":"REVOKED"}}`: {
			{Key: "hostname", Value: "a"}, {Key: "response_status", Value: "ERROR_RESPONSE"}, {Key: "cert_status", Value: "REVOKED"}},
		`{"hpkp":{"hostname":"a"},"exception":[{"type":"A"}]}`: {{Key: "hostname"}},
	} {
		e := normalized(t, payload, delivery())
		for _, w := range want {
			if got := tag(e, w.Key); got != w.Value {
				t.Errorf("%s: want %s=%q, got %q", payload, w.Key, w.Value, got)
			}
		}
	}
	if e := normalized(t, `{"hpkp":{"hostname":"a.example"}}`, delivery()); e.Metadata().Location != "a.example" {
		t.Errorf("want the host as location, got %+v", e.Metadata())
	}
}

func TestDevicesHaveAClass(t *testing.T) {
	t.Parallel()
	android := func(mhz, cores, memory string) string {
		return `{"family":"Pixel","processor_frequency":` + mhz + `,"processor_count":` + cores + `,"memory_size":` + memory + `}`
	}
	for device, want := range map[string]string{
		`{"family":"iPhone","model":"iPhone17,5"}`: "3", `{"family":"iOS","model":"iPhone13,1"}`: "3", `{"family":"iOS-Device","model":"iPhone12,8"}`: "2",
		`{"family":"iPhone","model":"iPhone10,6"}`: "1", `{"family":"iPhone","model":"iPad7,1"}`: "", `{"family":"iPhone"}`: "", `{"model":"iPhone17,5"}`: "",
		android("1999", "8", "8589934592"): "1", android("2000", "7", "8589934592"): "1", android("2000", "8", "4294967295"): "1",
		android("2499", "8", "8589934592"): "2", android("2500", "8", "6442450943"): "2", android("2500", "8", "6442450944"): "3",
		android("null", "8", "8589934592"): "",
	} {
		e := normalized(t, `{"tags":{"device.class":"mine"},"contexts":{"device":`+device+`}}`, delivery())
		if got := tag(e, "device.class"); got != want {
			t.Errorf("%s: want %q, got %q", device, want, got)
		}
	}
}

func TestTimeSpentIsBounded(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{"17": "17", "2147483646": "2147483646", "2147483647": "", "-1": "", `"x"`: "", "1.5": ""} {
		if got := string(normalized(t, `{"time_spent":`+sent+`}`, delivery()).Other.Get("time_spent")); got != want {
			t.Errorf("%s: want %q, got %q", sent, want, got)
		}
	}
}
