package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func decoded(t testing.TB, payload string) *event.Event {
	t.Helper()
	ev, err := event.Decode([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func options(l StackLook) EventOptions {
	return EventOptions{ReceivedAt: noon, TagHref: func(key, value string) string { return "/?" + key }, Look: l}
}

// TestGroupsOfExceptionsAreTrees has the wire order of an SDK: children before parents.
func TestGroupsOfExceptionsAreTrees(t *testing.T) {
	t.Parallel()
	one := func(kind string, id, parent int, group bool) string {
		p := ""
		if parent >= 0 {
			p = fmt.Sprintf(`,"parent_id":%d,"source":"exceptions[%d]"`, parent, id)
		}
		return fmt.Sprintf(`{"type":%q,"mechanism":{"type":"chained","exception_id":%d,"is_exception_group":%t%s}}`, kind, id, group, p)
	}
	v := NewEvent(decoded(t, `{"exception":{"values":[`+strings.Join([]string{
		one("D", 4, 2, false), one("C", 3, 2, false), one("Inner", 2, 0, true), one("A", 1, 0, false), one("Root", 0, -1, true),
	}, ",")+`]}}`), options(StackLook{}))
	var got []string
	for _, l := range v.Tree {
		got = append(got, fmt.Sprintf("%d %s %d", l.Depth, l.Text, l.Members))
	}
	want := []string{"0 Root 2", "1 A 0", "1 Inner 2", "2 C 0", "2 D 0"}
	if !slices.Equal(got, want) {
		t.Errorf("want %q\ngot  %q", want, got)
	}
	if x := v.Exceptions[3]; x.Parent != "Inner" || x.Relation != "exceptions[3]" {
		t.Errorf("a member is shown as %+v", x)
	}
}

const chainOfTwo = `{"platform":"python","exception":{"values":[
	{"type":"ValueError","stacktrace":{"frames":[{"function":"main","filename":"app.py"},{"function":"pay","filename":"pay.py","in_app":true},{"function":"charge","filename":"pay.py","in_app":true}]}},
	{"type":"PaymentError","stacktrace":{"frames":[{"function":"main","filename":"app.py"},{"function":"pay","filename":"pay.py","in_app":true,"context_line":"raise PaymentError"}]}}]}}`

func TestTheFrameThatCaughtAnErrorIsMarked(t *testing.T) {
	t.Parallel()
	v := NewEvent(decoded(t, chainOfTwo), options(StackLook{Full: true}))
	var marks []string
	for _, x := range v.Exceptions {
		for _, r := range x.Stack.Runs {
			for _, f := range r.Frames {
				marks = append(marks, fmt.Sprintf("%s.%s %t %t", x.Type, f.Function, f.Raised, f.Tried))
			}
		}
	}
	want := []string{"PaymentError.pay true false", "PaymentError.main false false",
		"ValueError.charge true false", "ValueError.pay false true", "ValueError.main false false"}
	if !slices.Equal(marks, want) {
		t.Errorf("want %q\ngot  %q", want, marks)
	}
	oldest := NewEvent(decoded(t, chainOfTwo), options(StackLook{Full: true, Oldest: true}))
	if f := oldest.Exceptions[0].Stack.Runs[0].Frames[0]; f.Function != "main" {
		t.Errorf("oldest first begins with %s", f.Function)
	}
}

func TestBodiesOfFramesComeOnDemand(t *testing.T) {
	t.Parallel()
	ev := decoded(t, string(large(250)))
	o := options(StackLook{})
	o.Href, o.Open = "/o/x/issues/X-1/events/1", []string{"f-0-3"}
	v := NewEvent(ev, o)
	inline, later := 0, 0
	for _, r := range v.Exceptions[0].Stack.Runs {
		for i := range r.Frames {
			f := &r.Frames[i]
			if f.Body != "" {
				later++
			} else {
				inline++
			}
			if f.ID == "f-0-3" && (!f.Open || len(f.Code) == 0) {
				t.Error("the frame that the address opens is not open")
			}
		}
	}
	if inline > inlineBodies+1 || inline+later != 250 {
		t.Errorf("%d bodies come with the page, %d later", inline, later)
	}
	f, ok := FrameBody(ev, false, 0, 249, false)
	if !ok || len(f.Code) != 7 || len(f.Vars) != 4 {
		t.Errorf("the body of a frame: %t, %d lines, %d variables", ok, len(f.Code), len(f.Vars))
	}
	for _, at := range [][2]int{{0, 250}, {0, -1}, {1, 0}, {-1, 0}} {
		if _, ok := FrameBody(ev, false, at[0], at[1], false); ok {
			t.Errorf("there is a frame %v", at)
		}
	}
	var full, lean int
	full = packed(t, eventPage(t, NewEvent(ev, options(StackLook{}))))
	lean = packed(t, eventPage(t, v))
	if lean >= full {
		t.Errorf("%d bytes with bodies on demand, %d with all of them", lean, full)
	}
	t.Logf("250 frames: %d bytes packed", lean)
}

func TestValuesUnfoldAsTreesThatKnowWhatWasRemoved(t *testing.T) {
	t.Parallel()
	vs := &values{meta: event.Meta{
		"extra.order.card":  {Remarks: []event.Remark{{Rule: "@creditcard:mask", Kind: "m"}}},
		"extra.order.notes": {Remarks: []event.Remark{{Rule: "!limit", Kind: "s"}}, Length: 12000},
	}}
	v := vs.at("extra.order", event.Value(`{"card":"****","notes":"long …","lines":[{"sku":"A-1"},{"sku":"B-2"}]}`))
	if v.Class != "object" || v.Size != "3 entries" || len(v.Items) != 3 {
		t.Fatalf("%+v", v)
	}
	if card := v.Items[0].Value; !card.Scrubbed || card.Rule != "masked by rule creditcard:mask" {
		t.Errorf("card: %+v", card)
	}
	if notes := v.Items[1].Value; notes.Scrubbed || notes.Trimmed != "was 12,000 characters" {
		t.Errorf("notes: %+v", notes)
	}
	deep := vs.at("x", event.Value(strings.Repeat(`{"a":`, 50)+`"`+strings.Repeat("x", 200)+`"`+strings.Repeat("}", 50)))
	for n := 0; len(deep.Items) > 0; n++ {
		if deep = deep.Items[0].Value; n > treeDepth {
			t.Fatal("the tree is deeper than its bound")
		}
	}
}

func TestMarkdownKeepsTextFromBecomingMarkup(t *testing.T) {
	t.Parallel()
	v := NewEvent(decoded(t, `{"exception":{"values":[{"type":"Err*or*","value":"a `+"```"+` fence","stacktrace":{"frames":[
		{"function":"lib","filename":"lib.py","in_app":false},{"function":"pay","filename":"pay.py","lineno":3,"in_app":true}]}}]},"tags":{"k":"`+"`tick`"+`"}}`), options(StackLook{}))
	got := Markdown(MarkdownFacts{Type: "Err*or*", Value: "[link](x)", ShortID: "SHOP-1", Link: "https://x/y", Project: "Shop", Events: 2, Users: 1}, v)
	for _, want := range []string{`## Err\*or\*: \[link\](x)`, "- **Issue:** [SHOP-1](https://x/y) in Shop", "````\na ``` fence\n````", "at pay (pay.py:3)",
		"(1 frame of libraries left out)", "- `k` `` `tick` ``"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}
