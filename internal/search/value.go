package search

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// values reads what follows the colon of a term called key.
func (p *parser) values(t *Term, key string) {
	kind := t.Field.Kind()
	if kind == KindNumber || kind == KindTime {
		p.operator(t)
	}
	if p.peek() == '[' {
		p.list(t, key)
		return
	}
	start := p.pos
	text, quoted, ok := p.text1("")
	if !ok {
		return
	}
	if text == "" && !quoted {
		p.failText(start, "a value", "Empty string after '%s:'", key)
		return
	}
	p.add(t, key, start, text, quoted)
}

// operator reads > >= < <= = in front of a value that has an order.
func (p *parser) operator(t *Term) {
	for _, op := range []Op{OpGreaterEq, OpLessEq, OpGreater, OpLess, "="} {
		if strings.HasPrefix(p.text[p.pos:], string(op)) {
			p.pos += len(op)
			if op != "=" {
				t.Op = op
			}
			return
		}
	}
}

// text1 reads one bare or quoted text; a bare one ends at a space or at a character of stop.
func (p *parser) text1(stop string) (text string, quoted, ok bool) {
	if p.peek() == '"' {
		text, ok := p.quotedValue()
		if !ok {
			p.fail(len(p.text), "a closing quotation mark")
		}
		return text, true, ok
	}
	end := p.wordEnd(p.pos, stop)
	text = p.text[p.pos:end]
	p.pos = end
	return markWildcards(clean(text)), false, true
}

// quotedValue is quoted for values: asterisks are wildcards there too, unless escaped.
func (p *parser) quotedValue() (string, bool) {
	start := p.pos
	if _, ok := p.quoted(); !ok {
		return "", false
	}
	inner := clean(p.text[start+1 : p.pos-1])
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '\\' && i+1 < len(inner) && strings.IndexByte(`"\*`, inner[i+1]) >= 0:
			i++
			b.WriteByte(inner[i])
		case c == '*':
			b.WriteRune(Wildcard)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// markWildcards turns the asterisks of a bare value into wildcards and `\*` into asterisks.
func markWildcards(s string) string {
	if !strings.Contains(s, "*") {
		return s
	}
	s = strings.ReplaceAll(s, "*", string(Wildcard))
	return strings.ReplaceAll(s, `\`+string(Wildcard), "*")
}

// list reads [a, "b c", 3].
func (p *parser) list(t *Term, key string) {
	open := p.pos
	if t.Field == FieldIs || t.Field == FieldHas || t.Field.Kind() == KindTime || t.Op != OpEqual {
		p.fail(open, "one value, not a list")
		return
	}
	for p.pos++; p.err == nil; p.pos++ {
		p.skipSpace()
		start := p.pos
		text, quoted, ok := p.text1(",]")
		if !ok {
			return
		}
		if text == "" {
			p.failText(start, "a value", "Empty string in the list of '%s:'", key)
			return
		}
		p.add(t, key, start, text, quoted)
		p.skipSpace()
		switch {
		case len(t.Values) > MaxItems:
			p.fail(start, "at most %d values in a list", MaxItems)
		case p.peek() == ']':
			p.pos++
			if p.pos < len(p.text) && p.wordEnd(p.pos, "") > p.pos {
				p.fail(p.pos, "a space after the list")
			}
			return
		case p.peek() != ',':
			p.fail(p.pos, "a comma or a closing bracket")
		}
	}
}

// add appends one value of the term, read as its field's kind asks.
func (p *parser) add(t *Term, key string, pos int, text string, quoted bool) {
	var v Value
	switch t.Field.Kind() {
	case KindText:
		v.Text = textValue(t.Field, key, text)
	case KindWord:
		v.Text = p.word(t, key, pos, text)
	case KindNumber:
		v.Number = p.number(pos, text)
	case KindTime:
		v = p.moment(t, pos, text)
	}
	t.Values = append(t.Values, v)
}

// textValue puts the kind of a user's name in front of it, as the stored tag has it.
func textValue(f Field, key, text string) string {
	if f == FieldUser && text != "" {
		if _, kind, found := strings.Cut(key, "."); found {
			return kind + ":" + text
		}
	}
	return text
}

// word reads one of the words a field knows. has: takes any key.
func (p *parser) word(t *Term, key string, pos int, text string) string {
	if t.Field == FieldHas {
		if !validKey(text) {
			p.fail(pos, "the name of a key")
		}
		return text
	}
	meaning, known := words[t.Field][strings.ToLower(text)]
	if !known {
		p.failText(pos, "one of the words of "+key+":", "Invalid value %q for %s:", cut(text), key)
	}
	if key == "error.handled" {
		meaning = map[string]string{"true": "false", "false": "true"}[meaning]
	}
	return meaning
}

// number reads an integer with an optional suffix k, m or b.
func (p *parser) number(pos int, text string) int64 {
	digits, factor := strings.ToLower(text), int64(1)
	for suffix, f := range map[string]int64{"k": 1e3, "m": 1e6, "b": 1e9} {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			digits, factor = rest, f
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err == nil && (n > math.MaxInt64/factor || n < math.MinInt64/factor) {
		err = strconv.ErrRange
	}
	if err != nil {
		p.failText(pos, "a number", "Invalid number: %s", cut(text))
	}
	return n * factor
}

var units = map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

// maxAgo is the longest relative time: before that nothing was recorded.
const maxAgo = 100 * 365 * 24 * time.Hour

// moment reads a relative time (-24h: since then; +24h: before then), a day or a moment.
func (p *parser) moment(t *Term, pos int, text string) Value {
	if sign := text; len(sign) > 2 && (sign[0] == '-' || sign[0] == '+') {
		n, err := strconv.ParseInt(text[1:len(text)-1], 10, 32)
		unit := units[text[len(text)-1]]
		if err == nil && n >= 0 && unit > 0 && n <= int64(maxAgo/unit) && t.Op == OpEqual && len(t.Values) == 0 {
			t.Op = OpGreaterEq
			if sign[0] == '+' {
				t.Op = OpLessEq
			}
			return Value{Ago: time.Duration(n) * unit}
		}
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil && at.Year() > 0 {
		return Value{Time: at, Day: true}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() > 0 {
			return Value{Time: at.UTC()}
		}
	}
	p.failText(pos, "a date such as 2026-05-01, or -24h", "Invalid date: %s", cut(text))
	return Value{}
}

// cut bounds what an error repeats.
func cut(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "…"
}
