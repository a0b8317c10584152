package search

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// values reads what follows the colon of a term called key.
func (p *parser) values(t *Term, key string) {
	switch kind := t.Kind(); {
	case kind == KindNumber || kind == KindTime || kind == KindReal || kind == KindVersion || t.Numeric:
		p.operator(t)
	case kind == KindText && (t.Field == FieldTag || t.Field == FieldContext || t.Field == FieldProperty):
		p.comparison(t)
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

// number is what a tag may be compared with.
var comparable = regexp.MustCompile(`^(>=|<=|>|<)[+-]?[0-9]+(\.[0-9]+)?[a-zA-Z%]*$`)

// comparison makes a term over text numeric when an operator and a number follow; in front of
// anything else the operator belongs to the text.
func (p *parser) comparison(t *Term) {
	word := p.text[p.pos:p.wordEnd(p.pos, "")]
	if !comparable.MatchString(word) {
		return
	}
	if _, ok := parseReal(strings.TrimLeft(word, "<>=")); ok {
		t.Numeric = true
		p.operator(t)
	}
}

// factors are the units of numbers: powers of ten, bytes, and milliseconds for times.
var factors = map[string]float64{
	"": 1, "k": 1e3, "m": 1e6, "b": 1e9, "%": 0.01,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	"ms": 1, "s": 1e3, "min": 60e3, "h": 3600e3, "hr": 3600e3, "d": 86400e3, "day": 86400e3, "w": 604800e3, "wk": 604800e3,
}

// parseReal reads a number with an optional unit.
func parseReal(text string) (float64, bool) {
	end := len(text)
	for end > 0 && (text[end-1] < '0' || text[end-1] > '9') {
		end--
	}
	factor, known := factors[strings.ToLower(text[end:])]
	if !known || strings.ContainsAny(text[:end], "eExXpP_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text[:end], 64)
	return f * factor, err == nil && !math.IsInf(f*factor, 0)
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
	if t.Field == FieldIs || t.Field == FieldHas || t.Kind() == KindTime || t.Op != OpEqual {
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
	switch kind := t.Kind(); {
	case kind == KindReal || t.Numeric:
		f, ok := parseReal(text)
		if !ok {
			p.failText(pos, "a number", "Invalid number: %s", cut(text))
		}
		v.Real, t.Numeric = f, true
	case kind == KindVersion && t.Op != OpEqual && !validVersion(text):
		p.failText(pos, "a version such as 1.2.3", "Invalid format for semantic version search: %s", cut(text))
	case kind == KindText || kind == KindVersion:
		v.Text = textValue(t, text)
	case kind == KindWord:
		v.Text = p.word(t, key, pos, text)
	case kind == KindNumber:
		v.Number = p.number(pos, text)
	case kind == KindTime:
		v = p.moment(t, pos, text)
	}
	t.Values = append(t.Values, v)
}

// classes are device.class in words, as the tag has them in digits.
var classes = map[string]string{"high": "3", "medium": "2", "low": "1"}

// textValue is the text as it is stored.
func textValue(t *Term, text string) string {
	if t.Field == FieldEventID {
		return strings.ToLower(strings.ReplaceAll(text, "-", ""))
	}
	if digit, ok := classes[strings.ToLower(text)]; ok && t.Field == FieldContext && t.Tag == "device.class" {
		return digit
	}
	return text
}

// validVersion reports whether text can be compared as a version.
func validVersion(text string) bool {
	first, _, _ := strings.Cut(text, ".")
	_, err := strconv.ParseUint(first, 10, 63)
	return err == nil
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
	if key == "error.handled" || key == "handled" {
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
