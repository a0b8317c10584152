package notifier

import (
	"slices"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// maxMemory is how many recent alerts, and how many issues, are remembered.
const maxMemory = 100_000

// memory is what this process knows of earlier changes. It forgets too early, never too late: the
// database has the last word on what was told.
type memory struct {
	mu      sync.Mutex
	until   map[[2]int64]time.Time // by rule and issue: until when the rule has nothing to say
	seen    map[issue.ID]int64     // how often an issue had been seen when rules last looked at it
	counted map[countKey]counted
	sieved  map[countKey]*sieved
}

// countKey names a count of an issue.
type countKey struct {
	issue issue.ID
	alert.Count
}

// counted is what a count was when the issue had been seen so often altogether.
type counted struct{ n, total int64 }

// sieved is which of the events of a window the filters of a condition accepted.
type sieved struct {
	mu       sync.Mutex
	accepted map[event.ID]bool
}

func newMemory() *memory {
	return &memory{until: map[[2]int64]time.Time{}, seen: map[issue.ID]int64{}, counted: map[countKey]counted{}, sieved: map[countKey]*sieved{}}
}

// speaking leaves out rules that spoke about the issue so lately, in another change, that events
// alone need not be looked at.
func (m *memory) speaking(rules []*alert.Prepared, c *issue.Change, now time.Time) []*alert.Prepared {
	if c.Kind != issue.ChangeSeen || len(rules) == 0 {
		return rules
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(rules, func(e *alert.Prepared) bool {
		return e.Frequency > 0 && now.Before(m.until[[2]int64{e.ID, c.Issue}])
	})
}

// atMost is what a count cannot exceed now that the issue has been seen total times: what was counted
// before, and all that came since. Known is false when nothing is known of it.
func (m *memory) atMost(k countKey, total int64) (most int64, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, known := m.counted[k]
	return c.n + max(total-c.total, 0), known
}

// count notes what was counted up to a limit, 0 being the database's own; what reached it may be any
// number.
func (m *memory) count(k countKey, n, limit, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.counted) > maxMemory {
		clear(m.counted)
	}
	if limit > 0 && n >= limit || n >= postgres.MaxCounted {
		delete(m.counted, k)
		return
	}
	m.counted[k] = counted{n, total}
}

// sieve is what is known of the events of a window.
func (m *memory) sieve(k countKey) *sieved {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sieved) > maxMemory/filteredEvents {
		clear(m.sieved)
	}
	s := m.sieved[k]
	if s == nil {
		s = &sieved{}
		m.sieved[k] = s
	}
	return s
}

// before is how often the issue had been seen when rules last looked at it; zero: not known.
func (m *memory) before(id issue.ID) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[id]
}

// note remembers a batch that was planned.
func (m *memory) note(fired []firing, looked []*inquiry, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.until) > maxMemory {
		clear(m.until)
	}
	for i := range fired {
		if f := &fired[i]; f.rule.Frequency > 0 && f.change.Kind == issue.ChangeSeen {
			m.until[[2]int64{f.rule.ID, f.change.Issue}] = now.Add(f.rule.Frequency / 2)
		}
	}
	if len(m.seen) > maxMemory {
		clear(m.seen)
	}
	for _, q := range looked {
		if q.filled.Kind == issue.ChangeSeen {
			m.seen[q.filled.Issue] = max(m.seen[q.filled.Issue], q.filled.TimesSeen)
		}
	}
}
