package sourcemap

// function notes the function whose parameters close at the parenthesis; -1 when a statement has
// the parenthesis.
func (f *finder) function(paren int) int32 {
	at := f.pair(paren)
	if at == 0 {
		return -1
	}
	name := at - 1
	w := f.all[name]
	inside, direct := f.inside()
	member := direct && inside != bodyBlock
	switch {
	case f.is(w, "function"):
		return f.add(f.asyncBefore(name), f.nameBefore(f.asyncBefore(name)))
	case f.sign(name, '*') && name > 0 && f.is(f.all[name-1], "function"):
		return f.add(f.asyncBefore(name-1), f.nameBefore(f.asyncBefore(name-1)))
	case w.kind == kindWord && name > 0 && f.is(f.all[name-1], "function"):
		return f.add(f.asyncBefore(name-1), name)
	case w.kind == kindWord && name > 1 && f.sign(name-1, '*') && f.is(f.all[name-2], "function"):
		return f.add(f.asyncBefore(name-2), name)
	case f.sign(name, '>'): // type parameters of TypeScript
		n := f.beforeTypes(name)
		switch {
		case n < 1 || f.all[n].kind != kindWord:
		case f.is(f.all[n-1], "function"):
			return f.add(n-1, n)
		case member:
			return f.add(n, n)
		}
	case !member: // if (…) {, for await (…) {, and calls before a block
		return -1
	case w.kind == kindWord, w.kind == kindText, w.kind == kindValue:
		return f.add(name, name)
	case f.sign(name, ']'):
		return f.add(name, f.computed(name))
	}
	return -1
}

// beforeTypes is the token before the type parameters that close at i.
func (f *finder) beforeTypes(i int) int {
	for depth, n := 0, i; n >= 0 && i-n < 64; n-- {
		switch {
		case f.sign(n, '>'):
			depth++
		case f.sign(n, '<'):
			if depth--; depth == 0 {
				return n - 1
			}
		}
	}
	return -1
}

// asyncBefore is the token at which a function begins whose keyword is at i.
func (f *finder) asyncBefore(i int) int {
	if i > 0 && f.is(f.all[i-1], "async") {
		return i - 1
	}
	return i
}

// computed is the text within the brackets of a member's name that close at i, -1 when it is made
// at run time.
func (f *finder) computed(i int) int {
	if open := f.pair(i); i-open == 2 && f.all[i-1].kind == kindText {
		return i - 1
	}
	return -1
}

// nameBefore is the name that a function expression gets from what stands before it: a variable, a
// property, a member of an object or class; -1 when nothing names it.
func (f *finder) nameBefore(i int) int {
	if i < 2 {
		return -1
	}
	named := i - 2
	switch {
	case f.sign(i-1, '='):
		if f.sign(named, ']') {
			return f.computed(named)
		}
		if f.all[named].kind == kindWord {
			return f.variable(named)
		}
		if n := f.variable(named); n != named { // it ends a type
			return n
		}
	case f.sign(i-1, ':') && f.inObject():
		if first := named - 1; f.sign(first, '{') || f.sign(first, ',') {
			switch f.all[named].kind {
			case kindWord, kindText, kindValue:
				return named
			}
		}
		if f.sign(named, ']') {
			return f.computed(named)
		}
	}
	return -1
}

// variable is the name at i, or the one before it when i ends the type that TypeScript declares.
func (f *finder) variable(i int) int {
	for n := i; n > 1 && i-n < 32; n-- {
		switch {
		case f.sign(n-1, ':') && f.all[n-2].kind == kindWord && (f.declares(n-3) || f.classField(n-2)):
			return n - 2
		case f.all[n].kind == kindWord || f.sign(n, '.') || f.sign(n, '<') || f.sign(n, '>') || f.sign(n, '|') || f.sign(n, '['):
		default:
			return i
		}
	}
	return i
}

func (f *finder) declares(i int) bool {
	return i >= 0 && (f.is(f.all[i], "const") || f.is(f.all[i], "let") || f.is(f.all[i], "var"))
}

func (f *finder) classField(i int) bool {
	inside, direct := f.inside()
	return direct && inside == bodyClass && i > 0 && (f.sign(i-1, ';') || f.sign(i-1, '{') || f.sign(i-1, '}') || f.all[i].newline)
}

func (f *finder) inObject() bool {
	inside, direct := f.inside()
	return direct && inside == bodyObject
}

// arrow notes an arrow function, whose parameters end before the arrow at i. Its body is taken as
// an expression until a brace follows.
func (f *finder) arrow(i int) {
	if i == 0 {
		return
	}
	from := i - 1
	if f.sign(from, ')') {
		from = f.pair(from)
	} else if f.all[from].kind != kindWord {
		if from = f.typedParen(i); from < 0 {
			return
		}
		from = f.pair(from)
	} else if p := f.typedParen(i); p >= 0 {
		from = f.pair(p)
	}
	from = f.asyncBefore(from)
	f.arrows = append(f.arrows, arrow{f.add(from, f.nameBefore(from)), len(f.open)})
}

// typed reports whether the brace at i follows parameters and the type of a result.
func (f *finder) typed(i int) bool { return f.typedParen(i) >= 0 }

// typedParen is the parenthesis that closes the parameters when the type of a result stands between
// it and i, as TypeScript writes it: (…): Type. -1 when that is not so.
func (f *finder) typedParen(i int) int {
	for n := i - 1; n > 1 && i-n < 48; n-- {
		t := f.all[n]
		switch {
		case f.sign(n, ':'):
			if f.sign(n-1, ')') && n < i-1 {
				return n - 1
			}
			return -1
		case t.kind == kindWord && (f.is(t, "void") || !beforeValue[string(f.src[t.start:t.end])]), t.kind == kindText, f.sign(n, '.'), f.sign(n, '<'), f.sign(n, '>'), f.sign(n, '|'), f.sign(n, '&'), f.sign(n, '['), f.sign(n, ']'), f.sign(n, ','):
		default:
			return -1
		}
	}
	return -1
}
