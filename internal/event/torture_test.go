package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// tortures are texts as they stand between the quotes of a JSON document, and what is stored. No
// NUL, lone surrogate or byte that is not UTF-8 may reach the database; nothing else may change.
var tortures = []struct{ sent, want string }{
	// NULs: escaped, raw, alone, beside a backslash that is none of theirs.
	{`a\u0000b`, "ab"}, {`\u0000`, ""}, {`\u0000\u0000\u0000`, ""}, {"\x00a", "a"}, {"a\x00", "a"}, {"\x00", ""},
	{`a\\u0000b`, `a\u0000b`}, {`\\\u0000`, `\`}, {`\u0000é`, "é"}, {`\u00000`, "0"},
	// Surrogates: pairs, halves, halves in the wrong order, halves beside other escapes.
	{`\ud83d\ude00`, "😀"}, {`\uD83D\uDE00`, "😀"}, {`\uD83d\uDe00`, "😀"}, {`\ud800`, "\uFFFD"}, {`\udbff`, "\uFFFD"}, {`\udc00`, "\uFFFD"}, {`\udfff`, "\uFFFD"},
	{`\udc00x`, "\uFFFDx"}, {`\ud83dx`, "\uFFFDx"}, {`\ude00\ud83d`, "\uFFFD\uFFFD"}, {`\ud83d\ud83d\ude00`, "\uFFFD😀"}, {`\ud800\u0000`, "\uFFFD"},
	{`\ud800\n`, "\uFFFD\n"}, {`\ud800\\`, "\uFFFD\\"}, {`\udbff\udfff`, "\U0010FFFF"}, {`\ud800\udc00`, "\U00010000"}, {`\\ud800`, `\ud800`},
	// Bytes that are not UTF-8: alone, cut short, overlong, surrogates, past the last character.
	{"\xff", "\uFFFD"}, {"\xfe\xff", "\uFFFD"}, {"a\xc3", "a\uFFFD"}, {"\x80", "\uFFFD"}, {"\xe2\x82", "\uFFFD"}, {"\xf0\x9f\x98", "\uFFFD"}, {"\xc0\x80", "\uFFFD"},
	{"\xc0\xaf", "\uFFFD"}, {"\xed\xa0\x80", "\uFFFD"}, {"\xed\xb0\x80", "\uFFFD"}, {"\xf4\x90\x80\x80", "\uFFFD"}, {"\xf8\x88\x80\x80\x80", "\uFFFD"}, {"é\xffé", "é\uFFFDé"},
	// Control characters and separators, escaped and raw.
	{`\n\t\r\b\f`, "\n\t\r\b\f"}, {`\u0001\u001f\u007f`, "\x01\x1f\x7f"}, {"\x01", "\x01"}, {"a\nb", "a\nb"}, {"\x1b[31mred", "\x1b[31mred"}, {"\x7f", "\x7f"},
	{`\u2028\u2029`, "\u2028\u2029"}, {"\u2028", "\u2028"}, {`\u0085`, "\u0085"}, {`\u200b`, "\u200b"}, {"\uFEFFx", "\uFEFFx"},
	// Direction, combination and characters that are no characters.
	{`\u202egnp.exe`, "\u202egnp.exe"}, {"مرحبا", "مرحبا"}, {"e\u0301\u0301\u0301", "e\u0301\u0301\u0301"}, {"👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"}, {"\uFFFE\uFFFF", "\uFFFE\uFFFF"}, {`\uffff`, "\uFFFF"}, {"\U0010FFFF", "\U0010FFFF"}, {`\ufffd`, "\uFFFD"},
	// Texts that mean something elsewhere.
	{`\"\\\/`, `"\/`}, {`</script><script>alert(1)</script>`, `</script><script>alert(1)</script>`}, {`'; drop table events; --`, `'; drop table events; --`},
	{`\\x00\\000`, `\x00\000`}, {`%00%s%n`, "%00%s%n"}, {`${jndi:ldap://x}`, "${jndi:ldap://x}"}, {`{{7*7}}`, "{{7*7}}"}, {`\u003cb\u003e\u0026`, "<b>&"},
}

func TestTextTorture(t *testing.T) {
	t.Parallel()
	if len(tortures) < 60 {
		t.Fatalf("want 60 texts, there are %d", len(tortures))
	}
	for _, c := range tortures {
		payload := []byte(`{"message":"m` + c.sent + `","extra":{"k":"x` + c.sent + `","l` + c.sent + `":1,"n":["y` + c.sent + `"]},` +
			`"tags":{"t":"z` + c.sent + `"},"user":{"id":"u` + c.sent + `"},"exception":[{"type":"T","value":"v` + c.sent + `"}],"new` + c.sent + `":"o` + c.sent + `"}`)
		e, err := event.Decode(payload)
		if err != nil {
			t.Errorf("%q: %v", c.sent, err)
			continue
		}
		if got := tag(e, "t"); got != "z"+c.want {
			t.Errorf("%q in a tag: want %q, got %q", c.sent, "z"+c.want, got)
		}
		if e.Extra[1].Name != "l"+c.want || e.Other[0].Name != "new"+c.want {
			t.Errorf("%q in a name: want %q, got %q and %q", c.sent, c.want, e.Extra[1].Name, e.Other[0].Name)
		}
		if got := len(e.Meta[""].Errors) > 0; got != loses(c.sent, c.want) {
			t.Errorf("%q: want a remark that text was replaced %t, got %v", c.sent, !got, e.Meta[""])
		}
		out := holdLaws(t, payload)
		v := parsed(t, string(out))
		for path, want := range map[string]string{"logentry.formatted": "m" + c.want, "extra.k": "x" + c.want, "extra.n.0": "y" + c.want, "user.id": "u" + c.want, "exception.values.0.value": "v" + c.want} {
			if got := at(v, path); got != want {
				t.Errorf("%q at %s: want %q, got %q", c.sent, path, want, got)
			}
		}
		if !utf8.Valid(out) || !json.Valid(out) || bytes.IndexByte(out, 0) >= 0 || hasEscapedNUL(out) {
			t.Errorf("%q: what is stored cannot be: %q", c.sent, out)
		}
	}
}

// loses reports whether a text cannot be stored as it was sent: it has a NUL, or became another.
func loses(sent, want string) bool {
	sent = strings.ReplaceAll(sent, `\\`, "")
	replaced := strings.Count(want, "\uFFFD") - strings.Count(sent, "\uFFFD") - strings.Count(sent, `\ufffd`)
	return replaced > 0 || strings.Contains(sent, "\x00") || strings.Contains(sent, `\u0000`)
}

// hasEscapedNUL reports whether any text of a JSON document holds a NUL.
func hasEscapedNUL(doc []byte) bool {
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return true
	}
	found := false
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			found = found || strings.Contains(v, "\x00")
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				walk(k)
				walk(e)
			}
		}
	}
	walk(v)
	return found
}
