package debugfile

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// maxLine bounds one line of a Breakpad file.
const maxLine = 64 << 10

// readBreakpad reads the records FILE, FUNC, PUBLIC, INLINE and lines; those that are damaged are left
// out.
// Rule: google/breakpad docs/symbol_files.md
func (b *builder) readBreakpad(r io.Reader) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 4096), maxLine)
	files := make(map[uint64]uint32)   // numbers of files in the table, by those in the text
	origins := make(map[uint64]string) // names of functions that are inlined
	for scan.Scan() {
		line := strings.TrimRight(scan.Text(), "\r")
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "FILE":
			number, name, _ := strings.Cut(rest, " ")
			if n, err := strconv.ParseUint(number, 10, 32); err == nil && len(files) < maxFiles {
				files[n] = b.file(name)
			}
		case "FUNC":
			if f, ok := numbers(strings.TrimPrefix(rest, "m "), 3); ok {
				b.function(f.n[0], f.n[1], f.rest)
				b.row(f.n[0]+f.n[1], 0, 0) // what follows is of none, unless a line says so
			}
		case "PUBLIC":
			if f, ok := numbers(strings.TrimPrefix(rest, "m "), 2); ok {
				b.function(f.n[0], 0, f.rest)
			}
		case "INLINE_ORIGIN":
			number, name, _ := strings.Cut(strings.TrimPrefix(rest, "m "), " ")
			if n, err := strconv.ParseUint(number, 10, 32); err == nil && len(origins) < maxFunctions {
				origins[n] = name[:min(len(name), maxName)]
				b.t.bytes += len(origins[n]) // which inlines share
			}
		case "INLINE":
			b.breakpadInline(strings.Fields(rest), files, origins)
		case "MODULE", "INFO", "STACK":
		default:
			b.breakpadLine(line, files)
		}
	}
	if err := scan.Err(); err != nil && err != bufio.ErrTooLong {
		return fault.Wrap(err, fault.Unavailable, "read a debug file")
	} else if err != nil {
		return fault.New(fault.Invalid, "the Breakpad file has a line of more than %d bytes", maxLine)
	}
	return nil
}

// breakpadLine reads "address size line file", the first two in hexadecimal.
func (b *builder) breakpadLine(line string, files map[uint64]uint32) {
	f, ok := numbers(line, 2)
	if !ok {
		return
	}
	number, file, _ := strings.Cut(f.rest, " ")
	n, err1 := strconv.ParseUint(number, 10, 32)
	k, err2 := strconv.ParseUint(strings.TrimSpace(file), 10, 32)
	if at, known := files[k]; err1 == nil && err2 == nil && known {
		b.row(f.n[0], at, int(n))
	}
}

// breakpadInline reads "depth line file origin" in decimals and pairs of address and size in
// hexadecimals.
func (b *builder) breakpadInline(words []string, files map[uint64]uint32, origins map[uint64]string) {
	var n [4]uint64
	if len(words) < 6 {
		return
	}
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(words[i], 10, 32); err != nil {
			return
		}
	}
	file, known := files[n[2]]
	if !known {
		file = maxFiles
	}
	for pair := words[4:]; len(pair) >= 2; pair = pair[2:] {
		start, err1 := strconv.ParseUint(pair[0], 16, 32)
		size, err2 := strconv.ParseUint(pair[1], 16, 32)
		if err1 != nil || err2 != nil {
			return
		}
		b.inline(inline{uint32(start), uint32(size), uint16(min(n[0], 1<<16-1)), file, uint32(n[1]), origins[n[3]]})
	}
}

// fields are numbers in hexadecimal at the begin of a text.
type fields struct {
	n    [3]uint64
	rest string
}

func numbers(text string, count int) (f fields, ok bool) {
	f.rest = text
	for i := range count {
		word, rest, more := strings.Cut(f.rest, " ")
		n, err := strconv.ParseUint(word, 16, 64)
		if err != nil || !more {
			return f, false
		}
		f.n[i], f.rest = n, rest
	}
	return f, true
}
