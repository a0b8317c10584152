package ingest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

func dialogPath(key, event string, more ...string) string {
	q := url.Values{"dsn": {"http://" + key + "@127.0.0.1/1"}, "eventId": {event}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/api/embed/error-page/?" + q.Encode()
}

func TestTheDialogAsksAboutAnEvent(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	got := g.do(call{method: http.MethodGet, auth: "-", path: dialogPath(key, id, "title", "</script><b>", "name", "Ann")})
	if got.status != 200 || got.header.Get("Content-Type") != scriptType || got.header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(got.body, `"name":"Ann"`) || strings.Contains(got.body, "</script>") || !strings.Contains(got.body, "What happened?") {
		t.Errorf("%d %v %.300s", got.status, got.header, got.body)
	}
	for name, path := range map[string]string{"no event": dialogPath(key, "nope"), "unknown key": dialogPath(strings.Repeat("e", 32), id), "nothing": "/api/embed/error-page/"} {
		if got := g.do(call{method: http.MethodGet, auth: "-", path: path}); got.status != 404 || got.body != noDialog {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func TestWhatTheDialogSaysBecomesAReport(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	head := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	post := func(path, body string) reply { return g.do(call{path: path, auth: "-", body: body, header: head}) }

	if got := post(dialogPath(key, id), form("name", "Ann", "email", "ann@example.com", "comments", "I clicked")); got.status != 200 || got.body != "{}" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	raw := g.companions(id, 1)[0]
	if raw.ItemType != event.ItemUserReport || raw.KeyID != 11 || string(raw.Payload) != `{"comments":"I clicked","email":"ann@example.com","name":"Ann"}` {
		t.Errorf("%s %s", raw.ItemType, raw.Payload)
	}
	got := post(dialogPath(key, id), form("email", "ann@", "comments", strings.Repeat("é", 4097)))
	for _, part := range []string{`"name":["This field is required."]`, `"email":["Enter a valid email address."]`, `"comments":["This is too long`} {
		if got.status != 400 || !strings.Contains(got.body, part) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	for name, tt := range map[string]struct {
		path   string
		status int
	}{"event": {dialogPath(key, "x"), 400}, "key": {dialogPath(strings.Repeat("e", 32), id), 403}, "no DSN": {"/api/embed/error-page/?eventId=" + id, 401}} {
		if got := post(tt.path, form("name", "a", "email", "a@b.c", "comments", "d")); got.status != tt.status {
			t.Errorf("%s: want %d, got %d %s", name, tt.status, got.status, got.body)
		}
	}
	if n := sumOf(g.s.counts(), outcome.Feedback, outcome.Invalid, "payload"); n != 2 {
		t.Errorf("want 2 reports counted as invalid, got %d", n)
	}
}
