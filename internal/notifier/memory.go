package notifier

import (
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// maxMemory is how many recent alerts, and how many issues, are remembered.
const maxMemory = 100_000

// memory is what this process knows of earlier changes. It forgets too early, never too late: the
// database has the last word on what was told.
type memory struct {
	mu    sync.Mutex
	until map[[2]int64]time.Time // by rule and issue: until when the rule has nothing to say
	seen  map[issue.ID]int64     // how often an issue had been seen when rules last looked at it
}

func newMemory() *memory {
	return &memory{until: map[[2]int64]time.Time{}, seen: map[issue.ID]int64{}}
}

// silent reports whether the rule spoke about the issue so lately, in another change, that events
// alone need not be looked at.
func (m *memory) silent(r *alert.Rule, c *issue.Change, now time.Time) bool {
	if r.Frequency == 0 || c.Kind != issue.ChangeSeen {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Before(m.until[[2]int64{r.ID, c.Issue}])
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
