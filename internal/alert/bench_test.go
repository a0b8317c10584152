package alert_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// BenchmarkThousandRules measures what one change costs under a thousand rules.
func BenchmarkThousandRules(b *testing.B) {
	var rules []alert.Rule
	for i := range 1000 {
		rows := conditionRows()
		filters := filterRows()
		r := rule([]alert.Clause{rows[i%len(rows)].clause}, []alert.Clause{filters[i%len(filters)].clause})
		rules = append(rules, *r)
	}
	book := alert.NewBook(rules)
	for name, f := range map[string]*alert.Facts{"new": on(issue.ChangeNew), "seen": on(issue.ChangeSeen)} {
		f.Issue, f.Event = nil, nil
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range book.For(f.Change.Kind) {
					r.Evaluate(f)
				}
			}
		})
	}
}
