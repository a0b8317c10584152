package safehtml

import (
	"slices"
	"strings"
	"testing"
)

func draw(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	if err := Markdown(text).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCommentsAreDrawnFromASubsetOfMarkdown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a **b** `c`":                  "<p>a <strong>b</strong> <code>c</code></p>",
		"- one\n- two":                 "<li>one</li>",
		"```\nif a < b {\n```":         "<pre><code>if a &lt; b {",
		"see https://example.org/x":    `<a href="https://example.org/x"`,
		"one\ntwo":                     "<br",
		"a <b onclick=x>bold</b> word": "bold",
	} {
		if got := draw(t, text); !strings.Contains(got, want) {
			t.Errorf("%q is drawn as %q, without %q", text, got, want)
		}
	}
	for _, text := range []string{"<script>alert(1)</script>", "[a](javascript:alert(1))", "![x](https://example.org/p.png)", "<img src=x onerror=alert(1)>",
		"<a href=\"data:text/html,x\">b</a>", "[a]: javascript:alert(1)\n[a]", "# big"} {
		got := strings.ToLower(draw(t, text))
		for _, bad := range []string{"<script", "javascript:", "<img", "onerror", "data:text", "<h1"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q is drawn as %q", text, got)
			}
		}
	}
}

func TestNamesAreMentionedWithAnAt(t *testing.T) {
	t.Parallel()
	got := Mentions("@Ann look, and (@bob.b) too; not ann@example.org, not a@b. @ann!")
	if want := []string{"ann", "bob.b"}; !slices.Equal(got, want) {
		t.Errorf("mentioned are %q, want %q", got, want)
	}
}

// FuzzMarkdown: whatever is written, no element comes out that the subset has not.
func FuzzMarkdown(f *testing.F) {
	f.Add("a **b** <script>alert(1)</script>")
	f.Fuzz(func(t *testing.T, text string) {
		got := strings.ToLower(draw(t, text))
		for _, bad := range []string{"<script", "<img", "<svg", "<iframe", "<style", " onerror=", "href=\"javascript:"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q is drawn as %q", text, got)
			}
		}
		Mentions(text)
	})
}
