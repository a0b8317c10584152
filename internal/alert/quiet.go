package alert

import (
	"slices"
	"time"
	_ "time/tzdata" // people choose time zones, and a minimal container has none

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Quiet is a span of each day in which alerts of a rule wait; at its end they come as one message.
type Quiet struct {
	Zone string `json:"zone"` // IANA name, "Europe/Zurich"
	From string `json:"from"` // "22:00", local time
	To   string `json:"to"`   // "07:00"; at or before From: of the next day
	// Days are the weekdays on which the span begins, Sunday is 0; empty: all.
	Days []time.Weekday `json:"days,omitempty"`
}

const clock = "15:04"

func (q *Quiet) validate() error {
	if q == nil {
		return nil
	}
	if _, err := time.LoadLocation(q.Zone); err != nil || q.Zone == "" || q.Zone == "Local" {
		return fault.New(fault.Invalid, "quiet hours need a time zone such as Europe/Zurich")
	}
	for _, text := range []string{q.From, q.To} {
		if _, err := time.Parse(clock, text); err != nil {
			return fault.New(fault.Invalid, "quiet hours are times such as 22:00")
		}
	}
	for _, d := range q.Days {
		if d < time.Sunday || d > time.Saturday {
			return fault.New(fault.Invalid, "days of quiet hours are 0 (Sunday) to 6")
		}
	}
	if q.From == q.To {
		return fault.New(fault.Invalid, "quiet hours that begin and end at the same time would never end")
	}
	return nil
}

// Until returns when the span that now lies in ends; ok is false outside of all spans. Spans follow
// the wall clock, also on days when it is put forward or back.
func (q *Quiet) Until(now time.Time) (end time.Time, ok bool) {
	if q == nil {
		return time.Time{}, false
	}
	zone, err := time.LoadLocation(q.Zone)
	from, err1 := time.Parse(clock, q.From)
	to, err2 := time.Parse(clock, q.To)
	if err != nil || err1 != nil || err2 != nil {
		return time.Time{}, false
	}
	local := now.In(zone)
	for back := range 2 { // the span may have begun yesterday
		day := local.AddDate(0, 0, -back)
		if len(q.Days) > 0 && !slices.Contains(q.Days, day.Weekday()) {
			continue
		}
		begin := time.Date(day.Year(), day.Month(), day.Day(), from.Hour(), from.Minute(), 0, 0, zone)
		end := time.Date(day.Year(), day.Month(), day.Day(), to.Hour(), to.Minute(), 0, 0, zone)
		if !to.After(from) {
			end = time.Date(day.Year(), day.Month(), day.Day()+1, to.Hour(), to.Minute(), 0, 0, zone)
		}
		if !now.Before(begin) && now.Before(end) {
			return end, true
		}
	}
	return time.Time{}, false
}
