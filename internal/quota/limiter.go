package quota

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
)

// Rate is how many units may pass in a window of time. A key may spend a whole window's worth at
// once and then regains it evenly.
type Rate struct {
	Count  int
	Window time.Duration
}

// Limiter holds the state of many keys' rates in memory, by the generic cell rate algorithm.
// It is safe for concurrent use and holds a bounded number of keys; the least recently used is
// forgotten first.
type Limiter struct {
	store *memstore.MemStore

	mu    sync.RWMutex
	rates map[Rate]*throttled.GCRARateLimiterCtx
}

// maxRates bounds the number of different rates that are kept ready.
const maxRates = 10000

// NewLimiter returns a limiter for up to keys keys. A nil clock is the system's.
func NewLimiter(keys int, clock func() time.Time) (*Limiter, error) {
	store, err := memstore.New(keys)
	if err != nil {
		return nil, fmt.Errorf("make a store of %d keys: %w", keys, err)
	}
	if clock != nil {
		store.SetTimeNow(clock)
	}
	return &Limiter{store: store, rates: make(map[Rate]*throttled.GCRARateLimiterCtx)}, nil
}

// Allow takes n units of key's rate. When there are fewer left it takes none and says how long
// until n may pass; a rate without a positive count or window never allows anything.
func (l *Limiter) Allow(key string, rate Rate, n int) (after time.Duration, ok bool) {
	if rate.Count <= 0 || rate.Window <= 0 {
		return MaxAfter, false
	}
	limiter, err := l.limiter(rate)
	if err != nil {
		return MaxAfter, false
	}
	limited, res, err := limiter.RateLimitCtx(context.Background(), key, n)
	switch {
	case err != nil: // lost every race for the key: it is being hammered
		return time.Second, false
	case limited && res.RetryAfter < 0: // n is more than a whole window
		return rate.Window, false
	case limited:
		return res.RetryAfter, false
	}
	return 0, true
}

func (l *Limiter) limiter(rate Rate) (*throttled.GCRARateLimiterCtx, error) {
	l.mu.RLock()
	known := l.rates[rate]
	l.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	period := throttled.PerDuration(rate.Count, max(rate.Window, time.Duration(rate.Count)))
	made, err := throttled.NewGCRARateLimiterCtx(throttled.WrapStoreWithContext(l.store),
		throttled.RateQuota{MaxRate: period, MaxBurst: rate.Count - 1})
	if err != nil {
		return nil, fmt.Errorf("limit to %d in %s: %w", rate.Count, rate.Window, err)
	}
	made.SetMaxCASAttemptsLimit(1000)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rates) >= maxRates {
		clear(l.rates)
	}
	l.rates[rate] = made
	return made, nil
}
