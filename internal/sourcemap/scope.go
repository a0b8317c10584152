package sourcemap

import "bytes"

// bracket is one open bracket of a script.
type bracket struct {
	sign  byte
	at    int   // index of the token
	is    body  // what a brace holds
	scope int32 // the function whose body it is, -1
	label bool  // a case or default is open: the next colon ends it
}

// body tells what a pair of braces holds.
type body uint8

const (
	bodyBlock body = iota
	bodyObject
	bodyClass
)

// finder finds functions in the tokens of a script, in one pass and without knowing the grammar:
// a function is known by what stands before its body.
type finder struct {
	lexer
	all     []lexeme
	open    []bracket
	scopes  []scope
	arrows  []arrow // whose body is an expression that has not ended
	classes []class // whose body has not begun
}

type arrow struct {
	scope int32
	depth int
}

type class struct{ depth int }

// maxDepth bounds the brackets that are followed; code within deeper ones belongs to the last.
const maxDepth = 1 << 16

func findScopes(src []byte) []scope {
	f := &finder{lexer: lexer{src: src}, all: make([]lexeme, 0, len(src)/3+8)}
	for {
		t := f.next()
		if t.kind == kindEnd {
			break
		}
		f.all = append(f.all, t)
		f.take(len(f.all)-1, t)
	}
	for _, a := range f.arrows {
		f.scopes[a.scope].end = int32(len(src))
	}
	for _, b := range f.open {
		if b.scope >= 0 {
			f.scopes[b.scope].end = int32(len(src))
		}
	}
	return f.scopes
}

func (f *finder) take(i int, t lexeme) {
	if len(f.arrows) > 0 && i > 0 {
		f.endArrows(i, t)
	}
	switch {
	case t.first == '}' && (t.kind == kindValue || t.end-t.start > 1): // the end of a value in a template
		f.leave(i, t)
		if t.kind == kindOperator {
			f.enter(i, t)
		}
	case t.kind == kindWord && f.is(t, "class"):
		if !f.propertyName(i) {
			f.classes = append(f.classes, class{len(f.open)})
		}
	case t.kind == kindWord && (f.is(t, "case") || f.is(t, "default")) && len(f.open) > 0:
		f.open[len(f.open)-1].label = f.open[len(f.open)-1].is == bodyBlock
	case t.kind != kindOperator:
	case t.first == '(' || t.first == '[' || t.first == '{' || t.first == '`':
		f.enter(i, t)
	case t.first == ')' || t.first == ']' || t.first == '}':
		f.leave(i, t)
	case t.first == '=' && t.end-t.start == 2 && f.src[t.start+1] == '>':
		f.arrow(i)
	}
}

// is reports whether a token is a word.
func (f *finder) is(t lexeme, word string) bool {
	return t.kind == kindWord && string(f.src[t.start:t.end]) == word
}

func (f *finder) sign(i int, c byte) bool {
	return i >= 0 && i < len(f.all) && f.all[i].kind == kindOperator && f.all[i].first == c && f.all[i].end-f.all[i].start == 1
}

// pair is the index of the opening token of a closing bracket, 0 when that is not known.
func (f *finder) pair(i int) int { return int(f.all[i].pair) }

// propertyName reports whether the word at i follows a dot, so that it is no keyword.
func (f *finder) propertyName(i int) bool {
	return i > 0 && f.all[i-1].kind == kindOperator && f.src[f.all[i-1].end-1] == '.'
}

// enter opens a bracket; the value of a template opens one too, which its next part closes.
func (f *finder) enter(i int, t lexeme) {
	if len(f.open) >= maxDepth {
		return
	}
	b := bracket{sign: t.first, at: i, scope: -1}
	if t.first == '{' {
		f.brace(i, &b)
	}
	f.open = append(f.open, b)
}

func (f *finder) leave(i int, t lexeme) {
	if len(f.open) == 0 {
		return
	}
	b := f.open[len(f.open)-1]
	f.open = f.open[:len(f.open)-1]
	f.all[i].pair = int32(b.at)
	if b.scope >= 0 {
		f.scopes[b.scope].end = t.end
	}
	for n := len(f.classes); n > 0 && f.classes[n-1].depth > len(f.open); n-- { // it had no body
		f.classes = f.classes[:n-1]
	}
	switch {
	case t.first == ')' && f.statementHead(b.at):
		f.division = false
	case t.first == '}' && b.is == bodyBlock && (b.scope < 0 || f.declaration(b.at)):
		f.division = false
	}
}

// statementHead reports whether a parenthesis holds the condition of a statement, which another
// statement follows.
func (f *finder) statementHead(at int) bool {
	if at == 0 || f.propertyName(at-1) {
		return false
	}
	w := f.all[at-1]
	return f.is(w, "if") || f.is(w, "while") || f.is(w, "for") || f.is(w, "with")
}

// declaration reports whether the function whose body begins at a brace is a statement.
func (f *finder) declaration(brace int) bool {
	if !f.sign(brace-1, ')') {
		return false
	}
	at := f.pair(brace-1) - 1
	for at > 0 && !f.is(f.all[at], "function") {
		if f.pair(brace-1)-at > 3 {
			return false
		}
		at--
	}
	if at <= 0 {
		return at == 0
	}
	before := f.all[at-1]
	return f.sign(at-1, ';') || f.sign(at-1, '}') || f.sign(at-1, '{') || before.newline && before.kind == kindValue
}

// brace decides what the braces that open at i hold.
func (f *finder) brace(i int, b *bracket) {
	if n := len(f.classes); n > 0 && f.classes[n-1].depth == len(f.open) {
		f.classes, b.is = f.classes[:n-1], bodyClass
		return
	}
	switch {
	case i == 0:
	case f.all[i-1].kind == kindOperator && f.all[i-1].first == '=' && f.src[f.all[i-1].end-1] == '>':
		if n := len(f.arrows); n > 0 && f.arrows[n-1].depth == len(f.open) && f.scopes[f.arrows[n-1].scope].end == f.all[i-1].end {
			b.scope, f.arrows = f.arrows[n-1].scope, f.arrows[:n-1]
		}
	case f.sign(i-1, ')'):
		b.scope = f.function(i - 1)
	case f.typed(i):
		b.scope = f.function(f.typedParen(i))
	default:
		if f.objectBefore(i - 1) {
			b.is = bodyObject
		}
	}
}

// objectBefore reports whether a brace after the token at i begins an object.
func (f *finder) objectBefore(i int) bool {
	t := f.all[i]
	if t.kind == kindWord {
		return beforeValue[string(f.src[t.start:t.end])] && !f.is(t, "else") && !f.is(t, "do") || f.is(t, "default") && i > 0 && f.is(f.all[i-1], "export")
	}
	if t.kind != kindOperator {
		return false
	}
	switch t.first {
	case ';', '{', '}', ')', ']':
		return t.first == '}' && t.end-t.start > 1 // the value of a template
	case ':':
		if n := len(f.open); n > 0 && f.open[n-1].label {
			f.open[n-1].label = false
			return false
		}
		return true
	}
	return true
}

// inside is what the innermost braces hold, when nothing else is open within them.
func (f *finder) inside() (body, bool) {
	if len(f.open) == 0 {
		return bodyBlock, true
	}
	b := f.open[len(f.open)-1]
	return b.is, b.sign == '{'
}

// add notes a function that begins at a token; its end is set when its body closes.
func (f *finder) add(from, name int) int32 {
	s := scope{start: f.all[from].start, end: f.all[len(f.all)-1].end, name: -1, nameEnd: -1}
	if name >= 0 {
		s.name, s.nameEnd = f.all[name].start, f.all[name].end
	}
	f.scopes = append(f.scopes, s)
	return int32(len(f.scopes) - 1)
}

// endArrows closes the arrow functions whose expression ends before the token at i.
func (f *finder) endArrows(i int, t lexeme) {
	ends := t.kind == kindOperator && t.end-t.start == 1 && bytes.IndexByte([]byte(",;)]"), t.first) >= 0 || t.first == '}'
	prev := f.all[i-1]
	broken := t.newline && t.kind == kindWord && !beforeValue[string(f.src[t.start:t.end])] &&
		(prev.kind != kindOperator || prev.first == ')' || prev.first == ']' || prev.first == '}')
	for n := len(f.arrows); n > 0 && (ends || broken) && f.arrows[n-1].depth == len(f.open); n-- {
		f.scopes[f.arrows[n-1].scope].end = t.start
		f.arrows = f.arrows[:n-1]
	}
}
