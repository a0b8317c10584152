package ingest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

const securityPath = "/api/1/security/?sentry_key=" + key + "&sentry_release=shop%402.4.1&sentry_environment=staging"

func report(h http.Handler, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Origin", "http://valid.com")
	r.Header.Set("User-Agent", "Mozilla/5.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestRecordedReportsBecomeEvents sends what a browser sent and reads it back as the processor does.
func TestRecordedReportsBecomeEvents(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	h := newTestService(t, testConfig(), queue).routes()
	for i, r := range sdk.Requests(t, sdk.KindSecurity) {
		req := httptest.NewRequest(r.Method, r.Target, strings.NewReader(string(r.Body)))
		req.Header = r.Header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusOK || w.Body.Len() != 0 || len(queue.events) != i+1 {
			t.Fatalf("%s: %d %s, %d events", r.File, w.Code, w.Body, len(queue.events))
		}
		raw := queue.events[i]
		ev, err := event.Decode(raw.Payload)
		if err != nil {
			t.Fatalf("%s: %v", r.File, err)
		}
		ev.Normalize(event.Delivery{ReceivedAt: raw.ReceivedAt, ClientIP: raw.ClientIP, UserAgent: raw.UserAgent})
		if ev.Type != event.TypeCSP || ev.Release != "shop@2.4.1" || ev.Environment != "staging" || ev.LogEntry == nil ||
			!strings.HasPrefix(ev.LogEntry.Formatted, "Blocked ") || ev.Request.Header("User-Agent") == "" || ev.Security.Get("effective_directive") == nil {
			t.Errorf("%s: %+v", r.File, ev)
		}
	}
	golden.Check(t, "csp.json", append(queue.events[0].Payload, '\n'))
}

// TestSecurityReports is rows 108 to 110, and reports of every kind.
// Rule: getsentry/relay tests/integration/test_security_report.py
func TestSecurityReports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		typ               event.Type
		message           string
		reason            string
	}{
		"csp with charset": {"application/csp-report; charset=utf-8", `{"csp-report":{"document-uri":"http://a.com/x","violated-directive":"img-src 'self'","blocked-uri":"http://b.com/y.png"}}`,
			200, event.TypeCSP, "Blocked 'image' from 'b.com'", ""},
		"csp own":       {"application/json", `{"csp-report":{"document-uri":"http://a.com/x","effective-directive":"script-src-elem","blocked-uri":"http://a.com/y.js"}}`, 200, event.TypeCSP, "Blocked 'script' from 'self'", ""},
		"csp inline":    {"application/json", `{"csp-report":{"effective-directive":"style-src","blocked-uri":"inline"}}`, 200, event.TypeCSP, "Blocked unsafe inline 'style'", ""},
		"csp data":      {"application/json", `{"csp-report":{"effective-directive":"frame-ancestors","blocked-uri":"data:"}}`, 200, event.TypeCSP, "Blocked 'frame-ancestors' from 'data'", ""},
		"reporting api": {"application/reports+json", `[{"type":"deprecation"},{"type":"csp-violation","body":{"documentURL":"http://a.com","blockedURL":"https://c.com/x","effectiveDirective":"connect-src","lineNumber":3}}]`, 200, event.TypeCSP, "Blocked 'connect' from 'c.com'", "security_report_type"},
		"expect-ct":     {"application/expect-ct-report+json", `{"expect-ct-report":{"hostname":"a.com","port":443}}`, 200, event.TypeExpectCT, "Expect-CT failed for 'a.com'", ""},
		"expect-staple": {"application/expect-staple-report", `{"expect-staple-report":{"hostname":"a.com"}}`, 200, event.TypeExpectStaple, "Expect-Staple failed for 'a.com'", ""},
		"hpkp":          {"application/json", `{"hostname":"a.com","known-pins":["x"]}`, 200, event.TypeHPKP, "Public key pinning validation failed for 'a.com'", ""},
		"html":          {"text/html", `{}`, 415, "", "", ""},
		"empty":         {"application/json", ``, 400, "", "", "no_data"},
		"unknown":       {"application/json", `{"a":1}`, 200, "", "", "security_report_type"},
		"no directive":  {"application/json", `{"csp-report":{}}`, 200, "", "", "security_report"},
		"no object":     {"application/json", `{"csp-report":7}`, 200, "", "", "security_report"},
		"no JSON":       {"application/json", `nope`, 200, "", "", "security_report"},
	} {
		queue := &memory{}
		s := newTestService(t, testConfig(), queue)
		w := report(s.routes(), securityPath, c.contentType, c.body)
		if w.Code != c.status || (c.status != 400 && w.Body.Len() != 0) {
			t.Errorf("%s: want %d, got %d %s", name, c.status, w.Code, w.Body)
		}
		want := map[outcome.Key]int64{}
		if c.reason != "" {
			want = invalid(outcome.Security, c.reason, 1)
		}
		if diff := cmp.Diff(want, s.counts()); diff != "" {
			t.Errorf("%s: counts (-want +got):\n%s", name, diff)
		}
		if c.typ == "" {
			if len(queue.events) != 0 {
				t.Errorf("%s: want no event", name)
			}
			continue
		}
		if len(queue.events) != 1 {
			t.Errorf("%s: want an event, got %d", name, len(queue.events))
			continue
		}
		ev, err := event.Decode(queue.events[0].Payload)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ev.Normalize(event.Delivery{ReceivedAt: queue.events[0].ReceivedAt})
		if ev.Type != c.typ || ev.LogEntry == nil || ev.LogEntry.Formatted != c.message || ev.Logger != string(c.typ) ||
			ev.Request.Header("Origin") != "http://valid.com/" || ev.Release != "shop@2.4.1" || ev.Environment != "staging" || ev.User == nil {
			t.Errorf("%s: %s %+v", name, queue.events[0].Payload, ev.LogEntry)
		}
	}
}

func TestRawSecurityItemsAreConverted(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	body := `{"event_id":"` + id + `"}` + "\n" + `{"type":"raw_security","sentry_release":"r","sentry_environment":"e"}` + "\n" +
		`{"csp-report":{"effective-directive":"img-src","blocked-uri":"http://b.com"}}`
	if w := post(s.routes(), envelopePath, auth, body); w.Code != http.StatusOK || len(queue.events) != 1 {
		t.Fatalf("got %d, %d events", w.Code, len(queue.events))
	}
	ev, err := event.Decode(queue.events[0].Payload)
	if err != nil || ev.Release != "r" || ev.Environment != "e" || queue.events[0].ItemType != "security" || queue.events[0].ID.String() != id {
		t.Errorf("%v %+v", err, queue.events[0])
	}
	if w := post(s.routes(), envelopePath, auth, "{}\n{\"type\":\"raw_security\"}\nnope"); w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
	if diff := cmp.Diff(invalid(outcome.Security, "security_report", 1), s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// FuzzConvertReports: no report panics, and what is made of one is an event.
func FuzzConvertReports(f *testing.F) {
	for _, r := range sdk.Requests(f, sdk.KindSecurity) {
		f.Add(r.Body)
	}
	f.Add([]byte(`[{"type":"csp-violation","body":{"effectiveDirective":"x","blockedURL":"%zz"}}]`))
	f.Add([]byte(`{"hostname":"a","known-pins":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		payloads, bad := convertReports(&request{origin: "http://x"}, body, "r", "e")
		if len(payloads)+len(bad) == 0 || len(payloads) > maxReports {
			t.Fatalf("%d events, bad %v", len(payloads), bad)
		}
		for _, p := range payloads {
			if _, err := event.Decode(p); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
	})
}
