package search

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// String is the search in canonical form: it parses to the same terms.
func (q Query) String() string {
	var b strings.Builder
	if len(q.Terms) == 1 && q.Terms[0].Field == FieldAny && !q.Terms[0].Negated {
		writeAlternatives(&b, q.Terms[0].Any)
	} else {
		writeTerms(&b, q.Terms)
	}
	return b.String()
}

// writeTerms writes terms that must all hold. Two of free text would be read as one without a word
// between them.
func writeTerms(b *strings.Builder, terms []Term) {
	for i, t := range terms {
		switch {
		case i > 0 && t.Field == FieldText && terms[i-1].Field == FieldText:
			b.WriteString(" AND ")
		case i > 0:
			b.WriteByte(' ')
		}
		t.write(b)
	}
}

func writeAlternatives(b *strings.Builder, all [][]Term) {
	for i, terms := range all {
		if i > 0 {
			b.WriteString(" OR ")
		}
		writeTerms(b, terms)
	}
}

func (t Term) write(b *strings.Builder) {
	if t.Field == FieldText {
		writeQuoted(b, t.Values[0].Text, false)
		return
	}
	if t.Negated {
		b.WriteByte('!')
	}
	if t.Field == FieldAny {
		b.WriteByte('(')
		writeAlternatives(b, t.Any)
		b.WriteByte(')')
		return
	}
	b.WriteString(t.name())
	b.WriteByte(':')
	if len(t.Values) == 1 {
		t.writeValue(b, t.Values[0])
		return
	}
	b.WriteByte('[')
	for i, v := range t.Values {
		if i > 0 {
			b.WriteString(", ")
		}
		t.writeValue(b, v)
	}
	b.WriteByte(']')
}

func (t Term) name() string {
	switch t.Field {
	case FieldProperty:
		return t.Tag
	case FieldContext:
		return "contexts." + t.Tag
	case FieldTag:
	default:
		return t.Field.Name()
	}
	if t.Numeric && t.Op == OpEqual {
		return "tags[" + t.Tag + ",number]"
	}
	plain := !strings.ContainsFunc(t.Tag, func(r rune) bool { return r > unicode.MaxASCII || !isKeyByte(byte(r)) })
	field, _, _ := meaning(t.Tag, false)
	taken := field != FieldTag
	switch {
	case plain && !taken:
		return t.Tag
	case taken:
		return "tags[" + t.Tag + "]"
	}
	var b strings.Builder
	writeQuoted(&b, t.Tag, false)
	return b.String()
}

func (t Term) writeValue(b *strings.Builder, v Value) {
	switch kind := t.Kind(); {
	case t.Numeric:
		b.WriteString(string(t.Op) + strconv.FormatFloat(v.Real, 'f', -1, 64))
	case kind == KindText || kind == KindVersion:
		b.WriteString(string(t.Op))
		writeQuoted(b, v.Text, true)
	case kind == KindWord:
		if t.Field == FieldHas {
			writeQuoted(b, v.Text, true)
			return
		}
		b.WriteString(v.Text)
	case kind == KindNumber:
		b.WriteString(string(t.Op) + strconv.FormatInt(v.Number, 10))
	case kind == KindTime:
		t.writeTime(b, v)
	}
}

func (t Term) writeTime(b *strings.Builder, v Value) {
	switch {
	case v.Day:
		b.WriteString(string(t.Op) + v.Time.Format(time.DateOnly))
	case !v.Time.IsZero():
		b.WriteString(string(t.Op) + v.Time.Format(time.RFC3339Nano))
	default:
		sign := "-"
		if t.Op == OpLessEq {
			sign = "+"
		}
		b.WriteString(sign + strconv.FormatInt(int64(v.Ago/time.Minute), 10) + "m")
	}
}

// writeQuoted writes s in quotation marks; wildcards as asterisks, and asterisks escaped where
// they would be read as wildcards.
func writeQuoted(b *strings.Builder, s string, wildcards bool) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '*' && wildcards:
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == Wildcard:
			b.WriteByte('*')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
