package unwind_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/unwind"
)

// A function that keeps a frame pointer, at 0x1000: push %rbp; mov %rsp,%rbp; …; pop %rbp; ret.
const breakpad = `MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208BA0 shop
FUNC 1000 20 0 pay
STACK CFI 1000 .cfa: of no range
STACK CFI INIT 1000 20 .cfa: $rsp 8 + .ra: .cfa -8 + ^
STACK CFI 1001 .cfa: $rsp 16 + $rbp: .cfa -16 + ^
STACK CFI 1004 .cfa: $rbp 16 +
STACK CFI 101f .cfa: $rsp 8 + $rbp: $rbp
STACK CFI INIT 2000 10 .cfa: $rsp 8 + .ra: .undef
STACK CFI INIT 3000 10 .cfa: $rsp 8 % ^ ^ .ra: 1 0 /
STACK CFI INIT nonsense
STACK CFI 9000 .cfa: 1
`

// ehFrame is the same function as a section at 0x4000.
func ehFrame() []byte {
	le := binary.LittleEndian
	entry := func(id uint32, body ...byte) (b []byte) {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		return append(le.AppendUint32(le.AppendUint32(nil, uint32(4+len(body))), id), body...)
	}
	cie := entry(0, append([]byte("\x01zR\x00\x01\x78\x10\x01\x1b"), 0x0c, 7, 8, 0x90, 1)...)
	at := uint32(0x4000 + len(cie) + 8)
	fde := le.AppendUint32(nil, 0x1000-at) // the address, from here
	fde = append(le.AppendUint32(fde, 0x20), 0)
	fde = append(fde, 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x0a, 0x02, 0x1b, 0x0c, 7, 8, 0xc6)
	damaged := entry(0x7777, 1, 2, 3)
	return append(append(append(cie, entry(uint32(len(cie)+4), fde...)...), damaged...), 0, 0, 0, 0)
}

func tables(t *testing.T) map[string]*unwind.Table {
	t.Helper()
	text, err1 := unwind.ReadBreakpad(strings.NewReader(breakpad), 1<<20)
	eh, err2 := unwind.ReadDWARF("x86_64", unwind.Section{Data: ehFrame(), Address: 0x4000, Order: binary.LittleEndian, EH: true})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return map[string]*unwind.Table{"Breakpad": text, ".eh_frame": eh}
}

// memory is a stack of words at 0x8000.
func memory(words ...uint64) unwind.Memory {
	return func(address uint64) (uint64, bool) {
		i := (address - 0x8000) / 8
		if address < 0x8000 || address%8 != 0 || i >= uint64(len(words)) {
			return 0, false
		}
		return words[i], true
	}
}

// TestTheCallerIsFoundAtEveryInstruction wants the same caller wherever in a function its frame is built
// or torn down, from either format, and the registers that a function keeps.
func TestTheCallerIsFoundAtEveryInstruction(t *testing.T) {
	t.Parallel()
	const saved, returns = 0x8100, 0x7777
	for name, table := range tables(t) {
		for address, c := range map[uint64]struct {
			rsp, rbp uint64
			words    []uint64
			up       uint64
		}{
			0x1000: {0x8000, saved, []uint64{returns}, 0x8008},
			0x1001: {0x8000, saved, []uint64{saved, returns}, 0x8010},
			0x1004: {0x8000, 0x8010, []uint64{5, 6, saved, returns}, 0x8020},
			0x101e: {0x8000, 0x8008, []uint64{5, saved, returns}, 0x8018},
			0x101f: {0x8000, saved, []uint64{returns}, 0x8008},
		} {
			got, ok := table.Caller(address, unwind.Registers{"rsp": c.rsp, "rbp": c.rbp, "rip": address, "rbx": 3, "rax": 9}, memory(c.words...))
			want := unwind.Registers{"rip": returns, "rsp": c.up, "rbp": saved, "rbx": 3}
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				t.Errorf("%s at %#x (-want +got):\n%s", name, address, diff)
			}
		}
		for _, address := range []uint64{0xfff, 0x1020, 1 << 40} {
			if got, ok := table.Caller(address, unwind.Registers{"rsp": 0x8000}, memory(1, 2)); ok {
				t.Errorf("%s knows a caller at %#x: %v", name, address, got)
			}
		}
		if got, ok := table.Caller(0x1004, unwind.Registers{"rsp": 0x8000}, memory(1, 2)); ok {
			t.Errorf("%s: a caller from a register that is not known: %v", name, got)
		}
	}
}

// TestWhatMakesNoSenseHasNoCaller wants a first function told from one that nothing is known of, and
// rules that divide by nothing or read nowhere left alone.
func TestWhatMakesNoSenseHasNoCaller(t *testing.T) {
	t.Parallel()
	table := tables(t)["Breakpad"]
	if got, ok := table.Caller(0x2004, unwind.Registers{"rsp": 0x8000}, memory(1)); !ok || got["rip"] != 0 {
		t.Errorf("the first function: %v %t", got, ok)
	}
	if got, ok := table.Caller(0x3004, unwind.Registers{"rsp": 0x8000}, memory(1)); ok {
		t.Errorf("rules that make no sense: %v", got)
	}
	for text, kind := range map[string]fault.Kind{"": fault.Invalid, "MODULE Linux x86_64 1 a\nFUNC 1 2 0 a\n": fault.Invalid, "MODULE Linux vax 1 a\n": fault.Unsupported,
		breakpad: fault.TooLarge} {
		if _, err := unwind.ReadBreakpad(strings.NewReader(text), 200); fault.KindOf(err) != kind {
			t.Errorf("%.30q: %v", text, err)
		}
	}
	if _, err := unwind.ReadDWARF("x86_64", unwind.Section{Data: []byte("nothing of the kind"), Order: binary.LittleEndian}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a section of noise: %v", err)
	}
}

// FuzzTables: whatever a file holds, its rules can be asked, and say the same when they are asked again.
func FuzzTables(f *testing.F) {
	f.Add([]byte(breakpad), uint64(0x1004))
	f.Add(ehFrame(), uint64(0x1004))
	f.Add([]byte("MODULE Linux arm64 1 a\nSTACK CFI INIT 0 ff .cfa: sp x29 + x30: .cfa -8 + ^ dup @ swap -9\n"), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, address uint64) {
		var list []*unwind.Table
		if table, err := unwind.ReadBreakpad(strings.NewReader(string(data)), 1<<20); err == nil {
			list = append(list, table)
		}
		for _, cpu := range []string{"x86", "x86_64", "arm", "arm64"} {
			for _, eh := range []bool{true, false} {
				if table, err := unwind.ReadDWARF(cpu, unwind.Section{Data: data, Address: 0x4000, Order: binary.LittleEndian, EH: eh}); err == nil {
					list = append(list, table)
				}
			}
		}
		known := unwind.Registers{"rsp": 0x8000, "rbp": 0x8010, "sp": 0x8000, "fp": 0x8010, "lr": 5, "esp": 0x8000, "ebp": 0x8010}
		for _, table := range list {
			if table.Ranges() == 0 || table.Bytes() == 0 {
				t.Errorf("an empty table of %d bytes", len(data))
			}
			got, ok := table.Caller(address, known, memory(1, 2, 3, 4))
			again, ok2 := table.Caller(address, known, memory(1, 2, 3, 4))
			if diff := cmp.Diff(got, again); diff != "" || ok != ok2 {
				t.Errorf("(-first +again):\n%s", diff)
			}
		}
	})
}
