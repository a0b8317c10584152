package main

import (
	"context"
	"encoding/json"
	"errors"
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

// cost is how long programs have computed, in seconds.
type cost struct{ processor, notifier, postgres float64 }

func (c cost) sub(o cost) cost {
	return cost{c.processor - o.processor, c.notifier - o.notifier, c.postgres - o.postgres}
}

// cost is what the programs have used so far. Postgres includes what its ended processes used.
func (w *world) cost() (c cost, err error) {
	if c.processor, err = cpu(w.Program("processor").PID(), 11, 13); err != nil {
		return c, err
	}
	if c.notifier, err = cpu(w.Program("notifier").PID(), 11, 13); err != nil {
		return c, err
	}
	pids, err := w.postgresProcesses()
	if err != nil {
		return c, err
	}
	for i, pid := range pids {
		last := 13
		if i == 0 {
			last = 15 // the first is the parent of the others: with those that ended
		}
		n, err := cpu(pid, 11, last)
		if err == nil { // it may have ended
			c.postgres += n
		}
	}
	return c, nil
}

// cpu adds up times, in seconds, among the fields of /proc/PID/stat behind the program's name: 11 and 12
// are its own, 13 and 14 those of its children that ended.
func cpu(pid, first, last int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // the name may hold spaces
	var sum int64
	for _, f := range fields[first:last] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return float64(sum) / tick, nil
}

// computed is what a stretch of load costs, and how many events a second it has.
func (w *world) computed(ctx context.Context, f func() error) (cost, float64, error) {
	before, err := w.cost()
	if err != nil {
		return cost{}, 0, err
	}
	sent, began := w.load.sent.Load(), time.Now()
	if err := f(); err != nil {
		return cost{}, 0, err
	}
	rate := float64(w.load.sent.Load()-sent) / time.Since(began).Seconds()
	after, err := w.cost()
	return after.sub(before), rate, errors.Join(err, ctx.Err())
}

// clauses is a mix of what people ask. A third of the filters is true of the traffic; the numbers are
// not reached by it, so that what is measured is the asking and not the telling.
func clauses(i int) (conditions, filters []map[string]any) {
	windows := []string{"1m", "5m", "15m", "1h", "1d", "1w"}
	all := []map[string]any{{"kind": "new"}, {"kind": "regressed"}, {"kind": "escalating"}, {"kind": "new_release"},
		{"kind": "events", "value": strconv.Itoa(10_000 * (1 + i%7)), "interval": windows[i%6]}, {"kind": "users", "value": strconv.Itoa(500 * (1 + i%5)), "interval": windows[i%6]},
		{"kind": "events", "value": "10000000", "interval": "1h", "compare": true, "shift": "1d"}, {"kind": "nth", "value": strconv.Itoa(100_000 + i)},
		{"kind": "event"}, {"kind": "users_filtered", "value": strconv.Itoa(50 * (1 + i%5)), "interval": "1h", "clauses": []any{map[string]any{"kind": "level", "value": "fatal"}}}}
	some := []map[string]any{{"kind": "level", "value": "fatal"}, {"kind": "tag", "key": "browser", "match": "sw", "value": "Netscape"}, {"kind": "times_seen", "value": "1000000"},
		{"kind": "users_seen", "value": "1000000"}, {"kind": "environment", "value": "nowhere"}, {"kind": "tag", "key": "tenant", "match": "eq", "value": strconv.Itoa(i)}}
	holding := []map[string]any{{"kind": "level", "value": "debug"}, {"kind": "times_seen", "value": "1"}, {"kind": "tag", "key": "level", "match": "is"}}
	condition, filter := all[i%len(all)], some[i%len(some)]
	if i%3 == 0 && condition["value"] != nil { // the others would be told
		filter = holding[i/3%len(holding)]
	}
	return []map[string]any{condition}, []map[string]any{filter}
}

// rule makes a rule that tells a destination.
func (w *world) rule(ctx context.Context, i int, destination string, conditions, filters []map[string]any) error {
	return w.api(ctx, http.MethodPut, "/api/v1/projects/"+w.Organization+"/"+w.Project+"/alert-rules/", map[string]any{"name": fmt.Sprint("rule ", i), "enabled": true, "match": "any",
		"filterMatch": "all", "conditions": conditions, "filters": filters, "frequencyMinutes": 30, "actions": []any{map[string]string{"kind": "destination", "destination": destination}}}, &struct{}{})
}

// manyRuled measures, under load and a thousand rules, how long after a client sends an event its alert is
// handed to the destination, and what a thousand rules cost beyond one, which tells as much, before and after.
func manyRuled(ctx context.Context, w *world, _ *rand.Rand) error {
	p := &probes{sent: map[string]time.Time{}}
	srv := httptest.NewServer(http.HandlerFunc(p.receive))
	defer srv.Close()
	var made [2]struct{ ID string } // of the probes, and of whatever else the rules find to tell
	for i, budget := range []int{0, 3} {
		if err := w.api(ctx, http.MethodPost, "/api/v1/organizations/"+w.Organization+"/destinations/", map[string]any{"channel": "webhook", "name": fmt.Sprint("destination ", i), "budget": budget,
			"settings": map[string]string{"url": srv.URL, "format": "tocsin"}}, &made[i]); err != nil {
			return err
		}
	}
	if err := w.rule(ctx, 0, made[0].ID, []map[string]any{{"kind": "new"}}, []map[string]any{{"kind": "tag", "key": "probe", "match": "is"}}); err != nil {
		return err
	}
	send := func() error { return p.send(ctx, w) }
	one, _, err := w.computed(ctx, send)
	if err != nil {
		return err
	}
	for i := 1; i < manyRules; i++ {
		conditions, filters := clauses(i)
		if err := w.rule(ctx, i, made[1].ID, conditions, filters); err != nil {
			return err
		}
	}
	if err := errors.Join(send(), w.await(ctx, time.Minute, p.all)); err != nil { // until all of them are read
		return err
	}
	p.forget()
	with, rate, err := w.computed(ctx, send)
	if err != nil {
		return err
	}
	if err := w.await(ctx, time.Minute, p.all); err != nil {
		return err
	}
	p50, p99 := p.quantiles()
	count := len(p.took)
	if _, err := w.db.Exec(ctx, "delete from alert_rules where name <> 'rule 0'"); err != nil {
		return err
	}
	again, _, err := w.computed(ctx, send)
	if err != nil {
		return err
	}
	few := cost{(one.processor + again.processor) / 2, (one.notifier + again.notifier) / 2, (one.postgres + again.postgres) / 2}
	w.note = fmt.Sprintf("%d rules at %.0f events/s: sent by a client → handed to the destination p50 %.2f s, p99 %.2f s of %d alerts; CPU of %.0f s with them and with one rule: notifier %.2f and %.2f s, processor %.2f and %.2f s, Postgres %.2f and %.2f s: asking the rules costs %.1f %% of the processor's time",
		manyRules, rate, p50.Seconds(), p99.Seconds(), count, stretch.Seconds(), with.notifier, few.notifier, with.processor, few.processor, with.postgres, few.postgres,
		100*(with.notifier-few.notifier)/with.processor)
	w.forgetRules(ctx)
	return nil
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

// forget starts the list of times anew.
func (p *probes) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took = nil
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
