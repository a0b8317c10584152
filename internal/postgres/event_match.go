package postgres

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// Values are what an event has under a field: a column, a tag, a property or a member of a context.
// None: it has no such thing, or its payload was not asked for.
func (e *FoundEvent) Values(field string) []string {
	if at, known := columnPlaces[field]; known {
		if e.columns[at] == "" {
			return nil
		}
		return []string{e.columns[at]}
	}
	if e.decoded == nil {
		return nil
	}
	if inner, ok := strings.CutPrefix(field, "tags["); ok {
		return e.tags(strings.TrimSuffix(inner, "]"))
	}
	switch field {
	case "transaction":
		return some(e.decoded.Transaction)
	case "dist":
		return some(e.decoded.Dist)
	}
	return append(e.properties(field), e.tags(field)...)
}

func some(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func (e *FoundEvent) tags(key string) (list []string) {
	for _, t := range e.decoded.Tags {
		if t.Key == key && t.Value != "" {
			list = append(list, t.Value)
		}
	}
	return list
}

// namedPairs are an event's properties, and the name of its user that the tag "user" stands for
// where issues are searched.
func namedPairs(ev *event.Event) []event.Pair {
	list := ev.Properties()
	if kind, name, ok := strings.Cut(ev.User.Key(), ":"); ok {
		list = append(list, event.Pair{Key: "user." + kind, Value: name})
	}
	return list
}

func (e *FoundEvent) properties(key string) (list []string) {
	for _, p := range e.pairs {
		if p.Key == key {
			list = append(list, p.Value)
		}
	}
	return list
}

// holds reports whether all terms hold for the event.
func (e *FoundEvent) holds(terms []search.Term) bool {
	for i := range terms {
		if e.has(&terms[i]) == terms[i].Negated {
			return false
		}
	}
	return true
}

// has reports whether one of the term's values is one of the event's.
func (e *FoundEvent) has(t *search.Term) bool {
	if e.decoded == nil {
		return false
	}
	if _, told := toldFields[t.Field]; told {
		return e.told(t)
	}
	var have []string
	switch t.Field {
	case search.FieldAny:
		return slices.ContainsFunc(t.Any, e.holds)
	case search.FieldHas:
		return len(e.Values(t.Values[0].Text)) > 0
	case search.FieldUser:
		have = e.users()
	case search.FieldTag:
		have = e.tags(t.Tag)
	default:
		have = append(e.properties(t.Tag), e.tags(t.Tag)...)
	}
	for _, want := range t.Values {
		if want.Text == "" && !t.Numeric {
			if len(have) == 0 {
				return true
			}
			continue
		}
		if slices.ContainsFunc(have, func(text string) bool { return matches(t, want, text) }) {
			return true
		}
	}
	return false
}

// users are the names of the event's user, each with and without what kind of name it is.
func (e *FoundEvent) users() (list []string) {
	u := e.decoded.User
	if u == nil {
		return nil
	}
	for _, name := range [...][2]string{{"id:", u.ID}, {"email:", u.Email}, {"username:", u.Username}, {"ip:", u.IPAddress}} {
		if name[1] != "" {
			list = append(list, name[0]+name[1], name[1])
		}
	}
	return list
}

// matches compares a text with a value of a term: wildcards in any case, exact values in their own.
func matches(t *search.Term, want search.Value, text string) bool {
	if t.Numeric {
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && holds(t.Op, cmp.Compare(n, want.Real))
	}
	if want.HasWildcard() {
		return matchesWild(strings.ToLower(want.Text), strings.ToLower(text))
	}
	return want.Text == text
}
