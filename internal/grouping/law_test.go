package grouping

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// frameSpec is a frame that laws change.
type frameSpec struct {
	module, function, pkg, line string
	lineno                      int
	inApp                       bool
}

func genFrames(t *rapid.T) []frameSpec {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) frameSpec {
		return frameSpec{
			module:   rapid.SampledFrom([]string{"", "app.a", "app.b", "java.util.List", "core-js/x"}).Draw(t, "module"),
			function: rapid.SampledFrom([]string{"", "main", "run", "std::vector<int>::at(int) const", "malloc"}).Draw(t, "function"),
			pkg:      rapid.SampledFrom([]string{"", "/usr/lib/libc.so", "/opt/app"}).Draw(t, "package"),
			line:     rapid.SampledFrom([]string{"", "x = 1", "  return  y"}).Draw(t, "line"),
			lineno:   rapid.IntRange(1, 1000).Draw(t, "lineno"),
			inApp:    rapid.Bool().Draw(t, "in_app"),
		}
	}), 0, 12).Draw(t, "frames")
}

func eventOf(platform, value string, frames []frameSpec, shift int) []byte {
	list := []map[string]any{}
	for i, f := range frames {
		m := map[string]any{"in_app": f.inApp, "lineno": f.lineno + shift, "filename": fmt.Sprintf("f%d.src", i)}
		for k, v := range map[string]string{"module": f.module, "function": f.function, "package": f.pkg, "context_line": f.line} {
			if v != "" {
				m[k] = v
			}
		}
		list = append(list, m)
	}
	e := map[string]any{"type": "Err", "value": value}
	if len(list) > 0 {
		e["stacktrace"] = map[string]any{"frames": list}
	}
	b, _ := json.Marshal(map[string]any{"platform": platform, "exception": map[string]any{"values": []any{e}}})
	return b
}

var platforms = rapid.SampledFrom([]string{"python", "javascript", "node", "native", "java", "go", "ruby", "php", "csharp"})

// TestLineShiftsDoNotRegroup: moving code within its file keeps its issue.
func TestLineShiftsDoNotRegroup(t *testing.T) {
	g := New(Newest(), Rules{})
	rapid.Check(t, func(rt *rapid.T) {
		platform, frames := platforms.Draw(rt, "platform"), genFrames(rt)
		shift := rapid.IntRange(1, 5000).Draw(rt, "shift")
		want := g.Assign(decode(t, eventOf(platform, "boom", frames, 0))).Hashes
		got := g.Assign(decode(t, eventOf(platform, "boom", frames, shift))).Hashes
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("shifted by %d (-want +got):\n%s", shift, diff)
		}
	})
}

// TestNumbersInMessagesDoNotRegroup: addresses and counts in a message keep its issue.
func TestNumbersInMessagesDoNotRegroup(t *testing.T) {
	g := New(Newest(), Rules{})
	rapid.Check(t, func(rt *rapid.T) {
		platform := platforms.Draw(rt, "platform")
		hash := func(address uint64, count int) []Hash {
			text := fmt.Sprintf("object at %#012x failed %d times", address, count)
			return g.Assign(decode(t, eventOf(platform, text, nil, 0))).Hashes
		}
		counts := rapid.IntRange(-9_999_999, 9_999_999)
		want := hash(rapid.Uint64().Draw(rt, "address"), counts.Draw(rt, "count"))
		got := hash(rapid.Uint64().Draw(rt, "other address"), counts.Draw(rt, "other count"))
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// TestAssignAgainGivesTheSame: events are delivered at least once, and explained later.
func TestAssignAgainGivesTheSame(t *testing.T) {
	rules := compile(t, "function:run +app\nmodule:app.* category=mine\n[ category:mine ] | function:main ^-group max-frames=3", "")
	rapid.Check(t, func(rt *rapid.T) {
		cfg := rapid.SampledFrom([]Config{Newest(), {ID: Newstyle2023}}).Draw(rt, "config")
		payload := eventOf(platforms.Draw(rt, "platform"), "boom 7", genFrames(rt), 0)
		checkBoth(t, New(cfg, rules), payload)
		if t.Failed() {
			rt.Fatalf("event %s", payload)
		}
	})
}

// TestHugeEventsTakeBoundedTime: nothing a client sends makes grouping slow.
func TestHugeEventsTakeBoundedTime(t *testing.T) {
	frame := event.Frame{Module: "m", Function: "f", Lineno: 1}
	deep := &event.Event{Platform: "python", Exceptions: []event.Exception{{Type: "E", Stacktrace: &event.Stacktrace{Frames: slices.Repeat([]event.Frame{frame}, 1000)}}}}
	for name, ev := range map[string]*event.Event{
		"recursion":       deep,
		"dotted labels":   {LogEntry: &event.LogEntry{Formatted: strings.Repeat("a.", 500_000)}},
		"dashed labels":   {LogEntry: &event.LogEntry{Formatted: strings.Repeat("a-", 500_000)}},
		"digits":          {LogEntry: &event.LogEntry{Formatted: strings.Repeat("1", 1_000_000)}},
		"hex groups":      {LogEntry: &event.LogEntry{Formatted: strings.Repeat("ab:", 300_000)}},
		"mail characters": {LogEntry: &event.LogEntry{Formatted: strings.Repeat("!", 1_000_000)}},
		"unclosed quotes": {LogEntry: &event.LogEntry{Formatted: strings.Repeat("='a", 300_000)}},
		"equal quotes":    {LogEntry: &event.LogEntry{Formatted: strings.Repeat(`=""`, 300_000)}},
		"clock times":     {LogEntry: &event.LogEntry{Formatted: strings.Repeat("10:20:30 ", 100_000)}},
		"line breaks":     {LogEntry: &event.LogEntry{Formatted: strings.Repeat("\n", 1_000_000)}},
		"date objects":    {LogEntry: &event.LogEntry{Formatted: strings.Repeat("datetime.datetime(", 50_000)}},
		"script dates":    {LogEntry: &event.LogEntry{Formatted: strings.Repeat("Mon Jan 02 2006 14:04:05 GMT+0000 (", 20_000)}},
		"native brackets": {Platform: "native", Stacktrace: &event.Stacktrace{Frames: []event.Frame{{Function: strings.Repeat("<", 1<<20)}, {Function: strings.Repeat("a<b (", 3000)}}}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if res := New(Newest(), Rules{}).Assign(ev); len(res.Hashes) == 0 {
				t.Error("no hash")
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestGroupersAreSafeTogether: events of many projects are grouped at the same time.
func TestGroupersAreSafeTogether(t *testing.T) {
	g := New(Newest(), compile(t, "module:shop.* +app", ""))
	want := g.Assign(decode(t, []byte(pythonEvent())))
	done := make(chan Result)
	for range 8 {
		go func() {
			var last Result
			for range 20 {
				last = g.Assign(decode(t, []byte(pythonEvent())))
			}
			done <- last
		}()
	}
	for range 8 {
		if diff := cmp.Diff(want, <-done); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// FuzzAssign: any event has a hash, the same when it is seen again, and Explain agrees about it.
func FuzzAssign(f *testing.F) {
	var file struct {
		Cases []struct {
			Event json.RawMessage `json:"event"`
		} `json:"cases"`
	}
	readJSON(f, filepath.Join("testdata", "cases.json"), &file)
	for _, c := range file.Cases {
		f.Add([]byte(c.Event))
	}
	for _, text := range [...]string{pythonEvent(), browserEvent(), nativeEvent()} {
		f.Add([]byte(text))
	}
	if folder := casesFolder(); folder != "" {
		paths, _ := filepath.Glob(filepath.Join(folder, "inputs", "*.json"))
		for _, p := range paths {
			if b, err := os.ReadFile(p); err == nil {
				f.Add(b)
			}
		}
	}
	g := New(Newest(), Rules{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := event.Decode(payload); err != nil {
			return
		}
		ev := decode(t, payload)
		first := g.Assign(ev)
		if diff := cmp.Diff(first, g.Assign(ev)); diff != "" {
			t.Errorf("assigning again differs (-first +again):\n%s", diff)
		}
		explained := g.Explain(decode(t, payload))
		if diff := cmp.Diff(first.Hashes, explained.Hashes()); diff != "" || len(first.Hashes) == 0 {
			t.Errorf("Assign and Explain differ (-assign +explain):\n%s", diff)
		}
	})
}

// FuzzParameterize: placeholders are the only change, and the result is stable enough to end.
func FuzzParameterize(f *testing.F) {
	var cases []struct{ Input string }
	readJSON(f, filepath.Join("testdata", "parameterization.json"), &cases)
	for _, c := range cases {
		f.Add(c.Input)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, changed := normalizeMessage(text)
		if changed != (out != text) {
			t.Errorf("changed is %t for %q", changed, text)
		}
		plain := strings.Map(func(r rune) rune {
			if strings.ContainsRune("ghijklmnopqruvxyz ", r) {
				return r
			}
			return -1
		}, text)
		if got := Parameterize(plain); got != plain {
			t.Errorf("letters changed: %q to %q", plain, got)
		}
	})
}

// FuzzParseEnhancements: what is accepted can be applied.
func FuzzParseEnhancements(f *testing.F) {
	f.Add(baseText2026[:2000])
	f.Add("[ category:throw ] | !path:**/a/{b,c}/[x-z]* | [ \"function\":\"a b\" ] ^-group v+app max-frames=3 # end")
	f.Add("family:native,javascript app:no type:Err* category=x min-frames=2")
	payload := []byte(pythonEvent())
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEnhancements(text)
		if err != nil {
			return
		}
		if res := New(Newest(), Rules{Enhancements: e}).Assign(decode(t, payload)); len(res.Hashes) == 0 {
			t.Error("no hash")
		}
	})
}

// FuzzParseFingerprintRules: what is accepted can be applied.
func FuzzParseFingerprintRules(f *testing.F) {
	f.Add(builtInFingerprintText)
	f.Add(`!"tags.a:b":"x\"y" path:**/a.py app:yes -> one, {{ two }} "three" title="{{ message }}"`)
	payload := []byte(pythonEvent())
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseFingerprintRules(text)
		if err != nil {
			return
		}
		if res := New(Newest(), Rules{Fingerprints: rules}).Assign(decode(t, payload)); len(res.Hashes) == 0 {
			t.Error("no hash")
		}
	})
}
