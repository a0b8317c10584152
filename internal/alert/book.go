package alert

import (
	"encoding/json"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Book is the rules of a project, made ready to hold many changes against:
//
//	a change ──▶ rules that can be about its kind ──▶ by their conditions, each set asked once ──▶ rules
//
// Rules share what they compare: a clause that a thousand rules have is asked once of the same facts
// (Memo), with its numbers, lists and words read when the book was made. It is safe for concurrent use.
type Book struct {
	seen  []chapter // rules that look at events which change nothing but counts
	other []chapter // rules with a trigger that can be about other changes
	terms int
}

// chapter is the rules that have the same conditions.
type chapter struct {
	match      Match
	conditions []*term
	rules      []*Prepared
}

// Prepared is a rule with what it needs and compares, found out once.
type Prepared struct {
	*Rule
	Needs      Needs
	conditions []*term
	filters    []*term
	alone      bool // only one part of the rule looks at the event
}

// term is a clause of a rule with what it compares, read once.
type term struct {
	*Clause
	kind        kind
	at          int // its place in a Memo
	environment string
	// alone tells that nothing else in the rule looks at the event: what some event has decides it.
	alone       bool
	number      float64
	key         string // of a tag, folded
	want        wanted // of a tag or an attribute
	now, before Count  // of a count, and the one it is compared with
}

// Memo is what the clauses of a book said of one set of facts. It is for one goroutine.
type Memo struct{ said []Truth }

// unasked marks a clause that said nothing yet.
const unasked Truth = -1

// Memo returns an empty one.
func (b *Book) Memo() *Memo {
	m := &Memo{said: make([]Truth, b.terms)}
	m.Forget()
	return m
}

// Forget must be called when the facts become others.
func (m *Memo) Forget() {
	for i := range m.said {
		m.said[i] = unasked
	}
}

// NewBook arranges the rules, to which it keeps references. Disabled rules are left out.
func NewBook(rules []Rule) *Book {
	p := printer{terms: map[string]*term{}}
	seen, other := map[string]int{}, map[string]int{}
	b := new(Book)
	for i := range rules {
		r := &rules[i]
		if !r.Enabled {
			continue
		}
		e := p.prepare(r)
		if r.AsksEvents() {
			b.seen = file(b.seen, seen, e)
		}
		if r.asksOthers() {
			b.other = file(b.other, other, e)
		}
	}
	b.terms = len(p.terms)
	return b
}

// Prepare makes one rule ready by itself.
func Prepare(r *Rule) *Prepared {
	p := printer{terms: map[string]*term{}}
	return p.prepare(r)
}

// file puts a rule into the chapter of its conditions; places are the chapters' by what they say.
func file(list []chapter, places map[string]int, e *Prepared) []chapter {
	key := []byte(e.Match)
	for _, t := range e.conditions {
		key = strconv.AppendInt(append(key, ' '), int64(t.at), 10)
	}
	at, known := places[string(key)]
	if !known {
		at = len(list)
		places[string(key)] = at
		list = append(list, chapter{match: e.Match, conditions: e.conditions})
	}
	list[at].rules = append(list[at].rules, e)
	return list
}

// printer makes the terms of a book, one of each.
type printer struct{ terms map[string]*term }

func (p *printer) prepare(r *Rule) *Prepared {
	e := &Prepared{Rule: r, Needs: r.Needs(), alone: r.eventParts() == 1}
	e.conditions, e.filters = p.all(r, r.Conditions, e.alone), p.all(r, r.Filters, e.alone)
	return e
}

// eventParts is how many parts of the rule look at the event.
func (r *Rule) eventParts() (n int) {
	if r.Environment != "" {
		n++
	}
	for _, list := range [][]Clause{r.Conditions, r.Filters} {
		for i := range list {
			var needs Needs
			if k := kinds[list[i].Kind]; k.needs != nil {
				k.needs(&list[i], r, &needs)
			}
			if needs.Event {
				n++
			}
		}
	}
	return n
}

func (p *printer) all(r *Rule, clauses []Clause, alone bool) []*term {
	list := make([]*term, len(clauses))
	for i := range clauses {
		list[i] = p.term(r, &clauses[i], alone)
	}
	return list
}

// term returns the term of a clause, the same for the same comparison.
func (p *printer) term(r *Rule, c *Clause, alone bool) *term {
	shown := *c
	shown.Raw = nil
	text, _ := json.Marshal(shown) // texts only
	key := strconv.FormatBool(alone) + r.Environment + "\x00" + string(text)
	if t := p.terms[key]; t != nil {
		return t
	}
	t := &term{Clause: c, kind: kinds[c.Kind], at: len(p.terms), environment: r.Environment, alone: alone, number: c.number()}
	switch c.Kind {
	case KindTag:
		t.key, t.want = tagKey(c.Key), newWanted(c.Match, c.Value)
	case KindAttribute:
		t.want = newWanted(c.Match, c.Value)
	case KindEvents, KindUsers, KindUsersFiltered:
		t.now, t.before = c.count(r, false), c.count(r, true)
	}
	p.terms[key] = t
	return t
}

// Open returns the rules that what is known of a change does not rule out.
func (b *Book) Open(f *Facts, m *Memo) []*Prepared {
	chapters := b.other
	if f.Change.Kind == issue.ChangeSeen {
		chapters = b.seen
	}
	var open []*Prepared
	for i := range chapters {
		c := &chapters[i]
		said := combine(c.match, c.conditions, f, m)
		if said == False {
			continue
		}
		for _, e := range c.rules {
			if e.given(said, f, m) != False {
				open = append(open, e)
			}
		}
	}
	return open
}

// AsksEvents reports whether a rule of the book must be told of events that change nothing but counts.
func (b *Book) AsksEvents() bool { return len(b.seen) > 0 }

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
