// Package minidump reads a crash out of the streams of a minidump: what was raised, in which thread,
// on which system, which modules were loaded, and the calls on the stack of each thread, as far as
// call frame information, frame pointers and what looks like return addresses lead. It knows no symbols.
//
// Rule: https://learn.microsoft.com/windows/win32/api/minidumpapiset/ and
// google/breakpad src/google_breakpad/common/minidump_format.h
package minidump

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf16"
)

// Bounds on what is read of one dump.
const (
	maxStreams = 256
	maxModules = 512
	maxThreads = 10000
	maxText    = 1024 // bytes of a text, before it is decoded
)

// Module is one loaded file.
type Module struct {
	Name    string
	Base    uint64 // address of its image
	Size    uint32 // bytes of its image
	CodeID  string // of PE: time stamp and size; else the build id; empty when unknown
	DebugID string // as symbol servers name it; empty when unknown
	File    string // of debug information; empty when unknown
}

// Dump is what is known of a crash. The zero value of a field means the dump does not say.
type Dump struct {
	OS        string // Windows, macOS, Linux, Android, iOS, …
	OSVersion string
	CPU       string // x86, x86_64, arm, arm64, …
	Crashed   bool   // there is an exception; Code, Address and Thread are valid
	Code      uint32
	Flags     uint32 // the second half of the reason, where the system has one
	Access    Access // what was tried at Address, where the system says so
	Address   uint64 // that could not be accessed, else of the instruction
	Thread    uint32
	Threads   int      // how many there are
	List      []Thread // those that were read, the crashed one first
	Modules   []Module
	Damaged   int // streams that lie outside of the dump
}

var errMagic = errors.New("no minidump")

// Has reports whether data begins like a minidump, of either byte order.
func Has(data []byte) bool {
	return bytes.HasPrefix(data, []byte("MDMP")) || bytes.HasPrefix(data, []byte("PMDM"))
}

// The types of streams.
const (
	streamThreads   = 3
	streamModules   = 4
	streamException = 6
	streamSystem    = 7
)

// Unwinder computes the registers of a caller from those that are known of the function at an address
// relative to a module, an index in Modules; memory reads the stack. Registers have the names of
// Thread.Registers. It is false where nothing is known of that code; the program counter is 0 when the
// function has no caller.
type Unwinder func(module int, address uint64, registers map[string]uint64, memory func(address uint64) (uint64, bool)) (caller map[string]uint64, ok bool)

// Parse reads a dump. Streams that are damaged are left out; only what does not begin like a dump
// is an error. It takes time and memory bounded by constants, however large the dump claims to be.
func Parse(data []byte) (*Dump, error) { return Walk(data, nil) }

// Walk does what Parse does, and goes from call to call by what unwinder makes of the modules that are
// named, where it knows. It gets the list of modules first.
func Walk(data []byte, unwinder func([]Module) Unwinder) (*Dump, error) {
	if !Has(data) {
		return nil, errMagic
	}
	d := reader{data: data, order: binary.LittleEndian}
	if data[0] == 'P' {
		d.order = binary.BigEndian
	}
	out, threads := &Dump{}, &stacks{}
	count, dir := d.u32(8), uint64(d.u32(12))
	for i := range uint64(min(count, maxStreams)) {
		at := dir + 12*i
		if !d.has(at, 12) {
			out.Damaged++
			break
		}
		size, rva := uint64(d.u32(at+4)), uint64(d.u32(at+8))
		if !d.has(rva, size) {
			out.Damaged++
			continue
		}
		threads.note(&d, d.u32(at), rva, size)
		switch d.u32(at) {
		case streamThreads:
			out.Threads = int(min(d.u32(rva), maxThreads))
		case streamModules:
			out.Modules = d.modules(rva, size)
		case streamException:
			d.exception(out, rva, size)
		case streamSystem:
			d.system(out, rva, size)
		}
	}
	var u Unwinder
	if unwinder != nil {
		u = unwinder(out.Modules)
	}
	d.listThreads(out, threads, u)
	return out, nil
}

// reader reads numbers at offsets; past the end they are zero.
type reader struct {
	data  []byte
	order binary.ByteOrder
}

func (d *reader) has(at, size uint64) bool {
	n := uint64(len(d.data))
	return at <= n && size <= n-at
}

func (d *reader) u16(at uint64) uint16 {
	if !d.has(at, 2) {
		return 0
	}
	return d.order.Uint16(d.data[at:])
}

func (d *reader) u32(at uint64) uint32 {
	if !d.has(at, 4) {
		return 0
	}
	return d.order.Uint32(d.data[at:])
}

func (d *reader) u64(at uint64) uint64 {
	if !d.has(at, 8) {
		return 0
	}
	return d.order.Uint64(d.data[at:])
}

// text reads a counted text of UTF-16.
func (d *reader) text(at uint64) string {
	size := uint64(min(d.u32(at), maxText)) &^ 1
	if at == 0 || !d.has(at+4, size) {
		return ""
	}
	units := make([]uint16, size/2)
	for i := range units {
		units[i] = d.u16(at + 4 + 2*uint64(i))
	}
	return string(utf16.Decode(units))
}

// exception reads MINIDUMP_EXCEPTION_STREAM.
func (d *reader) exception(out *Dump, at, size uint64) {
	if size < 32 {
		return
	}
	out.Crashed, out.Thread = true, d.u32(at)
	out.Code, out.Flags, out.Address = d.u32(at+8), d.u32(at+12), d.u64(at+24)
	const accessViolation, inPageError = 0xc0000005, 0xc0000006
	if (out.Code == accessViolation || out.Code == inPageError) && d.u32(at+32) >= 2 && size >= 56 {
		out.Access, out.Address = accesses[d.u64(at+40)], d.u64(at+48)
	}
}

// platforms are the systems by number.
var platforms = map[uint32]string{1: "Windows", 2: "Windows", 0x8101: "macOS", 0x8102: "iOS", 0x8201: "Linux", 0x8202: "Solaris", 0x8203: "Android",
	0x8204: "PS3", 0x8205: "NaCl", 0x8206: "Fuchsia"}

// processors are the kinds of processor by number.
var processors = map[uint16]string{0: "x86", 1: "mips", 3: "ppc", 5: "arm", 9: "x86_64", 12: "arm64", 0x8001: "sparc", 0x8002: "ppc64", 0x8003: "arm64", 0x8004: "mips64"}

// system reads MINIDUMP_SYSTEM_INFO.
func (d *reader) system(out *Dump, at, size uint64) {
	if size < 24 {
		return
	}
	out.CPU, out.OS = processors[d.u16(at)], platforms[d.u32(at+20)]
	out.OSVersion = fmt.Sprintf("%d.%d.%d", d.u32(at+8), d.u32(at+12), d.u32(at+16))
}

// moduleBytes is the size of one MINIDUMP_MODULE.
const moduleBytes = 108

func (d *reader) modules(at, size uint64) []Module {
	n := min(uint64(d.u32(at)), maxModules, (max(size, 4)-4)/moduleBytes)
	at += 4
	if size >= 8 && size-8 == uint64(d.u32(at-4))*moduleBytes { // some writers align the list
		at += 4
	}
	list := make([]Module, 0, n)
	for i := range n {
		m := at + i*moduleBytes
		mod := Module{Base: d.u64(m), Size: d.u32(m + 8), Name: d.text(uint64(d.u32(m + 20)))}
		stamp := d.u32(m + 16)
		if stamp != 0 && mod.Size != 0 {
			mod.CodeID = fmt.Sprintf("%08X%x", stamp, mod.Size)
		}
		d.codeView(&mod, uint64(d.u32(m+80)), uint64(d.u32(m+76)))
		list = append(list, mod)
	}
	return list
}

// codeView reads the record that names a module's debug information: of PDB 7.0, or an ELF build id.
func (d *reader) codeView(m *Module, at, size uint64) {
	if !d.has(at, size) || size < 5 {
		return
	}
	b := d.data[at : at+size]
	switch {
	case bytes.HasPrefix(b, []byte("RSDS")) && size >= 24:
		m.DebugID = d.guid(at+4, d.u32(at+20))
		name, _, _ := bytes.Cut(b[24:min(size, 24+maxText)], []byte{0})
		m.File = string(bytes.ToValidUTF8(name, []byte("?")))
	case bytes.HasPrefix(b, []byte("LEpB")):
		id := b[4:min(size, 4+64)]
		m.CodeID = hex.EncodeToString(id)
		if len(id) >= 16 {
			m.DebugID = d.guid(at+4, 0)
		}
	}
}

// guid writes 16 bytes as symbol servers do, with the age behind when there is one.
func (d *reader) guid(at uint64, age uint32) string {
	tail := d.data[at+8 : at+16]
	s := fmt.Sprintf("%08x-%04x-%04x-%x-%x", d.u32(at), d.u16(at+4), d.u16(at+6), tail[:2], tail[2:])
	if age != 0 {
		s += fmt.Sprintf("-%x", age)
	}
	return s
}
