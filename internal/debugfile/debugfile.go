// Package debugfile tells what an uploaded debug information file is and which build it belongs to,
// and finds the functions in it: ELF, Mach-O, PE, Breakpad's text and ProGuard's mappings are read;
// other kinds are recognized.
//
// Files come from outside: every reader is bounded, and what the standard readers panic on counts
// as damaged.
package debugfile

import (
	"bytes"
	"crypto/sha1"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Format is the kind of a file, as the API names it.
type Format string

// The formats.
// Rule: getsentry/sentry src/sentry/models/debugfile.py (KNOWN_DIF_FORMATS)
const (
	ELF          Format = "elf"
	MachO        Format = "macho"
	PE           Format = "pe"
	PDB          Format = "pdb"
	PortablePDB  Format = "portablepdb"
	WASM         Format = "wasm"
	Breakpad     Format = "breakpad"
	SourceBundle Format = "sourcebundle"
	ProGuard     Format = "proguard"
	BCSymbolMap  Format = "bcsymbolmap"
	UUIDMap      Format = "uuidmap"
	IL2CPP       Format = "il2cpp"
	DartSymbols  Format = "dartsymbolmap"
)

// Info is one build in a file; fat Mach-O files have several.
type Info struct {
	Format   Format
	DebugID  string // 32 hex digits with dashes, the age behind when it is not 0
	CodeID   string // empty when the format has none
	CPU      string // x86, x86_64, arm, arm64, …; any
	Name     string // of the object
	Kind     string // exe, dbg, lib, …
	Features []string
}

// headBytes is how much of a file is looked at to tell its format.
const headBytes = 4096

// Read tells what a file is. name is its path at the client, debugID what the client says of it; both
// may be empty. fault.Unsupported: it is none that is known. fault.Invalid: it is damaged, or nothing
// says which build it belongs to.
func Read(r io.ReaderAt, size int64, name, debugID string) (list []Info, err error) {
	defer func() { // the standard readers panic on some damaged files
		if p := recover(); p != nil {
			list, err = nil, fault.New(fault.Invalid, "the debug file is damaged")
		}
	}()
	head := make([]byte, min(size, headBytes))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fault.Wrap(err, fault.Unavailable, "read a debug file")
	}
	base := path.Base(strings.ReplaceAll(name, "\\", "/"))
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		list, err = readELF(r, base)
	case isMachO(head):
		list, err = readMachO(r, head, base)
	case bytes.HasPrefix(head, []byte("MZ")):
		list, err = readPE(r, base)
	case bytes.HasPrefix(head, []byte("MODULE ")):
		list, err = readBreakpad(head)
	case bytes.HasPrefix(head, []byte("SYSB")):
		list, err = given(SourceBundle, base, debugID, "sources")
	case bytes.HasPrefix(head, []byte("Microsoft C/C++ MSF 7.00")):
		list, err = given(PDB, base, debugID, "symtab", "debug")
	case bytes.HasPrefix(head, []byte("BSJB")):
		list, err = given(PortablePDB, base, debugID, "debug")
	case bytes.HasPrefix(head, []byte("\x00asm")):
		list, err = given(WASM, base, debugID, "symtab")
	case bytes.HasPrefix(head, []byte("BCSymbolMap Version:")):
		list, err = given(BCSymbolMap, base, debugID)
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("<?xml")) && bytes.Contains(head, []byte("DBGOriginalUUID")), strings.HasSuffix(base, ".plist"):
		list, err = given(UUIDMap, base, debugID)
	case isProGuard(name, head):
		list, err = readProGuard(name, debugID)
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("[")) && debugID != "":
		list, err = given(DartSymbols, base, debugID, "mapping")
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && debugID != "":
		list, err = given(IL2CPP, base, debugID, "mapping")
	default:
		return nil, fault.New(fault.Unsupported, "this is no debug file of a kind that is known")
	}
	if err == nil && len(list) == 0 {
		err = fault.New(fault.Invalid, "the debug file is damaged")
	}
	return list, err
}

// given is a file whose build only the client names.
func given(f Format, name, debugID string, features ...string) ([]Info, error) {
	id, ok := ParseID(debugID)
	if !ok {
		return nil, fault.New(fault.Invalid, "nothing says which build the %s file belongs to: upload it with its debug id", f)
	}
	return []Info{{Format: f, DebugID: id, CPU: "any", Name: name, Kind: "none", Features: append([]string{}, features...)}}, nil
}

var uuidForm = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)

func isProGuard(name string, head []byte) bool {
	return strings.Contains(name, "/proguard/") && strings.HasSuffix(name, ".txt") || bytes.Contains(head, []byte(" -> ")) && bytes.Contains(head, []byte(":\n")) || bytes.Contains(head, []byte(" -> ")) && bytes.Contains(head, []byte(":\r\n"))
}

func readProGuard(name, debugID string) ([]Info, error) {
	if debugID == "" {
		debugID = uuidForm.FindString(name)
	}
	list, err := given(ProGuard, "proguard-mapping", debugID, "mapping")
	if err == nil {
		list[0].CPU = "any"
	}
	return list, err
}

// ProGuardID is the id of a mapping that was made from its bytes alone.
// Rule: getsentry/symbolic symbolic-debuginfo (UUIDv5 in the namespace of guardsquare.com)
func ProGuardID(data []byte) string {
	space := [16]byte{0x4f, 0x44, 0xf3, 0x0f, 0x24, 0xbe, 0x53, 0xd0, 0xba, 0xb6, 0xf4, 0x7c, 0x71, 0x20, 0xad, 0x6c}
	h := sha1.New()
	_, _ = h.Write(space[:]) // never fails
	_, _ = h.Write(data)
	id := h.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return uuid(id)
}

func uuid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// ParseID brings a debug id into the form that is stored; see artifact.ParseDebugID.
func ParseID(s string) (string, bool) {
	plain := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "")
	if len(plain) < 32 || len(plain) > 40 {
		return "", false
	}
	if _, err := hex.DecodeString(plain[:32]); err != nil {
		return "", false
	}
	id := plain[:8] + "-" + plain[8:12] + "-" + plain[12:16] + "-" + plain[16:20] + "-" + plain[20:32]
	if age := strings.TrimLeft(plain[32:], "0"); age != "" {
		if strings.Trim(age, "0123456789abcdef") != "" {
			return "", false
		}
		id += "-" + age
	}
	return id, true
}

// guid writes 16 bytes of which the first three groups are little-endian.
func guid(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

var elfCPU = map[elf.Machine]string{elf.EM_386: "x86", elf.EM_X86_64: "x86_64", elf.EM_ARM: "arm", elf.EM_AARCH64: "arm64", elf.EM_PPC64: "ppc64", elf.EM_MIPS: "mips", elf.EM_RISCV: "riscv64"}

// maxSection bounds what is read of one section to tell the build.
const maxSection = 1 << 20

func readELF(r io.ReaderAt, name string) ([]Info, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the ELF file is damaged")
	}
	code := elfBuildID(f)
	if code == nil {
		code = elfTextID(f)
	}
	if code == nil {
		return nil, fault.New(fault.Invalid, "the ELF file has no build id: link it with -Wl,--build-id")
	}
	padded := make([]byte, 16)
	copy(padded, code)
	info := Info{Format: ELF, DebugID: guid(padded), CodeID: hex.EncodeToString(code), CPU: elfCPU[f.Machine], Name: name, Kind: "exe", Features: []string{}}
	switch {
	case f.Section(".debug_info") != nil && (f.Section(".text") == nil || f.Section(".text").Type == elf.SHT_NOBITS):
		info.Kind = "dbg"
	case f.Type == elf.ET_DYN && f.Section(".interp") == nil:
		info.Kind = "lib"
	}
	for _, feature := range []struct {
		name     string
		sections []string
	}{{"symtab", []string{".symtab"}}, {"debug", []string{".debug_info"}}, {"unwind", unwindSections}} {
		if slices.ContainsFunc(feature.sections, func(name string) bool {
			s := f.Section(name)
			return s != nil && s.Type != elf.SHT_NOBITS && s.Size > 0
		}) {
			info.Features = append(info.Features, feature.name)
		}
	}
	return []Info{info}, nil
}

// elfBuildID is the note that names the build; nil when there is none.
func elfBuildID(f *elf.File) []byte {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOTE || s.Size > maxSection {
			continue
		}
		b, err := s.Data()
		if err != nil {
			continue
		}
		for len(b) >= 12 {
			names, size, kind := int64(f.ByteOrder.Uint32(b)), int64(f.ByteOrder.Uint32(b[4:])), f.ByteOrder.Uint32(b[8:])
			start := 12 + (names+3)&^3
			end := start + size
			if end > int64(len(b)) || size < 0 {
				break
			}
			if kind == 3 && names == 4 && string(b[12:15]) == "GNU" && size > 0 && size <= 64 {
				return b[start:end]
			}
			b = b[min(start+(size+3)&^3, int64(len(b))):]
		}
	}
	return nil
}

// elfTextID is the id that crash reporters make of a file without a note: its first page of code,
// folded.
// Rule: google/breakpad src/common/linux/file_id.cc (HashElfTextSection)
func elfTextID(f *elf.File) []byte {
	s := f.Section(".text")
	if s == nil || s.Type == elf.SHT_NOBITS {
		return nil
	}
	page := make([]byte, min(s.Size, 4096))
	if _, err := s.ReadAt(page, 0); err != nil && err != io.EOF {
		return nil
	}
	id := make([]byte, 16)
	for i, c := range page {
		id[i%16] ^= c
	}
	return id
}

func isMachO(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch binary.BigEndian.Uint32(head) {
	case 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe:
		return true
	case macho.MagicFat:
		return binary.BigEndian.Uint32(head[4:]) < 32 // else the magic of Java classes
	}
	return false
}

func readMachO(r io.ReaderAt, head []byte, name string) ([]Info, error) {
	if binary.BigEndian.Uint32(head) != macho.MagicFat {
		f, err := macho.NewFile(r)
		if err != nil {
			return nil, fault.New(fault.Invalid, "the Mach-O file is damaged")
		}
		return machOInfo(f, name)
	}
	fat, err := macho.NewFatFile(r)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the Mach-O file is damaged")
	}
	var list []Info
	for _, arch := range fat.Arches {
		one, err := machOInfo(arch.File, name)
		if err != nil {
			return nil, err
		}
		list = append(list, one...)
	}
	return list, nil
}

var machCPU = map[macho.Cpu]string{macho.Cpu386: "x86", macho.CpuAmd64: "x86_64", macho.CpuArm: "arm", macho.CpuArm64: "arm64"}

func machOInfo(f *macho.File, name string) ([]Info, error) {
	for _, l := range f.Loads {
		raw := l.Raw()
		if len(raw) >= 24 && f.ByteOrder.Uint32(raw) == 0x1b { // LC_UUID
			info := Info{Format: MachO, DebugID: uuid(raw[8:24]), CodeID: hex.EncodeToString(raw[8:24]), CPU: machCPU[f.Cpu], Name: name, Kind: "exe", Features: []string{}}
			if f.Type == 10 { // MH_DSYM
				info.Kind = "dbg"
			} else if f.Type == macho.TypeDylib {
				info.Kind = "lib"
			}
			if f.Symtab != nil && len(f.Symtab.Syms) > 0 {
				info.Features = append(info.Features, "symtab")
			}
			if f.Section("__debug_info") != nil {
				info.Features = append(info.Features, "debug")
			}
			if f.Section("__unwind_info") != nil || f.Section("__eh_frame") != nil {
				info.Features = append(info.Features, "unwind")
			}
			return []Info{info}, nil
		}
	}
	return nil, fault.New(fault.Invalid, "the Mach-O file has no UUID")
}

var peCPU = map[uint16]string{pe.IMAGE_FILE_MACHINE_I386: "x86", pe.IMAGE_FILE_MACHINE_AMD64: "x86_64", pe.IMAGE_FILE_MACHINE_ARMNT: "arm", pe.IMAGE_FILE_MACHINE_ARM64: "arm64"}

func readPE(r io.ReaderAt, name string) ([]Info, error) {
	f, err := pe.NewFile(r)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the PE file is damaged")
	}
	var size, debugAt, debugSize uint32
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		size, debugAt, debugSize = h.SizeOfImage, h.DataDirectory[6].VirtualAddress, h.DataDirectory[6].Size
	case *pe.OptionalHeader64:
		size, debugAt, debugSize = h.SizeOfImage, h.DataDirectory[6].VirtualAddress, h.DataDirectory[6].Size
	}
	id := ""
	for at := uint32(0); at+28 <= min(debugSize, 28*64); at += 28 {
		entry := rva(f, debugAt+at, 28)
		if len(entry) < 28 || binary.LittleEndian.Uint32(entry[12:]) != 2 { // IMAGE_DEBUG_TYPE_CODEVIEW
			continue
		}
		view := rva(f, binary.LittleEndian.Uint32(entry[20:]), 24)
		if len(view) == 24 && string(view[:4]) == "RSDS" {
			id = guid(view[4:20])
			if age := binary.LittleEndian.Uint32(view[20:]); age != 0 {
				id += fmt.Sprintf("-%x", age)
			}
		}
	}
	if id == "" {
		return nil, fault.New(fault.Invalid, "the PE file names no PDB: link it with /DEBUG")
	}
	info := Info{Format: PE, DebugID: id, CodeID: fmt.Sprintf("%08x%x", f.TimeDateStamp, size), CPU: peCPU[f.Machine], Name: name, Kind: "exe", Features: []string{}}
	if f.Characteristics&pe.IMAGE_FILE_DLL != 0 {
		info.Kind = "lib"
	}
	if len(f.Symbols) > 0 {
		info.Features = append(info.Features, "symtab")
	}
	if f.Section(".debug_info") != nil {
		info.Features = append(info.Features, "debug")
	}
	return []Info{info}, nil
}

// rva reads n bytes at a relative address; fewer when the file has not so many.
func rva(f *pe.File, at, n uint32) []byte {
	for _, s := range f.Sections {
		if at < s.VirtualAddress || at-s.VirtualAddress >= s.Size {
			continue
		}
		b := make([]byte, min(n, s.Size-(at-s.VirtualAddress)))
		if _, err := s.ReadAt(b, int64(at-s.VirtualAddress)); err != nil && err != io.EOF {
			return nil
		}
		return b
	}
	return nil
}

// readBreakpad reads "MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208BA0 firefox-bin".
// Rule: google/breakpad docs/symbol_files.md
func readBreakpad(head []byte) ([]Info, error) {
	line, rest, _ := strings.Cut(string(head), "\n")
	fields := strings.SplitN(strings.TrimSpace(line), " ", 5)
	if len(fields) < 5 {
		return nil, fault.New(fault.Invalid, "the Breakpad file names no module")
	}
	id, ok := ParseID(fields[3])
	if !ok {
		return nil, fault.New(fault.Invalid, "the Breakpad file names no build")
	}
	info := Info{Format: Breakpad, DebugID: id, CPU: fields[2], Name: strings.TrimSpace(fields[4]), Kind: "dbg", Features: []string{"symtab", "debug", "unwind"}}
	if next, _, _ := strings.Cut(rest, "\n"); strings.HasPrefix(next, "INFO CODE_ID ") {
		info.CodeID = strings.ToLower(strings.Fields(next)[2])
	}
	return []Info{info}, nil
}
