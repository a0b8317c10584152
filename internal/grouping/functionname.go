package grouping

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TrimFunction shortens the name of a function as compilers and debuggers print it to what stays
// the same from build to build: without arguments, template parameters and generated suffixes.
func TrimFunction(name, platform string) string {
	if platform == "csharp" {
		head, _, _ := strings.Cut(name, " (")
		return head
	}
	if familyOf(platform) == familyNative {
		return trimNative(name, platform)
	}
	return name
}

// Stand-ins for pieces of a native name that hold brackets or blanks and are no structure. They are no
// word characters, as what they stand for.
const (
	markLess      = "\x01"
	markCall      = "\x02"
	markArrow     = "\x03"
	markAnonymous = "\x04anonymous\x04"
)

var protectNative = strings.NewReplacer(
	"operator<<", "operator"+markLess+markLess, "operator<", "operator"+markLess, "operator()", "operator"+markCall,
	"operator->", "operator"+markArrow, " -> ", " "+markArrow+" ", "`anonymous namespace'", markAnonymous,
)

var unprotectNative = strings.NewReplacer(
	markLess, "<", markCall, "()", markArrow, "->", markAnonymous, "`anonymous namespace'",
)

var (
	msvcNamespace = regexp.MustCompile(`\?A0x[0-9a-f]{8}::`)
	rustHash      = regexp.MustCompile(`::h[0-9a-z]{16}$`)
	glibcVersion  = regexp.MustCompile(`@@?GLIBC_[0-9.]+$`)
	stdcallName   = regexp.MustCompile(`^@?(.*?)@[0-9]+$`)
	asTrait       = regexp.MustCompile(`^[A-Z] as `)
)

// maxNativeName bounds the work on one name; no linker writes longer ones.
const maxNativeName = 16 << 10

// trimNative handles names of C, C++, Objective-C, Swift and Rust.
func trimNative(name, platform string) string {
	if name == "<redacted>" || name == "<unknown>" || len(name) > maxNativeName {
		return name
	}
	original := name
	name = strings.TrimSpace(name)
	if name == "" {
		return original
	}
	if plainNative(name) {
		return name
	}
	if strings.HasPrefix(name, "[") || strings.HasPrefix(name, "+[") || strings.HasPrefix(name, "-[") {
		return name
	}
	name = dropCloneMarks(name)
	name = dropQualifiers(name)
	name = protectNative.Replace(name)
	name = nameLambdas(name)
	name = outermost(name, '(', ')', func(inside string, _ int) string {
		switch inside = strings.TrimSpace(inside); inside {
		case "anonymous namespace", "operator":
			return "(" + inside + ")"
		}
		return ""
	})
	name = dropTemplates(name, 0)
	token := unprotectNative.Replace(functionToken(name, platform))
	if token == "" {
		token = original
	}
	return dropSuffixes(token)
}

// nameLambdas calls what compilers number "lambda", and drops the number of anonymous namespaces.
func nameLambdas(name string) string {
	if strings.Contains(name, "lambda") || strings.Contains(name, "$_") {
		var b strings.Builder
		for i := 0; i < len(name); {
			if end := lambdaAt(name, i); end > 0 {
				b.WriteString("lambda")
				i = end
				continue
			}
			b.WriteByte(name[i])
			i++
		}
		name = b.String()
	}
	if strings.Contains(name, "?A0x") {
		name = msvcNamespace.ReplaceAllString(name, markAnonymous+"::")
	}
	return name
}

// lambdaAt returns the end of the name that a compiler made for a lambda at i, 0 when there is none:
// {lambda(…)#1} of gcc, lambda_ and 32 hexadecimal digits of MSVC, $_0 of clang.
func lambdaAt(s string, i int) int {
	switch s[i] {
	case '{':
		for from := literal(s, i, "{lambda("); from > 0; from += 2 {
			n := strings.Index(s[from:], ")#")
			if n < 0 || strings.IndexByte(s[from:from+n], '\n') >= 0 {
				return 0
			}
			from += n
			if end, n := digits(s, from+2, len(s)); n > 0 && literal(s, end, "}") > 0 {
				return end + 1
			}
		}
	case 'l':
		if !wordBefore(s, i) {
			return closed(s, exactly(s, literal(s, i, "lambda_"), 32, isLowerHex))
		}
	case '$':
		if from := literal(s, i, "$_"); from > 0 {
			if end, n := digits(s, from, len(s)); n > 0 {
				return closed(s, end)
			}
		}
	}
	return 0
}

// plainNative reports whether a name has none of the characters that trimming acts upon, as most.
func plainNative(name string) bool {
	if strings.HasSuffix(name, "const") || strings.Contains(name, "lambda_") {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case isLetter(c), isDigit(c), c == '_', c == '.':
		case c == ':':
			if strings.HasPrefix(name[i:], "::h") {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// dropSuffixes cuts what linkers and the Rust compiler append.
func dropSuffixes(name string) string {
	if strings.Contains(name, "::h") {
		name = rustHash.ReplaceAllString(name, "")
	}
	if strings.IndexByte(name, '@') < 0 {
		return name
	}
	name = glibcVersion.ReplaceAllString(name, "")
	return stdcallName.ReplaceAllString(name, "$1")
}

// dropCloneMarks removes the bracketed notes about copies that compilers make of a function.
func dropCloneMarks(name string) string {
	return strings.TrimRightFunc(outermost(name, '[', ']', func(inside string, _ int) string {
		if strings.HasPrefix(inside, "clone .") {
			return ""
		}
		return "[" + inside + "]"
	}), unicode.IsSpace)
}

// dropQualifiers cuts trailing const words and reference signs.
func dropQualifiers(name string) string {
	for {
		if head, ok := strings.CutSuffix(name, "&"); ok {
			name = strings.TrimRightFunc(head, unicode.IsSpace)
			continue
		}
		head, ok := strings.CutSuffix(name, "const")
		if !ok || wordBefore(head, len(head)) {
			return name
		}
		name = strings.TrimRightFunc(head, unicode.IsSpace)
	}
}

// outermost replaces every balanced outermost pair of brackets by what replace makes of the text
// between and of its position. What follows an opening bracket that is never closed is lost, and so
// is what follows a closing one that was never opened, up to the next opening one.
func outermost(s string, open, shut byte, replace func(inside string, at int) string) string {
	if strings.IndexByte(s, open) < 0 {
		return s
	}
	var b strings.Builder
	depth, start := 0, 0
	for i := range len(s) {
		switch {
		case s[i] == open:
			if depth == 0 {
				start = i
			}
			depth++
		case s[i] == shut:
			if depth == 1 {
				b.WriteString(replace(s[start+1:i], start))
			}
			depth--
		case depth == 0:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// maxTemplateDepth bounds the nesting of Rust's <A as B> names.
const maxTemplateDepth = 16

// dropTemplates shortens template parameters to <T>, and keeps the type of Rust's <A as B>::f.
func dropTemplates(s string, depth int) string {
	if depth > maxTemplateDepth {
		return s
	}
	return outermost(s, '<', '>', func(inside string, at int) string {
		if inside == "lambda" {
			return "<lambda>"
		}
		if at > 0 {
			return "<T>"
		}
		inside = asTrait.ReplaceAllString(inside, "")
		kept, _, _ := strings.Cut(dropTemplates(inside, depth+1), " as ")
		return kept
	})
}

// closing returns the bracket that closes c, 0 when c opens none.
func closing(c rune) rune {
	switch c {
	case '(':
		return ')'
	case '{':
		return '}'
	case '[':
		return ']'
	case '<':
		return '>'
	}
	return 0
}

// fieldsOutside splits at whitespace that is in no brackets. What follows an opening bracket that is
// never closed is lost.
func fieldsOutside(s string) []string {
	var tokens []string
	var word []byte
	var closers []rune // of the brackets that are open
	from := 0          // what is not yet in word
	for i, c := range s {
		next := i + utf8.RuneLen(c)
		switch {
		case closing(c) != 0:
			closers = append(closers, closing(c))
			continue
		case len(closers) > 0:
			if c != closers[len(closers)-1] {
				continue
			}
			if closers = closers[:len(closers)-1]; len(closers) > 0 {
				continue
			}
			word = append(word, s[from:next]...)
		case !unicode.IsSpace(c):
			word = append(word, s[from:next]...)
		case len(word) > 0:
			tokens = append(tokens, string(word))
			word = word[:0]
		}
		from = next
	}
	if len(word) > 0 {
		tokens = append(tokens, string(word))
	}
	return tokens
}

// functionToken picks the word of a declaration that names the function, and words closures alike.
func functionToken(name, platform string) string {
	tokens := fieldsOutside(name)
	if n := len(tokens); n > 1 && tokens[n-1] == "<T>" {
		tokens[n-2] += " <T>"
		tokens = tokens[:n-1]
	}
	if len(tokens) == 0 {
		return ""
	}
	token := chooseToken(name, tokens)
	if (platform == "cocoa" || platform == "swift") && strings.HasPrefix(token, "@") {
		if strings.Contains(name, "thunk for ") {
			return "thunk for closure"
		}
		return "closure"
	}
	if token != "closure" && slices.Contains(tokens, "closure") {
		return "closure in " + token
	}
	return token
}

// chooseToken returns the naming word.
func chooseToken(name string, tokens []string) string {
	if strings.Contains(name, "initialization expression of") {
		at := lastIndex(tokens, "of") + 1
		if at < len(tokens) && tokens[at] == "static" {
			at++
		}
		if at < len(tokens) {
			return "initializer expression of " + strings.TrimPrefix(tokens[at], ":")
		}
	}
	arrow := lastIndex(tokens, markArrow)
	if arrow > 0 && tokens[arrow-1] == "throws" {
		arrow--
	}
	if arrow > 0 {
		return tokens[arrow-1]
	}
	return tokens[len(tokens)-1]
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}
