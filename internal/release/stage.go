package release

import (
	"strconv"
	"strings"
	"time"
)

// Activity is how much a project's release is seen.
type Activity struct {
	Version   string
	LastSeen  time.Time
	TimesSeen int64
	Share     float64 // of the events of the project's releases seen in the last day
}

// How releases are told apart by their use.
const (
	seenWithin  = 24 * time.Hour
	adoptedFrom = 0.1 // share of the events
)

// The stages of a release's use.
const (
	Adopted     = "adopted"
	LowAdoption = "low_adoption"
	Replaced    = "replaced" // not seen for a day
)

// Stage is how far a release is in use.
func (a *Activity) Stage(now time.Time) string {
	switch {
	case now.Sub(a.LastSeen) > seenWithin:
		return Replaced
	case a.Share >= adoptedFrom:
		return Adopted
	}
	return LowAdoption
}

// Share fills in the shares of one project's releases.
func Share(list []Activity, now time.Time) {
	var total int64
	for i := range list {
		if now.Sub(list[i].LastSeen) <= seenWithin {
			total += list[i].TimesSeen
		}
	}
	for i := range list {
		if total > 0 && now.Sub(list[i].LastSeen) <= seenWithin {
			list[i].Share = float64(list[i].TimesSeen) / float64(total)
		}
	}
}

// Text is the version without package and build: major.minor.patch-pre.
func (v Version) Text() string {
	parts := make([]string, 0, 4)
	for i, n := range v.Numbers {
		if i < 3 || n != 0 {
			parts = append(parts, strconv.FormatUint(n, 10))
		}
	}
	text := strings.Join(parts, ".")
	if v.Pre != "" {
		text += "-" + v.Pre
	}
	return text
}
