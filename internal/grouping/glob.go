package grouping

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// globMode says how a pattern treats letters and slashes.
type globMode uint8

const (
	globText   globMode = iota // case-sensitive, * matches anything
	globFolded                 // case-insensitive, * matches anything
	globPath                   // case-insensitive, \ is /, * stops at /
)

// globShape is the cheapest test that a pattern comes down to.
type globShape uint8

const (
	shapeNever globShape = iota
	shapeAny
	shapeLiteral
	shapePrefix
	shapeSuffix
	shapeContains
	shapeBelow  // a/** : something below a folder
	shapeTail   // **/a : the last segments
	shapeWithin // **/a/** : something below a folder anywhere
	shapeRegexp
)

// glob is a compiled pattern. The value to match is folded by the caller as mode asks; see fold.
type glob struct {
	shape globShape
	mode  globMode
	text  string // the literal of the shape; of a regexp, a literal that any match begins with
	need  string // of a regexp, a literal that any match contains
	re    *regexp.Regexp
}

// maxGlob is the longest pattern that is compiled, in bytes.
const maxGlob = 2048

// compileGlob reads a pattern: * ? [a-z] [!a] {a,b} and a backslash before what is meant literally.
// As whole segments, **/ in front, /** behind and /**/ between span any number of segments.
// A pattern that cannot be read matches nothing.
func compileGlob(pattern string, mode globMode) *glob {
	g := &glob{mode: mode}
	if len(pattern) > maxGlob || !utf8.ValidString(pattern) {
		return g
	}
	c := globCompiler{pattern: fold(pattern, mode), path: mode == globPath}
	if !c.parse() {
		return g
	}
	g.shape, g.text = c.shape()
	if g.shape != shapeRegexp {
		return g
	}
	re, err := regexp.Compile(`(?s)\A` + c.re.String() + `\z`)
	if err != nil {
		return &glob{mode: mode}
	}
	g.re, g.need = re, strings.TrimPrefix(c.longest(), "/")
	return g
}

// fold brings a value or pattern into the form in which mode compares.
func fold(s string, mode globMode) string {
	if mode == globText {
		return s
	}
	if mode == globPath && strings.IndexByte(s, '\\') >= 0 {
		s = strings.ReplaceAll(s, `\`, "/")
	}
	return strings.ToLower(s)
}

// match tests a folded value. A path that does not begin with a slash may match as if it did.
func (g *glob) match(v string) bool {
	if g.test(v) {
		return true
	}
	if g.mode != globPath || strings.HasPrefix(v, "/") {
		return false
	}
	switch g.shape {
	case shapeNever, shapeSuffix, shapeContains, shapeTail, shapeWithin:
		return false
	}
	if g.text != "" && g.text[0] != '/' || !strings.Contains(v, g.need) {
		return false
	}
	return g.test("/" + v)
}

func (g *glob) test(v string) bool {
	switch g.shape {
	case shapeAny:
		return true
	case shapeLiteral:
		return v == g.text
	case shapePrefix, shapeBelow:
		return strings.HasPrefix(v, g.text)
	case shapeSuffix:
		return strings.HasSuffix(v, g.text)
	case shapeContains:
		return strings.Contains(v, g.text)
	case shapeTail: // text begins with a slash
		return v == g.text[1:] || strings.HasSuffix(v, g.text)
	case shapeWithin: // text begins and ends with a slash
		return strings.HasPrefix(v, g.text[1:]) || strings.Contains(v, g.text)
	case shapeRegexp:
		return strings.HasPrefix(v, g.text) && strings.Contains(v, g.need) && g.re.MatchString(v)
	}
	return false
}

// globPart is one piece of a pattern, for choosing its shape.
type globPart uint8

const (
	partLiteral globPart = iota
	partStar
	partPrefix // **/
	partSuffix // /**
	partMiddle // /**/
	partOther
)

// globCompiler translates a pattern into a regular expression, noting its parts on the way.
type globCompiler struct {
	pattern string
	path    bool
	i       int
	re      strings.Builder
	parts   []globPart
	lits    []string // of the literal parts, "" for the others
	braces  bool
	depth   int // of braces
}

func (c *globCompiler) add(p globPart, re string) {
	c.parts = append(c.parts, p)
	c.lits = append(c.lits, "")
	c.re.WriteString(re)
}

func (c *globCompiler) literal(s string) {
	if n := len(c.parts); n > 0 && c.parts[n-1] == partLiteral {
		c.lits[n-1] += s
	} else {
		c.parts = append(c.parts, partLiteral)
		c.lits = append(c.lits, s)
	}
	c.re.WriteString(regexp.QuoteMeta(s))
}

func (c *globCompiler) star() string {
	if c.path {
		return `[^/]*`
	}
	return `.*`
}

// parse reads the whole pattern and reports whether it is well formed.
func (c *globCompiler) parse() bool {
	for c.i < len(c.pattern) {
		ch := c.pattern[c.i]
		switch {
		case ch == '*':
			c.stars()
			continue
		case ch == '/' && c.doubleStarFollows():
			c.acrossSegments()
			continue
		case ch == '?' && c.path:
			c.add(partOther, `[^/]`)
		case ch == '?':
			c.add(partOther, `.`)
		case ch == '[':
			if !c.class() {
				return false
			}
			continue
		case ch == '{':
			c.depth++
			c.braces = true
			c.add(partOther, `(?:`)
		case ch == '}':
			if c.depth == 0 {
				return false
			}
			c.depth--
			c.add(partOther, `)`)
		case ch == ',' && c.depth > 0:
			c.add(partOther, `|`)
		case ch == '\\':
			if c.i++; c.i == len(c.pattern) {
				return false
			}
			fallthrough
		default:
			n := runeWidth(c.pattern, c.i)
			c.literal(c.pattern[c.i : c.i+n])
			c.i += n
			continue
		}
		c.i++
	}
	return c.depth == 0
}

// stars reads one or more stars that do not follow a slash.
func (c *globCompiler) stars() {
	rest := c.pattern[c.i:]
	if c.i == 0 && (rest == "**" || strings.HasPrefix(rest, "**/")) {
		c.i = min(len(c.pattern), 3)
		if rest == "**" {
			c.add(partOther, `.*`)
			return
		}
		c.add(partPrefix, `(?:/?|.*/)`)
		for strings.HasPrefix(c.pattern[c.i:], "**/") {
			c.i += 3
		}
		return
	}
	for c.i < len(c.pattern) && c.pattern[c.i] == '*' {
		c.i++
	}
	c.add(partStar, c.star())
}

// doubleStarFollows reports whether the slash at hand begins /** as a whole segment.
func (c *globCompiler) doubleStarFollows() bool {
	rest, ok := strings.CutPrefix(c.pattern[c.i:], "/**")
	return ok && (rest == "" || rest[0] == '/' || c.depth > 0 && (rest[0] == ',' || rest[0] == '}'))
}

// acrossSegments reads /** and, when more follows, the slash behind it.
func (c *globCompiler) acrossSegments() {
	for c.i < len(c.pattern) && c.pattern[c.i] == '/' && c.doubleStarFollows() {
		c.i += len("/**")
	}
	if c.i < len(c.pattern) && c.pattern[c.i] == '/' {
		c.i++
		c.add(partMiddle, `(?:/|/.*/)`)
		return
	}
	c.add(partSuffix, `/.*`)
}

// class reads a set of characters in brackets.
func (c *globCompiler) class() bool {
	s := c.pattern
	i := c.i + 1
	var b strings.Builder
	b.WriteByte('[')
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		b.WriteByte('^')
		i++
	}
	for first := true; ; first = false {
		if i >= len(s) {
			return false
		}
		if s[i] == ']' && !first {
			break
		}
		n := runeWidth(s, i)
		if s[i] == '-' && !first && i+1 < len(s) && s[i+1] != ']' {
			b.WriteByte('-')
		} else {
			b.WriteString(quoteClass(s[i : i+n]))
		}
		i += n
	}
	b.WriteByte(']')
	c.i = i + 1
	c.add(partOther, b.String())
	return true
}

func quoteClass(s string) string {
	if strings.Contains(`\]^-[`, s) {
		return `\` + s
	}
	return s
}

// shape finds the cheapest equivalent of the pattern.
func (c *globCompiler) shape() (globShape, string) {
	p, l := c.parts, c.lits
	is := func(want ...globPart) bool { return string(partBytes(p)) == string(partBytes(want)) }
	switch {
	case len(p) == 0:
		return shapeLiteral, ""
	case is(partLiteral):
		return shapeLiteral, l[0]
	case is(partLiteral, partSuffix):
		return shapeBelow, l[0] + "/"
	case is(partPrefix, partLiteral):
		return shapeTail, "/" + l[1]
	case is(partPrefix, partLiteral, partSuffix):
		return shapeWithin, "/" + l[1] + "/"
	case !c.path && is(partStar):
		return shapeAny, ""
	case !c.path && is(partLiteral, partStar):
		return shapePrefix, l[0]
	case !c.path && is(partStar, partLiteral):
		return shapeSuffix, l[1]
	case !c.path && is(partStar, partLiteral, partStar):
		return shapeContains, l[1]
	}
	return shapeRegexp, l[0]
}

// longest is the longest literal that every match contains.
func (c *globCompiler) longest() string {
	best := ""
	for _, l := range c.lits {
		if len(l) > len(best) && !c.braces {
			best = l
		}
	}
	return best
}

func partBytes(parts []globPart) []byte {
	b := make([]byte, len(parts))
	for i, p := range parts {
		b[i] = byte(p)
	}
	return b
}
