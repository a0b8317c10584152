package proguard_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/proguard"
)

const shop = `# compiler: R8
# {"id":"com.android.tools.r8.mapping","version":"2.0"}
org.shop.cart.Cart -> a.b:
# {"id":"sourceFile","fileName":"Cart.kt"}
    java.util.List lines -> a
    1:1:void <init>():12:12 -> <init>
    1:4:int total(java.util.List):20:23 -> a
    5:5:int org.shop.cart.Pricing.rate(int):7:7 -> a
    5:5:int total(java.util.List):24 -> a
    void reset() -> b
    boolean isEmpty() -> c
    boolean isFull(int) -> c
org.shop.cart.Pricing$Rounding -> a.c:
    10:12:void round() -> a
`

func TestNamesAreUndone(t *testing.T) {
	t.Parallel()
	m := proguard.Parse([]byte(strings.ReplaceAll(shop, "\n", "\r\n")))
	for _, c := range []struct {
		class, method string
		line          int
		want          []proguard.Frame
	}{
		{"a.b", "a", 3, []proguard.Frame{{Class: "org.shop.cart.Cart", Method: "total", File: "Cart.kt", Line: 22}}},
		{"a.b", "a", 5, []proguard.Frame{{Class: "org.shop.cart.Pricing", Method: "rate", File: "Pricing.java", Line: 7}, {Class: "org.shop.cart.Cart", Method: "total", File: "Cart.kt", Line: 24}}},
		{"a.b", "<init>", 1, []proguard.Frame{{Class: "org.shop.cart.Cart", Method: "<init>", File: "Cart.kt", Line: 12}}},
		{"a.b", "b", 7, []proguard.Frame{{Class: "org.shop.cart.Cart", Method: "reset", File: "Cart.kt", Line: 7}}},
		{"a.b", "c", 0, []proguard.Frame{{Class: "org.shop.cart.Cart", Method: "c", File: "Cart.kt"}}}, // two of them: not told apart
		{"a.b", "zzz", 9, []proguard.Frame{{Class: "org.shop.cart.Cart", Method: "zzz", File: "Cart.kt", Line: 9}}},
		{"a.b", "a", 99, []proguard.Frame{{Class: "org.shop.cart.Cart", Method: "a", File: "Cart.kt", Line: 99}}},
		{"a.c", "a", 11, []proguard.Frame{{Class: "org.shop.cart.Pricing$Rounding", Method: "round", File: "Pricing.java", Line: 11}}},
	} {
		got, ok := m.Frame(c.class, c.method, c.line)
		if diff := cmp.Diff(c.want, got); !ok || diff != "" {
			t.Errorf("%s.%s:%d (-want +got):\n%s", c.class, c.method, c.line, diff)
		}
	}
	if _, ok := m.Frame("java.lang.String", "length", 1); ok {
		t.Error("a class that was left alone is known")
	}
	if name, ok := m.Class("a.c"); !ok || name != "org.shop.cart.Pricing$Rounding" || !m.HasLines() || m.Empty() {
		t.Errorf("%s %v", name, ok)
	}
	for text, want := range map[string]bool{shop: true, "": false, "hello": false, "a -> b": false, "a b -> c:": false, "x.Y -> a:": true} {
		if got := proguard.Has([]byte(text)); got != want {
			t.Errorf("%.20q: want %v", text, want)
		}
	}
}

// FuzzParse: whatever is read answers for any frame.
func FuzzParse(f *testing.F) {
	f.Add([]byte(shop), "a.b", "a", 5)
	f.Add([]byte("a -> b:\n  1:2:void c():3 -> d\n"), "b", "d", 1)
	f.Fuzz(func(t *testing.T, data []byte, class, method string, line int) {
		m := proguard.Parse(data)
		frames, ok := m.Frame(class, method, line)
		if ok != (len(frames) > 0) {
			t.Errorf("%v %v", frames, ok)
		}
	})
}
