package alert_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

// Whatever a client of Sentry's API sends and we accept, comes back as it was and means the same.
func TestWireFormsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, list := range []struct {
		rows   []row
		filter bool
	}{{conditionRows(), false}, {filterRows(), true}} {
		for _, r := range list.rows {
			raw := r.clause.Wire(list.filter)
			got, err := alert.ParseWire(raw, list.filter)
			if err != nil {
				t.Errorf("%s: %v in %s", r.name, err, raw)
				continue
			}
			rule := rule([]alert.Clause{got}, nil)
			facts, silent := r.yes, r.no
			if list.filter {
				rule.Conditions, rule.Filters = []alert.Clause{{Kind: alert.KindNew}}, []alert.Clause{got}
			}
			if alert.Prepare(rule).Evaluate(facts) != alert.True || alert.Prepare(rule).Evaluate(silent) != alert.False {
				t.Errorf("%s means something else as %s", r.name, raw)
			}
			if string(got.Wire(list.filter)) != string(raw) {
				t.Errorf("%s: sent %s, shown %s", r.name, raw, got.Wire(list.filter))
			}
		}
	}
	for _, bad := range []string{`1`, `{}`, `{"id":"sentry.rules.conditions.moon"}`, `{"id":"sentry.rules.filters.level.LevelFilter","match":"eq"}`,
		`{"id":"sentry.rules.filters.level.LevelFilter","match":"eq","level":"7"}`, `{"id":"sentry.rules.filters.assigned_to.AssignedToFilter","targetType":"Moon"}`,
		`{"id":"sentry.rules.conditions.event_frequency.EventUniqueUserFrequencyConditionWithConditions","value":1,"interval":"1h","conditions":[` + strings.Repeat("1,", 16) + `1]}`} {
		if c, err := alert.ParseWire(json.RawMessage(bad), true); err == nil {
			t.Errorf("%s was accepted as %+v", bad, c)
		}
	}
}

// FuzzParseWire: whatever is sent, parsing ends without a panic and bounded.
func FuzzParseWire(f *testing.F) {
	for _, r := range append(conditionRows(), filterRows()...) {
		f.Add([]byte(r.clause.Wire(false)), false)
		f.Add([]byte(r.clause.Wire(true)), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, filter bool) {
		c, err := alert.ParseWire(raw, filter)
		if err == nil {
			_ = c.Sentence()
			_ = rule([]alert.Clause{c}, nil).Validate()
		}
	})
}
