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
		f.Event = nil
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			memo := book.Memo()
			for b.Loop() {
				memo.Forget()
				book.Open(f, memo)
			}
		})
	}
}
