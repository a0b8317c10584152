package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// mostTry is how long one try may take, and mostAtOnce how many connections an endpoint sees.
const (
	mostTry    = 11 * time.Second // ten, and a second of a busy machine
	mostAtOnce = 2
)

// endpoint is a receiver that misbehaves.
type endpoint struct {
	*httptest.Server
	open, most atomic.Int64 // connections
	longest    atomic.Int64 // nanoseconds that a request lasted
}

func newEndpoint(expired bool, h http.HandlerFunc) (*endpoint, error) {
	e := &endpoint{}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		h(w, r)
		e.longest.Store(max(e.longest.Load(), int64(time.Since(began))))
	}))
	e.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			e.most.Store(max(e.most.Load(), e.open.Add(1)))
		case http.StateClosed, http.StateHijacked:
			e.open.Add(-1)
		default:
		}
	}
	if !expired {
		e.Start()
		return e, nil
	}
	cert, err := expiredCertificate()
	if err != nil {
		return nil, err
	}
	e.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	e.StartTLS()
	return e, nil
}

func expiredCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(crand.Reader, leaf, leaf, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// misbehave is what the endpoints do, by name.
func misbehave() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"410":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
		"loop":    func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"expired": func(http.ResponseWriter, *http.Request) {},
		"trickle": func(w http.ResponseWriter, r *http.Request) {
			for range 300 {
				if _, err := w.Write([]byte("x")); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			block := make([]byte, 64<<10)
			for r.Context().Err() == nil {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
	}
}

// badDestinations tells new issues to a good destination and to eight that fail in every way there is: the
// good one hears as soon as without them, no try takes long, each is in the log, and who is gone is told once.
func badDestinations(ctx context.Context, w *world, rng *rand.Rand) error {
	rate := w.load.rate.Swap(1)
	defer w.load.rate.Store(rate)
	defer w.forgetRules(ctx)
	good := newTimed()
	defer good.Close()
	if err := w.tellNew(ctx, 1, func(int) string { return good.URL }); err != nil {
		return err
	}
	alone, err := w.delays(ctx, good, rng)
	if err != nil {
		return err
	}
	var bad []*endpoint
	defer func() {
		for _, e := range bad {
			e.CloseClientConnections()
			e.Close()
		}
	}()
	gone, err := fleet.FreeAddress()
	if err != nil {
		return err
	}
	urls := []string{"http://" + gone, "http://nowhere.invalid/hook"}
	for name, h := range misbehave() {
		e, err := newEndpoint(name == "expired", h)
		if err != nil {
			return err
		}
		bad, urls = append(bad, e), append(urls, e.URL+"/"+name)
	}
	if err := w.tellNew(ctx, len(urls), func(i int) string { return urls[i] }); err != nil {
		return err
	}
	began := time.Now()
	beside, err := w.delays(ctx, good, rng)
	if err != nil {
		return fmt.Errorf("beside bad destinations: %w", err)
	}
	if err := w.await(ctx, time.Minute, func() error { return w.badJudged(ctx, began, len(urls)) }); err != nil {
		return err
	}
	if err := w.await(ctx, 30*time.Second, func() error { return ended(bad) }); err != nil {
		return err
	}
	var slowest time.Duration
	for _, e := range bad {
		slowest = max(slowest, time.Duration(e.longest.Load()))
	}
	w.note = fmt.Sprintf("the good destination heard within %.2f s at most, without the %d bad ones %.2f s; the longest try took %.1f s", beside.Seconds(), len(urls), alone.Seconds(), slowest.Seconds())
	if slowest > mostTry || beside > 2*alone+time.Second {
		return errors.New(w.note)
	}
	for _, e := range bad {
		if n := e.most.Load(); n > mostAtOnce {
			return fmt.Errorf("%s had %d connections at once", e.URL, n)
		}
	}
	return nil
}

// ended is nil when each endpoint that takes requests has seen one through.
func ended(list []*endpoint) error {
	for _, e := range list {
		if e.TLS == nil && e.longest.Load() == 0 {
			return fmt.Errorf("the first try at %s goes on", e.URL)
		}
	}
	return nil
}

// badJudged is nil when every bad destination has tries since then with errors in the log and the one that
// is gone was switched off.
func (w *world) badJudged(ctx context.Context, since time.Time, n int) error {
	var failed, disabled int
	err := w.db.QueryRow(ctx, `select count(distinct d.lane) from deliveries d join delivery_attempts a on a.project_id = d.project_id and a.delivery_id = d.id
		where (a.error <> '' or a.status >= 300) and d.created_at >= $1`, since).Scan(&failed)
	if err == nil {
		err = w.db.QueryRow(ctx, "select count(*) from alert_lanes where disabled_at >= $1", since).Scan(&disabled)
	}
	if err == nil && (failed < n-1 || disabled != 1) { // a body that trickles or never ends may count as an answer
		err = fmt.Errorf("%d of %d bad destinations have failed tries in the log, %d are switched off", failed, n, disabled)
	}
	return err
}

// timed is a receiver that notes when it heard of what.
type timed struct {
	*httptest.Server
	mu    sync.Mutex
	heard map[string]time.Time // by title
}

func newTimed() *timed {
	t := &timed{heard: map[string]time.Time{}}
	t.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		title := titleOf(r)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.heard[title] = time.Now()
	}))
	return t
}

// delays sends new issues and returns how long it took at most until the receiver heard of one.
func (w *world) delays(ctx context.Context, t *timed, rng *rand.Rand) (longest time.Duration, err error) {
	const issues = 40
	sent := map[string]time.Time{}
	for range issues {
		id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		sent["chaos "+id] = time.Now()
		if err := w.post(ctx, id, "chaos "+id); err != nil {
			return 0, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	err = w.await(ctx, time.Minute, func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		longest = 0
		missing := 0
		for title, at := range sent {
			if heard, ok := t.heard[title]; ok {
				longest = max(longest, heard.Sub(at))
			} else {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d alerts did not come", missing, issues)
		}
		return nil
	})
	return longest, err
}

// allNew makes every event a new issue: a destination that folds hears of them in a few messages.
func allNew(ctx context.Context, w *world, rng *rand.Rand) error {
	const most = 5
	rate := w.load.rate.Swap(1)
	defer w.load.rate.Store(rate)
	var messages atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { messages.Add(1) }))
	defer srv.Close()
	if err := w.tellWith(ctx, nil, 1, func(int) string { return srv.URL }); err != nil {
		return err
	}
	n := int(w.o.hold.Seconds()) * 1000
	began := time.Now()
	if err := w.news(ctx, rng, n); err != nil {
		return err
	}
	sent := time.Since(began)
	if err := w.await(ctx, 2*time.Minute, func() error { return w.missingAre(ctx, w.load.ledger.recent(), 0) }); err != nil {
		return err
	}
	stored := time.Since(began)
	w.hold(ctx, 1)
	w.forgetRules(ctx)
	var err error
	w.note = fmt.Sprintf("%d new issues sent in %.1f s (%.0f/s), all stored after %.1f s, told in %d messages", n, sent.Seconds(), float64(n)/sent.Seconds(), stored.Seconds(), messages.Load())
	if got := messages.Load(); got == 0 || got > most {
		err = errors.Join(err, fmt.Errorf("want 1 to %d messages: %s", most, w.note))
	}
	return err
}
