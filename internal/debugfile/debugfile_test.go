package debugfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func TestFilesAreToldApartByWhatIsInThem(t *testing.T) {
	t.Parallel()
	const id = "d3096ed4-8121-7fd4-c16b-29cd9bc208ba"
	for _, c := range []struct {
		name, data, given string
		want              debugfile.Format
		id                string
	}{
		{"a.sym", "MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208BA0 firefox-bin\nINFO CODE_ID ABCD\nFILE 0 a.c\n", "", debugfile.Breakpad, id},
		{"a.sym", "MODULE windows x86 D3096ED481217FD4C16B29CD9BC208BAa a.pdb\n", "", debugfile.Breakpad, id + "-a"},
		{"/proguard/" + id + ".txt", "a.B -> c:\n", "", debugfile.ProGuard, id},
		{"mapping.txt", "# x\na.B -> c:\n", id, debugfile.ProGuard, id},
		{"x.src.zip", "SYSB\x02\x00\x00\x00PK", id, debugfile.SourceBundle, id},
		{"x.pdb", "Microsoft C/C++ MSF 7.00\r\n\x1aDS", id, debugfile.PDB, id},
		{"x.json", `["a","b"]`, id, debugfile.DartSymbols, id},
		{"x.wasm", "\x00asm\x01\x00\x00\x00", id, debugfile.WASM, id},
	} {
		got, err := debugfile.Read(bytes.NewReader([]byte(c.data)), int64(len(c.data)), c.name, c.given)
		if err != nil || len(got) != 1 || got[0].Format != c.want || got[0].DebugID != c.id {
			t.Errorf("%.30q: want %s %s, got %+v %v", c.data, c.want, c.id, got, err)
		}
	}
	for data, kind := range map[string]fault.Kind{"": fault.Unsupported, "hello": fault.Unsupported, "\x7fELF": fault.Invalid, "MZ": fault.Invalid, "MODULE x": fault.Invalid,
		"\xcf\xfa\xed\xfe\x00\x00\x00\x00": fault.Invalid, "\x00asm": fault.Invalid, "a.B -> c:\n": fault.Invalid} {
		if _, err := debugfile.Read(bytes.NewReader([]byte(data)), int64(len(data)), "x", ""); fault.KindOf(err) != kind {
			t.Errorf("%q: want %v, got %v", data, kind, err)
		}
	}
}

// TestARealProgramIsKnownByItsBuild reads the program of this test.
func TestARealProgramIsKnownByItsBuild(t *testing.T) {
	t.Parallel()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	got, err := debugfile.Read(f, stat.Size(), name, "")
	if err != nil || len(got) != 1 || got[0].Name != filepath.Base(name) || len(got[0].DebugID) < 36 || got[0].CodeID == "" || got[0].CPU == "" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestAMappingIsNamedByItsBytes(t *testing.T) {
	t.Parallel()
	if got := debugfile.ProGuardID([]byte("a.B -> c:\n")); got != "7cd64ac9-b346-5240-ac03-975a95ad0ac3" {
		t.Errorf("got %s", got)
	}
}

// FuzzRead: whatever is read names a build in the form that is stored.
func FuzzRead(f *testing.F) {
	f.Add([]byte("MODULE Linux x86_64 D3096ED481217FD4C16B29CD9BC208BA0 a\n"), "a", "")
	f.Add([]byte("\x7fELF\x02\x01\x01"), "a", "")
	f.Add([]byte("MZ"), "a", "d3096ed481217fd4c16b29cd9bc208ba")
	f.Add([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x02"), "a", "")
	f.Fuzz(func(t *testing.T, data []byte, name, id string) {
		list, err := debugfile.Read(bytes.NewReader(data), int64(len(data)), name, id)
		for _, info := range list {
			if again, ok := debugfile.ParseID(info.DebugID); err != nil || !ok || again != info.DebugID {
				t.Errorf("%+v %v", info, err)
			}
		}
	})
}
