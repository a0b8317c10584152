package symbol

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/crashdump"
)

// The till as a compiler without frame pointers makes it: pay has a frame of 16 bytes, round one of 24
// that keeps rbx, main is the first function.
const unwoundSymbols = `MODULE Linux x86_64 33221100554477668899AABBCCDDEEFF0 till
FILE 0 /src/till/pay.cc
FUNC 1000 20 0 _Z3payi
1000 20 12 0
FUNC 1800 20 0 _Z5roundi
1800 20 30 0
FUNC 2000 100 0 main
2000 100 40 0
STACK CFI INIT 1000 20 .cfa: $rsp 16 + .ra: .cfa -8 + ^
STACK CFI INIT 1800 20 .cfa: $rsp 24 + $rbx: .cfa -16 + ^ .ra: .cfa -8 + ^
STACK CFI INIT 2000 100 .cfa: $rsp 8 + .ra: .undef
`

// TestMinidumpsAreWalkedByUploadedFiles wants the stack of a program without frame pointers as it was,
// once its symbols are there: when the event is shown, and stored so when it is symbolicated again, with
// how each call was found, and how it came kept beside it.
func TestMinidumpsAreWalkedByUploadedFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	build, _ := hex.DecodeString("00112233445566778899aabbccddeeff")
	crash := crashdump.Crash{Program: "/opt/till", Build: build, Base: 0x5000, RIP: 0x6010, RSP: crashdump.StackStart, RBP: 1,
		Stack: []uint64{0x7044, 0x6804, 0x7033, 5, 0x7080, 9}} // two words only look like calls of main
	id := event.ID{1}
	now := time.Now().UTC().Truncate(time.Microsecond)
	key, err := w.files.Put(t.Context(), 1, now, crash.Minidump())
	if err != nil {
		t.Fatal(err)
	}
	file := &event.Attachment{ID: 1, Name: "Minidump", Type: "event.minidump", Size: 1, SHA1: make([]byte, 20), Blob: key}
	if err := w.store.RecordCompanions(t.Context(), []postgres.Companion{{Project: 1, Event: id, ReceivedAt: now, Attachment: file}}); err != nil {
		t.Fatal(err)
	}
	came := func() *event.Event {
		ev := nativeCrash(frame("0x7080", "scan"), frame("0x7033", "scan"), frame("0x6804", "scan"), frame("0x7044", "scan"), frame("0x6010", "context"))
		ev.ID, ev.Exceptions[0].Mechanism = id, &event.Mechanism{Type: "minidump"}
		for i := range ev.Exceptions[0].Stacktrace.Frames {
			ev.Exceptions[0].Stacktrace.Frames[i].Package = "/opt/till"
			ev.Exceptions[0].Stacktrace.Frames[i].InApp = new(true)
		}
		return ev
	}
	s := New(w.store, w.files, Config{})
	s.ReadDumps(w.files)
	if s.Refresh(t.Context(), came()) {
		t.Error("a stack changed before anything was uploaded")
	}
	w.keepDebugFile(tillID, string(debugfile.Breakpad), []byte(unwoundSymbols), "unwind")
	s = New(w.store, w.files, Config{})
	s.ReadDumps(w.files)
	seen := came()
	s.Refresh(t.Context(), seen)
	stored, err := s.Again(t.Context(), 1, came())
	if err != nil || stored == nil {
		t.Fatalf("%v %v", stored, err)
	}
	want := "main pay.cc:40 0x7080 cfi, round(int) pay.cc:30 0x6804 cfi, pay(int) pay.cc:12 0x6010 context"
	for when, ev := range map[string]*event.Event{"seen": seen, "stored": stored} {
		var got []string
		for i, line := range shown(ev) {
			f := &ev.Exceptions[0].Stacktrace.Frames[i]
			got = append(got, line+" "+f.Trust)
			if f.Package != "/opt/till" || f.InApp == nil || !*f.InApp {
				t.Errorf("%s frame %d: %+v", when, i, f)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if raw := ev.Exceptions[0].RawStacktrace; raw == nil || len(raw.Frames) != 5 || raw.Frames[0].Trust != "scan" {
			t.Errorf("%s: how it came is not kept: %s", when, fmt.Sprint(raw))
		}
	}
	if unchanged, err := s.Again(t.Context(), 1, stored); unchanged != nil || err != nil {
		t.Errorf("once more: %+v %v", unchanged, err)
	}
}
