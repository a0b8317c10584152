package event

import (
	"bytes"
	"slices"
	"strings"
)

// contexts drops what clients may not send and completes what is known.
// Rule: getsentry/relay relay-event-normalization/src/normalize/contexts.rs
func (n *normalizer) contexts() {
	kept := n.Contexts[:0]
	for _, c := range n.Contexts {
		if c.Name == "reprocessing" || c.Name == "" {
			continue
		}
		switch c.kind() {
		case "trace":
			c.Data = n.traceContext(c.Name, c.Data)
		case "os":
			c.Data = c.Data.describedSystem().labelled("os", false)
		case "runtime":
			c.Data = c.Data.describedRuntime().labelled("runtime", true)
		case "browser":
			c.Data = c.Data.labelled("browser", false)
		case "response":
			if c.Name == "response" {
				c.Data = n.response(c.Data)
			}
		}
		kept = append(kept, c)
	}
	clear(n.Contexts[len(kept):])
	if n.Contexts = kept; len(kept) == 0 {
		n.Contexts = nil
	}
}

// withText is with for a string; o itself when it says that already.
func (o Object) withText(name, text string) Object {
	if says(o.Get(name), text) {
		return o
	}
	return o.with(name, TextValue(text))
}

// says reports whether a value is a string of this text.
func says(v Value, text string) bool {
	if len(v) == 0 || v[0] != '"' {
		return false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1:len(v)-1]) == text
	}
	old, _ := textOf(v)
	return old == text
}

// labelled sets a member to "name version", unless it has one; to the name alone without a version,
// if that is no must.
func (o Object) labelled(member string, versioned bool) Object {
	if o.hasText(member) || !o.hasText("name") || versioned && !o.hasText("version") {
		return o
	}
	return o.withText(member, o.label())
}

// hasText reports whether a member is a string that is not empty.
func (o Object) hasText(name string) bool {
	v := o.Get(name)
	return len(v) > len(`""`) && v[0] == '"'
}

// traceContext writes the ids in lower case and fills the status.
func (n *normalizer) traceContext(name string, o Object) Object {
	if o == nil {
		return nil
	}
	for _, member := range [...]string{"trace_id", "span_id", "parent_span_id"} {
		if v := o.Get(member); !isLowerID(v) {
			if id, _ := textOf(v); id != "" {
				o = o.withText(member, lowerID(id))
			}
		}
	}
	sent := o.Get("status")
	status := spanStatus(o.lenientText("status"))
	if status == "" {
		if len(sent) > 0 && sent[0] != 'n' {
			n.lost(at("contexts").path(name+".status"), "invalid_data", "expected a trace status", o.lenientText("status"))
		}
		status = "unknown"
	}
	return o.withText("status", status)
}

// lowerID is an id of a trace or span as it is written today: lower case, a UUID without dashes.
func lowerID(id string) string {
	if len(id) == 36 {
		id = strings.ReplaceAll(id, "-", "")
	}
	return strings.ToLower(id)
}

// isLowerID reports whether a value is an id that lowerID leaves as it is.
func isLowerID(v Value) bool {
	for _, c := range v {
		if (c < 'a' || c > 'f') && !digit(c) && c != '"' {
			return false
		}
	}
	return true
}

// spanStatuses are the outcomes of an operation, by the number that gRPC gives them.
// Rule: https://develop.sentry.dev/sdk/telemetry/traces/ and getsentry/relay relay-base-schema/src/spans.rs
var spanStatuses = listed(`ok cancelled unknown invalid_argument deadline_exceeded not_found already_exists
	permission_denied resource_exhausted failed_precondition aborted out_of_range unimplemented internal_error
	unavailable data_loss unauthenticated`)

// spanStatus reads an outcome by its name, an old alias of it, or its number; empty when it is none.
func spanStatus(s string) string {
	switch s {
	case "":
		return ""
	case "unknown_error":
		return "unknown"
	case "success":
		return "ok"
	case "failure":
		return "internal_error"
	}
	if slices.Contains(spanStatuses, s) {
		return s
	}
	if number, ok := index(s); ok {
		return nameAt(spanStatuses, number)
	}
	return ""
}

// response completes what is known about the answer to a request, like the request itself: a body
// that is JSON becomes structured, cookies leave the headers.
// Rule: getsentry/relay relay-event-normalization/src/normalize/contexts.rs
func (n *normalizer) response(o Object) Object {
	r := reader{path: []step{{name: "contexts"}, {name: "response"}}}
	headers, cookies := r.memberPairs(o, "headers", r.headers), r.memberPairs(o, "cookies", r.cookies)
	n.Meta = n.Meta.merge(r.meta)
	n.Errors = append(n.Errors, r.errs[:min(len(r.errs), max(0, maxErrors-len(n.Errors)))]...)
	contentType := ""
	for i := range headers {
		if equalFold(headers[i].Key, "Content-Type") {
			contentType = mediaType(headers[i].Value)
			break
		}
	}
	cookies, headers = cookiesFrom("Set-Cookie", cookies, headers)
	o = o.withPairs("headers", headers).withPairs("cookies", cookies)
	text, isText := textOf(o.Get("data"))
	switch body := jsonBody(text); {
	case body != nil && !n.wasCut("contexts.response.data"):
		o = o.with("data", body).withText("inferred_content_type", "application/json")
	case contentType != "" && (isText || o.text("inferred_content_type") == ""):
		o = o.withText("inferred_content_type", contentType)
	}
	return o
}

// memberPairs reads a member of o with one of the readers of pairs.
func (r *reader) memberPairs(o Object, name string, read func(string) []Pair) []Pair {
	v := o.Get(name)
	if len(v) == 0 {
		return nil
	}
	r.b, r.s, r.i = v, string(v), 0
	return read(name)
}

// withPairs is with for a list of pairs; an empty list takes the member away.
func (o Object) withPairs(name string, list []Pair) Object {
	v := appendPairs([]byte{'{'}, name, list)
	if len(v) == 1 {
		if o.index(name) < 0 {
			return o
		}
		return o.without(name)
	}
	v = v[len(`{"`)+len(name)+len(`":`):]
	if bytes.Equal(v, o.Get(name)) {
		return o
	}
	return o.with(name, v)
}
