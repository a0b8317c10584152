// Package unreal reads the crash archives of the Unreal Engine: the files that its crash reporter
// puts into one document, and what the engine says of the crash in one of them.
package unreal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
)

// Kind is what a file of an archive is for.
type Kind int

// The kinds of files.
const (
	Other Kind = iota
	Minidump
	AppleReport
	Log
	Context // CrashContext.runtime-xml, which ReadContext reads
)

// File is one file of an archive. Data aliases the archive.
type File struct {
	Name string
	Data []byte
}

// Kind tells what a file is for by its name and its first bytes.
// Rule: getsentry/symbolic symbolic-unreal/src/container.rs (Unreal4FileType)
func (f File) Kind() Kind {
	switch {
	case f.Name == "CrashContext.runtime-xml":
		return Context
	case strings.HasSuffix(f.Name, ".log"):
		return Log
	case bytes.HasPrefix(f.Data, []byte("MDMP")), bytes.HasPrefix(f.Data, []byte("PMDM")):
		return Minidump
	case bytes.HasPrefix(f.Data, []byte("Incident Identifier:")):
		return AppleReport
	}
	return Other
}

const (
	maxFiles = 100  // of an archive
	maxName  = 4096 // bytes of a text in a header
)

var errArchive = errors.New("this is no crash archive of the Unreal Engine")

// Files reads an archive that is decompressed already. A header stands at both ends; the first is
// written before its numbers are known, so that the second one's count of files is the one to go by.
// An archive that is cut short or holds more than its files is refused.
// Rule: getsentry/symbolic symbolic-unreal/src/container.rs (from_bytes)
func Files(archive []byte) ([]File, error) {
	if len(archive) < 4 {
		return nil, errArchive
	}
	count := int32(binary.LittleEndian.Uint32(archive[len(archive)-4:]))
	if count < 0 || count > maxFiles {
		return nil, errArchive
	}
	r := reader{b: archive}
	r.header()
	files := make([]File, 0, count)
	for range count {
		r.number() // the file's index, which its place tells too
		name := r.text()
		data := r.take(r.number())
		files = append(files, File{Name: base(name), Data: data})
	}
	r.header()
	if r.short || len(r.b) > 0 {
		return nil, errArchive
	}
	return files, nil
}

// base is the name without the folders of the machine it comes from.
func base(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// reader takes fields off the front of b; after the first shortage every field is empty.
type reader struct {
	b     []byte
	short bool
}

// header skips a header: the folder and the name of the archive, its size and the count of files.
// Later engines put three letters before it.
func (r *reader) header() {
	r.b = bytes.TrimPrefix(r.b, []byte("CR1"))
	r.text()
	r.text()
	r.number()
	r.number()
}

func (r *reader) number() int {
	b := r.take(4)
	if r.short {
		return 0
	}
	return int(int32(binary.LittleEndian.Uint32(b)))
}

// text is a text of fixed width, filled up with zeros.
func (r *reader) text() string {
	n := r.number()
	if n > maxName {
		r.short = true
		return ""
	}
	return strings.ToValidUTF8(string(bytes.TrimRight(r.take(n), "\x00")), "\uFFFD")
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	head := r.b[:n:n]
	r.b = r.b[n:]
	return head
}
