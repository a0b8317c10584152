package symbol

import (
	"encoding/json"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// AsCame is a copy of an event with the stack traces as they came, before any frame was resolved or found
// here.
func AsCame(ev *event.Event) *event.Event {
	out := *ev
	out.Exceptions = append([]event.Exception(nil), ev.Exceptions...)
	for i := range out.Exceptions {
		if x := &out.Exceptions[i]; x.RawStacktrace != nil && (resolvedIn(x.Stacktrace) > 0 || isWalked(x.Stacktrace)) {
			x.Stacktrace, x.RawStacktrace = x.RawStacktrace, nil
		}
	}
	out.Threads = append([]event.Thread(nil), ev.Threads...)
	for i := range out.Threads {
		if t := &out.Threads[i]; t.RawStacktrace != nil && (resolvedIn(t.Stacktrace) > 0 || isWalked(t.Stacktrace)) {
			t.Stacktrace, t.RawStacktrace = t.RawStacktrace, nil
		}
	}
	return &out
}

// ScriptImage is the debug_meta of an event that names the debug id of one script.
func ScriptImage(url, debugID string) event.Object {
	b, err := json.Marshal([]map[string]string{{"type": "sourcemap", "code_file": url, "debug_id": debugID}})
	if err != nil {
		return nil // not possible for texts
	}
	return event.Object{{Name: "images", Value: b}}
}
