package event

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// asLibrary holds wellFormed to what the JSON library says of the same bytes.
func asLibrary(t *testing.T, b []byte) {
	t.Helper()
	want := jsontext.Value(b).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if got := wellFormed(b); got != want {
		t.Errorf("wellFormed is %t, the library says %t: %.300q", got, want, b)
	}
}

func TestWellFormedAsLibrary(t *testing.T) {
	t.Parallel()
	parts := []string{"", " ", "\t\r\n", "\v", "\u00a0", "\uFEFF", "\x00", "0", "-0", "01", "-", "1.", ".5", "1.5", "1e", "1E+", "1e-9", "1e400", "+1", "true", "nul", "nulls", "True",
		`""`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12G4"`, `"\ud800"`, `"\udc00\ud800"`, `"\"\\\/\b\f\n\r\t"`, "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\"\xc3\"", `"é"`, `'a'`, "{}", "[]", "{", "]", ":", ",", `{"a":1}`, `{"a":1,"a":2}`, `{"a":1,}`, `{"a"}`, `{1:2}`, "[1,]", "[,1]", "[1 2]", "//x", "NaN", "Infinity"}
	for _, a := range parts {
		for _, b := range parts {
			for _, form := range []string{"%%&&", "[%%&&]", "[%%,&&]", `{"k":%%,"l":&&}`, `{%%:&&}`, `{"k" : %% } &&`} {
				asLibrary(t, []byte(strings.NewReplacer("%%", a, "&&", b).Replace(form)))
			}
		}
	}
	for _, depth := range []int{9999, 10000, 10001} {
		asLibrary(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		asLibrary(t, []byte(strings.Repeat("[", depth)+"1"+strings.Repeat("]", depth)))
		asLibrary(t, []byte(strings.Repeat(`{"":`, depth)+"{}"+strings.Repeat("}", depth)))
	}
	for size := range 40 { // every place of what ends a plain stretch, in the eights and behind them
		for _, stop := range []string{`"`, `\"`, `\`, "\x1f", " ", "\x80", "\uFFFD", `"x`} {
			for at := range size + 1 {
				asLibrary(t, []byte(`"`+strings.Repeat("a", at)+stop+strings.Repeat("!", size-at)+`"`))
			}
		}
	}
}

// FuzzWellFormed: the library and we agree on every document, also on each part of one.
func FuzzWellFormed(f *testing.F) {
	golden.Seed(f, "testdata/recorded/*.json")
	f.Add([]byte(`{"extra":{"a":-1.5e+3,"b":["\ud83d\ude00",null,true,false]},"a":NaN}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		asLibrary(t, b)
		asLibrary(t, b[:len(b)/2])
		asLibrary(t, b[len(b)/2:])
	})
}
