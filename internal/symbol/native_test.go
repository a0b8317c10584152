package symbol

import (
	"crypto/sha1"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const tillID = "33221100-5544-7766-8899-aabbccddeeff"

const tillSymbols = "MODULE Linux x86_64 33221100554477668899AABBCCDDEEFF0 till\nFILE 0 /src/till/pay.cc\nFUNC 1000 20 0 _Z3payi\n1000 10 12 0\n1010 10 13 0\nFUNC 2000 100 0 main\n2000 100 40 0\n"

// keepDebugFile makes a debug file that of project 1.
func (w *world) keepDebugFile(id, format string, data []byte, features ...string) {
	w.tb.Helper()
	key, err := w.files.Put(w.tb.Context(), 1, time.Now(), data)
	if err != nil {
		w.tb.Fatal(err)
	}
	sum := sha1.Sum(data)
	f := &postgres.DebugFile{Project: 1, SHA1: sum[:], DebugID: id, Format: format, Kind: "dbg", CPU: "x86_64", ObjectName: "till", Features: append([]string{"symtab"}, features...), Size: int64(len(data)), Blob: key}
	if err := w.store.KeepDebugFile(w.tb.Context(), f, func(string) bool { return true }); err != nil {
		w.tb.Fatal(err)
	}
}

// nativeCrash is an event of a program at 0x5000 and a library of the system at 0x9000.
func nativeCrash(frames ...event.Frame) *event.Event {
	images := `[{"type":"elf","code_file":"/opt/till","debug_id":"` + tillID + `","image_addr":"0x5000","image_size":16384},
		{"type":"elf","code_file":"/usr/lib/libc.so.6","debug_id":"44221100-5544-7766-8899-aabbccddeeff","image_addr":"0x9000","image_size":4096},
		{"type":"elf","code_file":"/opt/drawer.so","debug_id":"55221100-5544-7766-8899-aabbccddeeff","image_addr":"0xb000","image_size":4096}, 7]`
	return &event.Event{Project: 1, Platform: "native", DebugMeta: event.Object{{Name: "images", Value: event.Value(images)}},
		Exceptions: []event.Exception{{Type: "SIGSEGV", Value: "x", Stacktrace: &event.Stacktrace{Frames: frames}}}}
}

func frame(address, trust string) event.Frame {
	return event.Frame{InstructionAddr: address, Trust: trust}
}

func shown(ev *event.Event) (list []string) {
	for _, f := range ev.Exceptions[0].Stacktrace.Frames {
		list = append(list, fmt.Sprintf("%s %s:%d %s", f.Function, f.Filename, f.Lineno, f.InstructionAddr))
	}
	return list
}

// TestNativeFramesAreNamedByUploadedFiles wants callers named by the call and not by what follows it,
// what was only scanned for dropped where no function is, and the rest left as addresses with what
// mends it.
func TestNativeFramesAreNamedByUploadedFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := New(w.store, w.files, Config{})
	frames := []event.Frame{frame("0x9010", "scan"), frame("0x8fff", "scan"), frame("0x7100", "fp"), {InstructionAddr: "0x1010", AddrMode: "rel:0", Trust: "fp"},
		frame("0xb010", "fp"), frame("0x6010", "context")}
	late := nativeCrash(append([]event.Frame(nil), frames...)...)
	s.Apply(t.Context(), late, Unknown)
	if len(late.Errors) != 2 || late.Errors[0].Type != typeNoDebugFile || !strings.Contains(string(late.Errors[0].Value), "debug-files upload --id "+tillID) {
		t.Errorf("before the upload: %+v", late.Errors)
	}
	w.keepDebugFile(tillID, string(debugfile.Breakpad), []byte(tillSymbols))
	want := []string{" :0 0x9010", "main pay.cc:40 0x7100", "pay(int) pay.cc:12 0x1010", " :0 0xb010", "pay(int) pay.cc:13 0x6010"}
	fresh := nativeCrash(append([]event.Frame(nil), frames...)...)
	New(w.store, w.files, Config{}).Apply(t.Context(), fresh, Unknown)
	again, err := New(w.store, w.files, Config{}).Again(t.Context(), 1, late)
	if err != nil || again == nil {
		t.Fatalf("%v %v", again, err)
	}
	for when, ev := range map[string]*event.Event{"fresh": fresh, "again": again} {
		if diff := cmp.Diff(want, shown(ev)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if len(ev.Errors) != 1 || !strings.Contains(string(ev.Errors[0].Value), "/opt/drawer.so") {
			t.Errorf("%s: %+v", when, ev.Errors)
		}
		x := ev.Exceptions[0]
		last := x.Stacktrace.Frames[4]
		if x.RawStacktrace == nil || len(x.RawStacktrace.Frames) != len(frames) || x.RawStacktrace.Frames[2].Function != "" || last.SymbolAddr != "0x6000" || last.Symbol != "_Z3payi" {
			t.Errorf("%s: %+v %+v", when, x.RawStacktrace, last)
		}
	}
	if unchanged, err := s.Again(t.Context(), 1, again); unchanged != nil || err != nil {
		t.Errorf("once more: %+v %v", unchanged, err)
	}
}

// TestADebugFileThatCannotBeReadIsNoted wants the event as it came, with the reason.
func TestADebugFileThatCannotBeReadIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepDebugFile(tillID, string(debugfile.ELF), []byte("\x7fELF\x02\x01\x01 and nothing else"))
	ev := nativeCrash(frame("0x6010", "context"))
	New(w.store, w.files, Config{}).Apply(t.Context(), ev, Unknown)
	if len(ev.Errors) != 1 || ev.Errors[0].Type != typeBadDebugFile || !strings.Contains(string(ev.Errors[0].Value), "damaged") || shown(ev)[0] != " :0 0x6010" {
		t.Errorf("%+v %v", ev.Errors, shown(ev))
	}
}
