package event

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Decode reads an event in any shape that a client has ever sent, and in the stored form that
// AppendJSON writes. A field of the wrong type is dropped and remarked in Meta and Errors. The
// event keeps references into payload, which must not change afterwards.
// fault.Invalid: the payload is not a JSON object.
// Rule: getsentry/relay relay-event-schema/src/protocol/event.rs
func Decode(payload []byte) (*Event, error) { return new(Decoder).Decode(payload) }

// validate returns the document when it is a JSON object, after repairing what some clients get
// wrong, and how many NULs that took away.
func validate(payload []byte) (doc []byte, nuls int, err error) {
	if !wellFormed(payload) {
		nuls = bytes.Count(payload, []byte{0})
		payload = repair(payload)
		if !wellFormed(payload) {
			return nil, 0, fault.New(fault.Invalid, "event payload is not valid JSON")
		}
	}
	if jsontext.Value(payload).Kind() != '{' {
		return nil, 0, fault.New(fault.Invalid, "event payload is not a JSON object")
	}
	return payload, nuls, nil
}

// event reads the document into e.
func (r *reader) event(e *Event) {
	d := decoding{reader: r, e: e}
	r.space()
	r.open()
	for r.next('}') {
		key := r.key()
		if to := e.textField(key); to != nil {
			*to = r.str(key)
		} else if !d.scalar(key) && !d.part(plainName(key)) {
			r.other(&e.Other, key)
		}
	}
	d.finish()
}

// decoding is the state of one Decode besides the reader.
type decoding struct {
	*reader
	e        *Event
	client   Meta // the _meta member
	message  int  // rank of the member that gave LogEntry
	security Type // the interface that gave Security
}

// textField is the field of a member that must be a string.
func (e *Event) textField(key string) *string {
	switch key {
	case "platform":
		return &e.Platform
	case "logger":
		return &e.Logger
	case "server_name":
		return &e.ServerName
	case "transaction":
		return &e.Transaction
	case "culprit":
		return &e.Culprit
	case "checksum":
		return &e.Checksum
	}
	return nil
}

// scalar reads the members that are a single value; false when key is none of them.
func (d *decoding) scalar(key string) bool {
	e := d.e
	switch key {
	case "event_id":
		d.id()
	case "timestamp":
		e.Timestamp = d.timestamp(key)
	case "start_timestamp":
		e.StartTimestamp = d.timestamp(key)
	case "received":
		e.ReceivedAt = d.timestamp(key)
	case "level":
		e.Level = d.level(key)
	case "type":
		e.Type = Type(d.str(key))
	case "release":
		e.Release = d.lenient(key)
	case "dist":
		e.Dist = d.lenient(key)
	case "environment":
		e.Environment = d.lenient(key)
	case "project":
		d.project()
	case "main_exception_id":
		e.MainExceptionID = d.integerPointer(key)
	case "grouping_config":
		if d.kind() == '"' {
			e.GroupedBy = d.str(key)
		} else {
			d.skip(maxDepth) // a client's idea of it
		}
	case "version", "key_id", "ingest_path", "breakdowns", "scraping_attempts", "_metrics", "_dsc":
		d.skip(maxDepth) // ours to decide; what a client says about them is ignored
	default:
		return false
	}
	return true
}

// plainName maps the old names of interfaces to the current ones.
func plainName(key string) string {
	old, ok := strings.CutPrefix(key, "sentry.interfaces.")
	if !ok {
		return key
	}
	switch old {
	case "Http":
		return "request"
	case "Message":
		return "sentry.interfaces.Message"
	case "DebugMeta":
		return "debug_meta"
	case "ExpectCT", "ExpectStaple", "Csp", "Hpkp", "Exception", "Stacktrace", "Template", "Threads",
		"Breadcrumbs", "User", "Contexts":
		return strings.ToLower(old)
	}
	return key
}

// part reads the members that have a structure; false when key is none of them.
func (d *decoding) part(key string) bool {
	e := d.e
	switch key {
	case "exception":
		if list := d.exceptions(key); list != nil {
			e.Exceptions = list
		}
	case "stacktrace":
		e.Stacktrace = d.stacktrace(key)
	case "threads":
		e.Threads = d.threads(key)
	case "message":
		d.logEntry(key, 1)
	case "sentry.interfaces.Message":
		d.logEntry(key, 2)
	case "logentry":
		d.logEntry(key, 3)
	case "template":
		e.Template = d.template(key)
	case "breadcrumbs":
		e.Breadcrumbs = d.breadcrumbs(key)
	case "user":
		e.User = d.user(key)
	case "request":
		e.Request = d.request(key)
	case "contexts":
		e.Contexts = d.contexts(key)
	case "tags":
		e.Tags = d.tags(key)
	default:
		return d.rest(key)
	}
	return true
}

// rest continues part.
func (d *decoding) rest(key string) bool {
	e := d.e
	switch key {
	case "extra":
		e.Extra = d.rawObject(key)
	case "modules":
		e.Modules = d.modules(key)
	case "fingerprint":
		e.Fingerprint = d.texts(key)
	case "debug_meta":
		e.DebugMeta = d.rawObject(key)
	case "sdk":
		e.SDK = d.sdk(key)
	case "spans":
		e.Spans = d.spans(key)
	case "measurements":
		e.Measurements = d.measurements(key)
	case "transaction_info":
		d.transactionInfo(key)
	case "errors":
		d.processingErrors(key)
	case "csp", "hpkp", "expectct", "expectstaple":
		if o := d.rawObject(key); o != nil {
			e.Security, d.security = o, Type(key)
		}
	case "_meta":
		d.client = d.metaTree()
	default:
		return false
	}
	return true
}

// finish settles what depends on more than one member.
func (d *decoding) finish() {
	e := d.e
	if d.security != "" {
		e.Type = d.security
	}
	if d.wiped > 0 {
		data := Object{
			{"reason", Value(`"text that cannot be stored was replaced"`)}, {"count", Value(itoa(d.wiped))},
		}
		d.meta = d.meta.add("", Remarks{Errors: []MetaError{{"invalid_data", data}}})
	}
	e.Errors = append(e.Errors, d.errs...)
	e.Meta = d.client.merge(d.meta)
}

func (d *decoding) id() {
	start := d.i
	text, _ := d.lenientText()
	if id, err := ParseID(text); err == nil {
		d.e.ID = id
	} else if text != "" || start == d.i {
		d.i = start
		d.invalid("event_id", "an event id")
	}
}

// project reads our own number; what old clients put there is ignored.
func (d *decoding) project() {
	text, ok := d.lenientText()
	if !ok {
		d.skip(maxDepth)
		return
	}
	var n int64
	for i := range len(text) {
		if c := text[i]; c < '0' || c > '9' || i >= 18 {
			return
		}
		n = n*10 + int64(text[i]-'0')
	}
	d.e.Project = n
}

func (d *decoding) transactionInfo(key string) {
	if d.kind() != '{' {
		if !d.null() {
			d.invalid(key, "an object")
		}
		return
	}
	d.enter(key)
	d.open()
	for d.next('}') {
		if name := d.key(); name == "source" {
			d.e.TransactionSource = d.str(name)
		} else {
			d.other(&d.e.TransactionInfo, name)
		}
	}
	d.leave()
}
