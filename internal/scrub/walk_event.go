package scrub

import (
	"github.com/tocsin-dev/tocsin/internal/event"
)

// event visits every part that may hold personal data. What is not visited is never touched.
// Rule: getsentry/relay relay-event-schema/src/protocol (pii attributes)
func (w *walker) event() {
	ev := w.ev
	w.place.path = w.place.path[:0]
	w.place.exempt = false
	w.field("server_name", markYes, &ev.ServerName)
	w.field("culprit", markMaybe, &ev.Culprit)
	w.field("transaction", markMaybe, &ev.Transaction)
	w.logEntry(ev.LogEntry)
	w.exceptions(ev.Exceptions)
	w.stacktrace("stacktrace", ev.Stacktrace)
	w.threads(ev.Threads)
	w.breadcrumbs(ev.Breadcrumbs)
	w.user()
	w.request()
	w.contexts()
	w.pairs("tags", markMaybe, ev.Tags)
	w.object("extra", 0, markYes, &ev.Extra)
	if w.s.advanced {
		w.place.exempt = true
		w.object("debug_meta", 0, markMaybe, &ev.DebugMeta)
		w.place.exempt = false
	}
	w.sdk(ev.SDK)
	w.rawShaped("spans", markYes, &ev.Spans, shapeSpans)
	w.security()
	w.others()
	w.originals()
}

func (w *walker) logEntry(l *event.LogEntry) {
	if l == nil {
		return
	}
	w.member("logentry", kindLogEntry|kindObject)
	w.field("message", markYes, &l.Message)
	w.exemptField("formatted", markYes, &l.Formatted)
	w.raw("params", markYes, &l.Params)
	w.pop()
}

func (w *walker) exceptions(list []event.Exception) {
	if len(list) == 0 {
		return
	}
	w.member("exception", kindObject)
	w.member("values", kindArray)
	for i := range list {
		x := &list[i]
		w.item(i, kindException|kindObject)
		w.exemptField("value", markYes, &x.Value)
		if m := x.Mechanism; m != nil {
			w.member("mechanism", kindObject)
			w.field("description", markYes, &m.Description)
			w.object("data", 0, markYes, &m.Data)
			w.members(m.Other, markYes)
			w.pop()
		}
		w.stacktrace("stacktrace", x.Stacktrace)
		w.stacktrace("raw_stacktrace", x.RawStacktrace)
		w.members(x.Other, markYes)
		w.pop()
	}
	w.pop()
	w.pop()
}

func (w *walker) stacktrace(name string, s *event.Stacktrace) {
	if s == nil {
		return
	}
	w.member(name, kindStacktrace|kindObject)
	w.member("frames", kindArray)
	for i := range s.Frames {
		w.frame(i, &s.Frames[i])
	}
	w.pop()
	w.members(s.Other, markYes)
	w.pop()
}

func (w *walker) frame(i int, f *event.Frame) {
	if len(f.Vars) == 0 && len(f.Other) == 0 && !w.s.advanced {
		return
	}
	w.item(i, kindFrame|kindObject)
	w.field("module", markMaybe, &f.Module)
	w.exemptField("filename", markMaybe, &f.Filename)
	w.exemptField("abs_path", markMaybe, &f.AbsPath)
	w.object("vars", 0, markYes, &f.Vars)
	w.members(f.Other, markYes)
	w.pop()
}

func (w *walker) threads(list []event.Thread) {
	if len(list) == 0 {
		return
	}
	w.member("threads", kindObject)
	w.member("values", kindArray)
	for i := range list {
		t := &list[i]
		w.item(i, kindThread|kindObject)
		w.stacktrace("stacktrace", t.Stacktrace)
		w.stacktrace("raw_stacktrace", t.RawStacktrace)
		w.members(t.Other, markYes)
		w.pop()
	}
	w.pop()
	w.pop()
}

func (w *walker) breadcrumbs(list []event.Breadcrumb) {
	if len(list) == 0 {
		return
	}
	w.member("breadcrumbs", kindObject)
	w.member("values", kindArray)
	for i := range list {
		b := &list[i]
		w.item(i, kindBreadcrumb|kindObject)
		w.field("message", markYes, &b.Message)
		w.object("data", 0, markYes, &b.Data)
		w.members(b.Other, markYes)
		w.pop()
	}
	w.pop()
	w.pop()
}

func (w *walker) user() {
	u := w.ev.User
	if u == nil {
		return
	}
	w.member("user", kindUser|kindObject)
	if w.s.advanced && w.drops("user", markYes) {
		w.ev.User = nil
		w.pop()
		return
	}
	w.field("id", markYes, &u.ID)
	w.field("email", markYes, &u.Email)
	w.field("username", markYes, &u.Username)
	w.field("name", markYes, &u.Name)
	w.field("ip_address", markYes, &u.IPAddress)
	w.field("segment", markYes, &u.Segment)
	w.object("geo", 0, markYes, &u.Geo)
	w.object("data", 0, markYes, &u.Data)
	w.pop()
}

func (w *walker) request() {
	q := w.ev.Request
	if q == nil {
		return
	}
	w.member("request", kindRequest|kindObject)
	if w.s.advanced && w.drops("request", markYes) {
		w.ev.Request = nil
		w.pop()
		return
	}
	w.field("url", markMaybe, &q.URL)
	w.pairs("query_string", markYes, q.Query)
	w.field("fragment", markYes, &q.Fragment)
	w.pairs("cookies", markYes, q.Cookies)
	w.pairs("headers", markYes, q.Headers)
	w.raw("data", markYes, &q.Data)
	w.object("env", 0, markYes, &q.Env)
	w.members(q.Other, markYes)
	w.pop()
}

func (w *walker) sdk(s *event.SDK) {
	if s == nil || s.Other == nil {
		return
	}
	w.member("sdk", kindSDK|kindObject)
	for i := range s.Other {
		if s.Other[i].Name == "client_ip" {
			w.raw("client_ip", markYes, &s.Other[i].Value)
		}
	}
	w.pop()
}

// policyMarks are the members of a report of a content security policy that say which rule was
// broken, and nothing about anybody.
var policyMarks = marks("", "effective_directive violated_directive original_policy disposition status_code line_number column_number")

// security visits the report of a browser.
func (w *walker) security() {
	if len(w.ev.Security) == 0 {
		return
	}
	w.member(string(w.ev.Type), kindObject)
	for i := range w.ev.Security {
		o := &w.ev.Security[i]
		m := markYes
		if known, ok := policyMarks[o.Name]; ok && w.ev.Type == event.TypeCSP {
			m = known
		}
		w.raw(o.Name, m, &o.Value)
	}
	w.pop()
}

// others visits the members that the event model does not know.
func (w *walker) others() {
	for i := range w.ev.Other {
		o := &w.ev.Other[i]
		switch o.Name {
		case "breakdowns", "_metrics", "_metrics_summary", "_dsc", "scraping_attempts":
		default:
			w.raw(o.Name, markYes, &o.Value)
		}
	}
}

// originals visits the texts that were kept of fields that could not be read. One that would have
// been changed is forgotten.
func (w *walker) originals() {
	for path, r := range w.ev.Meta {
		if len(r.Value) > 0 && w.sensitive(path, r.Value) {
			r.Value = nil
			w.ev.Meta[path] = r
		}
	}
	for i := range w.ev.Errors {
		e := &w.ev.Errors[i]
		if len(e.Value) > 0 && w.sensitive(e.Name, e.Value) {
			e.Value = nil
		}
	}
}
