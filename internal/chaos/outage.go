package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// How long a page may take to say that the database is away: when nobody listens there, and when nobody
// answers.
const (
	longestPage   = 2 * time.Second
	longestHangup = 10 * time.Second
)

// postgresAway lets Postgres be down, and then silent: nothing is given up for it, and pages say so instead
// of hanging.
func postgresAway(ctx context.Context, w *world, _ *rand.Rand) error {
	before, err := w.deadLetters(ctx)
	if err != nil {
		return err
	}
	w.each("-postgres", func(l *fleet.Proxy) { l.Refuse.Store(true); l.Reset() })
	w.hold(ctx, 0.5)
	down, downTook, err := w.page(ctx)
	w.each("-postgres", func(l *fleet.Proxy) { l.Silent.Store(true); l.Refuse.Store(false) })
	w.hold(ctx, 0.5)
	silent, silentTook, failed := w.page(ctx)
	w.each("-postgres", (*fleet.Proxy).Heal)
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	w.note = fmt.Sprintf("a page said so after %.1f s (%d) while Postgres was down, after %.1f s (%d) while it was silent", downTook.Seconds(), down, silentTook.Seconds(), silent)
	slow := time.Duration(w.o.patience)
	if down != http.StatusServiceUnavailable || silent != http.StatusServiceUnavailable || downTook > longestPage*slow || silentTook > longestHangup*slow {
		return errors.New(w.note)
	}
	after := 0
	if err := w.await(ctx, 30*time.Second, func() (err error) {
		after, err = w.deadLetters(ctx)
		return err
	}); err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("%d messages were dead-lettered", after-before)
	}
	return nil
}

// page asks for what needs the database.
func (w *world) page(ctx context.Context) (status int, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/api/0/projects/"+w.Organization+"/"+w.Project+"/issues/", nil)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Authorization", "Bearer "+w.AuthToken)
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("a page while Postgres is away: %w", err)
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, time.Since(began), err
}

// streamFull holds the stream of events to what it has: ingest is told so at once and keeps events itself.
func streamFull(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	if _, err := w.cli(ctx, "queue", "pause", "events", "--reason", "chaos fills the stream"); err != nil {
		return err
	}
	before, err := w.metric(ctx, "ingest", "tocsin_ingest_spooled_total")
	if err != nil {
		return err
	}
	var most int64
	set := func(bytes func(*jetstream.StreamInfo) int64) error {
		return w.jetstream(func(js jetstream.JetStream) error {
			s, err := js.Stream(ctx, eventStream)
			if err != nil {
				return err
			}
			info := s.CachedInfo()
			info.Config.MaxBytes = bytes(info)
			_, err = js.UpdateStream(ctx, info.Config)
			return err
		})
	}
	if err := set(func(i *jetstream.StreamInfo) int64 { most = i.Config.MaxBytes; return int64(i.State.Bytes) + 128<<10 }); err != nil {
		return err
	}
	w.hold(ctx, 1)
	after, err := w.metric(ctx, "ingest", "tocsin_ingest_spooled_total")
	if err := errors.Join(err, set(func(*jetstream.StreamInfo) int64 { return most })); err != nil {
		return err
	}
	if _, err := w.cli(ctx, "queue", "resume", "events"); err != nil {
		return err
	}
	w.note = fmt.Sprintf("%.0f events waited on ingest's disk", after-before)
	if after <= before {
		return errors.New("no event was spooled although the stream is full")
	}
	return nil
}

// worldAway makes the way to a destination silent while there is something to tell: it is told once the way
// is there again.
func worldAway(ctx context.Context, w *world, rng *rand.Rand) error {
	const issues = 5
	s := newSink(false)
	defer s.end()
	way, err := fleet.NewProxy(ctx, s.Listener.Addr().String())
	if err != nil {
		return err
	}
	defer way.Close()
	if err := w.tellNew(ctx, 1, func(int) string { return "http://" + way.Address() + "/world" }); err != nil {
		return err
	}
	defer w.forgetRules(ctx)
	way.Silent.Store(true)
	if err := w.news(ctx, rng, issues); err != nil {
		return err
	}
	w.hold(ctx, 1.5)
	way.Heal()
	healed := time.Now()
	err = w.await(ctx, 2*time.Minute, func() error {
		if n, _, _ := s.told(); n < issues {
			return fmt.Errorf("%d of %d alerts came", n, issues)
		}
		return nil
	})
	n, again, _ := s.told()
	w.tell(tally{Alerts: issues, Untold: issues - n, Repeated: again})
	w.note = fmt.Sprintf("%d alerts that waited came within %.1f s", n, time.Since(healed).Seconds())
	return err
}

// limited is a chat that answers 429 once and notes who does not wait as long as it asked.
type limited struct {
	*httptest.Server
	mu    sync.Mutex
	until time.Time
	early int
	taken int
}

// chatLimits tells a chat that asks to wait: nothing is sent before, and nothing is missing after.
func chatLimits(ctx context.Context, w *world, rng *rand.Rand) error {
	const issues, wait = 3, 8 * time.Second // longer than what comes after a first failure by itself
	chat := &limited{}
	chat.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		chat.mu.Lock()
		defer chat.mu.Unlock()
		switch now := time.Now(); {
		case chat.until.IsZero():
			chat.until = now.Add(wait)
			rw.Header().Set("Retry-After", fmt.Sprint(wait.Seconds()))
			rw.WriteHeader(http.StatusTooManyRequests)
		case now.Before(chat.until):
			chat.early++
		default:
			chat.taken++
		}
	}))
	defer chat.Close()
	var made struct{ ID string }
	if err := w.api(ctx, http.MethodPost, "/api/v1/organizations/"+w.Organization+"/destinations/", map[string]any{"channel": "slack", "name": "chat", "budget": 0,
		"settings": map[string]string{"url": chat.URL + "/services/chat"}}, &made); err != nil {
		return err
	}
	if err := w.rule(ctx, 0, made.ID, []map[string]any{{"kind": "new"}}, []map[string]any{}); err != nil {
		return err
	}
	defer w.forgetRules(ctx)
	if err := w.news(ctx, rng, issues); err != nil {
		return err
	}
	err := w.await(ctx, 2*time.Minute, func() error {
		chat.mu.Lock()
		defer chat.mu.Unlock()
		if n := chat.taken + chat.early; n < issues {
			return fmt.Errorf("%d of %d messages came", n, issues)
		}
		return nil
	})
	chat.mu.Lock()
	defer chat.mu.Unlock()
	w.tell(tally{Alerts: issues, Untold: max(issues-chat.taken-chat.early, 0)})
	w.note = fmt.Sprintf("asked to wait %s, it was sent %d messages before and %d after", wait, chat.early, chat.taken)
	if err == nil && (chat.early > 0 || chat.taken != issues) {
		err = errors.New(w.note)
	}
	return err
}
