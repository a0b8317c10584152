package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// receiver is a webhook endpoint of a customer's.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if req.Header.Get("Sentry-Hook-Signature") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

func (r *receiver) last() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies[len(r.bodies)-1]
}

// alertTo makes the project's alert rule: new issues and regressions go to url.
func (in *instance) alertTo(t *testing.T, url string) {
	t.Helper()
	rule := fmt.Sprintf(`{"name":"to the pager","enabled":true,"match":"any","filterMatch":"all","filters":[],"frequencyMinutes":0,`+
		`"conditions":[{"kind":"new"},{"kind":"regressed"}],`+
		`"actions":[{"channel":"webhook","url":%q,"secret":"s3cret-s3cret-s3cret"}]}`, url)
	status, body, err := fetch(t.Context(), http.MethodPut,
		in.URL+"/api/v1/projects/"+in.Organization+"/"+in.Project+"/alert-rules/", in.AuthToken, []byte(rule), "Content-Type", "application/json")
	if err != nil || status/100 != 2 {
		t.Fatalf("make the rule: %d %s %v", status, body, err)
	}
}
