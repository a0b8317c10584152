package symbol

import (
	"encoding/json"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/sourcemap"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// recordedFrames is where the frames of a recorded event come from, by Mozilla's library and the
// TypeScript parser.
type recordedFrames struct {
	File    string
	EventID string `json:"event_id"`
	Frames  []struct {
		Exception, Frame int
		Source           string
		Line, Column     int
		Function, Text   string
	}
}

// recordedEvent is the event that a browser sent.
func recordedEvent(t *testing.T, r sdk.Request) *event.Event {
	t.Helper()
	payload := r.Body
	if r.Kind == sdk.KindEnvelope {
		env, err := envelope.Parse(r.Body)
		if err != nil {
			t.Fatalf("%s: %v", r.File, err)
		}
		for _, it := range env.Items {
			if it.Type == "event" {
				payload = it.Payload
			}
		}
	}
	ev, err := event.Decode(payload)
	if err != nil {
		t.Fatalf("%s: %v", r.File, err)
	}
	ev.Project = 1
	raw := event.Raw{Project: 1, ReceivedAt: time.Now()}
	ev.Normalize(raw.Delivery(90 * 24 * time.Hour))
	return ev
}

// TestEveryRecordedBrowserFrameIsResolved resolves what six majors of the browser SDK sent with the
// map of their page, and wants the file, the line, the column, the function and the text of each
// frame.
func TestEveryRecordedBrowserFrameIsResolved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	w.uploadFor("shop@2.4.1", "web-87", "assets/app.min.js", read("../sourcemap/testdata/app.min.js"), read("../sourcemap/testdata/app.min.js.map"))
	s := New(w.store, w.files, Config{})
	var want []recordedFrames
	if err := json.Unmarshal(read("testdata/browser-frames.json"), &want); err != nil {
		t.Fatal(err)
	}
	requests := make(map[string]sdk.Request)
	for _, r := range sdk.Requests(t) {
		requests[r.File] = r
	}
	frames := 0
	for _, e := range want {
		ev := recordedEvent(t, requests[e.File])
		s.Apply(t.Context(), ev, Unknown)
		for _, f := range e.Frames {
			frames++
			got := ev.Exceptions[f.Exception].Stacktrace.Frames[f.Frame]
			if f.Function == "" {
				f.Function = sourcemap.Anonymous
			}
			text := ""
			if got.ContextLine != nil {
				text = strings.TrimSpace(*got.ContextLine)
			}
			if path.Base(got.Filename) != path.Base(f.Source) || got.Lineno != f.Line || got.Colno != f.Column || got.Function != f.Function || text != f.Text {
				t.Errorf("%s %s frame %d: want %+v, got %s:%d:%d %s %q", e.File, e.EventID, f.Frame, f, got.Filename, got.Lineno, got.Colno, got.Function, text)
			}
		}
	}
	t.Logf("%d frames of %d events", frames, len(want))
	if frames < 200 {
		t.Errorf("only %d frames", frames)
	}
}
