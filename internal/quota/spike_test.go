package quota_test

import (
	"slices"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/quota"
)

func TestSpikeCeilingFollowsTheWeek(t *testing.T) {
	t.Parallel()
	week := slices.Repeat([]int64{500}, 168)
	week[20], week[90] = 1_000_000, 2_000_000 // two spikes of the past do not raise it
	for name, tt := range map[string]struct {
		hours []int64
		want  int64
	}{
		"nothing known": {nil, 0}, "less than a day": {slices.Repeat([]int64{9}, 23), 0}, "quiet": {make([]int64, 24), 1000},
		"steady": {slices.Repeat([]int64{500}, 24), 3000}, "with spikes": {week, 3000},
	} {
		if got := quota.SpikeCeiling(tt.hours); got != tt.want {
			t.Errorf("%s: want %d, got %d", name, tt.want, got)
		}
	}
}
