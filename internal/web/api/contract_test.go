package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tocsin-dev/tocsin/internal/web/api"
)

var contract = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../../api/openapi.yaml")
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

// checkContract holds one answer to what api/openapi.yaml says of its route.
func checkContract(t testing.TB, s *api.Service, r *http.Request, a answer) {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatalf("api/openapi.yaml: %v", err)
	}
	download := strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment")
	if got := a.header.Get("Content-Type"); a.status != http.StatusNoContent && !download && got != "application/json" {
		t.Errorf("%s %s: content type %q", r.Method, r.URL, got)
	}
	pattern := s.Pattern(r)
	var op *openapi3.Operation
	if _, path, found := strings.Cut(pattern, " "); found {
		item := doc.Paths.Find(path)
		if item == nil {
			t.Fatalf("%s is not described", pattern)
		}
		op = item.GetOperation(r.Method)
	}
	if op == nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s %s has no route and answers %d", r.Method, r.URL, a.status)
		}
		return
	}
	if a.header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("%s: cache control %q", pattern, a.header.Get("Cache-Control"))
	}
	response := op.Responses.Value(strconv.Itoa(a.status))
	if response == nil {
		if a.status < 400 {
			t.Errorf("%s answers %d, which is not described", pattern, a.status)
			return
		}
		response = op.Responses.Default()
	}
	if download {
		if response.Value.Content.Get("application/octet-stream") == nil {
			t.Errorf("%s sends a file, which is not described", pattern)
		}
		return
	}
	media := response.Value.Content.Get("application/json")
	if media == nil {
		if len(a.body) > 0 {
			t.Errorf("%s answers %d with a body", pattern, a.status)
		}
		return
	}
	var value any
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("%s: %v in %s", pattern, err, a.body)
	}
	if err := media.Schema.Value.VisitJSON(value); err != nil {
		t.Errorf("%s answers %d with what is not described: %v", pattern, a.status, err)
	}
	if response.Value.Headers["Link"] != nil && a.status == http.StatusOK && !strings.Contains(a.header.Get("Link"), `rel="next"; results="`) && a.header.Get("X-Sentry-Direct-Hit") == "" {
		t.Errorf("%s: Link %q", pattern, a.header.Get("Link"))
	}
}

func TestRoutesAndDescriptionAgree(t *testing.T) {
	t.Parallel()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(described)
	routes := api.New(api.Options{}).Patterns()
	slices.Sort(routes)
	if !slices.Equal(described, routes) {
		for _, r := range routes {
			if !slices.Contains(described, r) {
				t.Errorf("%s is not in api/openapi.yaml", r)
			}
		}
		for _, d := range described {
			if !slices.Contains(routes, d) {
				t.Errorf("%s is described but not answered", d)
			}
		}
	}
}
