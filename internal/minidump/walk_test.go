package minidump_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/minidump"
)

// machine is a processor whose registers a dump is made of.
type machine struct {
	number, word   uint16
	pc, sp, fp, lr uint64 // offsets in the context
}

var machines = map[string]machine{"x86": {0, 4, 184, 196, 180, 0}, "x86_64": {9, 8, 248, 152, 160, 0}, "arm64": {12, 8, 264, 256, 240, 248}, "arm": {5, 4, 64, 56, 0, 60}}

const (
	imageBase  = 0x10000 // of the module till, of 0x1000 bytes
	stackStart = 0x80000
)

// threaded makes a dump of a crash in thread 7 with a stack of the given words.
func threaded(cpu string, registers map[uint64]uint64, words []uint64, more ...stream) []byte {
	m, le := machines[cpu], binary.LittleEndian
	tail := le.AppendUint32(nil, 8)
	for _, u := range utf16.Encode([]rune("till")) {
		tail = le.AppendUint16(tail, u)
	}
	contextAt := 256 + len(tail)
	context := make([]byte, 1232)
	for at, v := range registers {
		if m.word == 4 {
			le.PutUint32(context[at:], uint32(v))
		} else {
			le.PutUint64(context[at:], v)
		}
	}
	tail = append(tail, context...)
	stackAt := 256 + len(tail)
	for _, v := range words {
		if m.word == 4 {
			tail = le.AppendUint32(tail, uint32(v))
		} else {
			tail = le.AppendUint64(tail, v)
		}
	}
	stackBytes := 256 + len(tail) - stackAt

	thread := le.AppendUint32(nil, 1)
	thread = le.AppendUint32(thread, 7)
	thread = append(thread, make([]byte, 20)...)
	thread = le.AppendUint32(le.AppendUint32(le.AppendUint64(thread, stackStart), uint32(stackBytes)), uint32(stackAt))
	thread = le.AppendUint32(le.AppendUint32(thread, uint32(len(context))), uint32(contextAt))
	module := le.AppendUint32(le.AppendUint32(le.AppendUint64(le.AppendUint32(nil, 1), imageBase), 0x1000), 0)
	module = le.AppendUint32(le.AppendUint32(module, 0), 256)
	module = append(module, make([]byte, 4+108-len(module))...)
	exception := le.AppendUint32(nil, 7)
	exception = le.AppendUint32(le.AppendUint32(le.AppendUint32(exception, 0), 11), 1)
	exception = append(exception, make([]byte, 168-len(exception))...)
	system := append(le.AppendUint16(nil, m.number), make([]byte, 18)...)
	system = le.AppendUint32(system, 0x8201)
	return build(le, tail, append(more, stream{3, thread}, stream{4, module}, stream{6, exception}, stream{7, system})...)
}

// walked returns the calls that are found in such a dump, as "trust module+offset".
func walked(t *testing.T, cpu string, registers map[uint64]uint64, words []uint64, more ...stream) []string {
	t.Helper()
	d, err := minidump.Parse(threaded(cpu, registers, words, more...))
	if err != nil || d.Crashing() == nil || d.Detail() != "SIGSEGV / SEGV_MAPERR" {
		t.Fatalf("%v %+v", err, d)
	}
	var out []string
	for _, f := range d.Crashing().Frames {
		if f.Module < 0 {
			out = append(out, fmt.Sprintf("%s %#x", f.Trust, f.Address))
			continue
		}
		out = append(out, fmt.Sprintf("%s %s+%#x", f.Trust, d.Modules[f.Module].Name, f.Address-d.Modules[f.Module].Base))
	}
	return out
}

// TestStacksAreWalkedByFramePointersThenScanned wants the callers that the chain of frame pointers
// leads to, and where it breaks what looks like return addresses, named so.
func TestStacksAreWalkedByFramePointersThenScanned(t *testing.T) {
	t.Parallel()
	for cpu, m := range machines {
		w, at := uint64(m.word), func(n uint64) uint64 { return stackStart + n*uint64(m.word) }
		if m.fp == 0 {
			continue
		}
		got := walked(t, cpu, map[uint64]uint64{m.pc: imageBase + 0x100, m.sp: at(0), m.fp: at(2)},
			[]uint64{imageBase + 0x900, 1, at(5), imageBase + 0x200, 2, 0, imageBase + 0x300, imageBase + 0x400})
		want := []string{"context till+0x100", "fp till+0x200", "fp till+0x300"} // the chain ends there
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s with a chain (-want +got):\n%s", cpu, diff)
		}
		got = walked(t, cpu, map[uint64]uint64{m.pc: imageBase + 0x100, m.sp: at(0), m.fp: 3},
			[]uint64{imageBase, 0x7777, at(4), imageBase + 0x200, 0, imageBase + 0x300, 5})
		want = []string{"context till+0x100", "scan till+0x200", "fp till+0x300"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s with a gap (-want +got):\n%s", cpu, diff)
		}
		if got := walked(t, cpu, map[uint64]uint64{m.pc: 0x9, m.sp: at(100), m.fp: at(100)}, []uint64{w}); len(got) != 1 {
			t.Errorf("%s outside of its stack: %v", cpu, got)
		}
	}
	const signature = 0x7f << 48 // as processors with pointer authentication write it
	a := machines["arm64"]
	got := walked(t, "arm64", map[uint64]uint64{a.pc: 0, a.sp: stackStart, a.fp: stackStart, a.lr: signature | imageBase + 0x500}, []uint64{0, signature | imageBase + 0x600})
	if diff := cmp.Diff([]string{"context 0x0", "context till+0x500", "fp till+0x600"}, got); diff != "" {
		t.Errorf("a call through a null pointer (-want +got):\n%s", diff)
	}
	b := machines["arm"]
	got = walked(t, "arm", map[uint64]uint64{b.pc: imageBase + 0x10, b.sp: stackStart}, []uint64{4, imageBase + 0x20, 8, imageBase + 0x30})
	if diff := cmp.Diff([]string{"context till+0x10", "scan till+0x20", "scan till+0x30"}, got); diff != "" {
		t.Errorf("arm (-want +got):\n%s", diff)
	}
}

// TestOnlyCodeIsScannedFor wants addresses of data left out where the dump says what is code.
func TestOnlyCodeIsScannedFor(t *testing.T) {
	t.Parallel()
	m, le := machines["x86_64"], binary.LittleEndian
	words := []uint64{imageBase + 0x900, imageBase + 0x200}
	info := le.AppendUint64(le.AppendUint32(le.AppendUint32(nil, 16), 48), 1)
	info = le.AppendUint64(append(le.AppendUint64(info, imageBase), make([]byte, 16)...), 0x800)
	info = le.AppendUint32(le.AppendUint32(info, 0x1000), 0x20)
	info = append(info, make([]byte, 8)...)
	for name, s := range map[string]stream{
		"maps":        {0x47670009, []byte("10000-10800 r-xp 00000000 08:01 1 /opt/till\n10800-11000 rw-p 00000800 08:01 1 /opt/till\nno line\n")},
		"memory info": {16, info},
	} {
		got := walked(t, "x86_64", map[uint64]uint64{m.pc: imageBase + 0x100, m.sp: stackStart}, words, s)
		if diff := cmp.Diff([]string{"context till+0x100", "scan till+0x200"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestStacksAreWalkedByWhatTheirFilesSay wants the callers that an unwinder leads to, over words that only
// look like return addresses, until it knows no further or says that there is no caller.
func TestStacksAreWalkedByWhatTheirFilesSay(t *testing.T) {
	t.Parallel()
	m := machines["x86_64"]
	at := func(n uint64) uint64 { return stackStart + 8*n }
	stack := []uint64{imageBase + 0x900, imageBase + 0x200, imageBase + 0x901, 7, imageBase + 0x300, imageBase + 0x902, imageBase + 0x400}
	sizes := map[uint64]uint64{0x100: 16, 0x1ff: 24, 0x2ff: 16} // of the frames of functions, by address
	for name, c := range map[string]struct {
		first uint64 // what the rules say of 0x3ff
		want  []string
	}{
		"a first function":   {1, []string{"context till+0x100", "cfi till+0x200", "cfi till+0x300", "cfi till+0x400"}},
		"rules that go down": {0, []string{"context till+0x100", "cfi till+0x200", "cfi till+0x300", "cfi till+0x400"}},
	} {
		dump := threaded("x86_64", map[uint64]uint64{m.pc: imageBase + 0x100, m.sp: at(0), m.fp: 3, 144: 42}, stack)
		d, err := minidump.Walk(dump, func(modules []minidump.Module) minidump.Unwinder {
			return func(module int, address uint64, known map[string]uint64, memory func(uint64) (uint64, bool)) (map[string]uint64, bool) {
				if modules[module].Name != "till" || known["rbx"] != 42 {
					t.Errorf("%s: asked about %s with %v", name, modules[module].Name, known)
				}
				if address == 0x3ff {
					return map[string]uint64{"rip": (1 - c.first) * (imageBase + 0x100), "rsp": known["rsp"] - 8, "rbx": 42}, true
				}
				size, ok := sizes[address]
				pc, read := memory(known["rsp"] + size - 8)
				return map[string]uint64{"rip": pc, "rsp": known["rsp"] + size, "rbx": known["rbx"]}, ok && read
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range d.Crashing().Frames {
			got = append(got, fmt.Sprintf("%s %s+%#x", f.Trust, d.Modules[f.Module].Name, f.Address-d.Modules[f.Module].Base))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Without rules the same stack has calls that never were.
	if got := walked(t, "x86_64", map[uint64]uint64{m.pc: imageBase + 0x100, m.sp: at(0), m.fp: 3}, stack); len(got) != 7 {
		t.Errorf("scanned: %v", got)
	}
	// The caller of a call through a bad pointer is on top of the stack, whatever the frame pointer says.
	got := walked(t, "x86_64", map[uint64]uint64{m.pc: 0, m.sp: at(1), m.fp: at(3)}, []uint64{imageBase + 0x900, imageBase + 0x200, 5, 0, imageBase + 0x300})
	if diff := cmp.Diff([]string{"context 0x0", "scan till+0x200", "fp till+0x300"}, got); diff != "" {
		t.Errorf("a call through a bad pointer (-want +got):\n%s", diff)
	}
}
