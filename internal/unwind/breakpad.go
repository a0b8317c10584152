package unwind

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxLine bounds one line of a Breakpad file.
const maxLine = 64 << 10

// ReadBreakpad reads the records STACK CFI of a Breakpad file; those that are damaged are left out. most
// bounds the memory of the table. fault.Invalid: the file is damaged or has no such records.
// fault.TooLarge: it has more of them than most. fault.Unsupported: its processor is not known.
func ReadBreakpad(r io.Reader, most int64) (*Table, error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 4096), maxLine)
	if !scan.Scan() {
		return nil, fault.New(fault.Invalid, "the Breakpad file is empty")
	}
	words := strings.Fields(scan.Text())
	if len(words) < 3 || words[0] != "MODULE" {
		return nil, fault.New(fault.Invalid, "the Breakpad file names no module")
	}
	t := &Table{cpu: processors[words[2]]}
	if t.cpu == nil {
		return nil, fault.New(fault.Unsupported, "stacks of the processor %.20q are not walked by its files", words[2])
	}
	for scan.Scan() {
		if rest, is := strings.CutPrefix(scan.Text(), "STACK CFI "); is {
			t.readRecord(rest)
		}
		if int64(t.bytes) > most {
			return nil, fault.New(fault.TooLarge, "the call frame information has more than %d MiB", most>>20)
		}
	}
	switch err := scan.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fault.New(fault.Invalid, "the Breakpad file has a line of more than %d bytes", maxLine)
	case err != nil:
		return nil, fault.Wrap(err, fault.Unavailable, "read a debug file")
	case len(t.entries) == 0:
		return nil, fault.New(fault.Invalid, "the Breakpad file has no call frame information")
	}
	return t.sorted(), nil
}

// readRecord reads "INIT address size rules", which begins a range, or "address rules" of the last one.
func (t *Table) readRecord(text string) {
	first, more := strings.CutPrefix(text, "INIT ")
	if !more {
		address, rules, ok := hexadecimal(text)
		if n := len(t.entries); ok && n > 0 && t.rows < maxRows && address-t.entries[n-1].start < t.entries[n-1].size {
			e := &t.entries[n-1]
			e.rows = append(e.rows, row{address, strings.Clone(rules)})
			t.rows++
			t.bytes += 40 + len(rules)
		}
		return
	}
	start, rest, ok1 := hexadecimal(first)
	size, rules, ok2 := hexadecimal(rest)
	if ok1 && ok2 && len(t.entries) < maxEntries {
		t.entries = append(t.entries, entry{start: start, size: size, init: strings.Clone(rules)})
		t.bytes += 80 + len(rules)
	}
}

// hexadecimal reads a number at the begin of a text.
func hexadecimal(text string) (n uint32, rest string, ok bool) {
	word, rest, found := strings.Cut(text, " ")
	v, err := strconv.ParseUint(word, 16, 32)
	return uint32(v), rest, err == nil && found
}
