package unwind

import "strings"

// processor is what unwinding has to know of a kind of processor.
type processor struct {
	word         uint64 // bytes of an address
	pc, sp, link string
	returns      uint64   // DWARF's number of the register, or the column, for where a call returns to
	kept         []string // registers that functions leave as they were
	numbers      []string // names by DWARF's number
	other        map[string]string
}

// processors are the kinds of processor that are known, by the names that package minidump gives them.
// Rule: System V Application Binary Interface for AMD64, figure 3.36, and for i386, table 2.14; DWARF for
// the Arm 64-bit Architecture, 4.1; DWARF for the Arm Architecture, 4.1
var processors = map[string]*processor{
	"x86": {word: 4, pc: "eip", sp: "esp", returns: 8, kept: []string{"ebx", "esi", "edi", "ebp"},
		numbers: []string{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"}},
	"x86_64": {word: 8, pc: "rip", sp: "rsp", returns: 16, kept: []string{"rbx", "rbp", "r12", "r13", "r14", "r15"},
		numbers: []string{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"}},
	"arm": {word: 4, pc: "pc", sp: "sp", link: "lr", returns: 14, kept: []string{"r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"},
		numbers: []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp", "lr", "pc"},
		other:   map[string]string{"fp": "r11", "ip": "r12", "r13": "sp", "r14": "lr", "r15": "pc"}},
	"arm64": {word: 8, pc: "pc", sp: "sp", link: "lr", returns: 30, kept: []string{"x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp"},
		numbers: []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19",
			"x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp", "lr", "sp"},
		other: map[string]string{"x29": "fp", "x30": "lr"}},
}

// name is what a register is called here that a Breakpad file calls otherwise.
func (p *processor) name(text string) string {
	text = strings.TrimPrefix(text, "$")
	if other, is := p.other[text]; is {
		return other
	}
	return text
}

// register is the name of a register by DWARF's number; empty for one that does not matter here.
func (p *processor) register(number uint64) string {
	if number >= uint64(len(p.numbers)) {
		return ""
	}
	return p.numbers[number]
}
