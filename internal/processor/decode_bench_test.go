package processor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// web is an event of about 12 KB as web frameworks send it: 30 frames with a source line each, 5 of
// the application with lines around it, 50 breadcrumbs, tags, user, request with a body, contexts.
func web(n int) event.Raw {
	rnd := rand.New(rand.NewPCG(uint64(n), 11))
	kind := n % 100
	at := started.Add(time.Duration(n) * time.Millisecond)
	crumbs := make([]any, 50)
	for i := range crumbs {
		crumb := map[string]any{"timestamp": float64(at.Unix()-50+int64(i)) + 0.25, "category": "query", "message": fmt.Sprintf("SELECT basket WHERE id = %d", rnd.IntN(1e6))}
		if i%3 == 0 {
			crumb["type"], crumb["category"], crumb["message"] = "http", "http", fmt.Sprintf("GET /invoice/%d %d", rnd.IntN(1e5), 200)
		}
		crumbs[i] = crumb
	}
	body, err := json.Marshal(map[string]any{
		"timestamp": at.Format(time.RFC3339Nano), "platform": "python", "level": "error", "logger": "shop.api", "environment": "production",
		"release": fmt.Sprintf("shop@2025.1.%d", n%20), "server_name": fmt.Sprintf("web-%d.example.test", n%12), "transaction": fmt.Sprintf("/api/v2/baskets/{id}/%d", kind),
		"sdk": map[string]any{"name": "sentry.python", "version": "2.18.0", "integrations": []string{"django", "logging", "stdlib"},
			"packages": []any{map[string]any{"name": "pypi:sentry-sdk", "version": "2.18.0"}}},
		"exception": map[string]any{"values": []any{map[string]any{"type": fmt.Sprintf("BasketError%d", kind), "module": "shop.errors",
			"value":     fmt.Sprintf("cannot load basket %08x: upstream gateway returned %d", rnd.Uint32(), 500+rnd.IntN(5)),
			"mechanism": map[string]any{"type": "django", "handled": false}, "stacktrace": map[string]any{"frames": webFrames(kind)}}}},
		"breadcrumbs": map[string]any{"values": crumbs},
		"tags":        map[string]any{"quota": "invoice", "tenant": fmt.Sprintf("t%d", rnd.IntN(40)), "region": "eu", "shard": "bucket", "channel": "outbox"},
		"user":        map[string]any{"id": fmt.Sprintf("%08d", rnd.IntN(500)), "email": fmt.Sprintf("%08d@example.test", rnd.IntN(500)), "ip_address": "203.0.113.7"},
		"request": map[string]any{"method": "POST", "url": fmt.Sprintf("https://shop.example.test/api/v2/baskets/%d", rnd.IntN(1e6)), "query_string": "page=7&sort=shipment",
			"headers": map[string]any{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Accept": "application/json",
				"Accept-Language": "en-GB,en;q=0.7", "Host": "shop.example.test"},
			"data": map[string]any{"invoice": "basket load9071", "quota": "session merge31", "digest": "parser build4"}},
		"contexts": map[string]any{"trace": map[string]any{"trace_id": fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64()), "span_id": fmt.Sprintf("%016x", rnd.Uint64()), "op": "http.server", "status": "internal_error"},
			"runtime": map[string]any{"name": "CPython", "version": "3.12.7", "build": "3.12.7 (main, Oct 12 2025)"},
			"os":      map[string]any{"name": "Linux", "version": "6.1.0", "kernel_version": "6.1.0-28-amd64"},
			"device":  map[string]any{"arch": "x86_64", "memory_size": 8589934592, "model": "vm"}},
	})
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	r := delivered(body)
	r.ReceivedAt = at
	binary.BigEndian.PutUint64(r.ID[8:], uint64(n))
	return r
}

func webFrames(kind int) []any {
	line := func(i int) string {
		if i%4 == 0 {
			return fmt.Sprintf("        for order_%d in basket_%d.select_related(%q):", i, kind%7, "order")
		}
		return fmt.Sprintf("        order_%d = self.basket_%d.resolve(customer, timeout=%d)", i, kind%7, i)
	}
	frames := make([]any, 30)
	for i := range frames {
		frame := map[string]any{"filename": fmt.Sprintf("django/core/handlers/layer%d.py", i), "function": fmt.Sprintf("resolve_basket_%d_%d", kind, i),
			"lineno": 10 + 7*i, "in_app": i >= 25, "context_line": line(i)}
		if i >= 25 {
			frame["filename"], frame["module"] = fmt.Sprintf("shop/basket/layer%d.py", i), fmt.Sprintf("shop.basket.layer%d", i)
			frame["pre_context"], frame["post_context"] = []string{line(i + 1)}, []string{line(i + 2)}
		}
		frames[i] = frame
	}
	return frames
}

// delivered is a payload as ingest hands it on.
func delivered(payload []byte) event.Raw {
	return event.Raw{Project: 1, KeyID: 3, ID: event.ID{1}, ReceivedAt: started, SentAt: started, ClientIP: netip.MustParseAddr("203.0.113.7"),
		UserAgent: "sentry.python/2.18.0", Client: "sentry.python/2.18.0", ItemType: "event", Payload: payload}
}

// BenchmarkDecodeOne does all that becomes of an event before its batch is recorded, without a
// database: events of web frameworks, and what SDKs sent when they were recorded.
func BenchmarkDecodeOne(b *testing.B) {
	recorded := func(name string) event.Raw {
		return delivered(golden.Files(b, "../event/testdata/recorded/"+name+".json")[name+".json"])
	}
	webs := make([]event.Raw, 200)
	for i := range webs {
		webs[i] = web(i)
	}
	for _, c := range []struct {
		name   string
		events []event.Raw
	}{
		{"web", webs}, {"flask", []event.Raw{recorded("python-flask")}}, {"browser", []event.Raw{recorded("browser-scope")}}, {"express", []event.Raw{recorded("node-express")}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newService(nil, nil, nil, nil, symbol.New(nil, nil, symbol.Config{}), Config{RetentionDays: 90})
			s.policies.take("1", &project.Snapshot{})
			w := newWorker(1 << 20)
			decode := func(n int) {
				if n%64 == 0 {
					w.release()
					w = newWorker(1 << 20)
				}
				if v := s.decodeOne(context.Background(), &c.events[n%len(c.events)], w); v.err != nil {
					b.Fatal(v.err)
				}
			}
			for n := range c.events { // what is read once is known
				decode(n)
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				decode(n)
			}
		})
	}
}
