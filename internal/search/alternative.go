package search

import "strings"

// alternatives reads terms, AND, OR and parentheses up to the end of the text or to the parenthesis
// that closes, and returns what must hold: the terms, or one of FieldAny.
func (p *parser) alternatives(depth int) []Term {
	outer, start := p.terms, p.pos
	p.terms, p.depth = nil, depth
	var all [][]Term
	wanted, have := "", 0 // the operator that a term must follow, and how many there were before it
	missing := func() bool {
		p.flushFree()
		if len(p.terms) == have && wanted != "" {
			p.fail(p.pos, "a term after %s", wanted)
		}
		return p.err != nil
	}
	for p.err == nil {
		p.skipSpace()
		if p.pos == len(p.text) || depth > 0 && p.peek() == ')' {
			break
		}
		switch op := p.boolean(); {
		case op != "":
			if missing() {
				break
			}
			if len(p.terms) == 0 {
				p.fail(p.pos, "a term before %s", op)
			}
			p.pos += len(op)
			if wanted, have = op, len(p.terms); op == "OR" {
				all, p.terms, have = append(all, p.terms), nil, 0
			}
		case p.peek() == ')':
			p.fail(p.pos, "a term: no parenthesis is open")
		case p.peek() == '(', strings.HasPrefix(p.text[p.pos:], "!("):
			p.group(depth)
		default:
			p.term()
		}
	}
	missing()
	terms := p.terms
	if all != nil {
		terms = []Term{{Field: FieldAny, Pos: start, Any: append(all, p.terms)}}
	}
	p.terms = outer
	return terms
}

// boolean is the operator that stands here, in capitals; empty: none does.
func (p *parser) boolean() string {
	for _, op := range []string{"OR", "AND"} {
		if end := p.wordEnd(p.pos, "("); strings.EqualFold(p.text[p.pos:end], op) {
			return op
		}
	}
	return ""
}

// group reads what stands between parentheses.
func (p *parser) group(depth int) {
	p.flushFree()
	open := p.pos
	negated := p.peek() == '!'
	p.pos = open + strings.IndexByte(p.text[open:], '(') + 1
	if depth == MaxDepth {
		p.fail(open, "at most %d parentheses inside each other", MaxDepth)
		return
	}
	inner := p.alternatives(depth + 1)
	p.depth = depth
	switch {
	case p.err != nil:
	case p.peek() != ')':
		p.fail(open, "a closing parenthesis for this one")
	case len(inner) == 0:
		p.fail(p.pos, "a term between the parentheses")
	default:
		p.pos++
		p.terms = append(p.terms, negate(inner, negated, open)...)
	}
}

// negate is the terms, which must all hold, or the one term that says that they do not.
func negate(terms []Term, negated bool, pos int) []Term {
	if !negated {
		return terms
	}
	if len(terms) == 1 && terms[0].Field == FieldAny && !terms[0].Negated {
		terms[0].Negated, terms[0].Pos = true, pos
		return terms
	}
	return []Term{{Field: FieldAny, Negated: true, Pos: pos, Any: [][]Term{terms}}}
}
