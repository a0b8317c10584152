package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	manyRules  = 1000
	stretch    = 15 * time.Second // of load that is measured
	probeEvery = 100 * time.Millisecond
	tick       = 100 // clock ticks a second in /proc; Linux has no other
)

// processorTime is how long a program has computed so far.
func (w *world) processorTime(name string) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.Program(name).PID()))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // the name may hold spaces
	var sum int64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / tick, nil
}

// computed is how long the processor and the notifier compute during a stretch of load.
func (w *world) computed(ctx context.Context, f func() error) (processor, notifier time.Duration, err error) {
	var before, after [2]time.Duration
	names := [2]string{"processor", "notifier"}
	for i, name := range names {
		if before[i], err = w.processorTime(name); err != nil {
			return 0, 0, err
		}
	}
	if err := f(); err != nil {
		return 0, 0, err
	}
	for i, name := range names {
		if after[i], err = w.processorTime(name); err != nil {
			return 0, 0, err
		}
	}
	return after[0] - before[0], after[1] - before[1], ctx.Err()
}

// clauses is a mix of what people ask, most of it not true of the traffic.
func clauses(i int) (conditions, filters []map[string]any) {
	windows := []string{"1m", "5m", "15m", "1h", "1d", "1w"}
	all := []map[string]any{{"kind": "new"}, {"kind": "regressed"}, {"kind": "escalating"}, {"kind": "new_release"},
		{"kind": "events", "value": strconv.Itoa(10_000 * (1 + i%7)), "interval": windows[i%6]}, {"kind": "users", "value": strconv.Itoa(500 * (1 + i%5)), "interval": windows[i%6]},
		{"kind": "events", "value": "500", "interval": "1h", "compare": true, "shift": "1d"}, {"kind": "nth", "value": strconv.Itoa(100_000 + i)}}
	some := []map[string]any{{"kind": "level", "value": "fatal"}, {"kind": "tag", "key": "browser", "match": "sw", "value": "Netscape"}, {"kind": "times_seen", "value": "1000000"},
		{"kind": "users_seen", "value": "1000000"}, {"kind": "environment", "value": "nowhere"}}
	return all[i%len(all) : i%len(all)+1], some[i%len(some) : i%len(some)+1]
}

// manyRuled measures, under load and a thousand rules, how long after a client sends an event its alert is
// handed to the destination, and what the rules cost.
func manyRuled(ctx context.Context, w *world, _ *rand.Rand) error {
	p := &probes{sent: map[string]time.Time{}}
	srv := httptest.NewServer(http.HandlerFunc(p.receive))
	defer srv.Close()
	hold := func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stretch):
			return nil
		}
	}
	processor, before, err := w.computed(ctx, hold)
	if err != nil {
		return err
	}
	var made [2]struct{ ID string } // of the probes, and of whatever else the rules find to tell
	for i, budget := range []int{0, 3} {
		if err := w.api(ctx, http.MethodPost, "/api/v1/organizations/"+w.Organization+"/destinations/", map[string]any{"channel": "webhook", "name": fmt.Sprint("destination ", i), "budget": budget,
			"settings": map[string]string{"url": srv.URL, "format": "tocsin"}}, &made[i]); err != nil {
			return err
		}
	}
	for i := range manyRules {
		conditions, filters := clauses(i)
		if i == 0 {
			conditions, filters = []map[string]any{{"kind": "new"}}, []map[string]any{{"kind": "tag", "key": "probe", "match": "is"}}
		}
		if err := w.api(ctx, http.MethodPut, "/api/v1/projects/"+w.Organization+"/"+w.Project+"/alert-rules/", map[string]any{"name": fmt.Sprint("rule ", i), "enabled": true, "match": "any",
			"filterMatch": "all", "conditions": conditions, "filters": filters, "frequencyMinutes": 30, "actions": []any{map[string]string{"kind": "destination", "destination": made[min(i, 1)].ID}}}, &struct{}{}); err != nil {
			return err
		}
	}
	if err := hold(); err != nil { // until all of them are read
		return err
	}
	sent := w.load.sent.Load()
	_, after, err := w.computed(ctx, func() error { return p.send(ctx, w) })
	if err != nil {
		return err
	}
	rate := float64(w.load.sent.Load()-sent) / stretch.Seconds()
	if err := w.await(ctx, time.Minute, p.all); err != nil {
		return err
	}
	p50, p99 := p.quantiles()
	share := 100 * float64(after-before) / float64(processor)
	w.note = fmt.Sprintf("%d rules at %.0f events/s: sent by a client → handed to the destination p50 %.2f s, p99 %.2f s of %d alerts; the notifier computes %.2f s of %.0f s with the rules and %.2f s without, the processor %.2f s: the rules cost %.1f %% of its time",
		manyRules, rate, p50.Seconds(), p99.Seconds(), len(p.took), after.Seconds(), stretch.Seconds(), before.Seconds(), processor.Seconds(), share)
	_, err = w.db.Exec(ctx, "delete from alert_rules")
	return err
}

// probes are events whose alerts are timed.
type probes struct {
	mu   sync.Mutex
	sent map[string]time.Time // by title, until its alert came
	took []time.Duration
}

func (p *probes) receive(_ http.ResponseWriter, r *http.Request) {
	now, title := time.Now(), titleOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ours := p.sent[title]; ours {
		p.took = append(p.took, now.Sub(at))
		delete(p.sent, title)
	}
}

// titleOf is the title of the issue that a message is about; empty when it is about several.
func titleOf(r *http.Request) string {
	var body struct{ Issue struct{ Title string } }
	if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body) != nil {
		return ""
	}
	return body.Issue.Title
}

// send sends a new issue again and again for a stretch.
func (p *probes) send(ctx context.Context, w *world) error {
	end := time.Now().Add(stretch)
	for i := 0; time.Now().Before(end); i++ {
		id := fmt.Sprintf("%032x", time.Now().UnixNano())
		event := fmt.Sprintf(`{"event_id":%q,"level":"error","platform":"other","message":"probe %s","fingerprint":["probe",%q],"tags":{"probe":"yes"}}`, id, id, id)
		p.mu.Lock()
		p.sent["probe "+id] = time.Now()
		p.mu.Unlock()
		status, err := w.load.post(ctx, fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(event), event))
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("a probe was answered %d: %w", status, err)
		}
		w.load.ledger.add(id)
		time.Sleep(probeEvery)
	}
	return nil
}

func (p *probes) all() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) > 0 || len(p.took) == 0 {
		return fmt.Errorf("%d alerts came, %d did not", len(p.took), len(p.sent))
	}
	return nil
}

func (p *probes) quantiles() (p50, p99 time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.took)
	return p.took[len(p.took)/2], p.took[len(p.took)*99/100]
}
