package debugfile

import (
	"debug/elf"
	"io"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/unwind"
)

// ReadUnwind reads how the stacks of one build are walked: the call frame information of a Breakpad or an
// ELF file. most bounds the bytes of each part that is read. fault.Invalid: the file is damaged or has no
// such information. fault.Unsupported: its format or processor is not read. fault.TooLarge.
func ReadUnwind(r io.ReaderAt, size, most int64) (t *unwind.Table, err error) {
	defer func() { // the standard readers panic on some damaged files
		if p := recover(); p != nil {
			t, err = nil, fault.New(fault.Invalid, "the debug file is damaged")
		}
	}()
	head, err := readHead(r, size)
	if err != nil {
		return nil, err
	}
	switch {
	case string(head[:min(4, len(head))]) == "\x7fELF":
		return unwindELF(r, most)
	case string(head[:min(7, len(head))]) == "MODULE ":
		return unwind.ReadBreakpad(io.NewSectionReader(r, 0, size), most)
	}
	return nil, fault.New(fault.Unsupported, "stacks are walked by ELF and Breakpad files")
}

// unwindELF reads .eh_frame, which programs carry, else .debug_frame.
func unwindELF(r io.ReaderAt, most int64) (*unwind.Table, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the ELF file is damaged")
	}
	err = fault.New(fault.Invalid, "the ELF file has no call frame information")
	for _, name := range unwindSections {
		s := f.Section(name)
		if s == nil || s.Type == elf.SHT_NOBITS {
			continue
		}
		if s.Size > uint64(most) {
			return nil, fault.New(fault.TooLarge, "the call frame information has more than %d MiB", most>>20)
		}
		data, failed := s.Data()
		if failed != nil {
			err = fault.New(fault.Invalid, "the ELF file is damaged")
			continue
		}
		t, failed := unwind.ReadDWARF(elfCPU[f.Machine], unwind.Section{Data: data, Address: s.Addr, Base: elfBase(f), Order: f.ByteOrder, EH: name == ".eh_frame"})
		if failed == nil {
			return t, nil
		}
		err = failed
	}
	return nil, err
}

// unwindSections are the sections with call frame information.
var unwindSections = []string{".eh_frame", ".debug_frame"}

// elfBase is the address that the image of a file is linked for.
func elfBase(f *elf.File) uint64 {
	base := ^uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			base = min(base, p.Vaddr&^0xfff)
		}
	}
	if base == ^uint64(0) {
		return 0
	}
	return base
}
