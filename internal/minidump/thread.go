package minidump

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Thread is one thread of a dump.
type Thread struct {
	ID        uint32
	Name      string // empty when the dump does not say
	Registers map[string]string
	Frames    []Frame // innermost first; empty when its registers are not in the dump
}

// Trust is how a frame was found.
// Rule: https://develop.sentry.dev/sdk/foundations/transport/event-payloads/stacktrace/
type Trust string

// The kinds of trust, most certain first.
const (
	TrustContext Trust = "context" // the registers of the thread name it
	TrustCFI     Trust = "cfi"     // the call frame information of its file leads to it
	TrustFP      Trust = "fp"      // the chain of frame pointers leads to it
	TrustScan    Trust = "scan"    // an address on the stack looks like a return address; it may be left over
)

// Frame is one call.
type Frame struct {
	Address uint64 // of the instruction; of callers, the one that the call returns to
	Module  int    // index in Modules; -1 when the address is in none
	Trust   Trust
}

const (
	maxListed   = 512        // threads whose stacks are walked
	threadBytes = 48         // of one MINIDUMP_THREAD
	maxNames    = maxThreads // thread names
	maxRegions  = 20000      // of memory
	memoryBytes = 16         // of one MINIDUMP_MEMORY_DESCRIPTOR, of both kinds
	infoBytes   = 48         // of one MINIDUMP_MEMORY_INFO
)

// The types of streams that stacks are read with.
const (
	streamMemory    = 5
	streamMemory64  = 9
	streamInfo      = 16
	streamNames     = 24
	streamLinuxMaps = 0x47670009
)

// span is a range of addresses.
type span struct{ start, end uint64 }

// region is memory of the process: size bytes from start, at an offset of the dump.
type region struct{ start, size, at uint64 }

// rawThread is a thread as the dump lists it.
type rawThread struct {
	id             uint32
	stack          region
	context        uint64 // offset of its registers
	contextPresent bool
}

// stacks is what the streams say that walking needs.
type stacks struct {
	threads    []rawThread
	names      map[uint32]string
	memory     []region // sorted by start
	executable []span   // sorted; empty when the dump does not say what is
	crash      uint64   // offset of the registers at the crash; 0: none
}

// note takes what a stream has for the walk.
func (s *stacks) note(d *reader, kind uint32, at, size uint64) {
	switch kind {
	case streamThreads:
		s.readThreads(d, at, size)
	case streamNames:
		s.readNames(d, at, size)
	case streamMemory, streamMemory64:
		s.readMemory(d, kind == streamMemory64, at, size)
	case streamInfo:
		s.readInfo(d, at, size)
	case streamLinuxMaps:
		s.readMaps(d.data[at : at+size])
	case streamException:
		if size >= 168 && d.u32(at+160) > 0 {
			s.crash = uint64(d.u32(at + 164))
		}
	}
}

func (s *stacks) readThreads(d *reader, at, size uint64) {
	n := min(uint64(d.u32(at)), maxListed, (max(size, 4)-4)/threadBytes)
	if size >= 8 && size-8 == uint64(d.u32(at))*threadBytes { // some writers align the list
		at += 4
	}
	for i := range n {
		t := at + 4 + i*threadBytes
		s.threads = append(s.threads, rawThread{id: d.u32(t), stack: region{d.u64(t + 24), uint64(d.u32(t + 32)), uint64(d.u32(t + 36))},
			context: uint64(d.u32(t + 44)), contextPresent: d.u32(t+40) > 0})
	}
}

func (s *stacks) readNames(d *reader, at, size uint64) {
	n := min(uint64(d.u32(at)), maxNames, (max(size, 4)-4)/12)
	s.names = make(map[uint32]string, min(n, maxListed))
	for i := range n {
		if len(s.names) == maxListed {
			return
		}
		e := at + 4 + 12*i
		if name := d.text(d.u64(e + 4)); name != "" {
			s.names[d.u32(e)] = name
		}
	}
}

func (s *stacks) readMemory(d *reader, large bool, at, size uint64) {
	if large {
		data := d.u64(at + 8) // where the first range begins; the others follow
		for i := range min(d.u64(at), maxRegions, (max(size, 16)-16)/memoryBytes) {
			r := region{d.u64(at + 16 + 16*i), d.u64(at + 24 + 16*i), data}
			s.memory = append(s.memory, r)
			if data+r.size < data {
				return
			}
			data += r.size
		}
		return
	}
	for i := range min(uint64(d.u32(at)), maxRegions, (max(size, 4)-4)/memoryBytes) {
		m := at + 4 + 16*i
		s.memory = append(s.memory, region{d.u64(m), uint64(d.u32(m + 8)), uint64(d.u32(m + 12))})
	}
}

func (s *stacks) readInfo(d *reader, at, size uint64) {
	head, each := uint64(d.u32(at)), uint64(d.u32(at+4))
	if head < 16 || each < infoBytes || head > size {
		return
	}
	for i := range min(d.u64(at+8), maxRegions, (size-head)/each) {
		m := at + head + i*each
		const executable = 0xf0 // PAGE_EXECUTE and its kin
		if start, n := d.u64(m), d.u64(m+24); d.u32(m+36)&executable != 0 && start+n > start {
			s.executable = append(s.executable, span{start, start + n})
		}
	}
}

// readMaps reads lines such as "7f00-8f00 r-xp 0000 08:01 12 /lib/libc.so".
func (s *stacks) readMaps(text []byte) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line[:min(len(line), 256)])
		if len(fields) < 2 || len(fields[1]) < 3 || fields[1][2] != 'x' || len(s.executable) == maxRegions {
			continue
		}
		from, to, _ := bytes.Cut(fields[0], []byte("-"))
		start, err1 := strconv.ParseUint(string(from), 16, 64)
		end, err2 := strconv.ParseUint(string(to), 16, 64)
		if err1 == nil && err2 == nil && start < end {
			s.executable = append(s.executable, span{start, end})
		}
	}
}

// listThreads walks the stacks of the threads, that of the crashed one first.
func (d *reader) listThreads(out *Dump, s *stacks, u Unwinder) {
	slices.SortFunc(s.memory, func(a, b region) int { return cmp.Compare(a.start, b.start) })
	slices.SortFunc(s.executable, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	slices.SortStableFunc(s.threads, func(a, b rawThread) int {
		return cmp.Compare(order(out.Crashed && a.id == out.Thread), order(out.Crashed && b.id == out.Thread))
	})
	w := newWalker(d, out, s, u)
	for _, raw := range s.threads {
		t := Thread{ID: raw.id, Name: s.names[raw.id]}
		context := raw.context
		if out.Crashed && raw.id == out.Thread && s.crash != 0 {
			context, raw.contextPresent = s.crash, true
		}
		if raw.contextPresent {
			t.Registers, t.Frames = w.walk(context, w.stackOf(raw.stack))
		}
		out.List = append(out.List, t)
	}
}

func order(first bool) int {
	if first {
		return 0
	}
	return 1
}

// Crashing returns the thread that crashed; nil when the dump does not list it.
func (d *Dump) Crashing() *Thread {
	for i := range d.List {
		if d.Crashed && d.List[i].ID == d.Thread {
			return &d.List[i]
		}
	}
	return nil
}

func hexadecimal(n uint64) string { return fmt.Sprintf("%#x", n) }
