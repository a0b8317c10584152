package ingest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// TestConformanceCORS is rows 22 to 25.
// Rule: getsentry/relay relay-server/src/middlewares/cors.rs
func TestConformanceCORS(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	page := "Sentry sentry_key=" + pageKey
	from := func(origin string) http.Header { return http.Header{"Origin": {origin}} }
	blocked := map[outcome.Key]int64{{Project: 45, KeyID: 451, Category: outcome.Error, Kind: outcome.Invalid, Reason: "cors"}: 1}
	g.run([]row{
		{name: "22", call: call{auth: page, path: "/api/45/envelope/", body: "{}", header: from("https://evil.example")}, status: 403,
			body: detail("event submission rejected with_reason: Cors"), counts: blocked},
		{name: "22 referer", call: call{auth: page, path: "/api/45/envelope/", body: "{}", header: http.Header{"Referer": {"https://evil.example/x"}}}, status: 403, body: "*"},
		{name: "22 allowed", call: call{auth: page, path: "/api/45/envelope/", body: event1(eventID(22), "{}"), header: from("https://example.com:8443")}, status: 200,
			body: okID(eventID(22)), event: eventID(22)},
		{name: "23", call: call{auth: page, path: "/api/45/envelope/", body: "{}"}, status: 200, body: "{}"},
		{name: "23 null", call: call{auth: page, path: "/api/45/envelope/", body: "{}", header: from("null")}, status: 200, body: "{}"},
	})
	if got := g.wait(eventID(22)); got.Origin != "https://example.com:8443" {
		t.Errorf("want the origin kept, got %q", got.Origin)
	}
	for _, path := range []string{"/api/1/security/", "/api/1/envelope/", "/api/1/store/", "/api/store/", "/api/99/envelope/"} {
		got := g.do(call{method: http.MethodOptions, auth: "-", path: path, header: from("https://evil.example")})
		want := map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST", "Access-Control-Max-Age": "3600",
			"Access-Control-Allow-Headers":  allowHeaders,
			"Access-Control-Expose-Headers": "x-sentry-error, x-sentry-rate-limits, retry-after",
		}
		for name, value := range want {
			if got.status != 200 || got.header.Get(name) != value {
				t.Errorf("24 %s: %d, %s: want %q, got %q", path, got.status, name, value, got.header.Get(name))
			}
		}
		if n := len(strings.Split(got.header.Get("Access-Control-Allow-Headers"), ", ")); n != 11 {
			t.Errorf("24: want eleven allowed headers, got %d", n)
		}
	}
	for name, c := range map[string]struct {
		call   call
		status int
	}{
		"400": {call{path: envelopePath, body: "nope"}, 400}, "401": {call{auth: "-", path: storePath, body: "{}"}, 401},
		"403": {call{auth: page, path: envelopePath, body: "{}"}, 403}, "404": {call{path: "/api/1/x/"}, 404},
		"405": {call{method: "PUT", path: storePath}, 405}, "413": {call{path: storePath, body: strings.Repeat("x", 1<<20+1)}, 413},
		"415": {call{path: "/api/1/security/"}, 415}, "200": {call{path: envelopePath, body: "{}"}, 200},
	} {
		c.call.header = from("https://example.com")
		got := g.do(c.call)
		if got.status != c.status || got.header.Get("Access-Control-Allow-Origin") != "*" ||
			got.header.Get("Access-Control-Expose-Headers") != "x-sentry-error, x-sentry-rate-limits, retry-after" {
			t.Errorf("25 %s: %d %v", name, got.status, got.header)
		}
	}
}

func TestAllowedOriginEntries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry, origin string
		want          bool
	}{
		{"*", "http://anything", true},
		{"example.com", "http://example.com", true}, {"example.com", "https://EXAMPLE.com:99/path", true},
		{"example.com", "https://www.example.com", false}, {"example.com", "https://example.com.evil", false},
		{"*.example.com", "https://a.b.example.com", true}, {"*.example.com", "https://example.com", false},
		{"*.example.com", "https://evilexample.com", false},
		{"https://example.com", "https://example.com", true}, {"https://example.com", "http://example.com", false},
		{"https://example.com/", "https://example.com/page", true},
		{"example.com:8443", "https://example.com:8443", true}, {"example.com:8443", "https://example.com", false},
		{"example.com:443", "https://example.com", true}, {"example.com:*", "https://example.com:1", true},
		{"*:80", "http://anything", true}, {"*:80", "https://anything", false},
		{"[::1]", "http://[::1]:3000", true}, {"[::1]:80", "http://[::1]", true},
		{"", "http://example.com", false}, {"example.com", "http://", false}, {"example.com", "http://%zz", false},
	} {
		if got := originAllowed(c.origin, []string{c.entry}); got != c.want {
			t.Errorf("entry %q, origin %q: want %t", c.entry, c.origin, c.want)
		}
	}
	if originAllowed("http://x", []string{}) || !originAllowed("", []string{}) || !originAllowed("http://x", nil) {
		t.Error("want an empty list to allow no page, and no list every one")
	}
}

func TestClientAddressIsTheHopBeforeOurProxies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		peer    string
		forward []string
		want    string
	}{
		"direct":                  {"203.0.113.9:5", nil, "203.0.113.9"},
		"spoofed without proxy":   {"203.0.113.9:5", []string{"1.2.3.4"}, "203.0.113.9"},
		"one proxy":               {"127.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		"spoofed through proxy":   {"127.0.0.1:5", []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":             {"127.0.0.1:5", []string{"6.6.6.6, 203.0.113.9 , 127.0.0.2"}, "203.0.113.9"},
		"spoofed header in front": {"127.0.0.1:5", []string{"6.6.6.6", "203.0.113.9"}, "203.0.113.9"},
		"only proxies":            {"127.0.0.1:5", []string{"127.0.0.3, 127.0.0.2"}, "127.0.0.3"},
		"garbage":                 {"127.0.0.1:5", []string{"203.0.113.9, unknown"}, "127.0.0.1"},
		"with port":               {"127.0.0.1:5", []string{"203.0.113.9:80"}, "203.0.113.9"},
		"version 6":               {"[::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		"version 6 with port":     {"[::1]:5", []string{"[2001:db8::1]:9"}, "2001:db8::1"},
		"mapped":                  {"[::ffff:127.0.0.1]:5", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"empty":                   {"127.0.0.1:5", []string{""}, "127.0.0.1"},
		"no peer":                 {"@", []string{"1.2.3.4"}, "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forward
		if diff := cmp.Diff(c.want, clientAddr(r, testConfig().TrustedProxies).String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzClientAddr: no chain panics, and none is believed without a trusted peer.
func FuzzClientAddr(f *testing.F) {
	f.Add("127.0.0.1:5", "1.2.3.4, 127.0.0.2")
	f.Add("203.0.113.9:5", ",,::1")
	f.Fuzz(func(t *testing.T, peer, chain string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", chain)
		alone := clientAddr(r, nil)
		got := clientAddr(r, testConfig().TrustedProxies)
		if !contains(testConfig().TrustedProxies, alone) && got != alone {
			t.Errorf("peer %s, chain %q: believed %s", peer, chain, got)
		}
	})
}

// FuzzOriginAllowed: no entry or origin panics, and a page's own host as entry allows it.
func FuzzOriginAllowed(f *testing.F) {
	f.Add("https://example.com:8443", "*.example.com:*")
	f.Add("http://[::1]", "[::1]:80")
	f.Fuzz(func(t *testing.T, origin, entry string) {
		originAllowed(origin, []string{entry})
		if originAllowed(origin, []string{}) && origin != "" {
			t.Errorf("%q allowed by nothing", origin)
		}
	})
}
