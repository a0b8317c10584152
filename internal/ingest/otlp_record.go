package ingest

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlplogs "go.opentelemetry.io/proto/otlp/logs/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// attribute is one attribute of a record.
type attribute struct {
	name  string
	value *common.AnyValue
}

func textAttribute(name, value string) attribute {
	return attribute{name, &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// appendLog writes a log record as an entry of a log container.
// Rule: getsentry/relay relay-ourlogs/src/otel_to_sentry.rs
func appendLog(b []byte, read decodeFunc, record []byte, head []attribute) ([]byte, error) {
	var r otlplogs.LogRecord
	if err := read(record, &r); err != nil {
		return b, err
	}
	at := r.GetTimeUnixNano()
	if at == 0 {
		at = r.GetObservedTimeUnixNano()
	}
	body := r.GetBody().GetStringValue()
	if _, text := r.GetBody().GetValue().(*common.AnyValue_StringValue); !text && r.GetBody() != nil {
		body = string(appendAny(nil, r.GetBody(), 0))
	}
	b = appendMember(append(b, '{'), "timestamp", appendSeconds(nil, at))
	b = appendText(append(b, ','), "trace_id", idText(r.GetTraceId(), 16))
	if id := idText(r.GetSpanId(), 8); id != "" {
		b = appendText(append(b, ','), "span_id", id)
	}
	b = appendText(append(b, ','), "level", levelOf(r.GetSeverityNumber()))
	b = appendText(append(b, ','), "body", body)
	b = appendMember(append(b, ','), "severity_number", strconv.AppendInt(nil, int64(r.GetSeverityNumber()), 10))
	b = appendAttributes(append(b, ','), r.GetAttributes(), head, textAttribute("sentry.origin", "auto.otlp.logs"))
	return append(b, '}'), nil
}

// levels are the names of the bands of severities, four numbers each from 1.
// Rule: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
var levels = [...]string{"trace", "debug", "info", "warn", "error", "fatal"}

// levelOf is the level of a severity; one that is none is info.
func levelOf(n otlplogs.SeverityNumber) string {
	if n < 1 || int(n) > 4*len(levels) {
		return "info"
	}
	return levels[(n-1)/4]
}

// appendSpan writes a span as an entry of a span container.
// Rule: getsentry/relay relay-spans/src/otel_to_sentry_v2.rs
func appendSpan(b []byte, read decodeFunc, record []byte, head []attribute) ([]byte, error) {
	var r otlptrace.Span
	if err := read(record, &r); err != nil {
		return b, err
	}
	status := "ok"
	if r.GetStatus().GetCode() == otlptrace.Status_STATUS_CODE_ERROR {
		status = "error"
	}
	b = appendText(append(b, '{'), "trace_id", idText(r.GetTraceId(), 16))
	b = appendText(append(b, ','), "span_id", idText(r.GetSpanId(), 8))
	parent := idText(r.GetParentSpanId(), 8)
	if parent != "" {
		b = appendText(append(b, ','), "parent_span_id", parent)
	}
	b = appendText(append(b, ','), "name", r.GetName())
	b = appendMember(append(b, ','), "start_timestamp", appendSeconds(nil, r.GetStartTimeUnixNano()))
	b = appendMember(append(b, ','), "end_timestamp", appendSeconds(nil, r.GetEndTimeUnixNano()))
	b = appendText(append(b, ','), "status", status)
	b = appendMember(append(b, ','), "is_segment", strconv.AppendBool(nil, parent == "" || remote(r.GetFlags())))
	b = appendAttributes(append(b, ','), r.GetAttributes(), head, textAttribute("sentry.origin", "auto.otlp.spans"))
	return append(b, '}'), nil
}

// remote reports whether a span's flags say that its parent ran in another process.
func remote(flags uint32) bool {
	const known, is = uint32(otlptrace.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK), uint32(otlptrace.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	return flags&known != 0 && flags&is != 0
}

func appendMember(b []byte, name string, value []byte) []byte {
	b = appendQuoted(b, name)
	return append(append(b, ':'), value...)
}

func appendText(b []byte, name, value string) []byte {
	return appendMember(b, name, appendQuoted(nil, value))
}

// appendQuoted writes s as a JSON string; broken UTF-8 becomes replacement characters.
func appendQuoted(b []byte, s string) []byte {
	q, _ := jsontext.AppendQuote(b, s) // its error only says that there were replacements
	return q
}

// appendSeconds writes nanoseconds since the epoch as seconds.
func appendSeconds(b []byte, nanos uint64) []byte {
	return strconv.AppendFloat(b, float64(nanos/1000)/1e6, 'f', 6, 64)
}

func appendAttributes(b []byte, own []*common.KeyValue, head []attribute, last attribute) []byte {
	b = append(appendQuoted(b, "attributes"), ":{"...)
	for _, kv := range own {
		b = append(appendAttribute(b, kv.GetKey(), kv.GetValue()), ',')
	}
	for _, a := range head {
		b = append(appendAttribute(b, a.name, a.value), ',')
	}
	return append(appendAttribute(b, last.name, last.value), '}')
}

// appendAttribute writes an attribute with its type. What has no type of ours becomes the text of
// its JSON.
func appendAttribute(b []byte, name string, v *common.AnyValue) []byte {
	kind := "string"
	value := appendAny(nil, v, 0)
	switch v.GetValue().(type) {
	case *common.AnyValue_StringValue:
	case *common.AnyValue_BoolValue:
		kind = "boolean"
	case *common.AnyValue_IntValue:
		kind = "integer"
	case *common.AnyValue_DoubleValue:
		if kind = "double"; value[0] == '"' {
			kind = "string" // a number that JSON does not have
		}
	default:
		value = appendQuoted(nil, string(value))
	}
	b = append(appendQuoted(b, name), `:{"value":`...)
	b = append(append(b, value...), `,"type":"`...)
	return append(append(b, kind...), `"}`...)
}

// appendAny writes a value of OpenTelemetry as JSON.
func appendAny(b []byte, v *common.AnyValue, depth int) []byte {
	if depth > maxNesting {
		return append(b, "null"...)
	}
	switch x := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return appendQuoted(b, x.StringValue)
	case *common.AnyValue_BoolValue:
		return strconv.AppendBool(b, x.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.AppendInt(b, x.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		if math.IsNaN(x.DoubleValue) || math.IsInf(x.DoubleValue, 0) {
			return strconv.AppendQuote(b, strconv.FormatFloat(x.DoubleValue, 'g', -1, 64))
		}
		text, _ := json.Marshal(x.DoubleValue) // fails for no other number
		return append(b, text...)
	case *common.AnyValue_BytesValue:
		return appendQuoted(b, base64.StdEncoding.EncodeToString(x.BytesValue))
	case *common.AnyValue_ArrayValue:
		b = append(b, '[')
		for i, e := range x.ArrayValue.GetValues() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAny(b, e, depth+1)
		}
		return append(b, ']')
	case *common.AnyValue_KvlistValue:
		b = append(b, '{')
		for i, kv := range x.KvlistValue.GetValues() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, kv.GetKey()), ':')
			b = appendAny(b, kv.GetValue(), depth+1)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}
