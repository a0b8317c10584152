package filter_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/filter"
)

func compile(t testing.TB, settings string) *filter.Filter {
	t.Helper()
	var s filter.Settings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		t.Fatalf("settings %s: %v", settings, err)
	}
	f, err := filter.Compile(s)
	if err != nil {
		t.Fatalf("compile %s: %v", settings, err)
	}
	return f
}

func normalized(t testing.TB, payload string) *event.Event {
	t.Helper()
	ev, err := event.Decode([]byte(payload))
	if err != nil {
		t.Fatalf("decode %.300s: %v", payload, err)
	}
	ev.Normalize(event.Delivery{})
	return ev
}

// agent is a payload whose request was sent by a user agent.
func agent(s string) string {
	quoted, _ := json.Marshal(s)
	return `{"platform":"javascript","request":{"url":"https://a.example/","headers":{"User-Agent":` + string(quoted) + `}}}`
}

const (
	ie9     = "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)"
	ie10    = "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)"
	ie11    = "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko"
	safari5 = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_6_8) AppleWebKit/534.59.10 (KHTML, like Gecko) Version/5.1.9 Safari/534.59.10"
	opera14 = "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/14.0"
	chrome  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)

const extensionEvent = `{"exception":{"values":[{"type":"E","value":"x","stacktrace":{"frames":[` +
	`{"filename":"https://a.example/app.js"},{"filename":"chrome-extension://abc/x.js"},{"filename":"<anonymous>"}]}}]}}`

// row is a line of the protocol's conformance table, or one in its spirit; an empty reason means
// that the event is kept.
type row struct{ name, settings, payload, addr, reason string }

var rows = []row{
	{"87 formatted message", `{"errorMessages":{"patterns":["*yes*"]}}`, `{"logentry":{"message":"filter:%s","params":["yes"]}}`, "", "error-message"},
	{"87 another message", `{"errorMessages":{"patterns":["*yes*"]}}`, `{"logentry":{"message":"filter:%s","params":["no"]}}`, "", ""},
	{"88 type and value", `{"errorMessages":{"patterns":["Panic: originalCreateNotification"]}}`, `{"exception":{"values":[{"type":"Panic","value":"originalCreateNotification"}]}}`, "", "error-message"},
	{"88 another pattern", `{"errorMessages":{"patterns":["Warning"]}}`, `{"exception":{"values":[{"type":"Panic","value":"originalCreateNotification"}]}}`, "", ""},
	{"88 second exception", `{"errorMessages":{"patterns":["b"]}}`, `{"exception":{"values":[{"type":"A"},{"value":"b"}]}}`, "", "error-message"},
	{"88 empty pattern", `{"errorMessages":{"patterns":[""]}}`, `{"message":""}`, "", ""},
	{"89 extension source, on", `{"browserExtensions":{"isEnabled":true}}`, extensionEvent, "", "browser-extensions"},
	{"89 extension source, off", `{"browserExtensions":{"isEnabled":false}}`, extensionEvent, "", ""},
	{"89 extension value", `{"browserExtensions":{"isEnabled":true}}`, `{"exception":{"values":[{"value":"at TOP.globals now"}]}}`, "", "browser-extensions"},
	{"89 extension below our own frame", `{"browserExtensions":{"isEnabled":true}}`, `{"exception":{"values":[{"type":"E","value":"x","stacktrace":{"frames":[{"filename":"chrome-extension://a/b.js"},{"filename":"/app.js"}]}}]}}`, "", ""},
	{"90 crawler, on", `{"webCrawlers":{"isEnabled":true}}`, agent("Mozilla/5.0 (compatible; BingBot/2.0)"), "", "web-crawlers"},
	{"90 crawler, off", `{"webCrawlers":{"isEnabled":false}}`, agent("Mozilla/5.0 (compatible; BingBot/2.0)"), "", ""},
	{"91 network", `{"clientIps":{"blacklistedIps":["1.2.3.0/24"]}}`, `{}`, "1.2.3.4", "ip-address"},
	{"91 mapped address", `{"clientIps":{"blacklistedIps":["1.2.3.0/24"]}}`, `{}`, "::ffff:1.2.3.4", "ip-address"},
	{"91 another network", `{"clientIps":{"blacklistedIps":["1.2.3.0/24"]}}`, `{}`, "1.2.4.4", ""},
	{"91 no address", `{"clientIps":{"blacklistedIps":["0.0.0.0/0"]}}`, `{}`, "", ""},
	{"91 single IPv6 address", `{"clientIps":{"blacklistedIps":["2001:db8::1"]}}`, `{}`, "2001:db8::1", "ip-address"},
	{"91 IPv6 network", `{"clientIps":{"blacklistedIps":["2001:db8::/32"]}}`, `{}`, "2001:db8:1::9", "ip-address"},
	{"92 transaction name", `{"ignoreTransactions":{"isEnabled":true,"patterns":["health*"]}}`, `{"type":"transaction","transaction":"health-check-1 "}`, "", "filtered-transaction"},
	{"92 name of an error", `{"ignoreTransactions":{"isEnabled":true,"patterns":["health*"]}}`, `{"transaction":"health-check-1 "}`, "", ""},
	{"92 off", `{"ignoreTransactions":{"isEnabled":false,"patterns":["health*"]}}`, `{"type":"transaction","transaction":"health-check-1 "}`, "", ""},
	{"93 generic", `{"generic":{"version":1,"filters":{"premature-releases":{"isEnabled":true,"condition":{"op":"eq","name":"event.release","value":"0.0.0"}}}}}`, `{"release":"0.0.0"}`, "", "premature-releases"},
	{"93 generic as a list", `{"generic":{"version":1,"filters":[{"id":"premature-releases","isEnabled":true,"condition":{"op":"eq","name":"event.release","value":"0.0.0"}}]}}`, `{"release":"0.0.0"}`, "", "premature-releases"},
	{"93 generic of a later version", `{"generic":{"version":2,"filters":[{"id":"a","isEnabled":true,"condition":{"op":"new"}}]}}`, `{"release":"0.0.0"}`, "", ""},
	{"93 generic, off", `{"generic":{"version":1,"filters":[{"id":"a","isEnabled":false,"condition":{"op":"and","inner":[]}}]}}`, `{}`, "", ""},
	{"93 generic goes first", `{"webCrawlers":{"isEnabled":true},"generic":{"version":1,"filters":[{"id":"a","isEnabled":true,"condition":{"op":"and","inner":[]}}]}}`, agent("Googlebot"), "", "a"},
	{"94 subdomain of localhost", `{"localhost":{"isEnabled":true}}`, `{"request":{"url":"http://foo.localhost:3000/a"}}`, "", "localhost"},
	{"94 lookalike", `{"localhost":{"isEnabled":true}}`, `{"request":{"url":"http://foolocalhost/a"}}`, "", ""},
	{"94 another lookalike", `{"localhost":{"isEnabled":true}}`, `{"request":{"url":"http://localhost.com/a"}}`, "", ""},
	{"94 file", `{"localhost":{"isEnabled":true}}`, `{"request":{"url":"file:///a/b"}}`, "", "localhost"},
	{"94 user's address", `{"localhost":{"isEnabled":true}}`, `{"user":{"ip_address":"::1"}}`, "", "localhost"},
	{"94 host header", `{"localhost":{"isEnabled":true}}`, `{"request":{"headers":{"Host":"localhost:8080"}}}`, "", "localhost"},
	{"94 off", `{}`, `{"request":{"url":"file:///a/b"}}`, "", ""},
	{"95 Slack of a person", `{"webCrawlers":{"isEnabled":true}}`, agent("Slackbot 1.0 (+https://api.slack.com/robots)"), "", ""},
	{"95 Slack's crawler", `{"webCrawlers":{"isEnabled":true}}`, agent("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"), "", "web-crawlers"},
	{"95 Twitter", `{"webCrawlers":{"isEnabled":true}}`, agent("Twitterbot/1.0"), "", "web-crawlers"},
	{"95 Google's APIs", `{"webCrawlers":{"isEnabled":true}}`, agent("APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)"), "", ""},
	{"95 a person", `{"webCrawlers":{"isEnabled":true}}`, agent(chrome), "", ""},
	{"96 IE 9", `{"legacyBrowsers":{"isEnabled":true,"options":["default"]}}`, agent(ie9), "", "legacy-browsers"},
	{"96 IE 10", `{"legacyBrowsers":{"isEnabled":true,"options":["default"]}}`, agent(ie10), "", ""},
	{"96 Safari 5", `{"legacyBrowsers":{"isEnabled":true,"options":["default"]}}`, agent(safari5), "", "legacy-browsers"},
	{"96 Opera 14", `{"legacyBrowsers":{"isEnabled":true,"options":["default"]}}`, agent(opera14), "", "legacy-browsers"},
	{"96 Chrome", `{"legacyBrowsers":{"isEnabled":true,"options":["default"]}}`, agent(chrome), "", ""},
	{"96 single option", `{"legacyBrowsers":{"isEnabled":true,"options":["ie10"]}}`, agent(ie10), "", "legacy-browsers"},
	{"96 new option", `{"legacyBrowsers":{"isEnabled":true,"options":["ie"]}}`, agent(ie11), "", "legacy-browsers"},
	{"96 unknown option", `{"legacyBrowsers":{"isEnabled":true,"options":["netscape"]}}`, agent(ie9), "", ""},
	{"96 no option", `{"legacyBrowsers":{"isEnabled":true}}`, agent(ie9), "", ""},
	{"release", `{"releases":{"releases":["shop@1.*"]}}`, `{"release":"Shop@1.2"}`, "", "release-version"},
	{"another release", `{"releases":{"releases":["shop@1.*"]}}`, `{"release":"shop@2.1"}`, "", ""},
	{"csp scheme", `{"csp":{"disallowedSources":["chrome-extension://*"]}}`, `{"csp":{"blocked_uri":"chrome-extension://abc/d"}}`, "", "invalid-csp"},
	{"csp word", `{"csp":{"disallowedSources":["about"]}}`, `{"csp":{"source_file":"about"}}`, "", "invalid-csp"},
	{"csp subdomain", `{"csp":{"disallowedSources":["*.example.com"]}}`, `{"csp":{"blocked_uri":"https://a.example.com/x"}}`, "", "invalid-csp"},
	{"csp port", `{"csp":{"disallowedSources":["example.com:8080"]}}`, `{"csp":{"blocked_uri":"https://example.com/x"}}`, "", ""},
	{"csp of an error", `{"csp":{"disallowedSources":["*"]}}`, `{"message":"x"}`, "", ""},
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var addr netip.Addr
			if r.addr != "" {
				addr = netip.MustParseAddr(r.addr)
			}
			reason, drop := compile(t, r.settings).Check(normalized(t, r.payload), addr)
			if reason != r.reason || drop != (r.reason != "") {
				t.Errorf("want %q, got %q (drop: %t)", r.reason, reason, drop)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	ev := normalized(t, `{"level":"warning","release":"shop@1.2.3-rc.1+b7","environment":"Prod","platform":"python","logger":"a.b",
		"transaction":"/x","user":{"id":"7","email":"a@b.co","data":{"plan":"pro"}},"request":{"url":"https://h/p","method":"get","headers":{"X-A":"v"}},
		"contexts":{"device":{"model":"M1","nested":{"n":3}}},"tags":{"k.d":"v"},"extra":{"n":5,"b":true,"o":{"p":"q"}},
		"sdk":{"name":"s","version":"1"},"exception":{"values":[{"type":"A","value":"one"},{"type":"B","value":"two"}]}}`)
	tests := []struct {
		condition string
		want      bool
	}{
		{`{"op":"eq","name":"event.level","value":"warning"}`, true},
		{`{"op":"eq","name":"event.environment","value":"prod"}`, false},
		{`{"op":"eq","name":"event.environment","value":"prod","options":{"ignoreCase":true}}`, true},
		{`{"op":"eq","name":"event.environment","value":["x","Prod"]}`, true},
		{`{"op":"eq","name":"event.dist","value":null}`, true},
		{`{"op":"eq","name":"event.release.version.short","value":"1.2.3-rc.1"}`, true},
		{`{"op":"eq","name":"event.extra.n","value":5}`, true},
		{`{"op":"eq","name":"event.extra.b","value":true}`, true},
		{`{"op":"eq","name":"event.extra.o.p","value":"q"}`, true},
		{`{"op":"eq","name":"event.extra.o.p.z","value":"q"}`, false},
		{`{"op":"gt","name":"event.extra.n","value":4.5}`, true},
		{`{"op":"gt","name":"event.extra.n","value":5}`, false},
		{`{"op":"gte","name":"event.extra.n","value":5}`, true},
		{`{"op":"lt","name":"event.extra.n","value":5}`, false},
		{`{"op":"lte","name":"event.extra.n","value":5}`, true},
		{`{"op":"lte","name":"event.extra.b","value":5}`, false},
		{`{"op":"gt","name":"event.logger","value":"a.a"}`, true},
		{`{"op":"eq","name":"event.contexts.device.model","value":"M1"}`, true},
		{`{"op":"eq","name":"event.contexts.device.nested.n","value":3}`, true},
		{`{"op":"eq","name":"event.tags.k.d","value":"v"}`, true},
		{`{"op":"eq","name":"event.user.data.plan","value":"pro"}`, true},
		{`{"op":"eq","name":"event.request.headers.x-a","value":"v"}`, true},
		{`{"op":"eq","name":"event.request.method","value":"GET"}`, true},
		{`{"op":"eq","name":"event.sdk.name","value":"s"}`, true},
		{`{"op":"glob","name":"event.release","value":["nope","SHOP@*"]}`, true},
		{`{"op":"glob","name":"event.transaction","value":"*"}`, true},
		{`{"op":"not","inner":{"op":"eq","name":"event.platform","value":"python"}}`, false},
		{`{"op":"and","inner":[{"op":"eq","name":"event.user.id","value":"7"},{"op":"eq","name":"event.user.email","value":"no"}]}`, false},
		{`{"op":"or","inner":[{"op":"eq","name":"event.user.id","value":"8"},{"op":"eq","name":"event.user.email","value":"a@b.co"}]}`, true},
		{`{"op":"or","inner":[]}`, false},
		{`{"op":"any","name":"event.exceptions","inner":{"op":"glob","name":"value","value":"tw?"}}`, true},
		{`{"op":"any","name":"event.exceptions","inner":{"op":"eq","name":"ty","value":"C"}}`, false},
		{`{"op":"all","name":"event.exceptions","inner":{"op":"glob","name":"ty","value":"[ab]"}}`, true},
		{`{"op":"all","name":"event.exceptions","inner":{"op":"eq","name":"ty","value":"A"}}`, false},
	}
	for _, tt := range tests {
		f := compile(t, `{"generic":{"version":1,"filters":[{"id":"x","isEnabled":true,"condition":`+tt.condition+`}]}}`)
		if _, got := f.Check(ev, netip.Addr{}); got != tt.want {
			t.Errorf("%s: want %t, got %t", tt.condition, tt.want, got)
		}
	}
}

func TestErrorsSayWhichEntryIsWrong(t *testing.T) {
	t.Parallel()
	generic := func(condition string) string {
		return `{"generic":{"version":1,"filters":[{"id":"x","isEnabled":true,"condition":` + condition + `}]}}`
	}
	for settings, want := range map[string]string{
		`{"clientIps":{"blacklistedIps":["::1","1.2.3"]}}`:                                         "clientIps.blacklistedIps[1]",
		`{"releases":{"releases":["a","[b"]}}`:                                                     "releases.releases[1]: opening bracket",
		`{"errorMessages":{"patterns":["{a"]}}`:                                                    "errorMessages.patterns[0]: opening brace",
		`{"errorMessages":{"patterns":["` + strings.Repeat("x", 513) + `"]}}`:                      "errorMessages.patterns[0]: longer than 512 bytes",
		`{"releases":{"releases":["` + strings.Repeat("{a,b}", 10) + `"]}}`:                        "too many alternatives",
		`{"releases":{"releases":[` + strings.Repeat(`"a",`, 200) + `"a"]}}`:                       "more than 200",
		generic(`{"op":"and","inner":[{"op":"eq","name":"event.release"},{"op":"was"}]}`):          "condition.inner[1].name",
		generic(`{"op":"was","name":"event.release"}`):                                             `condition.op: "was"`,
		generic(`{"op":"gt","name":"event.release","value":[1,2]}`):                                "condition.value",
		generic(`{"op":"any","name":"event.tags","inner":{}}`):                                     "condition.name",
		generic(`{"op":"eq","name":"event.nothing","value":1}`):                                    "event.nothing",
		generic(strings.Repeat(`{"op":"not","inner":`, 20) + `1` + strings.Repeat(`}`, 20)):        "levels",
		`{"generic":{"version":1,"filters":[{"isEnabled":true,"condition":{"op":"and"}}]}}`:        "generic.filters[0]: has no id",
		generic(`{"op":"glob","name":"event.release","value":"` + strings.Repeat("x", 513) + `"}`): "512",
	} {
		var s filter.Settings
		if err := json.Unmarshal([]byte(settings), &s); err != nil {
			t.Fatalf("%s: %v", settings, err)
		}
		_, err := filter.Compile(s)
		if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: want an invalid fault with %q, got %v", settings, want, err)
		}
	}
}

func TestDefaultsKeepOrdinaryEvents(t *testing.T) {
	t.Parallel()
	f, err := filter.Compile(filter.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]string{
		agent(chrome): "", agent(ie9): "legacy-browsers", agent("Googlebot"): "web-crawlers",
		`{"type":"transaction","transaction":"GET /api/healthz"}`: "filtered-transaction",
		`{"type":"transaction","transaction":"GET /api/orders"}`:  "",
		`{"request":{"url":"http://localhost/"}}`:                 "",
	} {
		if got, _ := f.Check(normalized(t, payload), netip.Addr{}); got != want {
			t.Errorf("%s: want %q, got %q", payload, want, got)
		}
	}
	text, err := json.Marshal(filter.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := compile(t, string(text)).Check(normalized(t, agent(ie9)), netip.Addr{}); got != "legacy-browsers" {
		t.Errorf("settings do not survive their JSON form %s", text)
	}
}

func TestPreviewCountsByReason(t *testing.T) {
	t.Parallel()
	f := compile(t, `{"releases":{"releases":["1.*"]},"clientIps":{"blacklistedIps":["10.0.0.1"]}}`)
	got := filter.Preview(f, func(yield func(*event.Event, netip.Addr) bool) {
		for _, release := range []string{"1.0", "1.1", "2.0"} {
			if !yield(normalized(t, `{"release":"`+release+`"}`), netip.Addr{}) {
				return
			}
		}
		yield(normalized(t, `{}`), netip.MustParseAddr("10.0.0.1"))
	})
	if got.Total != 4 || got.Dropped != 3 || got.ByReason["release-version"] != 2 || got.ByReason["ip-address"] != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestHostilePatternsStayFast(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 8000)
	var patterns []string
	for range 50 {
		patterns = append(patterns, strings.Repeat("*?a[ab]", 60)+"b", strings.Repeat("*a", 200)+"b", "*"+strings.Repeat("?", 500)+"b*")
	}
	f, err := filter.Compile(filter.Settings{ErrorMessages: filter.Patterns{Patterns: patterns}})
	if err != nil {
		t.Fatal(err)
	}
	ev := normalized(t, `{"message":"`+long+`"}`)
	start := time.Now()
	if reason, drop := f.Check(ev, netip.Addr{}); drop {
		t.Errorf("dropped for %s", reason)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
