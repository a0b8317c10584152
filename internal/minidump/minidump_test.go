package minidump_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/minidump"
)

// stream is the bytes of one stream of a dump.
type stream struct {
	kind uint32
	data []byte
}

// build makes a dump: the head, the directory, tail bytes at offset 256, then the streams.
func build(order binary.AppendByteOrder, tail []byte, streams ...stream) []byte {
	b := []byte("MDMP")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("PMDM")
	}
	b = order.AppendUint32(b, 0xa793)
	b = order.AppendUint32(b, uint32(len(streams)))
	b = order.AppendUint32(b, 32)
	b = append(b, make([]byte, 16)...)
	at := 256 + len(tail)
	for _, s := range streams {
		b = order.AppendUint32(order.AppendUint32(order.AppendUint32(b, s.kind), uint32(len(s.data))), uint32(at))
		at += len(s.data)
	}
	b = append(append(b, make([]byte, 256-len(b))...), tail...)
	for _, s := range streams {
		b = append(b, s.data...)
	}
	return b
}

// crash is the streams of a crash in thread 7 with one module, whose texts are in the tail.
func crash(order binary.AppendByteOrder, platform, code uint32) []byte {
	name := utf16.Encode([]rune("C:\\shop.exe"))
	tail := order.AppendUint32(nil, uint32(2*len(name)))
	for _, u := range name {
		tail = order.AppendUint16(tail, u)
	}
	record := 256 + len(tail)
	tail = append(tail, "RSDS"...)
	tail = order.AppendUint16(order.AppendUint16(order.AppendUint32(tail, 0x01020304), 0x0506), 0x0708)
	tail = order.AppendUint32(append(tail, 9, 10, 11, 12, 13, 14, 15, 16), 1)
	tail = append(tail, "shop.pdb\x00"...)
	size := 256 + len(tail) - record

	module := order.AppendUint32(nil, 1)
	module = order.AppendUint64(module, 0x140000000)
	module = order.AppendUint32(order.AppendUint32(order.AppendUint32(order.AppendUint32(module, 0x5000), 0), 0x5ab38077), 256)
	module = append(module, make([]byte, 52)...)
	module = order.AppendUint32(order.AppendUint32(module, uint32(size)), uint32(record))
	module = append(module, make([]byte, 4+108-len(module))...)

	exception := order.AppendUint32(nil, 7)
	exception = order.AppendUint32(order.AppendUint32(order.AppendUint32(exception, 0), code), 0)
	exception = order.AppendUint64(order.AppendUint64(exception, 0), 0xdead)

	system := order.AppendUint16(nil, 9)
	system = append(system, make([]byte, 6)...)
	system = order.AppendUint32(order.AppendUint32(order.AppendUint32(order.AppendUint32(system, 10), 0), 19041), platform)
	return build(order, tail, stream{7, system}, stream{6, exception}, stream{4, module}, stream{3, order.AppendUint32(nil, 12)}, stream{99, nil})
}

func TestACrashIsReadInBothByteOrders(t *testing.T) {
	t.Parallel()
	want := &minidump.Dump{OS: "Windows", OSVersion: "10.0.19041", CPU: "x86_64", Crashed: true, Code: 0xc0000005, Address: 0xdead, Thread: 7, Threads: 12,
		Modules: []minidump.Module{{Name: "C:\\shop.exe", Base: 0x140000000, Size: 0x5000, CodeID: "5AB380775000",
			DebugID: "01020304-0506-0708-090a-0b0c0d0e0f10-1", File: "shop.pdb"}}}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		got, err := minidump.Parse(crash(order, 2, 0xc0000005))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", order, err, diff)
		}
	}
}

func TestReasonsHaveTheNamesOfTheirSystem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		platform, code uint32
		want           string
	}{
		{2, 0xc0000005, "EXCEPTION_ACCESS_VIOLATION"}, {0x8201, 11, "SIGSEGV"}, {0x8101, 1, "EXC_BAD_ACCESS"}, {0x8203, 6, "SIGABRT"},
		{2, 0x12345678, "0x12345678"}, {0x8201, 0xffffffff, "DUMP_REQUESTED"},
	} {
		d, err := minidump.Parse(crash(binary.LittleEndian, c.platform, c.code))
		if err != nil || d.Reason() != c.want {
			t.Errorf("%x on %x: want %s, got %s, %v", c.code, c.platform, c.want, d.Reason(), err)
		}
	}
	if d, err := minidump.Parse([]byte("MDMP")); err != nil || d.Reason() != "DUMP_REQUESTED" {
		t.Errorf("a dump without streams: %v", err)
	}
	if _, err := minidump.Parse([]byte("PK\x03\x04")); err == nil {
		t.Error("an archive is no dump")
	}
}

// FuzzParse: whatever a dump claims, what is read of it is bounded.
func FuzzParse(f *testing.F) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(crash(order, 2, 0xc0000005))
	}
	f.Add([]byte("MDMP" + strings.Repeat("\xff", 64)))
	for cpu, m := range machines {
		f.Add(threaded(cpu, map[uint64]uint64{m.pc: imageBase + 1, m.sp: stackStart, m.fp: stackStart}, []uint64{stackStart + 16, imageBase + 2, 0, imageBase + 3}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := minidump.Parse(data)
		if (err == nil) != minidump.Has(data) {
			t.Fatalf("%v", err)
		}
		frames := 0
		for i := 0; err == nil && i < len(d.List); i++ {
			frames = max(frames, len(d.List[i].Frames))
		}
		if err == nil && (len(d.Modules) > 512 || d.Threads > 10000 || len(d.List) > 512 || frames > 128 || d.Detail() == "") {
			t.Errorf("%+v", d)
		}
	})
}
