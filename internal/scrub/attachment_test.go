package scrub_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/scrub"
	"github.com/tocsin-dev/tocsin/internal/testkit/canary"
)

// TestSecretsInTextFilesAreMasked: what shows by its form goes, at every place of a long file, and
// the rest stays where it is.
func TestSecretsInTextFilesAreMasked(t *testing.T) {
	t.Parallel()
	c, err := scrub.Compile(scrub.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	const line = "2026-01-02 10:00:00 INFO all is well\n"
	for _, s := range canary.Texts {
		if s.Name == "words" { // a secret that only the sentence around it gives away
			continue
		}
		b := []byte(line + s.Text + "\n" + line)
		size := len(b)
		end := line
		if s.Name == "key cut short" {
			end = "" // it may be as long as the file
		}
		if !c.Attachment("app.log", b) || bytes.Contains(b, []byte(s.Canary)) || !bytes.HasPrefix(b, []byte(line)) || !bytes.HasSuffix(b, []byte(end)) || len(b) != size {
			t.Errorf("%s: %q", s.Name, b)
		}
	}
	long := []byte(strings.Repeat(line, 4<<20/len(line)) + "sent Bearer zq81canary.token\n" + strings.Repeat(line, 1000))
	if !c.Attachment("app.log", long) || bytes.Contains(long, []byte("zq81canary")) {
		t.Error("a secret far behind is left")
	}
}

// TestSecretsInWordsAreReplaced: what a user wrote keeps everything but the secret.
func TestSecretsInWordsAreReplaced(t *testing.T) {
	t.Parallel()
	c, err := scrub.Compile(scrub.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range canary.Texts {
		if s.Name == "words" {
			continue
		}
		if got := c.Words("I wrote " + s.Text); strings.Contains(got, s.Canary) || !strings.HasPrefix(got, "I wrote ") || !strings.Contains(got, "[Filtered]") {
			t.Errorf("%s: %q", s.Name, got)
		}
	}
	if got := c.Words("two cards 4111111111111111, 5105105105105100."); got != "two cards [Filtered], [Filtered]." {
		t.Errorf("got %q", got)
	}
	for _, text := range []string{"", "the page was blank, ada@example.com"} {
		if got := c.Words(text); got != text {
			t.Errorf("want %q as it is, got %q", text, got)
		}
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	defaults, err := scrub.Compile(scrub.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	none, err := scrub.Compile(scrub.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		c    *scrub.Scrubber
		file string
	}{
		"bytes": {defaults, "MDMP\x00\x01 4111111111111111"}, "not UTF-8": {defaults, "\xff\xfe 4111111111111111"}, "switched off": {none, "4111111111111111"},
		"nothing to hide": {defaults, "all is well, author: ada"}, "empty": {defaults, ""},
	} {
		b := []byte(tt.file)
		if tt.c.Attachment("a", b) || string(b) != tt.file {
			t.Errorf("%s: %q", name, b)
		}
	}
}

func BenchmarkTextFile(b *testing.B) {
	c, err := scrub.Compile(scrub.Defaults())
	if err != nil {
		b.Fatal(err)
	}
	file := []byte(strings.Repeat("2026-01-02 10:00:00 INFO GET /shop/items/4711 took 12 ms for user 42\n", 15_000))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		c.Attachment("app.log", file)
	}
}
