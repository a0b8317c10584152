package bus_test

import (
	"context"
	"maps"
	"sync"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// mirror is a copy of a bucket that a watch keeps.
type mirror struct {
	mu     sync.Mutex
	values map[string]string
	syncs  int
}

func watching(t testing.TB, c *bus.Conn) *mirror {
	t.Helper()
	m := &mirror{values: map[string]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- settings.Watch(ctx, c, func(key string, v *setting) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if v == nil {
				delete(m.values, key)
			} else {
				m.values[key] = v.Value
			}
		}, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.syncs++
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	return m
}

func (m *mirror) is(want map[string]string, syncs int) func() bool {
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return maps.Equal(m.values, want) && m.syncs >= syncs
	}
}

func TestABucketIsMirrored(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	front, back := srv.Conn("front"), srv.Conn("back")
	put := func(key, value string) {
		t.Helper()
		if err := settings.Put(t.Context(), front, key, setting{value}); err != nil {
			t.Fatal(err)
		}
	}
	put("1", "one")
	put("2", "two")
	put("2", "zwei")
	m := watching(t, back)
	until(t, "what was there", m.is(map[string]string{"1": "one", "2": "zwei"}, 1))
	put("3", "three")
	if err := settings.Delete(t.Context(), front, "1"); err != nil {
		t.Fatal(err)
	}
	until(t, "the changes", m.is(map[string]string{"2": "zwei", "3": "three"}, 1))
	got, ok, err := settings.Get(t.Context(), back, "3")
	if err != nil || !ok || got.Value != "three" {
		t.Errorf("get: want three, got %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := settings.Get(t.Context(), back, "1"); err != nil || ok {
		t.Errorf("get deleted: want none, got %v, %v", ok, err)
	}
	if err := settings.Delete(t.Context(), front, "never"); err != nil {
		t.Errorf("delete what is not there: %v", err)
	}
}

func TestAWatchSurvivesTheBroker(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	front, back := srv.Conn("front"), srv.Conn("back")
	for _, key := range []string{"stays", "goes"} {
		if err := settings.Put(t.Context(), front, key, setting{key}); err != nil {
			t.Fatal(err)
		}
	}
	m := watching(t, back)
	until(t, "what was there", m.is(map[string]string{"stays": "stays", "goes": "goes"}, 1))
	srv.Restart(t)
	until(t, "the change after the restart", func() bool {
		_ = settings.Delete(t.Context(), front, "goes") // until the connection is back
		return m.is(map[string]string{"stays": "stays"}, 2)()
	})
}
