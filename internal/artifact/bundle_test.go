package artifact_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

func archive(t testing.TB, prefix string, files ...[2]string) []byte {
	t.Helper()
	buf := bytes.NewBufferString(prefix)
	z := zip.NewWriter(buf)
	z.SetOffset(int64(len(prefix)))
	for _, f := range files {
		w, err := z.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(f[1]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const id = "d2977f4a-f610-5dd3-8a7a-91a4bd7b18ee"

func TestABundleSaysWhatItHolds(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "SYSB\x02\x00\x00\x00"} {
		data := archive(t, prefix, [2]string{"manifest.json", `{"org":"acme","project":7,"release":"a@1","dist":"b","debug_id":"` + strings.ToUpper(id) + `","files":{
			"files/a.js":{"url":"~/a.js","type":"minified_source","headers":{"Debug-ID":"` + id + `","x-sourcemap":"a.map"}},
			"files/b.js":{"url":"~/b.js","headers":7},"files/b.map":{"type":"source_map"},"files/gone.js":{"url":"~/gone.js"}}}`},
			[2]string{"files/a.js", "a()"}, [2]string{"files/b.js", "b()\n//# sourceMappingURL=b.map\n//# debugId=" + id + "\n"}, [2]string{"files/b.map", `{"debugId":"` + id + `"}`})
		m, err := artifact.ReadBundle(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range m.Files {
			f := &m.Files[i]
			if f.Packed <= 0 || f.Offset <= int64(len(prefix)) {
				t.Errorf("%+v lies nowhere", f)
			}
			f.Offset, f.Packed, f.Size, f.Method, f.Path = 0, 0, 0, 0, ""
		}
		want := &artifact.Manifest{Organization: "acme", Release: "a@1", Dist: "b", DebugID: id, Files: []artifact.File{
			{URL: "~/a.js", Type: artifact.TypeMinifiedSource, DebugID: id, Sourcemap: "a.map"},
			{URL: "~/b.js", Type: artifact.TypeMinifiedSource, DebugID: id, Sourcemap: "b.map"},
			{URL: "~/files/b.map", Type: artifact.TypeSourceMap, DebugID: id}}}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestFilesAreLookedForByAddress(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://h/a/b.js?v=1#x": "http://h/a/b.js?v=1 http://h/a/b.js ~/a/b.js?v=1 ~/a/b.js",
		"http://h/a.js":         "http://h/a.js ~/a.js", "app:///a.js": "app:///a.js ~/a.js", "/srv/a.js": "/srv/a.js ~/srv/a.js", "a.js": "a.js", "http://h": "http://h",
	} {
		if got := strings.Join(artifact.Candidates(url), " "); got != want {
			t.Errorf("%s: want %s, got %s", url, want, got)
		}
	}
	for url, want := range map[string]string{"http://h/js/app/cart.min.js?x": "app/cart", "/static/1.2.3/a-0123456789.js": "a", "": "<unknown module>",
		"http://h/0123456789abcdef0123456789abcdef/lib/a.js": "lib/a"} {
		if got := artifact.ModuleName(url); got != want {
			t.Errorf("%s: want %s, got %s", url, want, got)
		}
	}
	for text, want := range map[string]string{"D2977F4AF6105DD38A7A91A4BD7B18EE": id, id + "-0": id, id + "-A": id + "-a", "": "", "x": "", id[:35]: ""} {
		if got, ok := artifact.ParseDebugID(text); got != want || ok != (want != "") {
			t.Errorf("%s: want %s, got %s", text, want, got)
		}
	}
}

// FuzzReadBundle: whatever is read lies within the bundle and names nothing outside of it; what is
// refused is the bundle's own fault.
func FuzzReadBundle(f *testing.F) {
	f.Add(archive(f, "SYSB\x02\x00\x00\x00", [2]string{"manifest.json", `{"files":{"a":{"url":"~/a.js","type":"minified_source"}}}`}, [2]string{"a", "x"}))
	f.Add(archive(f, "", [2]string{"manifest.json", `{"files":{"../a":{}}}`}, [2]string{"../a", "x"}))
	f.Add([]byte("SYSB"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := artifact.ReadBundle(bytes.NewReader(data), int64(len(data)))
		switch fault.KindOf(err) {
		case fault.Invalid, fault.TooLarge:
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range m.Files {
			if file.Offset < 0 || file.Offset > int64(len(data)) || strings.HasPrefix(file.Path, "../") || strings.Contains(file.Path, "/../") {
				t.Errorf("%+v", file)
			}
		}
	})
}
