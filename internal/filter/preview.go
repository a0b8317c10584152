package filter

import (
	"iter"
	"net/netip"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Forecast says what a filter would have done to events of the past.
type Forecast struct {
	Total    int            // events looked at
	Dropped  int            // of which the filter drops
	ByReason map[string]int // dropped events by reason
}

// Preview runs a filter over events and the addresses they came from, so that somebody can see
// what a setting does before saving it.
func Preview(f *Filter, events iter.Seq2[*event.Event, netip.Addr]) Forecast {
	out := Forecast{ByReason: make(map[string]int)}
	for ev, addr := range events {
		out.Total++
		if reason, drop := f.Check(ev, addr); drop {
			out.Dropped++
			out.ByReason[reason]++
		}
	}
	return out
}
