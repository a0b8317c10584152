package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// template is a recorded request cut where its event id goes.
type template struct {
	name  string
	parts [][]byte
}

// templates are the recorded envelopes that hold one event and nothing else.
func templates(key string) ([]template, error) {
	all, err := sdk.All()
	if err != nil {
		return nil, err
	}
	var list []template
	for _, r := range all {
		if r.Kind != sdk.KindEnvelope || len(r.Items) != 1 || r.Items[0].Type != "event" || len(r.EventID) != 32 {
			continue
		}
		body := r.Body
		switch r.ContentEncoding {
		case "":
		case "gzip":
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.File, err)
			}
			if body, err = io.ReadAll(io.LimitReader(z, 16<<20)); err != nil {
				return nil, fmt.Errorf("%s: %w", r.File, err)
			}
		default:
			continue
		}
		body = bytes.ReplaceAll(body, []byte(sdk.Key), []byte(key))
		list = append(list, template{r.File, bytes.Split(body, []byte(r.EventID))})
	}
	return list, nil
}

func (t *template) fill(id string) []byte { return bytes.Join(t.parts, []byte(id)) }

func (t *template) size() (n int) {
	for _, p := range t.parts {
		n += len(p)
	}
	return n
}

// ledger is every id that was acknowledged, on disk before it counts.
type ledger struct {
	mu    sync.Mutex
	file  *os.File
	ids   []string
	since int // those before are checked
}

func (l *ledger) add(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.file, id)
	l.ids = append(l.ids, id)
}

// fresh is what was acknowledged since the last call.
func (l *ledger) fresh() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Sync()
	ids := l.ids[l.since:]
	l.since = len(l.ids)
	return ids
}

// recent is what was acknowledged since the last call of fresh.
func (l *ledger) recent() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[l.since:len(l.ids):len(l.ids)]
}

// all is every id so far.
func (l *ledger) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[:len(l.ids):len(l.ids)]
}

func (l *ledger) count() int { return len(l.all()) }

// upTo forgets what was acknowledged after the first n.
func (l *ledger) upTo(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = l.ids[:max(n, l.since)]
}

// generator sends events until it is stopped.
type generator struct {
	target  func() string // address of the envelope endpoint
	key     string
	list    []template
	ledger  *ledger
	client  *http.Client
	rate    atomic.Int64 // events a second, of all workers
	repeat  atomic.Int64 // times each event is sent, at once
	hot     atomic.Bool  // all of one template
	muted   atomic.Bool  // answers are not entered
	sent    atomic.Int64
	refused atomic.Int64 // answers that are no 2xx
	cut     atomic.Int64 // requests without an answer
	times   times
	stop    context.CancelFunc
	group   sync.WaitGroup
}

const (
	workers   = 12
	lookAgain = 50 * time.Millisecond
)

func (g *generator) start(ctx context.Context, seed uint64) {
	ctx, g.stop = context.WithCancel(ctx)
	typical := g.typical()
	for w := range workers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		g.group.Go(func() {
			last := time.Now()
			for ctx.Err() == nil {
				next := last.Add(time.Second * workers / time.Duration(max(g.rate.Load(), 1)))
				if wait := time.Until(next); wait > 0 {
					time.Sleep(min(wait, lookAgain)) // the rate may be another one by then
					continue
				} else if last = next; wait < -time.Second {
					last = time.Now()
				}
				t := &g.list[rng.IntN(len(g.list))]
				if g.hot.Load() {
					t = typical
				}
				id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
				g.send(context.WithoutCancel(ctx), id, t.fill(id))
			}
		})
	}
}

// typical is the template whose size is nearest to the mean.
func (g *generator) typical() *template {
	mean := 0
	for i := range g.list {
		mean += g.list[i].size() / len(g.list)
	}
	off := func(t template) int { return max(t.size()-mean, mean-t.size()) }
	best := slices.MinFunc(g.list, func(a, b template) int { return off(a) - off(b) })
	return &best
}

// send posts one event, as often as it is to be repeated, and enters it once it is acknowledged.
func (g *generator) send(ctx context.Context, id string, body []byte) {
	var acked atomic.Bool
	var group sync.WaitGroup
	for range max(g.repeat.Load(), 1) {
		group.Go(func() {
			g.sent.Add(1)
			began := time.Now()
			status, err := g.post(ctx, body)
			switch {
			case err != nil:
				g.cut.Add(1)
				time.Sleep(5 * time.Millisecond)
			case status != http.StatusOK:
				g.refused.Add(1)
			default:
				g.times.add(time.Since(began))
				acked.Store(true)
			}
		})
	}
	group.Wait()
	if acked.Load() && !g.muted.Load() {
		g.ledger.add(id)
	}
}

// mute tells whether answers are to be forgotten.
func (g *generator) mute(on bool) { g.muted.Store(on) }

func (g *generator) post(ctx context.Context, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.target(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+g.key)
	res, err := g.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

func (g *generator) end() {
	g.stop()
	g.group.Wait()
}

// times is how long answers took since it was last asked.
type times struct {
	mu   sync.Mutex
	list []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, d)
}

// lap is how long 99 of 100 answers took at most since the last lap; zero without any.
func (g *generator) lap() time.Duration {
	g.times.mu.Lock()
	list := g.times.list
	g.times.list = nil
	g.times.mu.Unlock()
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)*99/100]
}
