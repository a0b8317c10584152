package ingest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// maxDrained is how many lines of one delivery are taken.
const maxDrained = 10_000

// drained is one line of a platform's log.
type drained struct {
	at         time.Time
	level      string
	body       string
	traceID    string
	attributes map[string]string
}

// delivery is what a platform sends at once.
type delivery struct {
	lines []drained // maxDrained at most
	more  int       // lines past them
}

// errDrain answers a delivery that is not in the platform's format.
var errDrain = fault.New(fault.Invalid, "invalid log drain payload")

// acceptVercel answers the log drains of Vercel with an empty 202: a JSON array of lines, or one line
// in each.
// Rule: https://vercel.com/docs/drains/reference/logs
func (s *Service) acceptVercel(w http.ResponseWriter, r *http.Request) error {
	return s.acceptDrain(w, r, readVercel)
}

// acceptHeroku answers the log drains of Heroku with an empty 202: syslog messages, each after its
// length.
// Rule: https://devcenter.heroku.com/articles/log-drains#https-drains
func (s *Service) acceptHeroku(w http.ResponseWriter, r *http.Request) error {
	return s.acceptDrain(w, r, readHeroku)
}

// acceptDrain makes logs of a delivery. Platforms are not told of limits: they would only send again.
func (s *Service) acceptDrain(w http.ResponseWriter, r *http.Request, read func([]byte) (delivery, error)) error {
	q, err := s.newRequest(r, outcome.LogItem)
	if err != nil {
		return err
	}
	body, err := s.readBody(w, r, maxContainer)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	held := min(4*int64(len(body.b)), 2*maxContainer)
	if err := s.budget.grow(r.Context(), 0, held); err != nil {
		return s.unreadable(q, err)
	}
	defer s.budget.release(held)
	d, err := read(body.b)
	if err != nil {
		s.drop(q, outcome.LogItem, outcome.Invalid, outcome.ReasonInvalidLog, 1)
		return err
	}
	it := drainItem(d.lines, q.receivedAt)
	s.drop(q, outcome.LogItem, outcome.Invalid, outcome.ReasonTooLarge+":log", int64(len(d.lines)-it.Count+d.more))
	if it.Count > 0 {
		env := envelope.Envelope{Items: []envelope.Item{it}}
		if rec, err := s.accept(r.Context(), q, &env); err != nil && !overQuota(rec, err) {
			return s.failed(w, rec, err)
		}
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// drainItem is the lines as one container of logs; an item without entries when they fit none.
func drainItem(lines []drained, received time.Time) envelope.Item {
	type attribute struct {
		Value string `json:"value"`
		Type  string `json:"type"`
	}
	type entry struct {
		Timestamp  float64              `json:"timestamp"`
		TraceID    string               `json:"trace_id"`
		Level      string               `json:"level"`
		Body       string               `json:"body"`
		Attributes map[string]attribute `json:"attributes"`
	}
	it := envelope.Item{Type: logSignal.itemType, ContentType: logSignal.contentType}
	var out struct {
		Items []entry `json:"items"`
	}
	for i := range lines {
		l := &lines[i]
		if l.at.IsZero() {
			l.at = received
		}
		if !hexID(l.traceID, 16) {
			var id [16]byte
			_, _ = rand.Read(id[:]) // never fails
			l.traceID = hex.EncodeToString(id[:])
		}
		e := entry{Timestamp: float64(l.at.UnixMilli()) / 1000, TraceID: l.traceID, Level: l.level, Body: strings.ToValidUTF8(l.body, "\uFFFD"), Attributes: map[string]attribute{}}
		for name, v := range l.attributes {
			if v != "" {
				e.Attributes[name] = attribute{strings.ToValidUTF8(v, "\uFFFD"), "string"}
			}
		}
		out.Items = append(out.Items, e)
	}
	payload, err := json.Marshal(out)
	if err != nil || len(payload) > maxContainer {
		return it
	}
	it.Count, it.Payload = len(lines), payload
	return it
}

// vercelLine is one line of a delivery of Vercel.
type vercelLine struct {
	Message     string  `json:"message"`
	Timestamp   float64 `json:"timestamp"` // milliseconds
	Level       string  `json:"level"`
	Source      string  `json:"source"`
	Host        string  `json:"host"`
	Path        string  `json:"path"`
	Environment string  `json:"environment"`
	Branch      string  `json:"branch"`
	ProjectID   string  `json:"projectId"`
	ProjectName string  `json:"projectName"`
	Deployment  string  `json:"deploymentId"`
	RequestID   string  `json:"requestId"`
	TraceID     string  `json:"traceId"`
	Dotted      string  `json:"trace.id"`
}

func readVercel(body []byte) (d delivery, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	inArray := bytes.HasPrefix(bytes.TrimSpace(body), []byte("["))
	if inArray {
		if _, err := dec.Token(); err != nil {
			return d, errDrain
		}
	}
	for dec.More() {
		if len(d.lines) == maxDrained {
			var skipped json.RawMessage
			if dec.Decode(&skipped) != nil {
				return d, errDrain
			}
			d.more++
			continue
		}
		var l vercelLine
		if dec.Decode(&l) != nil {
			return d, errDrain
		}
		d.lines = append(d.lines, l.drained())
	}
	if inArray {
		_, err = dec.Token()
	}
	if err != nil || dec.More() { // the array is not closed, or something follows it
		return d, errDrain
	}
	return d, nil
}

func (l *vercelLine) drained() drained {
	d := drained{level: logLevel(l.Level), body: l.Message, traceID: l.TraceID, attributes: map[string]string{
		"vercel.source": l.Source, "server.address": l.Host, "url.path": l.Path, "sentry.environment": l.Environment, "vercel.branch": l.Branch,
		"vercel.project_id": l.ProjectID, "vercel.project_name": l.ProjectName, "vercel.deployment_id": l.Deployment, "vercel.request_id": l.RequestID,
		"sentry.origin": "auto.log_drain.vercel"}}
	if d.traceID == "" {
		d.traceID = l.Dotted
	}
	if l.Timestamp > 0 && l.Timestamp < 1e14 {
		d.at = time.UnixMilli(int64(l.Timestamp)).UTC()
	}
	return d
}

// logLevel is a level of the protocol for what a platform calls it.
func logLevel(name string) string {
	switch strings.ToLower(name) {
	case "warning", "warn":
		return "warn"
	case "error", "fatal", "debug", "trace":
		return strings.ToLower(name)
	}
	return "info"
}

// severities are the levels of the severities of syslog, the most severe first.
// Rule: RFC 5424, section 6.2.1
var severities = [8]string{"fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug"}

// readHeroku reads messages of syslog, each after its length and a blank: priority and version, time,
// host, app, process, and the message. Rule: RFC 6587, section 3.4.1
func readHeroku(body []byte) (d delivery, err error) {
	for body = bytes.TrimLeft(body, "\r\n "); len(body) > 0; body = bytes.TrimLeft(body, "\r\n ") {
		head, rest, ok := bytes.Cut(body, []byte(" "))
		n, err := strconv.Atoi(string(head))
		if !ok || err != nil || n <= 0 || n > len(rest) {
			return d, errDrain
		}
		body = rest[n:]
		if len(d.lines) == maxDrained {
			d.more++
			continue
		}
		line, ok := syslogLine(string(rest[:n]))
		if !ok {
			return d, errDrain
		}
		d.lines = append(d.lines, line)
	}
	return d, nil
}

func syslogLine(text string) (d drained, ok bool) {
	priority, rest, ok := strings.Cut(strings.TrimPrefix(text, "<"), ">")
	n, err := strconv.Atoi(priority)
	fields := strings.SplitN(rest, " ", 7)
	if !ok || err != nil || n < 0 || n > 191 || len(fields) < 6 {
		return d, false
	}
	d.level = severities[n&7]
	d.at, _ = time.Parse(time.RFC3339Nano, fields[1]) // zero when it is none
	d.attributes = map[string]string{"sentry.origin": "auto.log_drain.heroku"}
	for i, name := range [...]string{"server.address", "heroku.app", "heroku.process"} {
		if v := fields[2+i]; v != "-" {
			d.attributes[name] = v
		}
	}
	d.body = strings.TrimRight(strings.TrimPrefix(strings.Join(fields[5:], " "), "- "), "\r\n")
	return d, true
}
