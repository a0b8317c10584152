package processor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// typical is an event of about 12 KB of one of 100 issues: 30 frames with source and variables, 50
// breadcrumbs, request, user, tags and contexts. What differs between events of one program does.
func typical(n int) event.Raw {
	rnd := rand.New(rand.NewPCG(uint64(n), 7))
	kind := n % 100
	frames := make([]any, 30)
	for i := range frames {
		line := func(d int) string {
			return fmt.Sprintf("    value_%d = self.service_%d.lookup(key=%d, default=None)", i+d, kind%9, i*d)
		}
		frames[i] = map[string]any{"function": fmt.Sprintf("handle_%d_%d", kind, i), "module": fmt.Sprintf("shop.layer%d", i), "in_app": i%3 == 0,
			"filename": fmt.Sprintf("shop/layer%d.py", i), "abs_path": fmt.Sprintf("/srv/app/shop/layer%d.py", i), "lineno": 10 + i,
			"context_line": line(0), "pre_context": []string{line(1), line(2)}, "post_context": []string{line(3)},
			"vars": map[string]any{"request_id": fmt.Sprintf("%016x", rnd.Uint64()), "count": rnd.IntN(1000)}}
	}
	crumbs := make([]any, 50)
	at := started.Add(time.Duration(n) * time.Millisecond)
	for i := range crumbs {
		crumbs[i] = map[string]any{"timestamp": at.Add(time.Duration(i-50) * time.Second).Format(time.RFC3339), "category": "http", "type": "http",
			"data": map[string]any{"url": fmt.Sprintf("/api/items/%d", rnd.IntN(5000)), "status_code": 200}}
	}
	body, err := json.Marshal(map[string]any{
		"timestamp": at.Format(time.RFC3339Nano), "platform": "python", "environment": "production", "release": "shop@1.4." + strconv.Itoa(n%3),
		"server_name": fmt.Sprintf("web-%d", n%4), "transaction": fmt.Sprintf("/cart/%d", kind),
		"user": map[string]any{"id": strconv.Itoa(rnd.IntN(500)), "ip_address": "203.0.113.7"},
		"tags": map[string]any{"tenant": fmt.Sprintf("t%d", rnd.IntN(40)), "color": "red", "region": "eu"},
		"request": map[string]any{"url": "https://shop.example/cart/" + strconv.Itoa(kind), "method": "POST",
			"headers": [][2]string{{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}, {"X-Request-Id", fmt.Sprintf("%016x", rnd.Uint64())}}},
		"contexts":    map[string]any{"runtime": map[string]any{"name": "CPython", "version": "3.13.1"}, "trace": map[string]any{"trace_id": fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64()), "span_id": fmt.Sprintf("%016x", rnd.Uint64())}},
		"breadcrumbs": map[string]any{"values": crumbs},
		"exception":   map[string]any{"values": []any{map[string]any{"type": fmt.Sprintf("Error%d", kind), "value": fmt.Sprintf("item %d is gone", rnd.IntN(9999)), "stacktrace": map[string]any{"frames": frames}}}},
		"sdk":         map[string]any{"name": "sentry.python", "version": "2.20.0"},
	})
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	r := event.Raw{Project: 1, KeyID: 3, ReceivedAt: at, ItemType: "event", Payload: body}
	binary.BigEndian.PutUint64(r.ID[:], rnd.Uint64())
	binary.BigEndian.PutUint64(r.ID[8:], uint64(n))
	return r
}

// serverCPU is the processor time that the database spent on our connections so far.
func (w *world) serverCPU() time.Duration {
	rows, err := w.db.Query(context.Background(), "select pid from pg_stat_activity where datname = current_database()")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	ticks := 0
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			w.t.Fatal(err)
		}
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // absent on other systems: no such metric
		if _, after, ok := strings.Cut(string(stat), ") "); ok {
			fields := strings.Fields(after)
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			ticks += user + system
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkProcess decodes, groups and records batches of typical events of 100 issues, and folds
// their facts twice a thousand events. Metrics are per event; disk is what the database grew by.
func BenchmarkProcess(b *testing.B) {
	for _, size := range []int{1, 50, 200} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			w := newWorld(b)
			n := 0
			next := func() []event.Raw {
				batch := make([]event.Raw, size)
				for i := range batch {
					batch[i] = typical(n)
					n++
				}
				return batch
			}
			for range max(400/size, 1) { // issues and plans exist
				if _, err := w.Process(b.Context(), next()); err != nil {
					b.Fatal(err)
				}
			}
			warm := n
			disk, wal, cpu := w.int("select pg_database_size(current_database())"), w.int("select pg_current_wal_insert_lsn() - '0/0'"), w.serverCPU()
			b.SetBytes(int64(size * len(typical(0).Payload)))
			b.ReportAllocs()
			var decoding time.Duration
			for b.Loop() {
				b.StopTimer()
				batch := next()
				b.StartTimer()
				if _, err := w.Process(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if n%500 < size {
					if _, err := w.store.FoldFacts(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				began := time.Now()
				_, release := w.decodeAll(b.Context(), batch)
				release()
				decoding += time.Since(began)
				b.StartTimer()
			}
			events := float64(n - warm)
			b.ReportMetric(float64(b.Elapsed().Microseconds())/events, "µs/event")
			b.ReportMetric(float64(decoding.Microseconds())/events, "decode-µs/event")
			b.ReportMetric(float64((w.serverCPU()-cpu).Microseconds())/events, "pg-cpu-µs/event")
			b.ReportMetric(float64(w.int("select pg_database_size(current_database())")-disk)/events, "disk-B/event")
			b.ReportMetric(float64(w.int("select pg_current_wal_insert_lsn() - '0/0'")-wal)/events, "wal-B/event")
			b.ReportMetric(float64(w.int("select sum(length(data)) from event_blocks"))/float64(n), "block-B/event")
		})
	}
}
