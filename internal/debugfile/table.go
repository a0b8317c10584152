package debugfile

import (
	"cmp"
	"io"
	"slices"
	"sort"

	"github.com/ianlancetaylor/demangle"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Table finds the function, file and line of addresses in one build. It is never changed.
type Table struct {
	functions []function // sorted by start
	rows      []row      // sorted by start
	inlines   []inline   // sorted by start
	files     []string
	bytes     int
}

// function is a range of code. Addresses are relative to the image.
type function struct {
	start, size uint32 // size 0: up to the next one
	name        string
}

// row says that code from start on comes from a line; line 0: from none that is known.
type row struct{ start, file, line uint32 }

// inline is a range of code of a function that was inlined into what is around it: within deeper-1
// others that were inlined, where the call stands in a file and line.
type inline struct {
	start, size uint32
	deeper      uint16
	file, line  uint32
	name        string
}

// Bounds on a table.
const (
	maxFunctions = 400_000
	maxRows      = 2_000_000
	maxFiles     = 200_000
	maxInlines   = 500_000
	maxName      = 4096 // bytes of a function's name
)

// Place is where an address is.
type Place struct {
	Function string // as people write it
	Symbol   string // as linkers write it
	Start    uint64 // of the function, relative to the image
	File     string // empty when only the function is known
	Line     int
}

// Functions is how many functions the table knows.
func (t *Table) Functions() int { return len(t.functions) }

// Bytes is about how much memory the table takes.
func (t *Table) Bytes() int { return t.bytes }

// Find tells where the code at an address relative to the image comes from: the innermost of the
// functions that were inlined there, then what it was inlined into, last the one that was called. It
// is empty when no function is there.
func (t *Table) Find(address uint64) []Place {
	if address > 1<<32-1 {
		return nil
	}
	at := uint32(address)
	outer, ok := t.function(at)
	if !ok {
		return nil
	}
	places := []Place{outer}
	for _, n := range t.inlinedAt(at, uint32(outer.Start)) { // outermost first
		last := &places[len(places)-1]
		inner := Place{Function: demangle.Filter(n.name, demangle.NoClones), Symbol: n.name, Start: outer.Start, File: last.File, Line: last.Line}
		last.File, last.Line = "", int(n.line) // where it calls the inner one
		if int(n.file) < len(t.files) {
			last.File = t.files[n.file]
		}
		places = append(places, inner)
	}
	slices.Reverse(places)
	return places
}

// inlinedAt are the functions that were inlined at an address of the function from start on.
func (t *Table) inlinedAt(at, start uint32) (list []*inline) {
	i := sort.Search(len(t.inlines), func(i int) bool { return t.inlines[i].start > at }) - 1
	for ; i >= 0 && t.inlines[i].start >= start && len(list) < maxNested; i-- {
		if n := &t.inlines[i]; at-n.start < n.size {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b *inline) int { return cmp.Compare(a.deeper, b.deeper) })
	return slices.CompactFunc(list, func(a, b *inline) bool { return a.deeper == b.deeper })
}

// function is the function at an address, with the line of the address itself.
func (t *Table) function(at uint32) (Place, bool) {
	i := sort.Search(len(t.functions), func(i int) bool { return t.functions[i].start > at }) - 1
	if i < 0 || t.functions[i].size != 0 && at-t.functions[i].start >= t.functions[i].size {
		return Place{}, false
	}
	f := &t.functions[i]
	p := Place{Function: demangle.Filter(f.name, demangle.NoClones), Symbol: f.name, Start: uint64(f.start)}
	j := sort.Search(len(t.rows), func(j int) bool { return t.rows[j].start > at }) - 1
	if j >= 0 && t.rows[j].start >= f.start && t.rows[j].line > 0 && int(t.rows[j].file) < len(t.files) {
		p.File, p.Line = t.files[t.rows[j].file], int(t.rows[j].line)
	}
	return p, true
}

// maxNested bounds the calls that were inlined at one address.
const maxNested = 100

// builder gathers a table, within its bounds.
type builder struct {
	t     Table
	named map[string]uint32
}

func (b *builder) function(start, size uint64, name string) {
	if name == "" || start > 1<<32-1 || len(b.t.functions) >= maxFunctions {
		return
	}
	if len(name) > maxName {
		name = name[:maxName]
	}
	b.t.functions = append(b.t.functions, function{uint32(start), uint32(min(size, 1<<32-1)), name})
	b.t.bytes += 32 + len(name)
}

func (b *builder) row(start uint64, file uint32, line int) {
	if start > 1<<32-1 || len(b.t.rows) >= maxRows {
		return
	}
	b.t.rows = append(b.t.rows, row{uint32(start), file, uint32(max(line, 0))})
	b.t.bytes += 12
}

func (b *builder) inline(n inline) {
	if len(b.t.inlines) < maxInlines && n.name != "" && n.size > 0 {
		b.t.inlines = append(b.t.inlines, n)
		b.t.bytes += 48
	}
}

// file returns the number of a file's name.
func (b *builder) file(name string) uint32 {
	if n, ok := b.named[name]; ok {
		return n
	}
	if len(b.t.files) >= maxFiles {
		return maxFiles
	}
	if b.named == nil {
		b.named = make(map[string]uint32)
	}
	n := uint32(len(b.t.files))
	b.named[name] = n
	b.t.files = append(b.t.files, name)
	b.t.bytes += 16 + len(name)
	return n
}

// table sorts what was gathered. Of functions that begin at one address the longest stays, of rows
// the last, unless that only ends what came before.
func (b *builder) table() *Table {
	t := &b.t
	slices.SortStableFunc(t.functions, func(x, y function) int {
		return cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(y.size, x.size))
	})
	t.functions = slices.CompactFunc(t.functions, func(x, y function) bool { return x.start == y.start })
	slices.SortStableFunc(t.rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(x.start, y.start), cmp.Compare(min(x.line, 1), min(y.line, 1)))
	})
	kept := t.rows[:0]
	for _, r := range t.rows {
		if n := len(kept); n > 0 && kept[n-1].start == r.start {
			kept[n-1] = r
			continue
		}
		kept = append(kept, r)
	}
	t.rows = slices.Clip(kept)
	slices.SortStableFunc(t.inlines, func(x, y inline) int { return cmp.Compare(x.start, y.start) })
	return t
}

// readHead reads what tells the format of a file: eight bytes, or all of a shorter one.
func readHead(r io.ReaderAt, size int64) ([]byte, error) {
	head := make([]byte, min(size, 8))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fault.Wrap(err, fault.Unavailable, "read a debug file")
	}
	return head, nil
}

// ReadTable reads the functions and lines of one build of a file; debugID chooses among those of a
// fat file. most bounds the bytes of each part that is read. fault.Invalid: the file is damaged or
// has no functions. fault.Unsupported: its format is not read.
func ReadTable(r io.ReaderAt, size int64, debugID string, most int64) (t *Table, err error) {
	defer func() { // the standard readers panic on some damaged files
		if p := recover(); p != nil {
			t, err = nil, fault.New(fault.Invalid, "the debug file is damaged")
		}
	}()
	head, err := readHead(r, size)
	if err != nil {
		return nil, err
	}
	b := &builder{}
	switch {
	case string(head[:min(4, len(head))]) == "\x7fELF":
		err = b.readELF(r, most)
	case isMachO(head):
		err = b.readMachO(r, head, debugID, most)
	case string(head[:min(2, len(head))]) == "MZ":
		err = b.readPE(r, most)
	case string(head[:min(7, len(head))]) == "MODULE ":
		err = b.readBreakpad(io.NewSectionReader(r, 0, size))
	default:
		return nil, fault.New(fault.Unsupported, "functions are read of ELF, Mach-O, PE and Breakpad files")
	}
	if err == nil && len(b.t.functions) == 0 {
		err = fault.New(fault.Invalid, "the debug file names no functions")
	}
	if err != nil {
		return nil, err
	}
	return b.table(), nil
}
