package ingest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// acceptNEL answers POST /api/{project}/nel/, reports of requests that failed in a browser, with
// an empty 200. Reports over a limit are dropped without a word.
// fault.Invalid: empty body. A content type that is no report's: 415 without a body.
// Rule: getsentry/relay relay-server/src/endpoints/nel.rs
func (s *Service) acceptNEL(w http.ResponseWriter, r *http.Request) error {
	if t := mediaType(r.Header.Get("Content-Type")); t != "application/json" && t != "application/reports+json" {
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
	payloads, bad := networkErrors(q, body.b)
	return s.acceptReports(w, r, q, payloads, bad)
}

// acceptReports takes the events made of a browser's reports, counts what none could be made of, and
// answers the browser.
func (s *Service) acceptReports(w http.ResponseWriter, r *http.Request, q *request, payloads [][]byte, bad badReports) error {
	for reason, n := range bad {
		s.drop(q, outcome.Security, outcome.Invalid, reason, n)
	}
	for _, payload := range payloads {
		env := envelope.Envelope{Items: []envelope.Item{{Type: "security", Count: -1, Payload: payload}}}
		rec, err := s.accept(r.Context(), q, &env)
		if err != nil && !overQuota(rec, err) {
			return s.failed(w, rec, err)
		}
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// networkReport is one report of a failed request.
// Rule: https://w3c.github.io/network-error-logging/#generate-a-network-error-report
type networkReport struct {
	Type string  `json:"type"`
	URL  string  `json:"url"`
	Age  float64 `json:"age"` // milliseconds
	Body fields  `json:"body"`
}

// networkErrors turns a list of reports into events.
func networkErrors(q *request, body []byte) (payloads [][]byte, bad badReports) {
	bad = badReports{}
	var list []json.RawMessage
	if body = bytes.TrimSpace(body); bytes.HasPrefix(body, []byte("{")) {
		list = []json.RawMessage{body}
	} else if json.Unmarshal(body, &list) != nil {
		return nil, badReports{outcome.ReasonInvalidJSON: 1}
	}
	for _, text := range list[:bad.bound(len(list))] {
		var n networkReport
		if json.Unmarshal(text, &n) != nil || n.Body == nil {
			bad[outcome.ReasonSecurityReport]++
			continue
		}
		if n.Type != "network-error" && n.Type != "" {
			bad[outcome.ReasonSecurityReportType]++
			continue
		}
		payload, err := json.Marshal(networkEvent(q, &n))
		if err != nil {
			bad[outcome.ReasonSecurityReport]++
			continue
		}
		payloads = append(payloads, payload)
	}
	return payloads, bad
}

// networkEvent is the event of one report.
// Rule: getsentry/relay relay-event-normalization/src/normalize/nel.rs
func networkEvent(q *request, n *networkReport) map[string]any {
	kind := n.Body.text("type")
	if kind == "" {
		kind = "unknown"
	}
	at := q.receivedAt
	if n.Age > 0 && n.Age < float64(maxReportMillis) {
		at = at.Add(-time.Duration(n.Age) * time.Millisecond)
	}
	context := fields{"error_type": quoted(kind)}
	for _, name := range [...]string{"phase", "server_ip", "elapsed_time", "sampling_fraction"} {
		if v := n.Body[name]; v != nil {
			context[name] = v
		}
	}
	request := map[string]any{"url": clip(n.URL, maxOrigin)}
	if method := n.Body.text("method"); method != "" {
		request["method"] = method
	}
	headers := [][2]string{}
	for _, h := range [...][2]string{{"User-Agent", q.userAgent}, {"Referer", n.Body.text("referrer")}} {
		if h[1] != "" {
			headers = append(headers, h)
		}
	}
	request["headers"] = headers
	ev := map[string]any{
		"type": event.TypeNEL, "logger": string(event.TypeNEL), "level": "error", "platform": "other",
		"timestamp": at.Format(time.RFC3339Nano), "logentry": map[string]string{"formatted": kind},
		"contexts": map[string]any{"nel": context}, "request": request,
	}
	if q.ip.IsValid() {
		ev["user"] = map[string]string{"ip_address": q.ip.String()}
	}
	for member, name := range map[string]string{"release": "sentry_release", "environment": "sentry_environment"} {
		if v := q.query.Get(name); v != "" {
			ev[member] = v
		}
	}
	return ev
}

// maxReportMillis is how old a report may say it is, in milliseconds.
const maxReportMillis = 24 * 60 * 60 * 1000
