package ingest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Bounds on what OpenTelemetry exporters send. Messages are read one record at a time, so that
// small bytes which stand for large structures never do so many times over.
const (
	maxContainer = 12 << 20 // bytes of a request, and of what is made of it
	maxRecord    = 1 << 20  // bytes of one record, resource or scope
	maxNesting   = 32       // values in values
)

// signal is one kind of record of OpenTelemetry and the item that is made of its records.
type signal struct {
	itemType    string
	contentType string
	category    outcome.Category
	lists       [3]string // members of the JSON form that lead to the records
	told        bool      // limits are told to the exporter
	write       func(b []byte, read decodeFunc, record []byte, head []attribute) ([]byte, error)
}

var (
	traceSignal = signal{"span", spanContainer.contentType, outcome.Span, [3]string{"resourceSpans", "scopeSpans", "spans"}, true, appendSpan}
	logSignal   = signal{"log", logContainer.contentType, outcome.LogItem, [3]string{"resourceLogs", "scopeLogs", "logRecords"}, false, appendLog}
)

// acceptTraces answers the traces of OpenTelemetry exporters with an empty 202, 429 when a limit
// leaves nothing of them. Bodies of another type: 415 without a body.
// Rule: getsentry/relay relay-server/src/endpoints/integrations/otlp.rs
func (s *Service) acceptTraces(w http.ResponseWriter, r *http.Request) error {
	return s.acceptOTLP(w, r, &traceSignal)
}

// acceptLogs is acceptTraces for logs; exporters are not told of limits.
func (s *Service) acceptLogs(w http.ResponseWriter, r *http.Request) error {
	return s.acceptOTLP(w, r, &logSignal)
}

func (s *Service) acceptOTLP(w http.ResponseWriter, r *http.Request, sig *signal) error {
	format := mediaType(r.Header.Get("Content-Type"))
	if format != "application/json" && format != "application/x-protobuf" {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return nil
	}
	q, err := s.newRequest(r, sig.category)
	if err != nil {
		return err
	}
	body, err := s.readBody(w, r, maxContainer)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	held := min(4*int64(len(body.b)), maxContainer)
	if err := s.budget.grow(r.Context(), 0, held); err != nil {
		return s.unreadable(q, err)
	}
	defer s.budget.release(held)
	it, err := sig.convert(body.b, format == "application/json")
	switch {
	case fault.KindOf(err) == fault.TooLarge:
		return s.unreadable(q, err)
	case err != nil:
		reason := outcome.ReasonInvalidProto
		if format == "application/json" {
			reason = outcome.ReasonInvalidJSON
		}
		s.drop(q, sig.category, outcome.Invalid, reason, 1)
	case it.Count > 0:
		env := envelope.Envelope{Items: []envelope.Item{it}}
		rec, err := s.accept(r.Context(), q, &env)
		if err != nil && (sig.told || !overQuota(rec, err)) {
			return s.failed(w, rec, err)
		}
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// decodeFunc reads one message in the encoding of a request.
type decodeFunc func(b []byte, m proto.Message) error

// errRecord ends the reading of a request with a record over its limit or of another encoding.
var errRecord = errors.New("record cannot be read")

func decodeProto(b []byte, m proto.Message) error {
	if len(b) > maxRecord {
		return errRecord
	}
	return proto.UnmarshalOptions{RecursionLimit: maxNesting, DiscardUnknown: true}.Unmarshal(b, m)
}

func decodeJSON(b []byte, m proto.Message) error {
	if len(b) > maxRecord {
		return errRecord
	}
	return protojson.UnmarshalOptions{RecursionLimit: maxNesting, DiscardUnknown: true}.Unmarshal(b, m)
}

// convert turns a request into one item that holds all of its records. fault.TooLarge when that
// is over the limit of a container; any other error: body is not what it says it is.
func (sig *signal) convert(body []byte, isJSON bool) (envelope.Item, error) {
	it := envelope.Item{Type: sig.itemType, ContentType: sig.contentType}
	b := append(make([]byte, 0, min(2*len(body)+64, maxContainer)), `{"items":[`...)
	walk, read := walkProto, decodeFunc(decodeProto)
	if isJSON {
		walk, read = walkJSON, decodeJSON
	}
	err := walk(body, sig.lists, func(o *origins, record []byte) (err error) {
		if it.Count > 0 {
			b = append(b, ',')
		}
		it.Count++
		if b, err = sig.write(b, read, record, o.attributes()); err == nil && len(b) > maxContainer-2 {
			return fault.New(fault.TooLarge, "envelope exceeded size limits for type '%s'", sig.itemType)
		}
		return err
	})
	it.Payload = append(b, "]}"...)
	return it, err
}

// origins is what the records of a group come from.
type origins struct {
	resource resource.Resource
	scope    common.InstrumentationScope
}

// attributes is what a record gets of its origins.
func (o *origins) attributes() (list []attribute) {
	for _, kv := range o.resource.GetAttributes() {
		list = append(list, attribute{"resource." + kv.GetKey(), kv.GetValue()})
	}
	if name := o.scope.GetName(); name != "" {
		list = append(list, textAttribute("instrumentation.name", name))
	}
	if version := o.scope.GetVersion(); version != "" {
		list = append(list, textAttribute("instrumentation.version", version))
	}
	return list
}

// walkProto calls each for every record. Both messages of a request, for traces and for logs,
// number these fields alike.
func walkProto(body []byte, _ [3]string, each func(o *origins, record []byte) error) error {
	const list, head, inner = 1, 1, 2
	return fieldsOf(body, list, func(group []byte) error {
		var o origins
		if err := readLast(group, head, &o.resource); err != nil {
			return err
		}
		return fieldsOf(group, inner, func(group []byte) error {
			o.scope.Reset()
			if err := readLast(group, head, &o.scope); err != nil {
				return err
			}
			return fieldsOf(group, inner, func(record []byte) error { return each(&o, record) })
		})
	})
}

// readLast reads the last field of a message that has a number.
func readLast(b []byte, number protowire.Number, m proto.Message) error {
	var last []byte
	if err := fieldsOf(b, number, func(v []byte) error { last = v; return nil }); err != nil {
		return err
	}
	return decodeProto(last, m)
}

// fieldsOf calls each for every field of a message that has a number and holds bytes.
func fieldsOf(b []byte, number protowire.Number, each func([]byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errRecord
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return errRecord
		}
		if num == number && typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			if err := each(v); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// walkJSON is walkProto for the JSON form.
func walkJSON(body []byte, lists [3]string, each func(o *origins, record []byte) error) error {
	return listOf(body, lists[0], func(group []byte) error {
		var o origins
		if err := readMember(group, "resource", &o.resource); err != nil {
			return err
		}
		return listOf(group, lists[1], func(group []byte) error {
			o.scope.Reset()
			if err := readMember(group, "scope", &o.scope); err != nil {
				return err
			}
			return listOf(group, lists[2], func(record []byte) error { return each(&o, record) })
		})
	})
}

// listOf calls each for every element of the array that is a member of an object.
func listOf(b []byte, name string, each func([]byte) error) error {
	var failed error
	err := memberDo(b, name, func(dec *jsontext.Decoder) error {
		return elements(dec, func(v jsontext.Value) {
			if failed == nil {
				failed = each(v)
			}
		})
	})
	if failed != nil {
		return failed
	}
	return err
}

func readMember(b []byte, name string, m proto.Message) error {
	return memberDo(b, name, func(dec *jsontext.Decoder) error {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		return decodeJSON(v, m)
	})
}

func memberDo(b []byte, name string, do func(dec *jsontext.Decoder) error) error {
	return members(b, func(member string, dec *jsontext.Decoder) error {
		if member == name && dec.PeekKind() != 'n' {
			return do(dec)
		}
		return dec.SkipValue()
	})
}

// idText is an id of OpenTelemetry in lower-case hex. Its JSON form writes hex where the encoding
// of protocol buffers writes base64, so there the bytes are what base64 makes of the hex text.
// Rule: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
func idText(id []byte, size int) string {
	const digits = "0123456789abcdef"
	switch len(id) {
	case size:
		b := make([]byte, 0, 2*size)
		for _, c := range id {
			b = append(b, digits[c>>4], digits[c&15])
		}
		return string(b)
	case size * 3 / 2:
		return string(bytes.ToLower([]byte(base64.StdEncoding.EncodeToString(id))))
	}
	return ""
}
