package ingest

import (
	"sync"
	"testing"
	"time"
)

// TestNoTwoRequestsComeAtTheSameTime: stamps taken at once by many are all different, in whole
// microseconds, which is what the database keeps, and never behind the clock.
func TestNoTwoRequestsComeAtTheSameTime(t *testing.T) {
	t.Parallel()
	const takers, each = 8, 5000
	var clock receiptClock
	stamps := make([][]time.Time, takers)
	before := time.Now().Truncate(time.Microsecond)
	var wg sync.WaitGroup
	for i := range takers {
		wg.Go(func() {
			for range each {
				stamps[i] = append(stamps[i], clock.now())
			}
		})
	}
	wg.Wait()
	seen := make(map[time.Time]bool, takers*each)
	for _, list := range stamps {
		for _, at := range list {
			if seen[at] || at.Before(before) || !at.Equal(at.Truncate(time.Microsecond)) {
				t.Fatalf("stamp %v is taken, early or too fine", at)
			}
			seen[at] = true
		}
	}
}
