package quota_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// shared is the count that several processes get their units from; it can be away.
type shared struct {
	mu   sync.Mutex
	used map[string]quota.Usage
	away bool
	asks int
}

func (s *shared) grant(_ context.Context, name string, slot, limit, need int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks++
	if s.away {
		return 0, errors.New("away")
	}
	u := s.used[name]
	if u.Slot != slot {
		u = quota.Usage{Slot: slot}
	}
	n := quota.Share(u.Used, limit, need)
	u.Used += n
	s.used[name] = u
	return n, nil
}

// TestNoKeySpendsMoreThanItsLimitAndOneBurst: in any stretch of time as long as a window, several
// processes together let at most two windows' worth pass, and in each window at most its limit.
func TestNoKeySpendsMoreThanItsLimitAndOneBurst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		all := &shared{used: map[string]quota.Usage{}}
		var processes []*quota.Counters
		for range rapid.IntRange(1, 4).Draw(t, "processes") {
			processes = append(processes, quota.NewCounters(all.grant, func() time.Time { return now }))
		}
		limit := rapid.Int64Range(1, 300).Draw(t, "limit")
		window := time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second
		shift := time.Duration(rapid.IntRange(0, 600).Draw(t, "shift")) * time.Second
		type spent struct {
			at time.Time
			n  int64
		}
		var passed []spent
		bySlot := map[int64]int64{}
		for range rapid.IntRange(1, 400).Draw(t, "attempts") {
			n := rapid.Int64Range(1, 3).Draw(t, "n")
			c := processes[rapid.IntRange(0, len(processes)-1).Draw(t, "process")]
			after, ok := c.Take(context.Background(), "key", limit, n, window, shift)
			if ok {
				passed = append(passed, spent{now, n})
				bySlot[(now.UnixNano()-int64(shift))/int64(window)] += n
			} else if after <= 0 || after > window {
				t.Fatalf("refused for %s of a window of %s", after, window)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
		}
		for slot, n := range bySlot {
			if n > limit {
				t.Fatalf("%d passed in window %d, the limit is %d", n, slot, limit)
			}
		}
		for i := range passed {
			var sum int64
			for _, p := range passed[i:] {
				if p.at.Sub(passed[i].at) < window {
					sum += p.n
				}
			}
			if sum > 2*limit {
				t.Fatalf("%d passed within %s, the limit is %d", sum, window, limit)
			}
		}
	})
}

func TestALimitIsSpentByWhoeverNeedsIt(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	all := &shared{used: map[string]quota.Usage{}}
	clock := func() time.Time { return now }
	a, b := quota.NewCounters(all.grant, clock), quota.NewCounters(all.grant, clock)
	const limit = 10_000
	passed := 0
	for i := range 3 * limit {
		c := a
		if i%10 == 0 { // one process gets a tenth of the traffic
			c = b
		}
		if _, ok := c.Take(t.Context(), "key", limit, 1, time.Hour, 0); ok {
			passed++
		}
	}
	if passed > limit || passed < limit*98/100 {
		t.Errorf("want %d to pass within 2 %%, got %d", limit, passed)
	}
	if all.asks > 600 {
		t.Errorf("asked %d times for %d items", all.asks, 3*limit)
	}
	if after, ok := a.Take(t.Context(), "key", limit, 1, time.Hour, 0); ok || after > time.Hour {
		t.Errorf("want refused until the hour ends, got %s %t", after, ok)
	}
	now = now.Add(time.Hour)
	if _, ok := a.Take(t.Context(), "key", limit, 1, time.Hour, 0); !ok {
		t.Error("want the next window open")
	}
}

func TestAProcessCountsAloneWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	all := &shared{away: true}
	c := quota.NewCounters(all.grant, nil)
	passed := 0
	for range 300 {
		if _, ok := c.Take(t.Context(), "key", 100, 1, 1000*time.Hour, 0); ok {
			passed++
		}
	}
	if passed != 100 || all.asks > 5 {
		t.Errorf("want 100 passed without asking each time, got %d and %d asks", passed, all.asks)
	}
	if after, ok := c.Take(t.Context(), "nothing", 0, 1, 0, 0); ok || after != quota.RefusedAfter {
		t.Errorf("a limit of 0: %s %t", after, ok)
	}
}

func TestUnenforceableQuotasAreRefused(t *testing.T) {
	t.Parallel()
	good := quota.Quota{ID: "errors", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: 5, Window: time.Minute, Reason: "too_many"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*quota.Quota){
		"id":       func(q *quota.Quota) { q.ID = "a.b" },
		"reason":   func(q *quota.Quota) { q.Reason = "" },
		"scope":    func(q *quota.Quota) { q.Scope = "global" },
		"limit":    func(q *quota.Quota) { q.Limit = -1 },
		"window":   func(q *quota.Quota) { q.Window = time.Millisecond },
		"units":    func(q *quota.Quota) { q.Categories = []outcome.Category{outcome.Error, outcome.Attachment} },
		"all":      func(q *quota.Quota) { q.Categories = nil },
		"category": func(q *quota.Quota) { q.Categories = []outcome.Category{99} },
	} {
		q := good
		if spoil(&q); q.Validate() == nil {
			t.Errorf("%s: want refused: %+v", name, q)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	c := quota.NewCounters(nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Take(b.Context(), "key", 1<<40, 1, 1000*time.Hour, 0); !ok {
			b.Fatal("refused")
		}
	}
}
