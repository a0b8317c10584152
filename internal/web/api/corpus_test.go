package api_test

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// notKept are recorded requests about what Tocsin does not store: a client is told so by 404.
var notKept = map[string]bool{"GET /api/0/users/me/regions/": true}

// TestRecordedCommandLinesAreAnswered replays what both majors of sentry-cli asked of a server, in
// order: each is answered, and in the shape that api/openapi.yaml describes.
func TestRecordedCommandLinesAreAnswered(t *testing.T) {
	t.Parallel()
	answered := map[string]int{}
	for _, client := range []string{"sentry-cli-2.58", "sentry-cli-3.8"} {
		w := newWorld(t) // which both find as they expect it
		w.record(1, "boom", 1)
		w.exec("update organizations set slug = 'demo'")
		w.want(201, "POST", "/api/0/organizations/demo/repos/", `{"name":"acme/shop","provider":"dummy"}`)
		for _, r := range sdk.Requests(t, sdk.KindAPI) {
			if !strings.HasPrefix(r.File, client+"/") {
				continue
			}
			req := httptest.NewRequest(r.Method, r.Target, bytes.NewReader(r.Body))
			for name, values := range r.Header {
				if name != "Content-Length" && name != "Transfer-Encoding" {
					req.Header[name] = values
				}
			}
			req.Header.Set("Authorization", "Bearer "+w.token)
			a := w.answer(req)
			route := r.Method + " " + req.URL.Path
			switch missing := notKept[route]; {
			case missing && a.status != 404, !missing && a.status >= 400:
				t.Errorf("%s: %s answers %d: %.300s", r.File, r.Target, a.status, a.body)
			default:
				answered[client]++
			}
		}
	}
	t.Logf("answered %v", answered)
	if answered["sentry-cli-2.58"] < 50 || answered["sentry-cli-3.8"] < 50 {
		t.Errorf("too few requests were recorded: %v", answered)
	}
}
