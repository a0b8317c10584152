// Package crashdump makes minidumps as crash reporters write them, for tests.
package crashdump

import (
	"encoding/binary"
	"unicode/utf16"
)

// StackStart is the address of the first word of a stack.
const StackStart = 0x7ffc00000000

// Crash is a division by zero in the one thread of a program for Linux on x86_64.
type Crash struct {
	Program       string // path of its file
	Build         []byte // build id
	Base          uint64 // address of its image, of 8 MiB
	RIP, RSP, RBP uint64
	RBX           uint64
	Stack         []uint64 // words from StackStart on
}

// Thread is the id of the thread that crashes.
const Thread = 7

// Minidump is the crash as a file.
func (c *Crash) Minidump() []byte {
	le := binary.LittleEndian
	const head = 32 + 4*12
	parts := []byte{} // behind the head
	at := func() uint32 { return uint32(head + len(parts)) }
	name := at()
	parts = le.AppendUint32(parts, uint32(2*len(c.Program)))
	for _, u := range utf16.Encode([]rune(c.Program)) {
		parts = le.AppendUint16(parts, u)
	}
	view := at()
	parts = append(append(parts, "LEpB"...), c.Build...)
	context := at()
	registers := make([]byte, 1232)
	for offset, v := range map[int]uint64{248: c.RIP, 152: c.RSP, 160: c.RBP, 144: c.RBX} {
		le.PutUint64(registers[offset:], v)
	}
	parts = append(parts, registers...)
	stack := at()
	for _, word := range c.Stack {
		parts = le.AppendUint64(parts, word)
	}
	var streams []byte
	count := uint32(0)
	stream := func(kind uint32, body []byte) {
		streams = le.AppendUint32(le.AppendUint32(le.AppendUint32(streams, kind), uint32(len(body))), at())
		parts, count = append(parts, body...), count+1
	}
	thread := le.AppendUint32(le.AppendUint32(nil, 1), Thread)
	thread = le.AppendUint64(append(thread, make([]byte, 20)...), StackStart)
	thread = le.AppendUint32(le.AppendUint32(thread, uint32(8*len(c.Stack))), stack)
	thread = le.AppendUint32(le.AppendUint32(thread, uint32(len(registers))), context)
	stream(3, thread)
	module := le.AppendUint32(le.AppendUint64(le.AppendUint32(nil, 1), c.Base), 8<<20)
	module = le.AppendUint32(le.AppendUint64(module, 0), name)
	module = append(module, make([]byte, 52)...)
	module = le.AppendUint32(le.AppendUint32(module, uint32(4+len(c.Build))), view)
	stream(4, append(module, make([]byte, 4+108-len(module))...))
	crash := le.AppendUint32(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, Thread), 0), 8), 1)
	stream(6, append(crash, make([]byte, 168-len(crash))...))
	system := append(le.AppendUint16(nil, 9), make([]byte, 18)...)
	stream(7, append(le.AppendUint32(system, 0x8201), make([]byte, 32)...))
	out := le.AppendUint32(le.AppendUint32([]byte("MDMP\x93\xa7\x00\x00"), count), 32)
	return append(append(append(out, make([]byte, 16)...), streams...), parts...)
}
