package e2e

import (
	"encoding/json"
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

// workflowTo makes the same rule as alertTo in the newer shape, as clients do: a destination, the
// detector of the project's errors, and a workflow that is connected to it.
func (in *instance) workflowTo(t *testing.T, url string) {
	t.Helper()
	call := func(method, path, body string, into any) {
		t.Helper()
		status, answer, err := fetch(t.Context(), method, in.URL+path, in.AuthToken, []byte(body), "Content-Type", "application/json")
		if err == nil && status/100 == 2 {
			err = json.Unmarshal(answer, into)
		}
		if err != nil || status/100 != 2 {
			t.Fatalf("%s %s: %d %s %v", method, path, status, answer, err)
		}
	}
	var destination, made struct{ ID string }
	var detectors []struct{ ID string }
	call(http.MethodPost, "/api/v1/organizations/"+in.Organization+"/destinations/", fmt.Sprintf(`{"channel":"webhook","name":"Pager","settings":{"url":%q}}`, url), &destination)
	call(http.MethodGet, "/api/0/organizations/"+in.Organization+"/detectors/?query=type:error", "", &detectors)
	call(http.MethodPost, "/api/0/organizations/"+in.Organization+"/workflows/", fmt.Sprintf(`{"name":"to the pager","config":{"frequency":0},"detectorIds":[%q],
		"triggers":{"logicType":"any-short","conditions":[{"type":"first_seen_event","comparison":true,"conditionResult":true},{"type":"regression_event","comparison":true,"conditionResult":true}]},
		"actionFilters":[{"logicType":"all","conditions":[{"type":"level","comparison":{"match":"gte","level":30},"conditionResult":true}],
		"actions":[{"type":"webhook","config":{"targetIdentifier":%q},"data":{}}]}]}`, detectors[0].ID, destination.ID), &made)
}
