package ui_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

func TestThePageShowsFilesAndWhatUsersWrote(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.report(boom, time.Now())
	s.settle()
	b := s.signedIn()
	if page := b.page("/o/default/issues/DEFAULT-1"); strings.Contains(page, `id="attachments"`) || strings.Contains(page, `id="feedback"`) {
		t.Error("the page has sections with nothing in them")
	}
	project := s.made.ProjectID
	beside := []postgres.Companion{
		{Attachment: &event.Attachment{ID: 1, Name: "<b>screen</b>.png", ContentType: "image/png", Type: event.DefaultAttachment, Size: 1234, SHA1: make([]byte, 20)}},
		{Attachment: &event.Attachment{ID: 2, Name: "evil.svg", ContentType: "image/svg+xml", Type: event.DefaultAttachment, Size: 7, SHA1: make([]byte, 20)}},
		{Feedback: &event.Feedback{Kind: event.UserReport, About: id, Name: "Ann", Message: "it <i>broke</i>"}},
	}
	for i := range beside {
		beside[i].Project, beside[i].Event, beside[i].ReceivedAt = project, id, time.Now()
	}
	if err := s.store.RecordCompanions(t.Context(), beside); err != nil {
		t.Fatal(err)
	}
	page := b.page("/o/default/issues/DEFAULT-1")
	for _, want := range []string{"&lt;b&gt;screen&lt;/b&gt;.png", "1.2 KiB", "evil.svg", "it &lt;i&gt;broke&lt;/i&gt;", "Ann", "/attachments/2/?download=1", `<img src="/api/0/projects/default/`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(page, "<img ") != 1 {
		t.Error("a file that is no safe picture is shown")
	}
}
