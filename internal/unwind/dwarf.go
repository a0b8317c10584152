package unwind

import (
	"bytes"
	"encoding/binary"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Section is a section of call frame information, where the file has it in memory.
type Section struct {
	Data    []byte
	Address uint64 // of its first byte
	Base    uint64 // address of the image, that addresses become relative to
	Order   binary.ByteOrder
	EH      bool // .eh_frame; else .debug_frame
}

// common is a CIE: what the frames of many functions have in common.
type common struct {
	codeAlign   uint64
	dataAlign   int64
	returns     uint64
	encoding    byte // of the addresses in its frames
	augmented   bool
	initial     []byte
	addressSize uint64
}

// frame is an FDE: the instructions of one function.
type frame struct {
	*common
	cpu          *processor
	order        binary.ByteOrder
	start        uint64
	instructions []byte
}

// Bytes that an entry and a common part take beside the section.
const (
	entryBytes  = 152
	commonBytes = 96
)

// ReadDWARF reads a section of call frame information for a kind of processor, as package minidump names
// it. Frames that are damaged are left out. fault.Invalid: there are none. fault.Unsupported: the
// processor is not known.
func ReadDWARF(cpu string, s Section) (*Table, error) {
	t := &Table{cpu: processors[cpu], bytes: len(s.Data)}
	if t.cpu == nil {
		return nil, fault.New(fault.Unsupported, "stacks of the processor %.20q are not walked by its files", cpu)
	}
	p := parser{Section: s, table: t, commons: make(map[uint64]*common)}
	for at := uint64(0); at < uint64(len(s.Data)) && len(t.entries) < maxEntries; {
		next, ok := p.entry(at)
		if !ok || next <= at {
			break
		}
		at = next
	}
	if len(t.entries) == 0 {
		return nil, fault.New(fault.Invalid, "the file has no call frame information that can be read")
	}
	return t.sorted(), nil
}

// parser reads one section.
type parser struct {
	Section
	table   *Table
	commons map[uint64]*common // by offset; nil for one that is damaged
}

// head is the begin of an entry.
type head struct {
	body   reader // behind the id
	common uint64 // offset of the CIE of a frame
	isCIE  bool
	next   uint64
}

// head reads length and id of the entry at an offset.
func (p *parser) head(at uint64) (h head, ok bool) {
	r := reader{data: p.Data, at: at, order: p.Order}
	length, wide := r.unsigned(4), false
	if length == 1<<32-1 {
		length, wide = r.unsigned(8), true
	}
	end := r.at + length
	if r.failed || length == 0 || end > uint64(len(p.Data)) || end < r.at {
		return h, false
	}
	r.data = p.Data[:end]
	h.next = end
	place, width := r.at, uint64(4)
	if wide && !p.EH {
		width = 8
	}
	id := r.unsigned(width)
	switch {
	case p.EH:
		h.isCIE, h.common = id == 0, place-id
	case width == 8:
		h.isCIE, h.common = id == 1<<64-1, id
	default:
		h.isCIE, h.common = id == 1<<32-1, id
	}
	h.body = r
	return h, !r.failed
}

// entry reads the entry at an offset and returns where the next one begins.
func (p *parser) entry(at uint64) (next uint64, ok bool) {
	h, ok := p.head(at)
	if !ok || h.isCIE {
		return h.next, ok
	}
	c, known := p.commons[h.common]
	if !known {
		c = p.readCommon(h.common)
		p.commons[h.common] = c
		p.table.bytes += commonBytes
	}
	if c == nil {
		return h.next, true
	}
	r := &h.body
	start, ok := p.pointer(r, c, c.encoding)
	size, ok2 := p.pointer(r, c, c.encoding&0x0f)
	if c.augmented {
		r.skip(r.uleb())
	}
	if !ok || !ok2 || r.failed || size == 0 || start < p.Base || start-p.Base+size > 1<<32-1 || start-p.Base > 1<<32-1 {
		return h.next, true
	}
	f := &frame{c, p.table.cpu, p.Order, start - p.Base, r.data[r.at:]}
	p.table.entries = append(p.table.entries, entry{start: uint32(start - p.Base), size: uint32(size), frame: f})
	p.table.bytes += entryBytes
	return h.next, true
}

// readCommon reads the CIE at an offset; nil when it is damaged or of a kind that is not known.
func (p *parser) readCommon(at uint64) *common {
	h, ok := p.head(at)
	if !ok || !h.isCIE {
		return nil
	}
	r := &h.body
	version := r.unsigned(1)
	if version != 1 && version != 3 && version != 4 {
		return nil
	}
	augmentation := r.text()
	c := &common{addressSize: p.table.cpu.word}
	if version == 4 {
		if c.addressSize = r.unsigned(1); r.unsigned(1) != 0 { // segments
			return nil
		}
	}
	c.codeAlign, c.dataAlign = r.uleb(), r.sleb()
	if c.returns = r.uleb(); version == 1 {
		c.returns &= 0x7f
	}
	if c.returns != p.table.cpu.returns || c.addressSize != 4 && c.addressSize != 8 {
		return nil
	}
	if augmentation != "" && augmentation[0] != 'z' {
		return nil
	}
	if augmentation != "" {
		c.augmented = true
		rest := reader{data: r.data, at: r.at, order: p.Order}
		size := rest.uleb()
		r.at = rest.at
		r.skip(size)
		if r.failed || !p.augment(c, &rest, augmentation[1:]) {
			return nil
		}
	}
	c.initial = r.data[min(r.at, uint64(len(r.data))):]
	if r.failed {
		return nil
	}
	return c
}

// augment reads what the letters of an augmentation stand for.
// Rule: Linux Standard Base 5.0, Core, 10.6.1.1.1
func (p *parser) augment(c *common, r *reader, letters string) bool {
	for i := range len(letters) {
		switch letters[i] {
		case 'R':
			c.encoding = byte(r.unsigned(1))
		case 'L':
			r.skip(1)
		case 'P':
			if _, ok := p.pointer(r, c, byte(r.unsigned(1))&0x7f); !ok {
				return false
			}
		case 'S', 'B': // of a signal; with signed return addresses
		default:
			return false
		}
	}
	return !r.failed
}

// pointer reads an address in an encoding. ok is false for one that is not known.
// Rule: Linux Standard Base 5.0, Core, 10.5.1
func (p *parser) pointer(r *reader, c *common, encoding byte) (v uint64, ok bool) {
	const omit, relative, absolute = 0xff, 0x10, 0x00
	place := p.Address + r.at
	switch encoding & 0x0f {
	case 0x00:
		v = r.unsigned(c.addressSize)
	case 0x01:
		v = r.uleb()
	case 0x02, 0x03, 0x04:
		v = r.unsigned(1 << (encoding&0x0f - 1))
	case 0x09:
		v = uint64(r.sleb())
	case 0x0a, 0x0b, 0x0c:
		v = r.signed(1 << (encoding&0x07 - 1))
	default:
		return 0, false
	}
	switch encoding & 0xf0 {
	case absolute:
	case relative:
		v += place
	default:
		return 0, false
	}
	if c.addressSize == 4 {
		v = uint64(uint32(v))
	}
	return v, encoding != omit && !r.failed
}

// reader reads numbers; past the end they are 0, and it has failed.
type reader struct {
	data   []byte
	at     uint64
	order  binary.ByteOrder
	failed bool
}

func (r *reader) skip(n uint64) {
	if n > uint64(len(r.data)) || r.at > uint64(len(r.data))-n {
		r.failed, r.at = true, uint64(len(r.data))
		return
	}
	r.at += n
}

func (r *reader) more() bool { return !r.failed && r.at < uint64(len(r.data)) }

func (r *reader) unsigned(width uint64) uint64 {
	at := r.at
	if r.skip(width); r.failed {
		return 0
	}
	b := r.data[at : at+width]
	switch width {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(r.order.Uint16(b))
	case 4:
		return uint64(r.order.Uint32(b))
	case 8:
		return r.order.Uint64(b)
	}
	r.failed = true
	return 0
}

// signed is a number of so many bytes, its sign extended.
func (r *reader) signed(width uint64) uint64 {
	v := r.unsigned(width)
	shift := 64 - 8*width
	return uint64(int64(v<<shift) >> shift)
}

func (r *reader) uleb() (v uint64) {
	for shift := 0; ; shift += 7 {
		b := r.unsigned(1)
		if shift < 64 {
			v |= b & 0x7f << shift
		}
		if b&0x80 == 0 {
			return v
		}
	}
}

func (r *reader) sleb() (v int64) {
	for shift := 0; ; {
		b := r.unsigned(1)
		if shift < 64 {
			v |= int64(b&0x7f) << shift
		}
		if shift += 7; b&0x80 == 0 {
			if shift < 64 && b&0x40 != 0 {
				v |= -1 << shift
			}
			return v
		}
	}
}

// text reads up to a zero.
func (r *reader) text() string {
	end := bytes.IndexByte(r.data[min(r.at, uint64(len(r.data))):], 0)
	if end < 0 {
		r.failed = true
		return ""
	}
	s := string(r.data[r.at : r.at+uint64(end)])
	r.at += uint64(end) + 1
	return s
}
