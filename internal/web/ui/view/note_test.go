package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func TestWhatKeepsFramesUnreadableIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	ev := &event.Event{Errors: []event.ProcessingError{
		{Type: "native_missing_dsym", Name: "exception.values.0.stacktrace.frames.2", Value: event.Value(`{"image_path":"/opt/shop/till","command":"sentry-cli debug-files upload --id 1 ./build"}`)},
		{Type: "native_bad_dsym", Name: "frames.1", Value: event.Value(`{"image_path":"/opt/b","message":"no functions"}`)},
		{Type: "native_symbolicator_failed", Value: event.Value(`{"message":"it is away"}`)},
		{Type: "js_no_column", Name: "frames.3", Value: event.Value(`{"url":"a.js"}`)},
		{Type: "js_invalid_source", Name: "frames.4", Value: event.Value(`{"url":"b.js","reason":"unreadable_map","message":"no script has so many lines"}`)},
		{Type: "js_missing_source", Value: event.Value(`"https://shop.example/a.js"`)},
		{Type: "clock_drift"},
	}}
	want := []Note{
		{What: "the debug file is missing", Detail: "/opt/shop/till: sentry-cli debug-files upload --id 1 ./build"},
		{What: "the debug file is damaged", Detail: "/opt/b: no functions"},
		{What: "the symbolicator could not help", Detail: "it is away"},
		{What: "the browser gave no column", Detail: "a.js"},
		{What: "the source map cannot be read", Detail: "b.js: no script has so many lines"},
		{What: "no source map was uploaded for the file", Detail: "https://shop.example/a.js"},
	}
	if diff := cmp.Diff(want, unresolved(ev)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
