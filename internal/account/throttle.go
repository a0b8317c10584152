package account

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// How guessing is slowed down: some failures are free, then each one doubles the wait.
const (
	freePerAccount = 5
	freePerNetwork = 20
	firstWait      = time.Second
	longestWait    = 15 * time.Minute
	forgetAfter    = time.Hour // without another failure
	maxThrottled   = 20_000    // accounts and networks remembered
)

// Throttle slows down guessing of passwords, per account and per network a guess comes from
// (/24, /64). The zero value is ready; it is safe for concurrent use.
type Throttle struct {
	mu      sync.Mutex
	entries map[string]throttled
}

type throttled struct {
	failures int
	until    time.Time // no try before
	last     time.Time
}

// Wait is how long the caller must wait before this sign-in may be tried; 0: now.
func (t *Throttle) Wait(email string, addr netip.Addr, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wait time.Duration
	for _, key := range throttleKeys(email, addr) {
		wait = max(wait, t.entries[key].until.Sub(now))
	}
	return wait
}

// Failed records a sign-in that was refused.
func (t *Throttle) Failed(email string, addr netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make(map[string]throttled)
	}
	for i, key := range throttleKeys(email, addr) {
		free := freePerAccount
		if i > 0 {
			free = freePerNetwork
		}
		e := t.entries[key]
		if now.Sub(e.last) > forgetAfter {
			e = throttled{}
		}
		if _, known := t.entries[key]; !known && len(t.entries) >= maxThrottled {
			t.evict(now)
		}
		e.failures, e.last = e.failures+1, now
		if over := e.failures - free; over > 0 {
			e.until = now.Add(min(longestWait, firstWait<<min(over-1, 20)))
		}
		t.entries[key] = e
	}
}

// Succeeded forgets the failures of an account. Those of the network stay: one known password must
// not open the way to guess others.
func (t *Throttle) Succeeded(email string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, accountKey(email))
}

// evict makes room: it drops what is old enough to be forgotten, else the oldest of a sample.
func (t *Throttle) evict(now time.Time) {
	const sample = 64
	oldest, oldestAt, seen := "", now, 0
	for key, e := range t.entries {
		if now.Sub(e.last) > forgetAfter {
			delete(t.entries, key)
			continue
		}
		if !e.last.After(oldestAt) {
			oldest, oldestAt = key, e.last
		}
		if seen++; seen == sample {
			break
		}
	}
	if len(t.entries) >= maxThrottled {
		delete(t.entries, oldest)
	}
}

func throttleKeys(email string, addr netip.Addr) [2]string {
	bits := 24
	if addr = addr.Unmap(); addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // an invalid address shares one entry
	return [2]string{accountKey(email), "n" + network.String()}
}

func accountKey(email string) string {
	email = strings.ToLower(strings.TrimSpace(email))
	return "a" + email[:min(len(email), 254)]
}

// Len is how many accounts and networks are remembered.
func (t *Throttle) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}
