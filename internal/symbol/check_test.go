package symbol

import (
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func TestLinesOfStackTracesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]event.Frame{
		"    at add (https://shop.example.org/app.js:1:405)": {Function: "add", AbsPath: "https://shop.example.org/app.js", Lineno: 1, Colno: 405},
		"add@https://shop.example.org/app.js:1:405":          {Function: "add", AbsPath: "https://shop.example.org/app.js", Lineno: 1, Colno: 405},
		"https://shop.example.org/app.js:12":                 {AbsPath: "https://shop.example.org/app.js", Lineno: 12},
	} {
		got, err := ParseFrame(text)
		if err != nil || got.Function != want.Function || got.AbsPath != want.AbsPath || got.Lineno != want.Lineno || got.Colno != want.Colno {
			t.Errorf("%q is read as %+v, %v", text, got, err)
		}
	}
	if _, err := ParseFrame("TypeError: x is undefined"); err == nil {
		t.Error("a message passes for a frame")
	}
}

// FuzzParseFrame: what is read has a file.
func FuzzParseFrame(f *testing.F) {
	f.Add("at add (https://shop.example.org/app.js:1:405)")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := ParseFrame(text); err == nil && (got.AbsPath == "" || got.Lineno < 0) {
			t.Errorf("%q is read as %+v", text, got)
		}
	})
}
