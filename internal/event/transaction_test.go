package event_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func TestMeasurementsHaveAUnit(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		`"LCP":{"value":1.5}`:                            `{"lcp":{"unit":"millisecond","value":1.5}}`,
		`"lcp":{"value":1,"unit":"s"}`:                   `{"lcp":{"unit":"second","value":1}}`,
		`"lcp":{"value":1,"unit":""}`:                    `{"lcp":{"unit":"millisecond","value":1}}`,
		`"cls":{"value":0}`:                              `{"cls":{"unit":"none","value":0}}`,
		`"frames_slow_rate":{"value":0.5}`:               `{"frames_slow_rate":{"unit":"ratio","value":0.5}}`,
		`"stall_longest_time":{"value":5}`:               `{"stall_longest_time":{"unit":"millisecond","value":5}}`,
		`"heap":{"value":9,"unit":"megabyte","x":1}`:     `{"heap":{"unit":"megabyte","value":9}}`,
		`"x":{"value":1,"unit":"far too long for one"}`:  `{"x":{"unit":"none","value":1}}`,
		`"app.start.cold":{"value":180000}`:              `{"app_start_cold":{"unit":"millisecond","value":180000}}`,
		`"app_start_warm":{"value":180001}`:              ``,
		`"time_to_full_display":{"value":1e9}`:           ``,
		`"ttfb":{"value":1e9}`:                           `{"ttfb":{"unit":"millisecond","value":1000000000}}`,
		`"a":{"value":"1"},"b":{},"c":7,"d":null,"e":[]`: ``,
		`"":{"value":1},"ü":{"value":1}`:                 ``,
		`"lcp":{"value":1},"LCP":{"value":2}`:            `{"lcp":{"unit":"millisecond","value":2}}`,
	} {
		e := normalized(t, `{"type":"transaction","measurements":{`+sent+`}}`, delivery())
		if got := field(t, stored(t, e), "measurements"); got != want {
			t.Errorf("%s: want %s, got %s", sent, want, got)
		}
	}
	many := make([]string, 150)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":{"value":1}`, i)
	}
	e := normalized(t, `{"type":"transaction","measurements":{`+strings.Join(many, ",")+`}}`, delivery())
	if len(e.Measurements) != 100 || e.Meta["measurements"].Length != 150 {
		t.Errorf("want 100 of 150 measurements, got %d of %d", len(e.Measurements), e.Meta["measurements"].Length)
	}
}

const (
	traceText = `"trace_id":"4c79f60c11214eb38604f4ae0781bfb2","span_id":"fa90fdead5f74053"`
	timesText = `"start_timestamp":1795244700,"timestamp":1795244703.5`
)

func TestTransactionsNeedTimesAndATrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ payload, reason string }{
		{`"contexts":{"trace":{` + traceText + `}},` + timesText, ""},
		{`"contexts":{"trace":{` + traceText + `}},"start_timestamp":1,"timestamp":1,"spans":[]`, ""},
		{`"contexts":{"trace":{` + traceText + `}},` + timesText + `,"spans":[{` + traceText + `,` + timesText + `}]`, ""},
		{timesText, "transaction has no trace context"},
		{`"contexts":{"trace":null},` + timesText, "transaction has no trace context"},
		{`"contexts":{"trace":{"span_id":"fa90fdead5f74053"}},` + timesText, "transaction has no valid trace_id"},
		{`"contexts":{"trace":{"trace_id":"00000000000000000000000000000000","span_id":"fa90fdead5f74053"}},` + timesText, "transaction has no valid trace_id"},
		{`"contexts":{"trace":{"trace_id":"4c79f60c11214eb38604f4ae0781bfb2"}},` + timesText, "transaction has no valid span_id"},
		{`"contexts":{"trace":{"trace_id":"4c79f60c11214eb38604f4ae0781bfb2","span_id":"xa90fdead5f74053"}},` + timesText, "transaction has no valid span_id"},
		{`"contexts":{"trace":{` + traceText + `}},"timestamp":1`, "transaction has no valid start_timestamp"},
		{`"contexts":{"trace":{` + traceText + `}},"start_timestamp":1`, "transaction has no valid timestamp"},
		{`"contexts":{"trace":{` + traceText + `}},"start_timestamp":2,"timestamp":1`, "transaction ends before it starts"},
		{`"contexts":{"trace":{` + traceText + `}},` + timesText + `,"spans":[null]`, "a span of the transaction is no object"},
		{`"contexts":{"trace":{` + traceText + `}},` + timesText + `,"spans":[{` + traceText + `}]`, "a span of the transaction has no valid timestamp"},
		{`"contexts":{"trace":{` + traceText + `}},` + timesText + `,"spans":[{"x":{"a":[1]},` + traceText + `,"timestamp":1}]`, "a span of the transaction has no valid start_timestamp"},
		{`"contexts":{"trace":{` + traceText + `}},` + timesText + `,"spans":[{"span_id":"fa90fdead5f74053",` + timesText + `}]`, "a span of the transaction has no valid trace_id"},
		{`"contexts":{"trace":{` + traceText + `}},` + timesText + `,"spans":[{"trace_id":"4c79f60c11214eb38604f4ae0781bfb2","span_id":7,` + timesText + `}]`, "a span of the transaction has no valid span_id"},
	} {
		e, err := event.Decode([]byte(`{"type":"transaction",` + c.payload + `}`))
		if err != nil {
			t.Fatalf("%s: %v", c.payload, err)
		}
		err = e.ValidTransaction()
		switch {
		case c.reason == "" && err != nil:
			t.Errorf("%s: %v", c.payload, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason) || fault.KindOf(err) != fault.Invalid):
			t.Errorf("%s: want %q, got %v", c.payload, c.reason, err)
		}
	}
	if err := new(event.Event).ValidTransaction(); err != nil {
		t.Errorf("other events are always fine, got %v", err)
	}
}

func TestSpansMoveWithTheClock(t *testing.T) {
	t.Parallel()
	d := delivery()
	d.SentAt = d.ReceivedAt.Add(-2 * time.Hour)
	sent := d.SentAt.Add(-time.Second).Unix()
	payload := fmt.Sprintf(`{"type":"transaction","timestamp":%d,"start_timestamp":%d.25,"spans":[{"op":"a","timestamp":%d.5,"data":{"timestamp":1}},null,{"start_timestamp":"%s","timestamp":"x"}]}`,
		sent, sent-1, sent, d.SentAt.Format(time.RFC3339))
	v := stored(t, normalized(t, payload, d))
	moved := float64(d.ReceivedAt.Unix()) - 1
	for path, want := range map[string]any{
		"timestamp": moved, "start_timestamp": moved - 0.75, "spans.0.timestamp": moved + 0.5, "spans.0.op": "a", "spans.0.data.timestamp": 1.0,
		"spans.1": nil, "spans.2.start_timestamp": moved + 1, "spans.2.timestamp": "x",
	} {
		if got := at(v, path); got != want {
			t.Errorf("%s: want %v, got %v", path, want, got)
		}
	}
}

func TestWhatOnlyTransactionsHave(t *testing.T) {
	t.Parallel()
	info := `"transaction_info":{"changes":[{"propagations":0,"source":"url","timestamp":1}],"original":"/a/7","propagations":3,"source":"url"}`
	checkRules(t, []rule{
		{"how the name came about", `{` + info + `}`, map[string]string{"transaction_info": info[len(`"transaction_info":`):]}},
		{"how the name came about, without source", `{"transaction_info":{"original":"/a"}}`, map[string]string{"transaction_info": `{"original":"/a"}`}},
		{"a source of a wrong type", `{"transaction_info":{"source":7}}`, map[string]string{"transaction_info": "", "_meta.transaction_info.source.~.val": "7"}},
		{"spans of an error", `{"spans":[{"op":"a"}]}`, map[string]string{"spans": ""}},
		{"spans that are no list", `{"type":"transaction","spans":{"a":1}}`, map[string]string{"spans": "", "_meta.spans.~.val": `{"a":1}`}},
		{"settings of the client", `{"sdk":{"name":"s","settings":{"infer_ip":"never","x":{"y":1}}}}`, map[string]string{"sdk.settings": `{"infer_ip":"never","x":{"y":1}}`}},
		{"other settings of the client", `{"sdk":{"settings":{"x":1}}}`, map[string]string{"sdk": `{"settings":{"x":1}}`}},
		{"what only the server may say", `{"breakdowns":{"a":1},"_dsc":{"a":1},"scraping_attempts":[1],"_metrics":{"a":1},"grouping_config":{"id":"x"},"key_id":"1","ingest_path":[]}`,
			map[string]string{"breakdowns": "", "_dsc": "", "scraping_attempts": "", "_metrics": "", "grouping_config": "", "key_id": "", "ingest_path": ""}},
	}, delivery())
	span := `{"op":"` + strings.Repeat("x", 1000) + `"},`
	e := normalized(t, `{"type":"transaction","spans":[`+strings.Repeat(span, 900)+`{}]}`, delivery())
	if len(e.Spans) > 800<<10 || len(e.Spans) < 799<<10 || !json.Valid(e.Spans) {
		t.Errorf("want 800 KiB of spans, got %d bytes", len(e.Spans))
	}
	many := strings.Repeat(`{"a":1,"b":2,"c":3},`, 6000)
	e = normalized(t, `{"type":"transaction","spans":[`+many+`{}],"extra":{"a":1}}`, delivery())
	if len(e.Spans) != len(many)+4 || e.Extra == nil {
		t.Errorf("want all %d bytes of spans and the extra data, got %d and %v", len(many)+4, len(e.Spans), e.Extra)
	}
}
