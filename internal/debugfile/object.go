package debugfile

import (
	"debug/dwarf"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"io"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// readELF reads the symbol tables and the line table of an ELF file.
func (b *builder) readELF(r io.ReaderAt, most int64) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return fault.New(fault.Invalid, "the ELF file is damaged")
	}
	base, debug := elfBase(f), int64(0)
	for _, s := range f.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			debug += int64(min(s.Size, 1<<40))
		} else if s.Type == elf.SHT_SYMTAB || s.Type == elf.SHT_DYNSYM || s.Type == elf.SHT_STRTAB {
			if s.Size > uint64(most) {
				return fault.New(fault.TooLarge, "the symbol table has more than %d MiB", most>>20)
			}
		}
	}
	for _, read := range []func() ([]elf.Symbol, error){f.Symbols, f.DynamicSymbols} {
		list, err := read()
		if err != nil {
			continue // there is none
		}
		for i := range list {
			if s := &list[i]; elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section != elf.SHN_UNDEF && s.Value >= base {
				b.function(s.Value-base, s.Size, s.Name)
			}
		}
	}
	if debug > 0 && debug <= most {
		if d, err := f.DWARF(); err == nil {
			b.readDWARF(d, base)
		}
	}
	return nil
}

// readMachO reads the one of a Mach-O file's builds that has the debug id.
func (b *builder) readMachO(r io.ReaderAt, head []byte, debugID string, most int64) error {
	if binary.BigEndian.Uint32(head) != macho.MagicFat {
		f, err := macho.NewFile(r)
		if err != nil {
			return fault.New(fault.Invalid, "the Mach-O file is damaged")
		}
		b.machO(f, most)
		return nil
	}
	fat, err := macho.NewFatFile(r)
	if err != nil {
		return fault.New(fault.Invalid, "the Mach-O file is damaged")
	}
	for _, arch := range fat.Arches {
		if info, err := machOInfo(arch.File, ""); err == nil && info[0].DebugID == debugID {
			b.machO(arch.File, most)
			return nil
		}
	}
	return fault.New(fault.Invalid, "the Mach-O file has no build with the debug id")
}

func (b *builder) machO(f *macho.File, most int64) {
	base := uint64(0)
	if s := f.Segment("__TEXT"); s != nil {
		base = s.Addr
	}
	if f.Symtab != nil {
		for i := range f.Symtab.Syms {
			const stab, kind, section = 0xe0, 0x0e, 0x0e
			if s := &f.Symtab.Syms[i]; s.Type&stab == 0 && s.Type&kind == section && s.Value >= base && int(s.Sect) <= len(f.Sections) && s.Sect > 0 && f.Sections[s.Sect-1].Name == "__text" {
				b.function(s.Value-base, 0, strings.TrimPrefix(s.Name, "_"))
			}
		}
	}
	debug := int64(0)
	for _, s := range f.Sections {
		if strings.HasPrefix(s.Name, "__debug_") || strings.HasPrefix(s.Name, "__zdebug_") {
			debug += int64(min(s.Size, 1<<40))
		}
	}
	if debug > 0 && debug <= most {
		if d, err := f.DWARF(); err == nil {
			b.readDWARF(d, base)
		}
	}
}

// readPE reads the symbols that GNU's and Go's linkers write, and DWARF. Those of Microsoft's are in
// a PDB.
func (b *builder) readPE(r io.ReaderAt, most int64) error {
	f, err := pe.NewFile(r)
	if err != nil {
		return fault.New(fault.Invalid, "the PE file is damaged")
	}
	base := uint64(0)
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		base = uint64(h.ImageBase)
	case *pe.OptionalHeader64:
		base = h.ImageBase
	}
	for _, s := range f.Symbols {
		const function, code = 0x20, 0x20
		if s.SectionNumber < 1 || int(s.SectionNumber) > len(f.Sections) {
			continue
		}
		if in := f.Sections[s.SectionNumber-1]; s.Type == function || in.Characteristics&code != 0 && !strings.HasPrefix(s.Name, ".") {
			b.function(uint64(in.VirtualAddress)+uint64(s.Value), 0, s.Name)
		}
	}
	debug := int64(0)
	for _, s := range f.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			debug += int64(s.Size)
		}
	}
	if debug > 0 && debug <= most {
		if d, err := f.DWARF(); err == nil {
			b.readDWARF(d, base)
		}
	}
	return nil
}

// readDWARF reads the lines of every unit, and the functions when no symbol table has any. A unit
// that is damaged is left out.
func (b *builder) readDWARF(d *dwarf.Data, base uint64) {
	named := len(b.t.functions) > 0
	r := d.Reader()
	for {
		e, err := r.Next()
		if err != nil || e == nil {
			return
		}
		switch e.Tag {
		case dwarf.TagCompileUnit:
			if lines, err := d.LineReader(e); err == nil && lines != nil {
				b.readLines(lines, base)
			}
			if named {
				r.SkipChildren()
			}
		case dwarf.TagSubprogram:
			b.subprogram(e, base)
			r.SkipChildren()
		case dwarf.TagNamespace, dwarf.TagModule, dwarf.TagClassType, dwarf.TagStructType:
		default:
			r.SkipChildren()
		}
	}
}

func (b *builder) readLines(lines *dwarf.LineReader, base uint64) {
	var e dwarf.LineEntry
	for lines.Next(&e) == nil && len(b.t.rows) < maxRows {
		switch {
		case e.Address < base:
		case e.EndSequence || e.File == nil:
			b.row(e.Address-base, 0, 0)
		default:
			b.row(e.Address-base, b.file(e.File.Name), e.Line)
		}
	}
}

func (b *builder) subprogram(e *dwarf.Entry, base uint64) {
	low, ok := e.Val(dwarf.AttrLowpc).(uint64)
	if !ok || low < base {
		return
	}
	size := uint64(0)
	switch high := e.Val(dwarf.AttrHighpc).(type) {
	case uint64:
		size = max(high, low) - low
	case int64:
		size = uint64(max(high, 0))
	}
	name, _ := e.Val(dwarf.AttrLinkageName).(string)
	if name == "" {
		name, _ = e.Val(dwarf.AttrName).(string)
	}
	b.function(low-base, size, name)
}
