package event

import (
	"strconv"
	"strings"
	"time"
)

// transaction cleans what only transactions have; from other events it goes away.
func (n *normalizer) transaction() {
	if n.Type != TypeTransaction {
		n.Spans, n.Measurements = nil, nil
		return
	}
	n.measurements()
}

// longestStart bounds how long the start of an app or a screen can take, in milliseconds. Old
// clients send longer ones when the app was asleep.
const longestStart = 180_000

// measurements cleans names, values and units.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (normalize_measurements)
func (n *normalizer) measurements() {
	var kept []Member
	for _, m := range n.Measurements {
		name := strings.ToLower(strings.TrimSpace(m.Name))
		switch name {
		case "app.start.cold":
			name = "app_start_cold"
		case "app.start.warm":
			name = "app_start_warm"
		}
		if name == "" || len(name) > limitTag || !validTagKey(name) {
			n.lost("measurements", "invalid_data", "invalid measurement name", name)
			continue
		}
		if len(kept) == maxMeasures {
			n.Meta = n.Meta.add("measurements", Remarks{Length: len(n.Measurements)})
			break
		}
		if v := n.measurement(name, members(m.Value)); v != nil {
			kept = append(kept, Member{name, v})
		}
	}
	n.Measurements = lastOfEach(kept)
}

// measurement is the number and unit of one measurement; nil when it has no number, or one that
// cannot be.
func (n *normalizer) measurement(name string, o Object) Value {
	value := o.Get("value")
	number, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		n.lost(at("measurements").path(name), "invalid_data", "expected a number", "")
		return nil
	}
	switch name {
	case "app_start_cold", "app_start_warm", "time_to_initial_display", "time_to_full_display":
		if number > longestStart {
			return nil
		}
	}
	unit := measurementUnit(o.text("unit"))
	if unit == "" {
		unit = defaultUnit(name)
	}
	out := append(append(make(Value, 0, 48), `{"value":`...), value...)
	return append(appendText(out, "unit", unit), '}')
}

// measurementUnit is a unit in full; empty when there is none, or one that cannot be.
// Rule: getsentry/relay relay-base-schema/src/metrics/units.rs
func measurementUnit(s string) string {
	switch s {
	case "ns":
		return "nanosecond"
	case "us", "µs":
		return "microsecond"
	case "ms":
		return "millisecond"
	case "s":
		return "second"
	}
	if len(s) > 15 || !validTagKey(s) {
		return ""
	}
	return s
}

// defaultUnit is the unit of the measurements that clients send without one.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (get_metric_measurement_unit)
func defaultUnit(name string) string {
	switch name {
	case "fp", "fcp", "lcp", "fid", "inp", "ttfb", "ttfb.requesttime",
		"app_start_cold", "app_start_warm", "time_to_initial_display", "time_to_full_display",
		"stall_total_time", "stall_longest_time":
		return "millisecond"
	case "frames_slow_rate", "frames_frozen_rate", "stall_percentage":
		return "ratio"
	}
	return "none"
}

// shiftSpans moves every time of a list of spans.
func shiftSpans(list Value, by time.Duration) Value {
	r := reader{b: list, s: string(list)}
	out := make(Value, 0, len(list)+len(list)/8)
	done := 0
	for r.open(); r.next(']'); {
		if r.kind() != '{' {
			r.skip(maxDepth)
			continue
		}
		for r.open(); r.next('}'); {
			name := r.key()
			start := r.i
			if name != "timestamp" && name != "start_timestamp" {
				r.skip(maxDepth)
			} else if t := r.timestamp(name); !t.IsZero() {
				out = append(out, list[done:start]...)
				out = appendSeconds(out, shifted(t, by).UnixMicro())
				done = r.i
			}
		}
	}
	return append(out, list[done:]...)
}
