package event_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
)

func TestUserReportsAreReadFieldByField(t *testing.T) {
	t.Parallel()
	about := event.ID{1}
	for payload, want := range map[string]*event.Feedback{
		`{"name":" Ann ","email":"a@x","comments":"it broke"}`: {Kind: event.UserReport, About: about, Name: "Ann", Email: "a@x", Message: "it broke"},
		`{"name":{"a":1},"email":7,"comments":"x"}`:            {Kind: event.UserReport, About: about, Email: "7", Message: "x"},
		`{"name":"Ann","comments":" "}`:                        nil,
		`{"comments":null}`:                                    nil,
		`[]`:                                                   nil,
		`{"comments":`:                                         nil,
	} {
		got, ok := event.DecodeUserReport([]byte(payload), about)
		if ok != (want != nil) {
			t.Errorf("%s: got %+v, %t", payload, got, ok)
		} else if diff := cmp.Diff(want, &got); ok && diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
	long, _ := event.DecodeUserReport([]byte(`{"name":"`+strings.Repeat("ä", 200)+`","comments":"`+strings.Repeat("é", 5000)+`"}`), about)
	if n, m := len([]rune(long.Name)), len([]rune(long.Message)); n != 128 || m != 4096 {
		t.Errorf("want 128 and 4096 characters, got %d and %d", n, m)
	}
}

func TestFeedbackEventsSayWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	ev, err := event.Decode([]byte(`{"type":"feedback","contexts":{"feedback":{"message":"slow","contact_email":"a@x","name":"Ann","url":"https://x/","source":"widget",
		"associated_event_id":"9ec79c33ec9942ab8353589fcb2e04dc","replay_id":[]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	about, _ := event.ParseID("9ec79c33ec9942ab8353589fcb2e04dc")
	want := event.Feedback{Kind: event.UserFeedback, About: about, Name: "Ann", Email: "a@x", Message: "slow", URL: "https://x/", Source: "widget"}
	got, ok := ev.Feedback()
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("%t (-want +got):\n%s", ok, diff)
	}
	if got, ok := new(event.Event).Feedback(); ok {
		t.Errorf("want none, got %+v", got)
	}
}

// FuzzDecodeUserReport: whatever is read is within its bounds.
func FuzzDecodeUserReport(f *testing.F) {
	f.Add([]byte(`{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","name":"a","email":"b","comments":"c"}`))
	f.Add([]byte(`{"name":1e9,"comments":["x"]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, ok := event.DecodeUserReport(payload, event.ID{})
		if ok != (got.Message != "") || len([]rune(got.Name)) > 128 || len([]rune(got.Email)) > 75 || len([]rune(got.Message)) > 4096 {
			t.Errorf("%t %+v", ok, got)
		}
	})
}
