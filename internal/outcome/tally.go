package outcome

import (
	"sync"
	"time"
)

// Tally sums quantities by key in memory. The zero value is ready; it is safe for concurrent use.
// It holds a bounded number of keys: what does not fit is summed per project, category and kind
// under the reason "other", and past twice the bound only its quantity is kept, under no project.
type Tally struct {
	mu     sync.Mutex
	counts map[Key]int64
}

// maxKeys bounds a tally between two calls of Take; a busy second of a large installation has a
// few thousand.
const maxKeys = 20000

// Add counts quantity under k, whose Minute is cut to the start of the minute. Quantities below
// one are ignored.
func (t *Tally) Add(k Key, quantity int64) {
	if quantity < 1 {
		return
	}
	k.Minute = k.Minute.UTC().Truncate(time.Minute)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[Key]int64)
	}
	if _, known := t.counts[k]; !known && len(t.counts) >= maxKeys {
		k.Reason, k.KeyID = "other", 0
		if _, known := t.counts[k]; !known && len(t.counts) >= 2*maxKeys {
			k.Project = 0
		}
	}
	t.counts[k] += quantity
}

// Take returns what was counted since the last Take, in no order; nil when there was nothing.
func (t *Tally) Take() []Count {
	t.mu.Lock()
	counts := t.counts
	t.counts = nil
	t.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	list := make([]Count, 0, len(counts))
	for k, n := range counts {
		list = append(list, Count{Key: k, Quantity: n})
	}
	return list
}

// Return puts back what Take gave when it could not be handed over.
func (t *Tally) Return(counts []Count) {
	for _, c := range counts {
		t.Add(c.Key, c.Quantity)
	}
}
