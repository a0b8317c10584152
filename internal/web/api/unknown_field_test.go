package api_test

import (
	"regexp"
	"strings"
	"testing"
)

// noDocument are the writes that read no JSON document, and those whose clients add members to theirs
// with each release, which name pieces of uploads.
var noDocument = regexp.MustCompile(`/(cancel|rotate|redeliver|acknowledge|teams/\{team\}|reset|resume|hashes|slack/\{id\})/$|` + // no document: the path says it all
	`/chunk-upload/$|/files/$|/files/dsyms/|` + // a form with files
	`assemble/$`) // pieces of uploads

// TestWritesRefuseUnknownMembers sends every write a member that nobody knows: it must be named in a
// 400, and change nothing.
func TestWritesRefuseUnknownMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := newMatrix(t, w)
	for _, r := range w.service.Patterns() {
		method, route, _ := strings.Cut(r, " ")
		if method != "PUT" && method != "POST" || noDocument.MatchString(route) && !strings.HasSuffix(route, "/deliveries/redeliver/") {
			continue
		}
		document := `{"not_a_member":1}`
		if strings.HasSuffix(route, "/quotas/") {
			document = "[" + document + "]"
		}
		a := m.call(method, fillPath(t, route, m.own), document)
		if a.status != 400 || !strings.Contains(string(a.body), "not_a_member") {
			t.Errorf("%s: want 400 that names the member, got %d: %.200s", r, a.status, a.body)
		}
	}
}
