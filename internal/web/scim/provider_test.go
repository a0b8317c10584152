package scim_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/testkit/replay"
)

// TestProvidersKeepMembersAndTeams replays what the provisioning of Okta and of Microsoft Entra sends.
func TestProvidersKeepMembersAndTeams(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"okta", "entra"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			n := replay.Run(t, "testdata/"+provider+".txt", map[string]string{}, func(method, path, body string) (int, []byte) {
				r := httptest.NewRequest(method, "/scim/v2/default/"+path, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+w.token)
				r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
				rec := httptest.NewRecorder()
				w.h.ServeHTTP(rec, r)
				if kind := rec.Header().Get("Content-Type"); rec.Body.Len() > 0 && kind != "application/scim+json" {
					t.Errorf("%s %s is of type %q", method, path, kind)
				}
				return rec.Code, rec.Body.Bytes()
			})
			t.Logf("%s: %d requests", provider, n)
		})
	}
}
