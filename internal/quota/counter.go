package quota

import (
	"context"
	"sync"
	"time"
)

// Grant asks, on behalf of all processes that count under a name, for units of one window: at
// least need of them if there are so many left, at most limit in all. It returns how many were
// given.
type Grant func(ctx context.Context, name string, slot, limit, need int64) (int64, error)

// Share is how many units are to be given to one process that needs some, when used of the limit
// are given already. A process gets a stock, so that it need not ask for each item; the stock
// shrinks with what is left, so that little of the limit lies where it is not needed.
func Share(used, limit, need int64) int64 {
	left := limit - used
	return max(0, min(left, max(need, min(left/32, limit/100))))
}

// Counters count what passes under limits in fixed windows, together with the counters of other
// processes. It is safe for concurrent use.
type Counters struct {
	grant Grant
	now   func() time.Time

	mu     sync.Mutex
	byName map[string]*counter
}

// counter is the state of one name in one window.
type counter struct {
	mu      sync.Mutex
	slot    int64
	stock   int64     // granted and not yet spent
	granted int64     // in this window, to this process
	empty   bool      // there is nothing more to be granted in this window
	alone   time.Time // until then nobody is asked, because nobody answered
}

// NewCounters returns counters that get their units from grant; nil: this process counts alone.
// A nil clock is the system's.
func NewCounters(grant Grant, clock func() time.Time) *Counters {
	if clock == nil {
		clock = time.Now
	}
	return &Counters{grant: grant, now: clock, byName: make(map[string]*counter)}
}

const (
	// RefusedAfter is how long clients are told to wait by a limit of 0.
	// Rule: getsentry/relay relay-quotas/src/redis.rs (REJECT_ALL_SECS)
	RefusedAfter = 60 * time.Second
	grantWait    = 250 * time.Millisecond // that one request may wait for units
	alonePause   = time.Second
	maxCounters  = 200_000
)

// Take takes n units under a name. When the window has fewer left it takes none and says when the
// window ends. shift moves the windows, so that not all of them end together. While nobody grants
// units, this process counts alone up to the limit: what is accepted is worth more than exactness.
func (c *Counters) Take(ctx context.Context, name string, limit, n int64, window, shift time.Duration) (after time.Duration, ok bool) {
	if limit <= 0 || window <= 0 {
		return RefusedAfter, false
	}
	since := time.Duration(c.now().UnixNano()) - shift
	slot := int64(since / window)
	k := c.counter(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if slot != k.slot {
		k.slot, k.stock, k.granted, k.empty = slot, 0, 0, false
	}
	if k.stock < n && !k.empty {
		c.refill(ctx, k, name, limit, n-k.stock)
	}
	if k.stock < n {
		return window - since%window, false
	}
	k.stock -= n
	return 0, true
}

// Spent reports whether Take is known to refuse even one unit, without taking any or asking anybody.
func (c *Counters) Spent(name string, limit int64, window, shift time.Duration) bool {
	if limit <= 0 || window <= 0 {
		return true
	}
	slot := int64((time.Duration(c.now().UnixNano()) - shift) / window)
	c.mu.Lock()
	k := c.byName[name]
	c.mu.Unlock()
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.slot == slot && k.empty && k.stock < 1
}

// refill gets units for k, whose lock the caller holds.
func (c *Counters) refill(ctx context.Context, k *counter, name string, limit, need int64) {
	got, asked := int64(0), false
	if now := c.now(); c.grant != nil && !now.Before(k.alone) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grantWait)
		given, err := c.grant(ctx, name, k.slot, limit, need)
		cancel()
		got, asked = given, err == nil
		if err != nil {
			k.alone = now.Add(alonePause)
		}
	}
	if !asked {
		got = Share(k.granted, limit, need)
	}
	k.empty = asked && got < need || k.granted+got >= limit
	k.granted += got
	k.stock += got
}

// Return gives back n units that were taken and not used.
func (c *Counters) Return(name string, n int64, window, shift time.Duration) {
	k := c.counter(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if window > 0 && k.slot == int64((time.Duration(c.now().UnixNano())-shift)/window) {
		k.stock += n
	}
}

func (c *Counters) counter(name string) *counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.byName[name]
	if k == nil {
		if len(c.byName) >= maxCounters {
			clear(c.byName) // what was granted is lost with them, never granted twice
		}
		k = &counter{}
		c.byName[name] = k
	}
	return k
}

// Usage is how much of a limit was given out in one window, to all processes together.
type Usage struct {
	Slot int64 `json:"slot"`
	Used int64 `json:"used"`
}
