package quota

import (
	"math"
	"slices"
)

const (
	// spikeFactor is how many times a busy hour of the past week an hour may have.
	spikeFactor = 6
	// spikeFloor is what an hour may always have.
	spikeFloor = 1000
	// spikeHistory is how many hours must be known before there is a ceiling.
	spikeHistory = 24
)

// SpikeCeiling is how many errors a project may send in an hour before the rest counts as a spike: six
// times the hour that nineteen of twenty hours of the past week stay below, a thousand at least.
// hours are the accepted errors of each full hour since the project's first, at most those of a week.
// 0, no ceiling, until a day is known.
func SpikeCeiling(hours []int64) int64 {
	if len(hours) < spikeHistory {
		return 0
	}
	sorted := slices.Sorted(slices.Values(hours))
	busy := sorted[min(len(sorted)*95/100, len(sorted)-1)]
	return max(spikeFloor, min(busy, math.MaxInt32)*spikeFactor)
}
