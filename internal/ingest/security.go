package ingest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// reportTypes are the content types that browsers send reports as.
// Rule: getsentry/relay relay-server/src/endpoints/security_report.rs
var reportTypes = map[string]bool{
	"application/json": true, "application/csp-report": true, "application/expect-ct-report": true,
	"application/expect-ct-report+json": true, "application/expect-staple-report": true,
	"application/reports+json": true,
}

// maxReports is how many reports of one request are read.
const maxReports = 20

// acceptSecurity answers POST /api/{project}/security/ and /csp-report/ with an empty 200. Reports
// over the key's rate are dropped without a word: a browser would not listen.
// fault.Invalid: empty body. A content type that is no report's: 415 without a body.
func (s *Service) acceptSecurity(w http.ResponseWriter, r *http.Request) error {
	if !reportTypes[mediaType(r.Header.Get("Content-Type"))] {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return nil
	}
	q, err := s.newRequest(r, outcome.Security)
	if err != nil {
		return err
	}
	body, err := s.readBody(w, r, s.cfg.MaxEventBytes)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	payloads, bad := convertReports(q, body.b, q.query.Get("sentry_release"), q.query.Get("sentry_environment"))
	return s.acceptReports(w, r, q, payloads, bad)
}

// fields is a JSON object whose values stay text.
type fields map[string]json.RawMessage

// text is a member that is a string; empty when it is none.
func (f fields) text(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return ""
	}
	return s
}

// badReports counts by reason the reports that no event is made of.
type badReports map[string]int64

// bound counts the reports past the number that is read, and an empty list as one report of no kind.
// It returns how many are read.
func (bad badReports) bound(n int) int {
	switch {
	case n == 0:
		bad[outcome.ReasonSecurityReportType]++
	case n > maxReports:
		bad[outcome.ReasonTooLarge+":security"] += int64(n - maxReports)
	}
	return min(n, maxReports)
}

// convertReports turns what browsers send into events as clients would write them.
func convertReports(q *request, body []byte, release, environment string) (payloads [][]byte, bad badReports) {
	bad = badReports{}
	list := make([]fields, 1)
	into := any(&list[0])
	if body = bytes.TrimSpace(body); bytes.HasPrefix(body, []byte("[")) {
		into = &list
	}
	if json.Unmarshal(body, into) != nil {
		return nil, badReports{outcome.ReasonSecurityReport: 1}
	}
	for _, report := range list[:bad.bound(len(list))] {
		kind, details, why := recognise(report)
		if why != "" {
			bad[why]++
			continue
		}
		payload, err := json.Marshal(reportEvent(q, kind, details, release, environment))
		if err != nil {
			bad[outcome.ReasonSecurityReport]++
			continue
		}
		payloads = append(payloads, payload)
	}
	return payloads, bad
}

// recognise tells a report's kind by its members and returns its details under the protocol's names.
func recognise(report fields) (kind event.Type, details fields, reason string) {
	wrapped := ""
	switch {
	case report["csp-report"] != nil:
		kind, wrapped = event.TypeCSP, "csp-report"
	case report["expect-ct-report"] != nil:
		kind, wrapped = event.TypeExpectCT, "expect-ct-report"
	case report["expect-staple-report"] != nil:
		kind, wrapped = event.TypeExpectStaple, "expect-staple-report"
	case report.text("type") == "csp-violation":
		kind, wrapped = event.TypeCSP, "body"
	case report["known-pins"] != nil:
		return event.TypeHPKP, snakeCase(report), ""
	default:
		return "", nil, outcome.ReasonSecurityReportType
	}
	var inner fields
	if json.Unmarshal(report[wrapped], &inner) != nil || inner == nil {
		return "", nil, outcome.ReasonSecurityReport
	}
	details = snakeCase(inner)
	if kind == event.TypeCSP {
		completeCSP(details)
		if details.text("effective_directive") == "" {
			return "", nil, outcome.ReasonSecurityReport
		}
	}
	return kind, details, ""
}

// snakeCase renames members from the words browsers use: "blocked-uri", "blockedURL".
func snakeCase(f fields) fields {
	out := make(fields, len(f))
	for name, v := range f {
		var b strings.Builder
		for i, c := range name {
			switch {
			case c == '-':
				c = '_'
			case 'A' <= c && c <= 'Z':
				if i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
					b.WriteByte('_')
				}
				c += 'a' - 'A'
			}
			b.WriteRune(c)
		}
		out[b.String()] = v
	}
	return out
}

// completeCSP maps the names of the Reporting API to those of csp-report, and fills in the
// effective directive of browsers that only report the violated one.
func completeCSP(f fields) {
	for from, to := range map[string]string{"document_url": "document_uri", "blocked_url": "blocked_uri", "sample": "script_sample"} {
		if v := f[from]; v != nil && f[to] == nil {
			f[to] = v
			delete(f, from)
		}
	}
	if f.text("effective_directive") == "" {
		directive, _, _ := strings.Cut(strings.TrimSpace(f.text("violated_directive")), " ")
		f["effective_directive"] = quoted(directive)
	}
	if f["violated_directive"] == nil {
		f["violated_directive"] = f["effective_directive"]
	}
}

func quoted(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return b
}

// reportEvent is the event of one report.
// Rule: getsentry/relay tests/integration/fixtures/security_report
func reportEvent(q *request, kind event.Type, details fields, release, environment string) map[string]any {
	headers := [][2]string{}
	add := func(name, value string) {
		if value != "" {
			headers = append(headers, [2]string{name, value})
		}
	}
	add("User-Agent", q.userAgent)
	add("Referer", details.text("referrer"))
	if u, err := url.Parse(q.origin); err == nil && q.origin != "" {
		if u.Path == "" {
			u.Path = "/"
		}
		add("Origin", u.String())
	}
	ev := map[string]any{
		"type": kind, "logger": string(kind), "level": "error", "platform": "other", string(kind): details,
	}
	request := map[string]any{"headers": headers}
	switch kind {
	case event.TypeCSP:
		request["url"] = details.text("document_uri")
		describeCSP(ev, details)
	default:
		host := details.text("hostname")
		request["url"] = host
		ev["logentry"] = map[string]string{"formatted": reportTitles[kind] + " '" + host + "'"}
	}
	ev["request"] = request
	if q.ip.IsValid() {
		ev["user"] = map[string]string{"ip_address": q.ip.String()}
	}
	if release != "" {
		ev["release"] = release
	}
	if environment != "" {
		ev["environment"] = environment
	}
	return ev
}

// reportTitles begin the messages of the reports about a host.
// Rule: getsentry/relay relay-event-schema/src/protocol/security_report.rs
var reportTitles = map[event.Type]string{
	event.TypeExpectCT:     "Expect-CT failed for",
	event.TypeExpectStaple: "Expect-Staple failed for",
	event.TypeHPKP:         "Public key pinning validation failed for",
}

// cspNouns is what a directive guards, where messages call it otherwise.
// Rule: getsentry/relay relay-event-schema/src/protocol/security_report.rs
var cspNouns = map[string]string{
	"child-src": "child", "connect-src": "connect", "font-src": "font", "form-action": "form action",
	"frame-src": "frame", "img-src": "image", "manifest-src": "manifest", "media-src": "media",
	"object-src": "object", "script-src": "script", "script-src-elem": "script", "script-src-attr": "script",
	"style-src": "style", "style-src-elem": "style", "style-src-attr": "style", "worker-src": "worker",
}

// describeCSP adds message, culprit and tags to the event of a CSP report.
func describeCSP(ev map[string]any, f fields) {
	directive, blocked := f.text("effective_directive"), f.text("blocked_uri")
	noun := cspNouns[directive]
	if noun == "" {
		noun = directive
	}
	host := blockedHost(blocked, f.text("document_uri"))
	message := "Blocked '" + noun + "' from '" + host + "'"
	switch blocked {
	case "inline":
		message = "Blocked unsafe inline '" + noun + "'"
	case "eval":
		message = "Blocked unsafe eval() '" + noun + "'"
	}
	ev["logentry"] = map[string]string{"formatted": message}
	ev["culprit"] = f.text("violated_directive")
	tags := [][2]string{{"effective-directive", directive}}
	if blocked != "" {
		tags = append(tags, [2]string{"blocked-uri", clip(blocked, 200)})
	}
	if strings.Contains(host, ".") {
		tags = append(tags, [2]string{"blocked-host", clip(host, 200)})
	}
	ev["tags"] = tags
}

// blockedHost names what was blocked: the host of a URL, "self" for the page's own, or the bare
// word that stands for a URL, such as "data".
func blockedHost(blocked, document string) string {
	if blocked == "" || blocked == "self" || blocked == "'self'" {
		return "self"
	}
	u, err := url.Parse(blocked)
	if err != nil || u.Host == "" {
		return strings.TrimSuffix(clip(blocked, 100), ":")
	}
	if d, err := url.Parse(document); err == nil && d.Host == u.Host {
		return "self"
	}
	return u.Host
}
