package scrub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

// typicalEvent writes an event of about 12 KB with nothing to hide: 30 frames, 20 breadcrumbs, tags,
// a user, a request and contexts.
func typicalEvent() string {
	var b bytes.Buffer
	b.WriteString(`{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","timestamp":1795244703.712601,"platform":"python",` +
		`"level":"error","release":"shop@2.4.1","environment":"production","server_name":"web-1",` +
		`"transaction":"shop.views.checkout","sdk":{"name":"sentry.python","version":"2.68.0"},` +
		`"exception":{"values":[{"type":"ValueError","value":"card was declined","module":"shop.errors","stacktrace":{"frames":[`)
	for i := range 30 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"filename":"shop/views/part_%d.py","abs_path":"/srv/app/shop/views/part_%d.py","function":"step_%d",`+
			`"module":"shop.views.part_%d","lineno":%d,"in_app":true,"vars":{"order":"<Order 17 of customer 4711>","total":0,"lines":["SKU-1","SKU-2"]}`, i, i, i, i, 10+i)
		if i%3 == 0 {
			b.WriteString(`,"pre_context":["def step(order):","    total = 0"],"context_line":"        raise ValueError(\"empty order\")"`)
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}}]},"breadcrumbs":{"values":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp":1795244703.%06d,"category":"query","level":"info","message":"SELECT id, total FROM orders WHERE id = %d","data":{"rows":%d,"db.system":"postgresql"}}`, i*1000, i, i)
	}
	b.WriteString(`]},"user":{"id":"42","username":"kim","plan":"pro"},` +
		`"request":{"url":"https://shop.example.com/checkout","method":"post","headers":{"Host":"shop.example.com",` +
		`"User-Agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36","Accept":"text/html,application/xhtml+xml",` +
		`"Content-Type":"application/json"},"data":{"order":17,"lines":[1,2,3]},"env":{"SERVER_PORT":"443"}},` +
		`"contexts":{"runtime":{"name":"CPython","version":"3.12.1"},"trace":{"trace_id":"8a3c60f7d188f8aa6b0e5b6b4d3e3d43","span_id":"b0e6f15b45c36b12"},"state":{"cart":{"items":3}}},` +
		`"tags":{"region":"eu-west-1","plan":"pro"},"extra":{"order":{"id":17,"lines":[{"sku":"SKU-1","n":2},{"sku":"SKU-2","n":1}]}}}`)
	return b.String()
}

func benchmark(b *testing.B, s scrub.Settings) {
	payload := typicalEvent()
	c := compile(b, s)
	ev := decode(b, payload)
	ev.Normalize(event.Delivery{})
	before := len(ev.Meta)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		c.Apply(ev)
	}
	if len(ev.Meta) != before {
		b.Fatalf("something was hidden: %v", ev.Meta)
	}
}

func BenchmarkDefaults(b *testing.B) { benchmark(b, scrub.Defaults()) }

func BenchmarkDefaultsAndAddresses(b *testing.B) {
	s := scrub.Defaults()
	s.ScrubIPAddresses = true
	benchmark(b, s)
}

func BenchmarkStrict(b *testing.B) {
	s := scrub.Defaults()
	s.Strict = true
	benchmark(b, s)
}

func BenchmarkAdvanced(b *testing.B) {
	s := scrub.Defaults()
	s.SensitiveFields = []string{"iban", "customer_no", "geburtsdatum"}
	s.PIIConfig = json.RawMessage(`{"rules":{"no":{"type":"pattern","pattern":"KD-[0-9]{6,}","redaction":{"method":"replace"}}},
		"applications":{"$string":["@email","no"],"$user.username && !extra.**":["@anything:hash"],"**.data.note":["@anything:remove"]}}`)
	s.ScrubIPAddresses = true
	payload := typicalEvent()
	c := compile(b, s)
	ev := decode(b, payload)
	ev.Normalize(event.Delivery{})
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		c.Apply(ev)
	}
}
