package alert

import "github.com/tocsin-dev/tocsin/internal/issue"

// Book is the rules of a project, made ready to hold many changes against: a change meets only the
// rules that can be about its kind. It is safe for concurrent use.
type Book struct {
	seen  []*Prepared // rules that look at events which change nothing but counts
	other []*Prepared // rules with a trigger that can be about other changes
}

// Prepared is a rule of a book with what it needs, found out once.
type Prepared struct {
	*Rule
	Needs Needs
}

// NewBook arranges the rules, to which it keeps references. Disabled rules are left out.
func NewBook(rules []Rule) *Book {
	b := new(Book)
	for i := range rules {
		r := &rules[i]
		if !r.Enabled {
			continue
		}
		e := &Prepared{Rule: r, Needs: r.Needs()}
		if r.AsksEvents() {
			b.seen = append(b.seen, e)
		}
		if r.asksOthers() {
			b.other = append(b.other, e)
		}
	}
	return b
}

// For returns the rules that may be about a kind of change. The list must not be changed.
func (b *Book) For(kind issue.ChangeKind) []*Prepared {
	if kind == issue.ChangeSeen {
		return b.seen
	}
	return b.other
}

// asksOthers reports whether a condition of the rule can be about a change that is more than further
// events.
func (r *Rule) asksOthers() bool {
	for i := range r.Conditions {
		if k := kinds[r.Conditions[i].Kind]; k.trigger && !k.counts {
			return true
		}
	}
	return false
}
