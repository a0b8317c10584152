package postgres_test

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// TestSpikesAreMeasured: the ceiling comes from the accepted errors of the week, follows large changes
// alone, and only where protection is on.
func TestSpikesAreMeasured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Hour)
	counts := func(id byte, hours int, quantity int64) {
		b := outcome.Batch{ID: [16]byte{id}}
		for h := 1; h <= hours; h++ {
			k := outcome.Key{Project: 1, Category: outcome.Error, Kind: outcome.Accepted, Minute: now.Add(-time.Duration(h) * time.Hour)}
			b.Counts = append(b.Counts, outcome.Count{Key: k, Quantity: quantity})
			k.Kind, k.Reason = outcome.RateLimited, "spike_protection"
			b.Counts = append(b.Counts, outcome.Count{Key: k, Quantity: 1_000_000}) // what was refused raises nothing
		}
		if err := w.st.ApplyOutcomes(t.Context(), []outcome.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	measure := func(want int64) {
		t.Helper()
		s, err := w.st.MeasureSpikes(t.Context(), 1, now)
		if err != nil {
			t.Fatal(err)
		}
		got := int64(-1)
		if s.Spikes != nil {
			got = s.Spikes.HourlyLimit
		}
		if got != want {
			t.Errorf("want a ceiling of %d, got %d", want, got)
		}
	}
	counts(1, 48, 500)
	measure(-1) // off
	if list, err := w.st.ProtectedProjects(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	if _, err := w.st.ChangeSettings(t.Context(), 1, func(s *project.Settings) error { s.Spikes = &project.SpikeProtection{}; return nil }); err != nil {
		t.Fatal(err)
	}
	measure(3000)
	counts(2, 48, 10)
	measure(3000) // 3060 is not worth a change
	counts(3, 48, 500)
	measure(6060)
	if list, err := w.st.ProtectedProjects(t.Context()); err != nil || len(list) != 1 || list[0] != 1 {
		t.Errorf("got %v, %v", list, err)
	}
}
