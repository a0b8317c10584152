package sourcemap_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEveryRecordedFrameIsFound holds places of a real bundle to what Mozilla's library and the
// TypeScript parser say of them.
func TestEveryRecordedFrameIsFound(t *testing.T) {
	t.Parallel()
	m, err := sourcemap.Parse(file(t, "app.min.js.map"))
	if err != nil {
		t.Fatal(err)
	}
	script := sourcemap.Scan(file(t, "app.min.js"))
	var want []struct {
		Line, Column   int
		Source         string
		OriginalLine   int `json:"original_line"`
		OriginalColumn int `json:"original_column"`
		Name, Function string
		SourceLine     string `json:"source_line"`
	}
	if err := json.Unmarshal(file(t, "app.expected.json"), &want); err != nil || len(want) < 16 {
		t.Fatal(err, len(want))
	}
	for _, w := range want {
		got, ok := m.Lookup(w.Line, w.Column)
		if !ok || got.Source != w.Source || got.Line != w.OriginalLine || got.Column != w.OriginalColumn || got.Name != w.Name {
			t.Errorf("%d:%d: want %+v, got %+v", w.Line, w.Column, w, got)
		}
		lines, _ := m.Lines(got, got.Line, got.Line)
		if len(lines) != 1 || strings.TrimSpace(lines[0]) != w.SourceLine {
			t.Errorf("%d:%d: want line %q, got %q", w.Line, w.Column, w.SourceLine, lines)
		}
		if w.Function == "" {
			w.Function = sourcemap.Anonymous
		}
		if name, ok := m.FunctionName(script, w.Line, w.Column); !ok || name != w.Function {
			t.Errorf("%d:%d: want function %q, got %q %v", w.Line, w.Column, w.Function, name, ok)
		}
	}
}
