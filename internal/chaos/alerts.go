package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"
)

// patience is how long alerts may take when nothing hangs.
const patience = 10 * time.Minute

// sink is a receiver of alerts. It counts each delivery by its Webhook-Id, and whom it told.
type sink struct {
	*httptest.Server
	mu    sync.Mutex
	ids   map[string]int    // requests by delivery
	about map[string]string // delivery by destination and issue
	twice int               // issues that came in two deliveries
	hangs bool
	quit  chan struct{}
}

func newSink(hangs bool) *sink {
	s := &sink{ids: map[string]int{}, about: map[string]string{}, hangs: hangs, quit: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(s.receive))
	return s
}

func (s *sink) end() {
	close(s.quit)
	s.Close()
}

func (s *sink) receive(w http.ResponseWriter, r *http.Request) {
	if s.hangs {
		select {
		case <-s.quit:
		case <-r.Context().Done():
		}
		return
	}
	var body struct {
		Issue struct {
			ID string `json:"short_id"`
		} `json:"issue"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	id, about := r.Header.Get("Webhook-Id"), r.URL.Path+" "+body.Issue.ID
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[id]++
	if first, told := s.about[about]; told && first != id {
		s.twice++
	}
	s.about[about] = id
}

// told is how many destinations were told of how many issues, doubles how many requests repeated one.
func (s *sink) told() (told, doubles, twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.ids {
		doubles += n - 1
	}
	return len(s.about), doubles, s.twice
}

// api makes one call of the management API and decodes its answer.
func (w *world) api(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, w.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.AuthToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %d %s %w", method, path, res.StatusCode, text, err)
	}
	return json.Unmarshal(text, out)
}

// tellNew makes n destinations, every one told of every new issue on its own; url is of the i-th.
func (w *world) tellNew(ctx context.Context, n int, url func(i int) string) error {
	return w.tellWith(ctx, map[string]any{"budget": 0}, n, url)
}

// tellWith is tellNew with settings of one's own.
func (w *world) tellWith(ctx context.Context, more map[string]any, n int, url func(i int) string) error {
	type action struct {
		Kind        string `json:"kind"`
		Destination string `json:"destination"`
	}
	var actions []action
	for i := range n {
		var made struct{ ID string }
		body := map[string]any{"channel": "webhook", "name": "sink " + url(i), "settings": map[string]string{"url": url(i), "format": "tocsin"}}
		maps.Copy(body, more)
		if err := w.api(ctx, http.MethodPost, "/api/v1/organizations/"+w.Organization+"/destinations/", body, &made); err != nil {
			return err
		}
		actions = append(actions, action{"destination", made.ID})
	}
	for part := range slices.Chunk(actions, 25) {
		if err := w.api(ctx, http.MethodPut, "/api/v1/projects/"+w.Organization+"/"+w.Project+"/alert-rules/", map[string]any{"name": "every new issue", "enabled": true,
			"match": "any", "filterMatch": "all", "filters": []any{}, "conditions": []any{map[string]string{"kind": "new"}}, "actions": part}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// news sends n events of as many issues, all of them acknowledged.
func (w *world) news(ctx context.Context, rng *rand.Rand, n int) error {
	const at = 8 // once
	failures, ids := make(chan error, at), make(chan string)
	var group sync.WaitGroup
	for range at {
		group.Go(func() {
			for id := range ids {
				event := fmt.Sprintf(`{"event_id":%q,"level":"error","platform":"other","message":"chaos %s","fingerprint":["chaos",%q]}`, id, id, id)
				body := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(event), event)
				if status, err := w.load.post(ctx, []byte(body)); err != nil || status != http.StatusOK {
					failures <- fmt.Errorf("an event was answered %d: %w", status, err)
					for range ids { // let the sender end
					}
					return
				}
				w.load.ledger.add(id)
			}
		})
	}
	for range n {
		ids <- fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
	}
	close(ids)
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

// killedAlerting kills the notifier again and again while it tells of new issues: none is missing,
// and each kill repeats one message at most, under the same id.
func killedAlerting(ctx context.Context, w *world, rng *rand.Rand) error {
	rate := w.load.rate.Swap(1) // the machine is for the alerts
	defer w.load.rate.Store(rate)
	s := newSink(false)
	defer s.end()
	if err := w.tellNew(ctx, 1, func(int) string { return s.URL + "/all" }); err != nil {
		return err
	}
	defer w.forgetRules(ctx)
	started := time.Now()
	sending := make(chan error, 1)
	go func() { sending <- w.news(ctx, rng, w.o.alerts) }()
	for kill := range w.o.alertKills {
		next := (kill + 1) * w.o.alerts / (w.o.alertKills + 1)
		if err := w.await(ctx, patience, func() error {
			if told, _, _ := s.told(); told < next {
				return fmt.Errorf("%d of %d alerts came", told, next)
			}
			return nil
		}); err != nil {
			return err
		}
		time.Sleep(time.Duration(rng.Int64N(int64(20 * time.Millisecond)))) // somewhere within a message
		w.kill("notifier")
		if err := w.start("notifier"); err != nil {
			return err
		}
	}
	if err := <-sending; err != nil {
		return err
	}
	if err := w.toldAll(ctx, s, w.o.alerts); err != nil {
		return err
	}
	told, doubles, twice := s.told()
	w.tell(tally{Alerts: w.o.alerts, Untold: w.o.alerts - told, Repeated: doubles})
	w.note = fmt.Sprintf("%d alerts, %d kills: 0 missing, %d repeated under the same delivery id, %d issues told in two deliveries, %.1f s",
		told, w.o.alertKills, doubles, twice, time.Since(started).Seconds())
	if doubles > w.o.alertKills || twice > 0 {
		return fmt.Errorf("too many doubles: %s", w.note)
	}
	return nil
}

// toldAll waits until the sink was told n things and the log has nothing more to send there.
func (w *world) toldAll(ctx context.Context, s *sink, n int) error {
	return w.await(ctx, patience, func() error {
		told, _, _ := s.told()
		var waiting int
		if err := w.db.QueryRow(ctx, "select count(*) from deliveries where state = 0 and target = $1", s.URL).Scan(&waiting); err != nil {
			return err
		}
		if told < n || waiting > 0 {
			return fmt.Errorf("%d of %d alerts came, %d wait", told, n, waiting)
		}
		return nil
	})
}

// hanging tells 100 destinations, 10 of which never answer: the others are served in time.
func hanging(ctx context.Context, w *world, rng *rand.Rand) error {
	const destinations, dead, limit = 100, 10, 2 * time.Minute
	rate := w.load.rate.Swap(1)
	defer w.load.rate.Store(rate)
	s, black := newSink(false), newSink(true)
	defer s.end()
	defer black.end()
	if err := w.tellNew(ctx, destinations, func(i int) string {
		if i%(destinations/dead) == 0 {
			return black.URL + fmt.Sprint("/", i)
		}
		return s.URL + fmt.Sprint("/", i)
	}); err != nil {
		return err
	}
	defer w.forgetRules(ctx)
	started := time.Now()
	if err := w.news(ctx, rng, w.o.alerts/destinations); err != nil {
		return err
	}
	alive := (destinations - dead) * (w.o.alerts / destinations)
	if err := w.toldAll(ctx, s, alive); err != nil {
		return err
	}
	took := time.Since(started)
	told, doubles, _ := s.told()
	w.tell(tally{Alerts: alive, Untold: alive - told, Repeated: doubles})
	w.note = fmt.Sprintf("%d alerts to %d destinations of which %d hang: the other %d had their %d in %.1f s, %d repeated", w.o.alerts, destinations, dead, destinations-dead, told, took.Seconds(), doubles)
	if took > limit || doubles > 0 {
		return fmt.Errorf("want them within %s, each once: %s", limit, w.note)
	}
	return nil
}
