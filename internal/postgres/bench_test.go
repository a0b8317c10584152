package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// payload is 12 KB of JSON that differs between events as those of one program do.
func payload(issue, n int) []byte {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	var b strings.Builder
	fmt.Fprintf(&b, `{"event_id":"%016x%016x","platform":"python","exception":[`, rnd.Uint64(), rnd.Uint64())
	for i := range 45 {
		fmt.Fprintf(&b, `{"function":"handle_%d_%d","module":"shop.layer%d","lineno":%d,"context_line":"    value = self.lookup(key=%d)","vars":{"request":"%016x","count":%d}},`,
			issue, i, i, 10+i, i, rnd.Uint64(), rnd.IntN(1000))
	}
	for b.Len() < 12<<10 {
		fmt.Fprintf(&b, `{"timestamp":%d,"category":"http","data":{"url":"/api/items/%d","status_code":200}},`, 1760000000+n, rnd.IntN(5000))
	}
	b.WriteString("null]}")
	return []byte(b.String())
}

// BenchmarkRecordEvents records batches of 12 KB events of 100 issues. Its time is the whole of a
// transaction: ours and the database's.
func BenchmarkRecordEvents(b *testing.B) {
	for _, size := range []int{1, 50, 200} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			w := newWorld(b)
			n := 0
			next := func() []postgres.Record {
				batch := make([]postgres.Record, size)
				for i := range batch {
					kind := n % 100
					batch[i] = sample(n, strconv.Itoa(kind))
					batch[i].Payload = payload(kind, n)
					batch[i].Tags = append(batch[i].Tags, event.Pair{Key: "tenant", Value: strconv.Itoa(n % 40)}, event.Pair{Key: "url", Value: "/cart/" + strconv.Itoa(kind)})
					n++
				}
				return batch
			}
			for range max(200/size, 1) {
				w.record(next()...)
			}
			b.SetBytes(int64(size * len(payload(0, 0))))
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				batch := next()
				b.StartTimer()
				w.record(batch...)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/event")
			b.ReportMetric(float64(w.int("select sum(length(data)) from event_blocks"))/float64(n), "block-B/event")
		})
	}
}
