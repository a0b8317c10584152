package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/scim"
)

type world struct {
	t     *testing.T
	st    *postgres.Store
	h     http.Handler
	token string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st := pgtest.New(t)
	if _, err := st.Bootstrap(t.Context(), postgres.BootstrapInput{Organization: "default", Project: "shop", Email: "owner@example.org", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	_, secret, err := st.StoreToken(t.Context(), account.Token{Organization: 1, Name: "idp", Kind: account.TokenSCIM, Scopes: account.NewScopes(account.MemberAdmin, account.TeamAdmin)}, account.NewUserToken())
	if err != nil {
		t.Fatal(err)
	}
	service := api.New(api.Options{Store: st, BaseURL: "https://errors.example.org"})
	return &world{t, st, scim.New(scim.Options{Store: st, BaseURL: "https://errors.example.org", Authenticate: service.Authenticate, Trail: service.Trail(), Changed: service.Forget}), secret}
}

func (w *world) want(status int, method, path, body string) map[string]any {
	w.t.Helper()
	r := httptest.NewRequest(method, "/scim/v2/default/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.token)
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	if rec.Code != status {
		w.t.Fatalf("%s %s: want %d, got %d: %s", method, path, status, rec.Code, rec.Body)
	}
	var m map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &m) // 204 has no body
	return m
}

func TestAProviderKeepsMembersAndTeams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"ServiceProviderConfig", "ResourceTypes", "Schemas", "Users", "Groups", "Users?startIndex=2&count=0"} {
		w.want(200, "GET", path, "")
	}
	ann := w.want(201, "POST", "Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@example.org","externalId":"e1","name":{"givenName":"Ann","familyName":"Lee"},"active":true}`)
	id := ann["id"].(string)
	if ann["displayName"] != "Ann Lee" || ann["active"] != true {
		t.Errorf("made %v", ann)
	}
	w.want(409, "POST", "Users", `{"userName":"ANN@example.org"}`)
	w.want(400, "POST", "Users", `{"userName":"ann"}`)
	for filter, n := range map[string]float64{`userName eq "Ann@Example.org"`: 1, `externalId eq "e1" and active eq true`: 1, `userName eq "nobody@example.org"`: 0, `userName co "example"`: 2, `emails[type eq "work"].value eq "ann@example.org"`: 1, `externalId pr`: 1} {
		if got := w.want(200, "GET", "Users?filter="+strings.NewReplacer(" ", "%20", `"`, "%22", "[", "%5B", "]", "%5D").Replace(filter), ""); got["totalResults"] != n {
			t.Errorf("%s finds %v", filter, got["totalResults"])
		}
	}
	w.want(400, "GET", "Users?filter=userName%20gt%20%22a%22", "")
	group := w.want(201, "POST", "Groups", `{"displayName":"Back End","externalId":"g1","members":[{"value":"`+id+`"}]}`)
	gid := group["id"].(string)
	w.want(400, "POST", "Groups", `{"displayName":"Other","members":[{"value":"77"}]}`)
	w.want(200, "PATCH", "Groups/"+gid, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members[value eq \"`+id+`\"]"}]}`)
	if got := w.want(200, "PATCH", "Groups/"+gid, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"members","value":[{"value":"`+id+`"}]},{"op":"replace","value":{"displayName":"Core"}}]}`); got["displayName"] != "Core" || len(got["members"].([]any)) != 1 {
		t.Errorf("group %v", got)
	}
	// Both spellings that providers use to switch somebody off.
	n, _ := json.Number(id).Int64()
	_, bearer, err := w.st.CreateToken(t.Context(), account.Token{Organization: 1, User: n, Scopes: account.NewScopes(account.EventRead)})
	if err != nil {
		t.Fatal(err)
	}
	off := w.want(200, "PATCH", "Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
	if off["active"] != false {
		t.Errorf("switched off: %v", off)
	}
	if _, err := w.st.TokenByHash(t.Context(), account.HashToken(bearer)); err == nil {
		t.Error("the token of somebody who was switched off works")
	}
	w.want(200, "PATCH", "Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":true}}]}`)
	w.want(200, "PUT", "Users/"+id, `{"userName":"ann.lee@example.org","displayName":"Ann L.","active":true}`)
	w.want(204, "DELETE", "Groups/"+gid, "")
	w.want(204, "DELETE", "Users/"+id, "")
	w.want(404, "GET", "Users/"+id, "")
	// The last owner stays, whatever the provider says.
	u, err := w.st.UserByEmail(t.Context(), "owner@example.org")
	if err != nil {
		t.Fatal(err)
	}
	w.want(409, "DELETE", fmt.Sprintf("Users/%d", u.ID), "")
}

// TestAProviderCannotTakeAnAccountOver: an address decides who can reset a password.
func TestAProviderCannotTakeAnAccountOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	victim, err := w.st.CreateUser(t.Context(), "victim@elsewhere.org", "Victim", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.st.CreateOrganization(t.Context(), "elsewhere", "Elsewhere", victim.ID); err != nil {
		t.Fatal(err)
	}
	made := w.want(201, "POST", "Users", `{"userName":"victim@elsewhere.org","displayName":"Changed"}`)
	path := fmt.Sprint("Users/", made["id"])
	w.want(403, "PUT", path, `{"userName":"attacker@example.org"}`)
	w.want(403, "PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"userName","value":"attacker@example.org"}]}`)
	if u, err := w.st.User(t.Context(), victim.ID); err != nil || u.Email != "victim@elsewhere.org" || u.Name != "Victim" {
		t.Errorf("the account is %+v, %v", u, err)
	}
	w.want(204, "DELETE", path, "")
	if p, err := w.st.Principal(t.Context(), victim.ID, "elsewhere"); err != nil || p.Role != account.RoleOwner {
		t.Errorf("elsewhere: %+v, %v", p, err)
	}
	// And only the organization of the token.
	r := httptest.NewRequest("GET", "/scim/v2/elsewhere/Users", nil)
	r.Header.Set("Authorization", "Bearer "+w.token)
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	if rec.Code != 404 {
		t.Errorf("another organization answers %d", rec.Code)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`userName eq "x"`, `active eq true and externalId pr`, `a`, ``} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if match, err := scim.ParseFilter(text); err == nil {
			match(map[string]string{"username": "x"})
		}
	})
}
