package debugfile_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/unwind"
)

const shopSymbols = `MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208BA0 shop
FILE 0 /src/shop/cart.c
FILE 7 /src/shop/till.c
FUNC 1000 20 8 _ZN4shop4Cart5totalEi
1000 8 42 0
1008 10 7 7
FUNC m 1040 10 0 pay
STACK CFI INIT 1000 20 .cfa: $rsp 8 +
PUBLIC 2000 0 start
broken line
FUNC x y z
`

func TestBreakpadNamesFunctionsAndLines(t *testing.T) {
	t.Parallel()
	table, err := debugfile.ReadTable(strings.NewReader(shopSymbols), int64(len(shopSymbols)), "", 1<<20)
	if err != nil || table.Functions() != 3 || table.Bytes() == 0 {
		t.Fatalf("%+v %v", table, err)
	}
	total := debugfile.Place{Function: "shop::Cart::total(int)", Symbol: "_ZN4shop4Cart5totalEi", Start: 0x1000}
	at := func(p debugfile.Place, file string, line int) debugfile.Place { p.File, p.Line = file, line; return p }
	for address, want := range map[uint64]debugfile.Place{
		0x0fff: {}, 0x1000: at(total, "/src/shop/cart.c", 42), 0x1007: at(total, "/src/shop/cart.c", 42), 0x1008: at(total, "/src/shop/till.c", 7),
		0x1020: {}, 0x1041: {Function: "pay", Symbol: "pay", Start: 0x1040}, 0x1050: {}, 0x2010: {Function: "start", Symbol: "start", Start: 0x2000}, 1 << 40: {},
	} {
		got := append(table.Find(address), debugfile.Place{})
		if diff := cmp.Diff(want, got[0]); diff != "" || len(got) > 2 {
			t.Errorf("%#x (-want +got):\n%s", address, diff)
		}
	}
}

// TestInlinedCallsAreFound wants the calls that a compiler put into one function, each with the line of
// the next.
func TestInlinedCallsAreFound(t *testing.T) {
	t.Parallel()
	const text = `MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208BA0 shop
FILE 0 pay.c
FILE 1 cart.c
INLINE_ORIGIN 0 round
INLINE_ORIGIN 1 rate
FUNC 1000 40 0 pay
INLINE 0 12 0 1 1010 10 1030 8
INLINE 1 30 1 0 1018 4
INLINE 0 x 0 1 1000 8
INLINE 0 12 0 9 1000 8
1000 10 10 0
1010 8 29 1
1018 4 50 1
101c 24 13 0
`
	table, err := debugfile.ReadTable(strings.NewReader(text), int64(len(text)), "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[uint64]string{
		0x1000: "pay pay.c:10", 0x1010: "rate cart.c:29, pay pay.c:12", 0x1019: "round cart.c:50, rate cart.c:30, pay pay.c:12",
		0x1020: "pay pay.c:13", 0x1031: "rate pay.c:13, pay pay.c:12", 0x1040: "",
	} {
		var got []string
		for _, p := range table.Find(address) {
			got = append(got, fmt.Sprintf("%s %s:%d", p.Function, p.File, p.Line))
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%#x (-want +got):\n%s", address, diff)
		}
	}
}

const tillProgram = `package main

//go:noinline
func pay(cents int) int { return 100 / cents }

func main() { println(pay(len("x") - 1)) }
`

// build makes a program of the till for a system and returns the bytes of its file.
func build(t *testing.T, system string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "till.go"), filepath.Join(dir, "till")
	if err := os.WriteFile(source, []byte(tillProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-B=0x00112233445566778899aabbccddeeff", "-o", program, source)
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestARealProgramNamesFunctionsAndLines builds a program and finds its functions and lines.
func TestARealProgramNamesFunctionsAndLines(t *testing.T) {
	t.Parallel()
	b := build(t, "linux")
	infos, err := debugfile.Read(bytes.NewReader(b), int64(len(b)), "till", "")
	if err != nil || infos[0].DebugID != "33221100-5544-7766-8899-aabbccddeeff" {
		t.Fatalf("%+v %v", infos, err)
	}
	table, err := debugfile.ReadTable(bytes.NewReader(b), int64(len(b)), infos[0].DebugID, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	walk, err := debugfile.ReadUnwind(bytes.NewReader(b), int64(len(b)), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, s := range symbols {
		if s.Name != "main.pay" && s.Name != "main.main" {
			continue
		}
		seen++
		base := uint64(0x400000)
		caller, ok := walk.Caller(s.Value-base, unwind.Registers{"rsp": 0x8000}, func(address uint64) (uint64, bool) { return 0x7777, address == 0x8000 })
		if !ok || caller["rip"] != 0x7777 || caller["rsp"] != 0x8008 {
			t.Errorf("the caller of %s: %v", s.Name, caller)
		}
		for _, address := range []uint64{s.Value - base, s.Value - base + s.Size - 1} {
			found := table.Find(address)
			if len(found) != 1 {
				t.Fatalf("%s at %#x: %+v", s.Name, address, found)
			}
			got := found[0]
			if got.Function != s.Name || filepath.Base(got.File) != "till.go" || got.Line < 4 || got.Line > 6 || got.Start != s.Value-base {
				t.Errorf("%s at %#x: %+v", s.Name, address, got)
			}
		}
	}
	if seen != 2 {
		t.Errorf("the program has %d of two functions", seen)
	}
	for _, cut := range []int{64, 1000, len(b) / 2} { // a file that was cut off is an error or a table, never a panic
		if _, err := debugfile.ReadTable(bytes.NewReader(b[:cut]), int64(cut), "", 64<<20); err != nil && fault.KindOf(err) == fault.Internal {
			t.Errorf("cut at %d: %v", cut, err)
		}
		if _, err := debugfile.ReadUnwind(bytes.NewReader(b[:cut]), int64(cut), 64<<20); err != nil && fault.KindOf(err) == fault.Internal {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// TestProgramsOfOtherSystemsNameFunctionsAndLines builds the program as Mach-O and as PE.
func TestProgramsOfOtherSystemsNameFunctionsAndLines(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"darwin", "windows"} {
		b := build(t, system)
		table, err := debugfile.ReadTable(bytes.NewReader(b), int64(len(b)), "", 64<<20)
		if err != nil {
			t.Fatalf("%s: %v", system, err)
		}
		found := debugfile.Place{}
		for address := uint64(0); address < uint64(len(b)) && found.Line == 0; address += 16 {
			if p := table.Find(address); len(p) > 0 && p[0].Function == "main.pay" {
				found = p[0]
			}
		}
		if filepath.Base(found.File) != "till.go" || found.Line != 4 {
			t.Errorf("%s: %+v", system, found)
		}
	}
}

// FuzzReadTable: whatever a file holds, what is read of it is bounded and can be asked.
func FuzzReadTable(f *testing.F) {
	f.Add([]byte(shopSymbols))
	for _, s := range []string{"\x7fELF\x02\x01\x01", "MZ", "\xcf\xfa\xed\xfe\x07\x00\x00\x01", "\xca\xfe\xba\xbe\x00\x00\x00\x02"} {
		f.Add([]byte(s + strings.Repeat("\x00\x01", 600)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := debugfile.ReadTable(bytes.NewReader(data), int64(len(data)), "", 1<<20)
		if err != nil {
			return
		}
		if table.Functions() == 0 {
			t.Errorf("a table of %d bytes without functions", len(data))
		}
		for _, address := range []uint64{0, 0x1000, 1<<32 - 1, 1 << 50} {
			for _, p := range table.Find(address) {
				if p.Symbol == "" {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}
