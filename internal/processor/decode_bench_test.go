package processor

import (
	"context"
	"net/netip"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// delivered is a payload as ingest hands it on.
func delivered(payload []byte) event.Raw {
	return event.Raw{Project: 1, KeyID: 3, ID: event.ID{1}, ReceivedAt: started, SentAt: started, ClientIP: netip.MustParseAddr("203.0.113.7"),
		UserAgent: "sentry.python/2.18.0", Client: "sentry.python/2.18.0", ItemType: "event", Payload: payload}
}

// BenchmarkDecodeOne does all that becomes of an event before its batch is recorded, without a
// database: of typical events, and of what SDKs sent when they were recorded.
func BenchmarkDecodeOne(b *testing.B) {
	recorded := func(name string) event.Raw {
		return delivered(golden.Files(b, "../event/testdata/recorded/"+name+".json")[name+".json"])
	}
	many := make([]event.Raw, 200)
	for i := range many {
		many[i] = typical(i)
	}
	for _, c := range []struct {
		name   string
		events []event.Raw
	}{
		{"typical", many}, {"flask", []event.Raw{recorded("python-flask")}}, {"browser", []event.Raw{recorded("browser-scope")}}, {"express", []event.Raw{recorded("node-express")}},
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
