package grouping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// pythonEvent is an event of a web application: 30 frames, half of them of libraries.
func pythonEvent() string {
	var frames []string
	for i := range 30 {
		where := fmt.Sprintf(`"module":"shop.views.part%d","filename":"shop/views/part%d.py","abs_path":"/srv/shop/views/part%d.py","in_app":true`, i, i, i)
		if i%2 == 1 {
			where = fmt.Sprintf(`"module":"django.core.part%d","filename":"django/core/part%d.py","abs_path":"/usr/lib/python3/site-packages/django/core/part%d.py","in_app":false`, i, i, i)
		}
		frames = append(frames, fmt.Sprintf(`{%s,"function":"handle_%d","lineno":%d,"context_line":"    return self.dispatch(request, *args, step=%d)"}`, where, i, 10+i, i))
	}
	return `{"platform":"python","exception":{"values":[{"type":"ValueError","value":"order 4711 is closed","stacktrace":{"frames":[` +
		strings.Join(frames, ",") + `]}}]},"logentry":{"formatted":"order 4711 failed at 2024-05-06T07:08:09Z"}}`
}

// browserEvent is an event of a minified page.
func browserEvent() string {
	var frames []string
	for i := range 12 {
		frames = append(frames, fmt.Sprintf(`{"abs_path":"https://shop.test/assets/app.4f3a.js","filename":"/assets/app.4f3a.js","function":"Object.%c","lineno":1,"colno":%d,"in_app":true,"context_line":"%s"}`,
			'a'+i, 1000+i, strings.Repeat("var a=b(c);", 20)))
	}
	return `{"platform":"javascript","exception":{"values":[{"type":"TypeError","value":"Cannot read properties of undefined","stacktrace":{"frames":[` +
		strings.Join(frames, ",") + `]}}]}}`
}

// nativeEvent is a crash report of a desktop program.
func nativeEvent() string {
	packages := []string{"/usr/lib/system/libdyld.dylib", "/Applications/Shop.app/Contents/MacOS/Shop", "UIKitCore", "/System/Library/Frameworks/CoreFoundation"}
	functions := []string{"start", "shop::Cart<std::vector<int>>::add(shop::Item const&, unsigned long)", "-[UIApplication _run]", "CFRunLoopRunSpecific"}
	var frames []string
	for i := range 30 {
		frames = append(frames, fmt.Sprintf(`{"package":%q,"function":"%s%d","instruction_addr":"0x%x","in_app":%t}`,
			packages[i%4], functions[i%4], i, 0x1000+i, i%4 == 1))
	}
	return `{"platform":"native","exception":{"values":[{"type":"EXC_BAD_ACCESS","value":"Attempted to dereference null pointer at 0x0","stacktrace":{"frames":[` +
		strings.Join(frames, ",") + `]}}]}}`
}

func benchmarkAssign(b *testing.B, payload string) {
	g := New(Newest(), Rules{})
	fresh := decode(b, []byte(payload))
	trace := fresh.Exceptions[0].Stacktrace
	frames := append([]event.Frame(nil), trace.Frames...)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		copy(trace.Frames, frames) // as decoded, before rules
		if res := g.Assign(fresh); len(res.Hashes) == 0 {
			b.Fatal("no hash")
		}
	}
}

func BenchmarkAssignPython(b *testing.B) { benchmarkAssign(b, pythonEvent()) }

func BenchmarkAssignBrowser(b *testing.B) { benchmarkAssign(b, browserEvent()) }

func BenchmarkAssignNative(b *testing.B) { benchmarkAssign(b, nativeEvent()) }

// BenchmarkAssignUnseen has frames that no event had before.
func BenchmarkAssignUnseen(b *testing.B) {
	g := New(Newest(), Rules{})
	ev := decode(b, []byte(pythonEvent()))
	frames := ev.Exceptions[0].Stacktrace.Frames
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		for i := range frames {
			frames[i].Function = fmt.Sprintf("handle_%d_%d", n, i)
		}
		g.Assign(ev)
	}
}

func BenchmarkExplainPython(b *testing.B) {
	g := New(Newest(), Rules{})
	ev := decode(b, []byte(pythonEvent()))
	b.ReportAllocs()
	for b.Loop() {
		g.Explain(ev)
	}
}

func BenchmarkParameterize(b *testing.B) {
	text := "User 4711 (ann@example.org) could not open https://shop.test/cart/9f8e7d6c at 2024-05-06T07:08:09Z: " +
		"connection to db1.example.com [10.0.0.7:5432] timed out after 1500ms, request 0f8fad5b-d9cb-469f-a165-70867728950e"
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Parameterize(text)
	}
}
