package grouping

import "strings"

// cursor reads a text from the left. After the first failure all further steps fail too.
type cursor struct {
	s  string
	i  int
	ok bool
}

// lit takes one of the bytes in set.
func (c cursor) lit(set string) cursor {
	if !c.ok || c.i >= len(c.s) || strings.IndexByte(set, c.s[c.i]) < 0 {
		c.ok = false
		return c
	}
	c.i++
	return c
}

// maybe takes one of the bytes in set when it is there.
func (c cursor) maybe(set string) cursor {
	if next := c.lit(set); next.ok {
		return next
	}
	return c
}

// text takes a literal text.
func (c cursor) text(t string) cursor {
	if !c.ok || !strings.HasPrefix(c.s[c.i:], t) {
		c.ok = false
		return c
	}
	c.i += len(t)
	return c
}

// digits takes between lo and hi digits, as many as there are.
func (c cursor) digits(lo, hi int) cursor {
	if !c.ok {
		return c
	}
	end, n := digits(c.s, c.i, hi)
	c.i, c.ok = end, n >= lo
	return c
}

// number takes two digits, the first one out of tens.
func (c cursor) number(tens string) cursor { return c.lit(tens).digits(1, 1) }

// blank takes one whitespace character.
func (c cursor) blank() cursor {
	if !c.ok {
		return c
	}
	n := blankAt(c.s, c.i)
	c.i, c.ok = c.i+n, n > 0
	return c
}

// blanks takes one or more whitespace characters.
func (c cursor) blanks() cursor {
	c = c.blank()
	for next := c; next.ok; next = c.blank() {
		c = next
	}
	return c
}

// word takes the first of the words that fits.
func (c cursor) word(words ...string) cursor {
	for _, w := range words {
		if next := c.text(w); next.ok {
			return next
		}
	}
	c.ok = false
	return c
}

func (c cursor) weekday() cursor { return c.word("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun") }

func (c cursor) longWeekday() cursor {
	return c.word("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
		"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
}

func (c cursor) month() cursor {
	return c.word("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
}

// zoneName takes the name of a time zone, or one capital letter as armies use them.
func (c cursor) zoneName() cursor {
	if next := c.word("UT", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT"); next.ok {
		return next
	}
	return c.lit("ABCDEFGHIKLMNOPQRSTUVWXYZ")
}

// zone takes an offset of four digits or the name of a time zone.
func (c cursor) zone() cursor {
	if next := c.lit("+-").digits(2, 2).number("012345"); next.ok {
		return next
	}
	return c.zoneName()
}

// maxDateText is how far the closing parenthesis of a date may be away, in bytes.
const maxDateText = 256

// ahead is the text that follows, as far as a date reaches.
func (c cursor) ahead() string { return c.s[c.i:min(len(c.s), c.i+maxDateText)] }

// end is the position after a match, 0 after a failure.
func (c cursor) end() int {
	if !c.ok {
		return 0
	}
	return c.i
}

// dateAt matches the first of the date formats that fits at i; see the functions below.
// Rule: https://datatracker.ietf.org/doc/html/rfc822 and rfc850, rfc1123, rfc3339
func dateAt(s string, i int) int {
	c := s[i]
	at := cursor{s: s, i: i, ok: true}
	switch {
	case strings.IndexByte("MTWFSJADNO", c) >= 0:
		return namedDate(at)
	case c == 'd':
		return dateTimeObject(at)
	case digitAt(s, i) > 0:
		return numericDate(at)
	}
	return 0
}

// namedDate matches the formats that begin with a weekday or month.
func namedDate(at cursor) int {
	wkd, mon := at.longWeekday(), at.month()
	if !wkd.ok && !mon.ok {
		return 0
	}
	for _, format := range [...]func(cursor) cursor{mailDate, longDate, newsDate, scriptDate} {
		if end := format(at).end(); end > 0 {
			return end
		}
	}
	if wordBefore(at.s, at.i) {
		return 0
	}
	if end := unixDate(at).end(); end > 0 {
		return end
	}
	return oldMailDate(at).end()
}

// numericDate matches the formats that begin with a digit.
func numericDate(at cursor) int {
	if end := internetDate(at).end(); end > 0 {
		return end
	}
	if end := dateTime(at).end(); end > 0 {
		return end
	}
	if end := clock(at); end > 0 {
		return end
	}
	if end := at.digits(4, 4).lit("-").number("01").lit("-").number("0123").end(); end > 0 {
		return end
	}
	if end := at.number("012").lit(":").number("012345").lit(":").number("012345").end(); end > 0 {
		return end
	}
	if wordBefore(at.s, at.i) {
		return 0
	}
	return oldMailDate(at).end()
}

// mailDate: Mon, 02 Jan 06 15:04 MST
func mailDate(c cursor) cursor {
	c = c.weekday().lit(",").blank().digits(1, 2).blank().month().blank().digits(2, 4).blank()
	c = c.digits(1, 2).lit(":").digits(1, 2)
	if sec := c.lit(":").digits(1, 2); sec.ok {
		c = sec
	}
	return c.blank().zone()
}

// longDate: Mon Jan 02, 1999
func longDate(c cursor) cursor {
	if wkd := c.weekday().blank(); wkd.ok {
		c = wkd
	}
	return c.month().blank().number("0123").lit(",").blank().digits(2, 4)
}

// newsDate: Monday, 02-Jan-06 15:04:05 MST
func newsDate(c cursor) cursor {
	c = c.longWeekday().lit(",").blank().digits(2, 2).lit("-").month().lit("-").digits(2, 2).blank()
	return c.digits(2, 2).lit(":").digits(2, 2).lit(":").digits(2, 2).blank().zoneName()
}

// scriptDate: Mon Jan 02 2006 14:04:05 GMT-0800 (Pacific Standard Time)
func scriptDate(c cursor) cursor {
	c = c.weekday().blank().month().blank().digits(2, 2).blank().digits(4, 4).blank()
	c = c.digits(2, 2).lit(":").digits(2, 2).lit(":").digits(2, 2).blank().text("GMT").lit("+-").digits(4, 4)
	if name := c.blank().lit("("); name.ok {
		if n := strings.IndexByte(name.ahead(), ')'); n > 0 {
			name.i += n + 1
			return name
		}
	}
	return c
}

// internetDate: 2006-01-02T15:04:05.999999999Z07:00
func internetDate(c cursor) cursor {
	c = c.digits(4, 4).lit("-").digits(2, 2).lit("-").digits(2, 2).lit("T")
	c = c.digits(2, 2).lit(":").digits(2, 2).lit(":").digits(2, 2)
	if frac := c.lit(".").digits(1, len(c.s)); frac.ok {
		c = frac
	}
	c = c.maybe("Z")
	if offset := c.maybe("+-").digits(2, 2).lit(":").digits(2, 2); offset.ok {
		c = offset
	}
	return c
}

// dateTime: 2006-01-02 15:04:05.123+01:00, with or without separators, fraction, seconds, offset.
// A form with an offset is preferred to all without.
func dateTime(c cursor) cursor {
	c = c.digits(4, 4).maybe("-").number("01").maybe("-").number("0123")
	if t := c.lit("T"); t.ok {
		c = t
	} else {
		c = c.blank()
	}
	minute := c.number("012").maybe(":").number("012345")
	second := minute.maybe(":").number("012345")
	forms := [...]cursor{second.lit(".").digits(1, len(c.s)), second, minute}
	for _, form := range forms {
		if z := form.lit("Z"); z.ok {
			return z
		}
		if offset := form.lit("+-").number("012").maybe(":").number("012345"); offset.ok {
			return offset
		}
	}
	for _, form := range forms {
		if form.ok {
			return form
		}
	}
	return minute
}

// clock: 3:04 PM, 3:04:05pm, 15:04, 15:04:05
func clock(c cursor) int {
	if c.i > 0 && precededByDigit(c) {
		return 0
	}
	for _, hour := range [...]cursor{c.lit("1").lit("012"), c.lit("123456789")} {
		if t := clockRest(hour); t.ok {
			half := t
			if sp := t.blank(); sp.ok {
				half = sp
			}
			if half = half.lit("aApP").lit("mM"); half.ok {
				return half.i
			}
			return t.i
		}
	}
	for _, hour := range [...]cursor{c.number("01"), c.lit("2").lit("0123"), c.digits(1, 1)} {
		if t := clockRest(hour); t.ok {
			return t.i
		}
	}
	return 0
}

func precededByDigit(c cursor) bool {
	before := c.i - 1
	for before > 0 && c.s[before]&0xc0 == 0x80 {
		before--
	}
	return digitAt(c.s, before) > 0
}

// clockRest takes minutes and optional seconds, which no digit or colon may follow.
func clockRest(c cursor) cursor {
	c = c.lit(":").number("012345")
	if sec := c.lit(":").number("012345"); sec.ok {
		c = sec
	}
	if c.ok && c.i < len(c.s) && (c.s[c.i] == ':' || digitAt(c.s, c.i) > 0) {
		c.ok = false
	}
	return c
}

// unixDate: Mon Jan  2 15:04:05 2006
func unixDate(c cursor) cursor {
	if wkd := c.weekday().blanks(); wkd.ok {
		c = wkd
	}
	c = c.month().blanks().digits(1, 2).blanks()
	return c.digits(2, 2).lit(":").digits(2, 2).lit(":").digits(2, 2).blanks().digits(4, 4)
}

// oldMailDate: Mon, 2 Jan 2006 15:04:05 -0700, the weekday optional
func oldMailDate(c cursor) cursor {
	if wkd := c.weekday().lit(",").blanks(); wkd.ok {
		c = wkd
	}
	day := c.lit("0").lit("123456789")
	if !day.ok {
		day = c.number("12")
	}
	if !day.ok {
		day = c.lit("3").lit("01")
	}
	if !day.ok {
		day = c.digits(1, 1)
	}
	c = day.blanks().month().blanks()
	year := c.text("19").digits(2, 2)
	if !year.ok {
		year = c.lit("23456789").digits(3, 3)
	}
	c = year.blanks().digits(2, 2)
	if c.ok && c.s[c.i-2:c.i] > "23" {
		c.ok = false
	}
	c = c.lit(":").number("012345")
	sec := c.lit(":").number("012345")
	if !sec.ok {
		sec = c.text(":60")
	}
	if sec.ok {
		c = sec
	}
	return c.blanks().zone()
}

// dateTimeObject: datetime.datetime(2006, 1, 2, 15, 4), with any character for the dot
func dateTimeObject(c cursor) int {
	c = c.text("datetime")
	if !c.ok || c.i == len(c.s) || c.s[c.i] == '\n' {
		return 0
	}
	c.i += runeWidth(c.s, c.i)
	if c = c.text("datetime("); !c.ok {
		return 0
	}
	n := strings.IndexByte(c.ahead(), ')')
	if n < 0 || strings.IndexByte(c.s[c.i:c.i+n], '\n') >= 0 {
		return 0
	}
	return c.i + n + 1
}
