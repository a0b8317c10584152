// Package sourcemap reads source maps and the scripts they belong to: where a place in a generated
// script comes from, what the function around it is called, and the lines around it.
//
//	map  ── Parse ──▶ Map ── Lookup(line, column) ──▶ Token: source, line, column, name
//	script ─ Scan ──▶ Script ── Enclosing(line, column) ──▶ the function and where its name stands
//
// Maps come from outside: what they claim is checked against what is there while it is read, and
// the time and memory they take are bounded by their size. A mapping that points outside its lists
// is left out. The package is our own because the well-known library for it takes offsets on trust,
// so that a map that lies makes it panic, reads every original text whether it is wanted or not,
// and knows nothing of functions.
//
// Rule: https://tc39.es/ecma426/
package sourcemap
