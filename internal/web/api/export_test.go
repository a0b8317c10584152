package api

import (
	"net/http"
	"strings"
)

// Patterns lists the routes as "METHOD path".
func (s *Service) Patterns() []string {
	var list []string
	for _, r := range s.routes() {
		list = append(list, r.method+" "+r.pattern)
	}
	return list
}

// Open reports whether a route answers without credentials.
func (s *Service) Open(pattern string) bool {
	for _, r := range s.routes() {
		if r.method+" "+r.pattern == pattern {
			return r.open
		}
	}
	return false
}

// Pattern is the route that answers r, as Patterns has it; empty for none.
func (s *Service) Pattern(r *http.Request) string {
	r = r.Clone(r.Context())
	if !strings.HasSuffix(r.URL.Path, "/") {
		r.URL.Path += "/"
	}
	_, pattern := s.mux.Handler(r)
	if !strings.Contains(pattern, " ") {
		return ""
	}
	return strings.TrimSuffix(pattern, "{$}")
}
