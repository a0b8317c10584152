package processor

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
)

// archived is a bundle of a script and its map at ~/NAME, with another file at the given path.
func archived(t *testing.T, name string, mapped []byte, other string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	add := func(path string, data []byte) {
		w, err := z.Create(path)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	manifest, err := json.Marshal(map[string]any{"files": map[string]any{
		"a": map[string]any{"url": "~/" + name, "type": "minified_source", "headers": map[string]string{"Sourcemap": name + ".map"}},
		"b": map[string]any{"url": "~/" + name + ".map", "type": "source_map"}}})
	if err != nil {
		t.Fatal(err)
	}
	add("manifest.json", manifest)
	add("a", []byte("x()"))
	add("b", mapped)
	if other != "" {
		add(other, []byte("* * * * * root true"))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// keepBundle makes a bundle that of release shop@1.0 of project 1. It returns why it was refused.
func (w *world) keepBundle(data []byte) error {
	w.t.Helper()
	m, err := artifact.ReadBundle(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	key, err := w.files.Put(w.t.Context(), 1, time.Now(), data)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &artifact.Bundle{Project: 1, Kind: artifact.KindBundle, Identity: fmt.Appendf(nil, "%020d", len(data)), SHA1: fmt.Appendf(nil, "%020d", len(data)), Blob: key,
		Size: int64(len(data)), Files: m.Files, Releases: []artifact.Release{{Version: "shop@1.0"}}}
	if err := w.store.KeepBundle(w.t.Context(), b, func(string) bool { return true }); err != nil {
		w.t.Fatal(err)
	}
	return nil
}

// TestBadInputIsStoredWithANote processes an event for each kind of input that cannot be used, and
// wants it stored with the processing error that says what happened.
func TestBadInputIsStoredWithANote(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rules, err := json.Marshal(grouping.Settings{Fingerprints: "type:A -> one\nnonsense:x -> two", Enhancements: "function:"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Exec(t.Context(), "update projects set settings = jsonb_build_object('grouping', $1::jsonb) where id = 1", rules); err != nil {
		t.Fatal(err)
	}
	for name, mapped := range map[string][]byte{
		"huge.min.js":  bytes.Repeat([]byte(" "), 100<<20), // which is also a bomb: it is packed to 100 KB
		"lying.min.js": []byte(`{"version":3,"sections":[{"offset":{"line":4294967295,"column":-9},"map":{"mappings":";;;A","sources":["a"]}}]}`),
	} {
		if err := w.keepBundle(archived(t, name, mapped, "")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.keepBundle(archived(t, "outside.min.js", []byte("{}"), "../../etc/cron.d/x")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a bundle that leads out of itself: %v", err)
	}
	script := func(name string) string {
		return `{"platform":"javascript","release":"shop@1.0","exception":{"values":[{"type":"E","value":"x","stacktrace":{"frames":[
			{"abs_path":"https://shop.example/` + name + `","filename":"` + name + `","function":"a","lineno":1,"colno":900,"in_app":true}]}}]}}`
	}
	chain := `{"exception":{"values":[{"type":"A","value":"a","mechanism":{"type":"g","is_exception_group":true,"exception_id":1,"parent_id":2}},
		{"type":"B","value":"b","mechanism":{"type":"g","is_exception_group":true,"exception_id":2,"parent_id":1}}]}}`
	deep := `{"platform":"python","exception":{"values":[{"type":"A","value":"b","stacktrace":{"frames":[` +
		strings.TrimSuffix(strings.Repeat(`{"function":"again","module":"m","lineno":3,"in_app":true},`, 1000), ",") + `]}}]}}`
	for n, c := range []struct{ name, payload, note, says string }{
		{"rules that cannot compile", failure("A"), grouping.ErrorRules, "line 2, column 1"},
		{"a cyclic exception group", chain, grouping.ErrorChain, ""},
		{"a recursion of 1,000 frames", deep, grouping.ErrorStack, "1000"},
		{"a source map of 100 MB", script("huge.min.js"), "js_too_large", "64 MiB"},
		{"a map with lying offsets", script("lying.min.js"), "js_invalid_source", "no script has"},
		{"a bundle that was refused", script("outside.min.js"), "js_missing_source", "no_map"},
	} {
		if rejects, err := w.Process(t.Context(), []event.Raw{raw(n, c.payload)}); err != nil || len(rejects) > 0 {
			t.Fatalf("%s: %+v %v", c.name, rejects, err)
		}
		stored, err := w.store.Event(t.Context(), 1, raw(n, "").ID)
		if err != nil {
			t.Fatalf("%s is not stored: %v", c.name, err)
		}
		ev, err := event.Decode(stored.Payload)
		if err != nil {
			t.Fatal(err)
		}
		noted := slices.ContainsFunc(ev.Errors, func(e event.ProcessingError) bool {
			return e.Type == c.note && strings.Contains(string(e.Value), c.says)
		})
		if !noted {
			t.Errorf("%s: want %s %q, got %s", c.name, c.note, c.says, stored.Payload[max(0, len(stored.Payload)-1500):])
		}
	}
}
