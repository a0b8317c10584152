package scim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/callers"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/scim"
)

// TestTheAccessMatrixOfProvisioning calls every route of the router as nobody, with tokens that are no
// longer good, as a stranger, as a build machine, as an identity provider and in every role, and with the
// names of another organization's things, which read as what is not there.
func TestTheAccessMatrixOfProvisioning(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	st := pgtest.Open(t, url)
	if _, err := st.Bootstrap(t.Context(), postgres.BootstrapInput{Organization: "default", Project: "shop", Email: "owner@example.org", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	service := api.New(api.Options{Store: st, BaseURL: "https://errors.example.org"})
	h := scim.New(scim.Options{Store: st, BaseURL: "https://errors.example.org", Authenticate: service.Authenticate, Trail: service.Trail()})
	table := accessTable(t, scim.Patterns())

	who := callers.New(t, st, url)
	nobody, stranger := who.Nobody(), who.Stranger()
	bearers := map[account.Role]string{"": who.Build()}
	for _, role := range account.Roles {
		_, bearers[role] = who.Member("a-"+string(role)+"@example.org", role)
	}
	_, provider, err := st.StoreToken(t.Context(), account.Token{Organization: 1, Kind: account.TokenSCIM, Name: "idp", Scopes: account.NewScopes(account.MemberAdmin, account.TeamAdmin)}, account.NewUserToken())
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	call := func(token, method, path string) (int, string) {
		calls++
		r := httptest.NewRequest(method, path, strings.NewReader(`{}`))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	path := func(route, org, id string) string {
		return strings.NewReplacer("{org}", org, "{id}", id).Replace(route)
	}
	them, err := st.UserByEmail(t.Context(), "them@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for pattern, least := range table {
		method, route, _ := strings.Cut(pattern, " ")
		for name, token := range nobody {
			if status, body := call(token, method, path(route, "default", "1")); status != http.StatusUnauthorized {
				t.Errorf("%s with %s: want 401, got %d: %.200s", pattern, name, status, body)
			}
		}
		status, body := call(stranger, method, path(route, "default", "1"))
		if absent, words := call(stranger, method, path(route, "absent", "999")); status != 404 || absent != 404 || body != words {
			t.Errorf("%s as the owner of another organization: want 404 whatever it names, got %d %.200s and %d %.200s", pattern, status, body, absent, words)
		}
		for role, token := range bearers {
			may := role != "" && role.AtLeast(least)
			if status, body := call(token, method, path(route, "default", "999")); may == (status == 403) || status == 401 {
				t.Errorf("%s as %q: got %d: %.200s", pattern, role, status, body)
			}
		}
		if !strings.Contains(route, "{id}") {
			if status, body := call(provider, method, path(route, "default", "")); status >= 401 {
				t.Errorf("%s as an identity provider: %d %.200s", pattern, status, body)
			}
			continue
		}
		status, body = call(provider, method, path(route, "default", fmt.Sprint(them.ID)))
		if absent, words := call(provider, method, path(route, "default", "999")); status != absent || body != words || method != "PATCH" && method != "PUT" && status != 404 {
			t.Errorf("%s of somebody elsewhere: %d %.200s, and of nobody %d %.200s", pattern, status, body, absent, words)
		}
	}
	t.Logf("%d routes, %d roles, %d tokens that are no good, %d calls", len(table), len(account.Roles), len(nobody), calls)
}

// accessTable reads testdata/access.txt and holds the router's routes to it.
func accessTable(t *testing.T, routes []string) map[string]account.Role {
	t.Helper()
	raw, err := os.ReadFile("testdata/access.txt")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]account.Role{}
	for _, line := range strings.Split(string(raw), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && account.Role(fields[0]).Valid() {
			table[fields[1]+" "+fields[2]] = account.Role(fields[0])
		}
	}
	for _, r := range routes {
		if table[r] == "" {
			t.Errorf("%s is missing from testdata/access.txt", r)
		}
	}
	for r := range table {
		if !slices.Contains(routes, r) {
			t.Errorf("testdata/access.txt lists %s, which the router does not have", r)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return table
}
