package view

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// prepare decodes an event as the processor does and makes it ready to draw.
func prepare(t testing.TB, payload []byte) *Event {
	t.Helper()
	ev, err := event.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	ev.ID = event.ID{0xab, 0xcd}
	ev.Normalize(event.Delivery{ReceivedAt: noon, Retention: 90 * 24 * time.Hour})
	grouping.New(grouping.Newest(), grouping.Rules{}).Assign(ev)
	return NewEvent(ev, EventOptions{ReceivedAt: noon, TagHref: func(key, value string) string { return "/o/acme/issues?query=" + key }})
}

func eventPage(t testing.TB, v *Event) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Render(t.Context(), &b, EventDocument(Page{Now: noon}, v)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestEventShapes compares the drawn page of one event of each shape with the file beside it, one
// element per line.
func TestEventShapes(t *testing.T) {
	t.Parallel()
	shapes, err := filepath.Glob("testdata/*.json")
	if err != nil || len(shapes) < 5 {
		t.Fatalf("only %d shapes, %v", len(shapes), err)
	}
	for _, path := range shapes {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page := strings.ReplaceAll(string(eventPage(t, prepare(t, body))), "><", ">\n<") + "\n"
		golden.Check(t, strings.TrimSuffix(filepath.Base(path), ".json")+".html", []byte(page))
	}
}

func packed(t testing.TB, b []byte) int {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Len()
}

// large is an event with n frames that all differ, with source and variables.
func large(n int) []byte {
	var frames []string
	for i := range n {
		frames = append(frames, fmt.Sprintf(`{"function":"handle_%d","filename":"shop/module_%d.py","module":"shop.module_%d","lineno":%d,"in_app":%t,
			"pre_context":["def handle_%d(order):","    total = sum(line.price for line in order.lines)","    if total > limit_%d:"],
			"context_line":"        raise OrderError('order %d is too large')","post_context":["    return total","",""],
			"vars":{"order":"<Order %d>","total":%d,"lines":[{"sku":"A-%d","price":%d}],"customer":{"id":%d,"tier":"gold"}}}`,
			i, i%17, i%17, 10+i, i%3 != 0, i, i, i, i*31, i*97, i*7, i*3, i*13))
	}
	return []byte(`{"platform":"python","exception":{"values":[{"type":"OrderError","value":"too large","stacktrace":{"frames":[` + strings.Join(frames, ",") + `]}}]}}`)
}

func TestEventPagesStayInTheirBudget(t *testing.T) {
	t.Parallel()
	for n, limit := range map[int]int{100: 60 << 10, 250: 90 << 10} {
		v := prepare(t, large(n))
		if v.Exceptions[0].Stack.Frames != n {
			t.Fatalf("want %d frames, got %d", n, v.Exceptions[0].Stack.Frames)
		}
		page := eventPage(t, v)
		if got := packed(t, page); got > limit {
			t.Errorf("%d frames: %d bytes packed, at most %d", n, got, limit)
		} else {
			t.Logf("%d frames: %d bytes, %d packed", n, len(page), got)
		}
	}
}

func BenchmarkEventDocument(b *testing.B) {
	v := prepare(b, large(100))
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := Render(b.Context(), &buf, EventDocument(Page{Now: noon}, v)); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buf.Len()))
}
