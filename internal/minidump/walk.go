package minidump

import (
	"cmp"
	"slices"
)

// Bounds on the walk.
const (
	maxStackFrames = 128     // of one thread
	maxScanned     = 32      // of them that are only scanned for
	maxScanWords   = 160     // looked at for one return address
	maxWords       = 1 << 20 // looked at in one dump
)

// layout says where the registers that matter are in the context of a processor.
// Rule: google/breakpad src/google_breakpad/common/minidump_cpu_{x86,amd64,arm,arm64}.h
type layout struct {
	word      uint64 // bytes of an address
	pc, sp    uint64 // offsets in the context
	fp, lr    uint64 // 0: there is none, or no chain of them is kept
	size      uint64
	registers map[string]uint64
	names     names
}

// names are what the registers are called that a walk keeps.
type names struct{ pc, sp, fp string }

var layouts = map[string]layout{
	"x86": {4, 184, 196, 180, 0, 204, map[string]uint64{"edi": 156, "esi": 160, "ebx": 164, "edx": 168, "ecx": 172, "eax": 176, "ebp": 180, "eip": 184, "esp": 196}, names{"eip", "esp", "ebp"}},
	"x86_64": {8, 248, 152, 160, 0, 256, map[string]uint64{"rax": 120, "rcx": 128, "rdx": 136, "rbx": 144, "rsp": 152, "rbp": 160, "rsi": 168, "rdi": 176,
		"r8": 184, "r9": 192, "r10": 200, "r11": 208, "r12": 216, "r13": 224, "r14": 232, "r15": 240, "rip": 248}, names{"rip", "rsp", "rbp"}},
	"arm": {4, 64, 56, 0, 60, 72, map[string]uint64{"r0": 4, "r1": 8, "r2": 12, "r3": 16, "r4": 20, "r5": 24, "r6": 28, "r7": 32, "r8": 36, "r9": 40, "r10": 44, "r11": 48,
		"r12": 52, "sp": 56, "lr": 60, "pc": 64}, names{"pc", "sp", ""}},
	"arm64": {8, 264, 256, 240, 248, 272, map[string]uint64{"x0": 8, "x1": 16, "x2": 24, "x3": 32, "x4": 40, "x5": 48, "x6": 56, "x7": 64, "x8": 72, "x9": 80, "x10": 88,
		"x11": 96, "x12": 104, "x13": 112, "x14": 120, "x15": 128, "x16": 136, "x17": 144, "x18": 152, "x19": 160, "x20": 168, "x21": 176, "x22": 184, "x23": 192, "x24": 200,
		"x25": 208, "x26": 216, "x27": 224, "x28": 232, "fp": 240, "lr": 248, "sp": 256, "pc": 264}, names{"pc", "sp", "fp"}},
}

// walker finds the calls on the stacks of one dump, within a number of words in all.
type walker struct {
	d       *reader
	s       *stacks
	modules []int // indexes of modules, sorted by base
	list    []Module
	layout  layout
	known   bool // the processor is
	words   int
	unwind  Unwinder
}

// cursor is how far a walk is: at a call of which these registers are known.
type cursor struct {
	sp, fp  uint64
	known   map[string]uint64
	returns bool // the call is one that another returns to
}

// only forgets all registers but those that every walk keeps.
func (c *cursor) only(l *layout, pc uint64) {
	c.known, c.returns = map[string]uint64{l.names.pc: pc, l.names.sp: c.sp}, true
	if c.fp != 0 {
		c.known[l.names.fp] = c.fp
	}
}

func newWalker(d *reader, out *Dump, s *stacks, u Unwinder) *walker {
	w := &walker{d: d, s: s, list: out.Modules, words: maxWords, unwind: u}
	w.layout, w.known = layouts[out.CPU]
	for i := range w.list {
		w.modules = append(w.modules, i)
	}
	slices.SortFunc(w.modules, func(a, b int) int { return cmp.Compare(w.list[a].Base, w.list[b].Base) })
	return w
}

// module returns the index of the module that holds an address; -1 for none.
func (w *walker) module(address uint64) int {
	i, found := slices.BinarySearchFunc(w.modules, address, func(m int, a uint64) int { return cmp.Compare(w.list[m].Base, a) })
	if !found {
		i--
	}
	if i < 0 || address-w.list[w.modules[i]].Base >= uint64(w.list[w.modules[i]].Size) {
		return -1
	}
	return w.modules[i]
}

// returns reports whether an address can be one that a call returns to: it is in code of a module.
func (w *walker) returns(address uint64) (module int, ok bool) {
	if module = w.module(address); module < 0 || address == w.list[module].Base {
		return module, false
	}
	if len(w.s.executable) == 0 {
		return module, true
	}
	i, _ := slices.BinarySearchFunc(w.s.executable, address, func(e span, a uint64) int {
		if e.end <= a {
			return -1
		}
		return 1
	})
	return module, i < len(w.s.executable) && w.s.executable[i].start <= address
}

// stackOf is the memory of a stack, from the dump's list of memory when the thread has only its
// address.
func (w *walker) stackOf(r region) region {
	if r.size == 0 || !w.d.has(r.at, r.size) || r.at == 0 {
		for _, m := range w.s.memory {
			if m.start <= r.start && r.start-m.start < m.size && w.d.has(m.at, m.size) {
				return m
			}
		}
		return region{}
	}
	return r
}

// read is the word at an address of a stack.
func (w *walker) read(stack region, address uint64) (uint64, bool) {
	if w.words <= 0 || address < stack.start || address-stack.start > stack.size || stack.size-(address-stack.start) < w.layout.word {
		return 0, false
	}
	w.words--
	at := stack.at + address - stack.start
	if w.layout.word == 4 {
		return uint64(w.d.u32(at)), true
	}
	return w.d.u64(at), true
}

// clean removes the signature that arm64 puts into the upper bits of return addresses.
func (w *walker) clean(address uint64) uint64 {
	if w.layout.word == 8 && w.layout.lr != 0 {
		return address & (1<<47 - 1)
	}
	return address
}

// register reads one register of a context.
func (w *walker) register(context, offset uint64) uint64 {
	if w.layout.word == 4 {
		return uint64(w.d.u32(context + offset))
	}
	return w.d.u64(context + offset)
}

// walk finds the calls of a thread, from its registers up its stack.
func (w *walker) walk(context uint64, stack region) (map[string]string, []Frame) {
	l := &w.layout
	if !w.known || !w.d.has(context, l.size) {
		return nil, nil
	}
	registers := make(map[string]string, len(l.registers))
	c := cursor{known: make(map[string]uint64, len(l.registers))}
	for name, offset := range l.registers {
		c.known[name] = w.register(context, offset)
		registers[name] = hexadecimal(c.known[name])
	}
	pc := w.register(context, l.pc)
	if c.sp = w.register(context, l.sp); l.fp != 0 {
		c.fp = w.register(context, l.fp)
	}
	frames := []Frame{{pc, w.module(pc), TrustContext}}
	if caller, ok := w.badCall(stack, context, pc, &c); ok {
		frames = append(frames, caller)
	}
	for scanned := 0; len(frames) < maxStackFrames; {
		last := frames[len(frames)-1]
		next, ended, ok := w.step(stack, &c, last)
		if !ok && scanned < maxScanned {
			scanned++
			next, ok = w.scan(stack, &c)
		}
		if !ok || next == (Frame{}) {
			break
		}
		switch {
		case next.Trust == TrustCFI:
		case next.Address == last.Address && last.Trust == TrustContext && len(frames) == 2:
			continue // the link register's copy on the stack
		case next.Address == last.Address && next.Trust == TrustScan:
			continue // the word that the chain went over
		}
		if frames = append(frames, next); ended {
			break
		}
	}
	return registers, frames
}

// badCall is the caller of a function through a bad pointer, which nothing else leads out of: it is where
// the call has just put it.
func (w *walker) badCall(stack region, context, pc uint64, c *cursor) (Frame, bool) {
	l := &w.layout
	if _, ok := w.returns(pc); ok {
		return Frame{}, false
	}
	caller, trust, up := w.clean(w.register(context, l.lr)), TrustContext, uint64(0)
	if l.lr == 0 {
		caller, _ = w.read(stack, c.sp) // 0 when it cannot be read
		trust, up = TrustScan, l.word
	}
	m, ok := w.returns(caller)
	if caller == 0 || !ok {
		return Frame{}, false
	}
	c.sp += up
	c.known[l.names.pc], c.known[l.names.sp], c.returns = caller, c.sp, true
	return Frame{caller, m, trust}, true
}

// step goes to the caller by call frame information, else by the frame pointer. ended says that it is the
// outermost call; no frame, that the last one was.
func (w *walker) step(stack region, c *cursor, last Frame) (next Frame, ended, ok bool) {
	if next, ok = w.unwound(stack, c, last); ok {
		return next, false, true
	}
	next, ok = w.chain(stack, c)
	return next, ok && c.fp == 0, ok // the outermost call has no frame pointer to keep
}

// unwound asks the unwinder for the caller, and believes it when that is up the stack and in code.
func (w *walker) unwound(stack region, c *cursor, last Frame) (Frame, bool) {
	if w.unwind == nil || last.Module < 0 {
		return Frame{}, false
	}
	address := last.Address - w.list[last.Module].Base
	if c.returns && address > 0 { // the call is before where it returns to
		address--
	}
	caller, ok := w.unwind(last.Module, address, c.known, func(address uint64) (uint64, bool) { return w.read(stack, address) })
	if !ok {
		return Frame{}, false
	}
	l := &w.layout
	pc, sp := w.clean(caller[l.names.pc]), caller[l.names.sp]
	if pc == 0 {
		return Frame{}, true
	}
	m, ok := w.returns(pc)
	if up := sp > c.sp || sp == c.sp && !c.returns; !ok || !up || sp < stack.start || sp-stack.start > stack.size {
		return Frame{}, false
	}
	caller[l.names.pc] = pc
	*c = cursor{sp: sp, known: caller, returns: true}
	if l.fp != 0 {
		c.fp = caller[l.names.fp]
	}
	return Frame{pc, m, TrustCFI}, true
}

// chain follows the frame pointer: at it is the caller's, and behind that the return address.
func (w *walker) chain(stack region, c *cursor) (Frame, bool) {
	word := w.layout.word
	if c.fp == 0 || c.fp%word != 0 || c.fp < c.sp {
		return Frame{}, false
	}
	caller, ok1 := w.read(stack, c.fp)
	address, ok2 := w.read(stack, c.fp+word)
	address = w.clean(address)
	m, ok := w.returns(address)
	if !ok1 || !ok2 || !ok || caller != 0 && caller <= c.fp {
		return Frame{}, false
	}
	c.sp, c.fp = c.fp+2*word, caller
	c.only(&w.layout, address)
	return Frame{address, m, TrustFP}, true
}

// scan looks up the stack for something that can be a return address.
func (w *walker) scan(stack region, c *cursor) (Frame, bool) {
	word := w.layout.word
	at := (c.sp + word - 1) / word * word
	for range maxScanWords {
		value, ok := w.read(stack, at)
		if !ok {
			return Frame{}, false
		}
		value = w.clean(value)
		if m, ok := w.returns(value); ok {
			// Below a return address is the caller's frame pointer, where code keeps one.
			below, known := w.read(stack, at-word)
			if c.fp = 0; known && w.layout.fp != 0 && below > at && below-stack.start < stack.size {
				c.fp = below
			}
			c.sp = at + word
			c.only(&w.layout, value)
			return Frame{value, m, TrustScan}, true
		}
		at += word
	}
	return Frame{}, false
}
