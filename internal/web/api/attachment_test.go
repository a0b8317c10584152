package api_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// attach stores a file of an event.
func (w *world) attach(project int64, e event.ID, n int64, name, contentType string, data []byte) {
	w.t.Helper()
	sum := sha1.Sum(data)
	a := &event.Attachment{ID: n, Name: name, ContentType: contentType, Type: event.DefaultAttachment, Size: int64(len(data)), SHA1: sum[:]}
	if len(data) > 0 {
		var err error
		if a.Blob, err = w.blobs.Put(w.t.Context(), project, noon, data); err != nil {
			w.t.Fatal(err)
		}
	}
	w.beside(postgres.Companion{Project: project, KeyID: 9, Event: e, ReceivedAt: noon, Attachment: a})
}

func (w *world) beside(c postgres.Companion) {
	w.t.Helper()
	if err := w.st.RecordCompanions(w.t.Context(), []postgres.Companion{c}); err != nil {
		w.t.Fatal(err)
	}
}

func TestFilesAreListedAndSentSafely(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 2)
	e := eventID("1boom", 1)
	gif, err := base64.StdEncoding.DecodeString("R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
	if err != nil {
		t.Fatal(err)
	}
	files := []struct {
		name, claimed, sent string
		data                []byte
	}{
		{"pixel.gif", "image/gif", "image/gif", gif},
		{"evil.html", "text/html", "application/octet-stream", []byte("<html><script>alert(1)</script>")},
		{"evil.svg", "image/svg+xml", "application/octet-stream", []byte("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")},
		{"lie.png", "image/png", "application/octet-stream", []byte("<html><script>alert(1)</script>")},
		{"empty", "", "application/octet-stream", nil},
		{"a\"b\r\nX: y\u00e4.txt", "text/plain", "application/octet-stream", bytes.Repeat([]byte("x"), 100000)},
	}
	base := proj + "events/" + e.String() + "/attachments/"
	for i, f := range files {
		w.attach(1, e, int64(i+1), f.name, f.claimed, f.data)
		w.want(200, "GET", fmt.Sprintf("%s%d/", base, i+1))
		a := w.call("GET", fmt.Sprintf("%s%d/?download=1", base, i+1))
		h := a.header
		if a.status != 200 || !bytes.Equal(a.body, f.data) || h.Get("Content-Type") != f.sent || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") ||
			h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") || strings.Contains(h.Get("Content-Disposition"), "\n") {
			t.Errorf("%s: %d, %d bytes, %v", f.name, a.status, len(a.body), h)
		}
	}
	for _, path := range []string{base, org + "issues/SHOP-1/attachments/"} {
		var list []struct{ Name, SHA1, Mimetype string }
		if err := json.Unmarshal(w.want(200, "GET", path).body, &list); err != nil || len(list) != len(files) {
			t.Errorf("%s: %v %+v", path, err, list)
		}
	}
	w.want(404, "GET", base+"99/")
	w.want(404, "GET", base+"x/")
	w.want(404, "GET", proj+"events/"+eventID("1boom", 7).String()+"/attachments/")

	alone := eventID("nothing", 1) // a file whose event never came
	w.attach(1, alone, 1, "a.txt", "", []byte("x"))
	w.want(200, "GET", proj+"events/"+alone.String()+"/attachments/")
	foreign := w.foreignOrganization()
	w.attach(foreign, eventID("secret", 1), 1, "a.txt", "", []byte("secret"))
	w.want(404, "GET", proj+"events/"+eventID("secret", 1).String()+"/attachments/1/")
}

func TestWhatUsersWroteIsShownWithTheirIssue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := eventID("1boom", 0)
	w.beside(postgres.Companion{Project: 1, Event: e, ReceivedAt: noon, Feedback: &event.Feedback{Kind: event.UserReport, About: e, Name: "Ann", Message: "broken"}})
	w.record(1, "boom", 1) // the report came first
	w.beside(postgres.Companion{Project: 1, Event: eventID("f", 0), ReceivedAt: noon, Feedback: &event.Feedback{Kind: event.UserFeedback, About: e, Email: "a@x.org", Message: "slow"}})
	w.beside(postgres.Companion{Project: 1, Event: eventID("f", 1), ReceivedAt: noon, Feedback: &event.Feedback{Kind: event.UserFeedback, Message: "nice"}})
	for path, want := range map[string]int{org + "issues/SHOP-1/user-reports/": 2, "/api/0/issues/SHOP-1/user-feedback/": 2, proj + "user-feedback/": 3} {
		var list []struct{ Comments string }
		if err := json.Unmarshal(w.want(200, "GET", path).body, &list); err != nil || len(list) != want {
			t.Errorf("%s: want %d, got %v %+v", path, want, err, list)
		}
	}
}
