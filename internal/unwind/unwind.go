// Package unwind computes the registers of a caller from those of the function that it called, by the
// call frame information of a file of machine code: the records STACK CFI of Breakpad's text, and the
// sections .eh_frame and .debug_frame. Both become rules in the postfix notation of Breakpad.
//
// Files come from outside: every reader is bounded, and what is damaged has no rules.
//
// Rule: google/breakpad docs/symbol_files.md; DWARF 5, section 6.4; Linux Standard Base 5.0, Core, 10.6
package unwind

import (
	"slices"
	"sort"
)

// Registers are values by their names, as in "rsp", "x19", "lr". One that is not known is not there.
type Registers map[string]uint64

// Memory reads the word of the processor at an address; false: it is not known.
type Memory func(address uint64) (word uint64, ok bool)

// Bounds on a table.
const (
	maxEntries = 500_000
	maxRows    = 4_000_000 // of all entries of Breakpad's text
)

// Table has the rules of one build. It is never changed.
type Table struct {
	cpu     *processor
	entries []entry // sorted by start
	rows    int
	bytes   int
}

// entry is a range of code, relative to the image, that has rules: as text, or as instructions.
type entry struct {
	start, size uint32
	init        string
	rows        []row // sorted by start; each changes what those before it say
	frame       *frame
}

type row struct {
	start uint32
	rules string
}

// rules are expressions in postfix notation by register, ".cfa" (where the stack was before the call) and
// ".ra" (where the call returns to) among them.
type rules map[string][]string

const (
	cfa       = ".cfa"
	ra        = ".ra"
	undefined = ".undef" // an expression that says that nobody knows the value
)

// Ranges is how many ranges of code have rules.
func (t *Table) Ranges() int { return len(t.entries) }

// Bytes is about how much memory the table takes.
func (t *Table) Bytes() int { return t.bytes }

// table sorts the entries; of those that begin at one address the first one stays.
func (t *Table) sorted() *Table {
	slices.SortStableFunc(t.entries, func(a, b entry) int { return int(int64(a.start) - int64(b.start)) })
	t.entries = slices.CompactFunc(t.entries, func(a, b entry) bool { return a.start == b.start })
	for i := range t.entries {
		e := &t.entries[i]
		slices.SortStableFunc(e.rows, func(a, b row) int { return int(int64(a.start) - int64(b.start)) })
	}
	return t
}

// find returns the rules at an address relative to the image.
func (t *Table) find(address uint64) (rules, bool) {
	if t == nil || address > 1<<32-1 {
		return nil, false
	}
	at := uint32(address)
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].start > at }) - 1
	if i < 0 || at-t.entries[i].start >= t.entries[i].size {
		return nil, false
	}
	e := &t.entries[i]
	if e.frame != nil {
		return e.frame.rules(address)
	}
	r := make(rules)
	r.read(t.cpu, e.init)
	for _, row := range e.rows {
		if row.start > at {
			break
		}
		r.read(t.cpu, row.rules)
	}
	return r, len(r[cfa]) > 0
}

// Caller computes the registers that the caller of the function at an address, relative to the image,
// has once that has returned: the program counter and the stack pointer, and of the others those that are
// known. ok is false when the table does not say, or what it needs is not known. The program counter is 0
// when the function has no caller: it is the first one of its thread.
func (t *Table) Caller(address uint64, callee Registers, memory Memory) (caller Registers, ok bool) {
	found, ok := t.find(address)
	if !ok {
		return nil, false
	}
	m := machine{cpu: t.cpu, registers: callee, memory: memory}
	if m.cfa, ok = m.eval(found[cfa]); !ok {
		return nil, false
	}
	m.hasCFA = true
	caller = make(Registers)
	for _, name := range t.cpu.kept {
		if v, known := callee[name]; known {
			caller[name] = v
		}
	}
	for name, expression := range found {
		if name == cfa || name == ra {
			continue
		}
		if v, known := m.eval(expression); known {
			caller[name] = v
		} else {
			delete(caller, name)
		}
	}
	if _, said := found[t.cpu.sp]; !said {
		caller[t.cpu.sp] = m.cfa
	}
	expression, said := found[ra]
	switch {
	case said && len(expression) == 1 && expression[0] == undefined:
		caller[t.cpu.pc] = 0
		return caller, true
	case !said && t.cpu.link != "": // the call left it in the register for that, and nobody has changed it since
		expression = []string{t.cpu.link}
	case !said:
		return nil, false
	}
	caller[t.cpu.pc], ok = m.eval(expression)
	return caller, ok
}
