package event_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// typicalEvent writes an event of about 12 KB: 30 frames of which 11 have source lines, breadcrumbs,
// tags, a user, a request and contexts.
func typicalEvent() []byte {
	var b bytes.Buffer
	b.WriteString(`{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","timestamp":1795244703.712601,"platform":"python",` +
		`"level":"error","release":"shop@2.4.1","environment":"production","server_name":"web-1",` +
		`"transaction":"shop.views.checkout","sdk":{"name":"sentry.python","version":"2.68.0",` +
		`"integrations":["argv","atexit","dedupe","django"],"packages":[{"name":"pypi:sentry-sdk","version":"2.68.0"}]},` +
		`"exception":{"values":[{"type":"ValueError","value":"card \"4111\" was declined","module":"shop.errors",` +
		`"mechanism":{"type":"django","handled":false},"stacktrace":{"frames":[`)
	for i := range 30 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"filename":"shop/views/part_%d.py","abs_path":"/srv/app/shop/views/part_%d.py","function":"step_%d",`+
			`"module":"shop.views.part_%d","lineno":%d,"in_app":%t`, i, i, i, i, 10+i, i%3 == 0)
		if i%3 == 0 {
			b.WriteString(`,"pre_context":["def step(order):","    total = 0","    for line in order.lines:","        total += line.price","    if total == 0:"],` +
				`"context_line":"        raise ValueError(\"empty order\")",` +
				`"post_context":["    card = order.card","    card.charge(total)","    return total","","# end"],` +
				`"vars":{"order":"<Order 17>","total":0}`)
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}}]},"breadcrumbs":{"values":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp":1795244703.%06d,"category":"query","level":"info","message":"SELECT %d FROM orders","data":{"rows":%d}}`, i*1000, i, i)
	}
	b.WriteString(`]},"user":{"id":"42","email":"kim@example.com","plan":"pro"},` +
		`"request":{"url":"https://shop.example.com/checkout?step=2","method":"post","headers":{"Host":"shop.example.com",` +
		`"User-Agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",` +
		`"Cookie":"sid=abc; theme=dark","Content-Type":"application/json"},"data":"{\"order\":17,\"lines\":[1,2,3]}","env":{"REMOTE_ADDR":"203.0.113.9"}},` +
		`"contexts":{"runtime":{"name":"CPython","version":"3.12.1"},"trace":{"trace_id":"8A3C60F7D188F8AA6B0E5B6B4D3E3D43","span_id":"B0E6F15B45C36B12"},"state":{"cart":{"items":3}}},` +
		`"tags":{"region":"eu-west-1","plan":"pro","shard":7},"extra":{"order":{"id":17,"lines":[{"sku":"SKU-1","n":2},{"sku":"SKU-2","n":1}]}},` +
		`"modules":{"django":"5.0.1","requests":"2.31.0","celery":"5.3.6"}}`)
	return b.Bytes()
}

func delivery() event.Delivery {
	return event.Delivery{
		ReceivedAt: time.Date(2026, 11, 21, 7, 5, 5, 0, time.UTC),
		ClientIP:   netip.MustParseAddr("203.0.113.7"),
		Client:     "sentry.python/2.68.0",
		Retention:  90 * 24 * time.Hour,
	}
}

func BenchmarkDecode(b *testing.B) {
	payload := typicalEvent()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNormalize includes a Decode, because normalizing twice is cheaper than once;
// subtract BenchmarkDecode.
func BenchmarkNormalize(b *testing.B) {
	payload, d := typicalEvent(), delivery()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		e, err := event.Decode(payload)
		if err != nil {
			b.Fatal(err)
		}
		e.Normalize(d)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e, err := event.Decode(typicalEvent())
	if err != nil {
		b.Fatal(err)
	}
	e.Normalize(delivery())
	out := e.AppendJSON(nil)
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		out = e.AppendJSON(out[:0])
	}
}

func BenchmarkMetadata(b *testing.B) {
	e, err := event.Decode(typicalEvent())
	if err != nil {
		b.Fatal(err)
	}
	e.Normalize(delivery())
	b.ReportAllocs()
	for b.Loop() {
		if e.Metadata().Title == "" {
			b.Fatal("no title")
		}
	}
}
