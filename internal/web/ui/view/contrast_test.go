package view

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var token = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`)

// themes reads the colours of the style sheet: light, the system's dark, dark.
func themes(t *testing.T) []map[string]string {
	t.Helper()
	css, err := os.ReadFile("../assets/src/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, block := range strings.SplitAfter(string(css), "}") {
		colours := make(map[string]string)
		for _, m := range token.FindAllStringSubmatch(block, -1) {
			colours[m[1]] = m[2]
		}
		if len(colours) > 0 {
			list = append(list, colours)
		}
	}
	return list
}

// contrast is the ratio of two colours' luminances.
// Rule: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(colour string) float64 {
	weights := [3]float64{0.2126, 0.7152, 0.0722}
	sum := 0.0
	for i, w := range weights {
		n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += w * c
	}
	return sum
}

// TestColoursCanBeRead holds every text colour to 4.5 and every control to 3 on each background.
func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	list := themes(t)
	if len(list) != 3 {
		t.Fatalf("want three themes, got %d", len(list))
	}
	least := map[string]float64{"control": 3, "focus": 3}
	for _, c := range list {
		for _, name := range strings.Fields("text muted control accent focus fatal error warning ok regressed escalating kw str num com") {
			for _, on := range []string{"page", "panel", "raised"} {
				if got, want := contrast(c[name], c[on]), max(least[name], 3); got < want || least[name] == 0 && got < 4.5 {
					t.Errorf("%s %s on %s %s: %.2f", name, c[name], on, c[on], got)
				}
			}
		}
		for _, on := range []string{"tint", "selected"} {
			if got := contrast(c["text"], c[on]); got < 4.5 {
				t.Errorf("text on %s: %.2f", on, got)
			}
		}
		if got := contrast(c["on-accent"], c["accent"]); got < 4.5 {
			t.Errorf("text on accent: %.2f", got)
		}
	}
	for name, colour := range list[1] {
		if list[2][name] != colour {
			t.Errorf("%s differs between the two dark themes: %s, %s", name, colour, list[2][name])
		}
	}
}
