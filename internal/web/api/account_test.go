package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
)

const members, teams = org + "members/", "/api/0/teams/default/"

// as makes a member of a role with a token that may do all the role may, and returns both.
func (w *world) as(email string, role account.Role) (user int64, bearer string) {
	w.t.Helper()
	u, err := w.st.CreateUser(w.t.Context(), email, "", "correct horse")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.st.SetMembership(w.t.Context(), 1, u.ID, role); err != nil {
		w.t.Fatal(err)
	}
	_, secret, err := w.st.CreateToken(w.t.Context(), account.Token{Organization: 1, User: u.ID, Scopes: role.Scopes()})
	if err != nil {
		w.t.Fatal(err)
	}
	return u.ID, "Bearer " + secret
}

// wantAs is want for another caller.
func (w *world) wantAs(bearer string, status int, method, path string, body ...string) answer {
	w.t.Helper()
	a := w.callAs(bearer, method, path, body...)
	if a.status != status {
		w.t.Errorf("%s %s: want %d, got %d: %.300s", method, path, status, a.status, a.body)
	}
	return a
}

func TestTeamsGiveAccessToProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 1)
	w.want(201, "POST", org+"teams/", `{"name":"Back End"}`)
	w.want(409, "POST", org+"teams/", `{"slug":"back-end"}`)
	w.want(400, "POST", org+"teams/", `{}`)
	w.want(400, "POST", org+"teams/", `{"slug":"12"}`)
	w.want(400, "POST", org+"teams/", `{"slug":"x","owner":true}`)
	w.want(201, "POST", teams+"back-end/projects/", `{"name":"Ledger","platform":"go"}`)
	w.want(409, "POST", teams+"back-end/projects/", `{"name":"Ledger"}`)
	user, bearer := w.as("ann@example.org", account.RoleMember)
	w.wantAs(bearer, 200, "GET", proj)
	w.want(200, "PUT", org, `{"openMembership":false}`)
	w.wantAs(bearer, 404, "GET", proj)
	w.wantAs(bearer, 404, "GET", org+"issues/SHOP-1/")
	if a := w.wantAs(bearer, 200, "GET", org+"issues/?query="); string(a.body) != "[]" {
		t.Errorf("issues out of reach are listed: %s", a.body)
	}
	if a := w.wantAs(bearer, 200, "GET", org+"projects/"); string(a.body) != "[]" {
		t.Errorf("projects out of reach are listed: %s", a.body)
	}
	member := fmt.Sprintf("%s%d/", members, user)
	w.want(201, "POST", member+"teams/back-end/")
	w.want(204, "POST", member+"teams/back-end/")
	w.wantAs(bearer, 404, "GET", proj)
	w.wantAs(bearer, 200, "GET", "/api/0/projects/default/ledger/")
	w.want(201, "POST", proj+"teams/back-end/")
	w.wantAs(bearer, 200, "GET", proj)
	w.wantAs(bearer, 200, "GET", org+"issues/SHOP-1/")
	w.wantAs(bearer, 403, "POST", proj+"teams/back-end/")
	for _, path := range []string{proj + "teams/", proj + "members/", teams + "back-end/", teams + "back-end/members/", teams + "back-end/projects/", org + "teams/", org + "user-teams/", org + "users/", org + "project-keys/"} {
		w.want(200, "GET", path)
	}
	w.want(200, "PUT", member+"teams/back-end/", `{"teamRole":"admin"}`)
	w.wantAs(bearer, 403, "DELETE", members+"me/teams/back-end/") // closed: nobody leaves or joins by themselves
	w.want(200, "DELETE", member+"teams/back-end/")
	w.wantAs(bearer, 404, "GET", proj)
	w.want(200, "DELETE", proj+"teams/back-end/")
	w.want(200, "PUT", teams+"back-end/", `{"name":"Core","slug":"core"}`)
	w.want(204, "DELETE", teams+"core/")
	w.want(404, "GET", teams+"core/")
}

func TestRolesCannotBeRaisedAboveOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, _ := w.st.UserByEmail(t.Context(), "owner@example.org")
	owner := fmt.Sprintf("%s%d/", members, u.ID)
	_, member := w.as("member@example.org", account.RoleMember)
	managerID, manager := w.as("manager@example.org", account.RoleManager)
	w.wantAs(member, 403, "POST", members, `{"email":"x@example.org","orgRole":"admin"}`)
	w.wantAs(manager, 403, "POST", members, `{"email":"x@example.org","orgRole":"owner"}`)
	w.wantAs(manager, 403, "PUT", fmt.Sprintf("%s%d/", members, managerID), `{"orgRole":"owner"}`)
	w.wantAs(manager, 403, "PUT", owner, `{"orgRole":"member"}`)
	w.wantAs(manager, 403, "DELETE", owner)
	w.wantAs(member, 403, "PUT", owner, `{"orgRole":"member"}`)
	w.want(409, "PUT", owner, `{"orgRole":"member"}`) // the last one
	w.want(409, "DELETE", owner)
	w.want(200, "PUT", fmt.Sprintf("%s%d/", members, managerID), `{"orgRole":"owner"}`)
	w.want(204, "DELETE", owner)
	w.want(401, "GET", org) // and the tokens of who left end with it
}

func TestAnInviteGrantsNothingBeforeItIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(400, "POST", members, `{"email":"nobody"}`)
	w.want(400, "POST", members, `{"email":"a@example.org","orgRole":"king"}`)
	w.want(400, "POST", members, `{"email":"a@example.org","teams":["absent"]}`)
	w.want(409, "POST", members, `{"email":"OWNER@example.org"}`)
	w.want(201, "POST", org+"teams/", `{"slug":"core"}`)
	var made struct {
		ID, InviteLink string
		Link           string `json:"invite_link"`
		Pending        bool
	}
	w.want(201, "POST", members, `{"email":"ann@example.org","orgRole":"admin","teamRoles":[{"teamSlug":"core"}]}`).json(t, &made)
	secret, found := strings.CutPrefix(made.Link, baseURL+"/invite/")
	if !found || !made.Pending || len(secret) < 40 {
		t.Fatalf("made %+v", made)
	}
	var again struct {
		Link string `json:"invite_link"`
	}
	w.want(200, "GET", members+made.ID+"/").json(t, &again)
	if again.Link != "" {
		t.Error("the link is told twice")
	}
	if n := w.scalar("select count(*) from invites where token_hash = sha256($1::bytea)", []byte(secret)); n != 1 {
		t.Error("the link is not stored as its hash")
	}
	w.want(200, "PUT", members+made.ID+"/", `{"reinvite":true}`).json(t, &again)
	fresh := strings.TrimPrefix(again.Link, baseURL+"/invite/")
	hash, err := account.HashPassword(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.st.AcceptInvite(t.Context(), secret, 0, "", hash); err == nil {
		t.Error("the old link still works")
	}
	u, _, err := w.st.AcceptInvite(t.Context(), fresh, 0, "Ann", hash)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.st.AcceptInvite(t.Context(), fresh, 0, "Ann", hash); err == nil {
		t.Error("a link works twice")
	}
	m, err := w.st.Member(t.Context(), 1, u.ID)
	if err != nil || m.Role != account.RoleAdmin || len(m.Teams) != 1 || m.Teams[0].Slug != "core" {
		t.Errorf("member %+v, %v", m, err)
	}
}

func TestTokensAreToldOnceAndGiveNoMoreThanTheirMakerHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 1)
	w.want(201, "POST", org+"projects/", `{"name":"Other"}`)
	var made struct{ ID, Token string }
	w.want(201, "POST", "/api/0/api-tokens/", `{"name":"mine","scopes":["event:read"]}`).json(t, &made)
	if !strings.HasPrefix(made.Token, "sntryu_") {
		t.Errorf("token %q", made.Token)
	}
	w.wantAs("Bearer "+made.Token, 200, "GET", org+"issues/")
	if list := w.want(200, "GET", "/api/0/api-tokens/"); strings.Contains(string(list.body), made.Token) {
		t.Error("a list tells a secret")
	}
	_, member := w.as("member@example.org", account.RoleMember)
	w.wantAs(member, 400, "POST", "/api/0/api-tokens/", `{"name":"more","scopes":["org:admin"]}`)
	w.wantAs(member, 400, "POST", "/api/0/api-tokens/", `{"name":"odd","scopes":["all"]}`)
	w.wantAs(member, 404, "DELETE", "/api/0/api-tokens/", `{"tokenId":"`+made.ID+`"}`) // somebody else's
	w.want(204, "DELETE", "/api/0/api-tokens/", `{"tokenId":`+made.ID+`}`)
	w.wantAs("Bearer "+made.Token, 401, "GET", org+"issues/")

	w.want(201, "POST", org+"org-auth-tokens/", `{"name":"build"}`).json(t, &made)
	parts := strings.Split(made.Token, "_")
	if len(parts) != 3 || parts[0] != "sntrys" || len(parts[2]) != 43 {
		t.Fatalf("token %q", made.Token)
	}
	w.wantAs("Bearer "+made.Token, 200, "GET", org+"releases/")
	w.wantAs("Bearer "+made.Token, 403, "GET", org+"issues/")
	w.wantAs("Bearer "+made.Token, 403, "POST", "/api/0/api-tokens/", `{"scopes":["org:ci"]}`)
	w.want(200, "GET", org+"org-auth-tokens/"+made.ID+"/")
	w.want(204, "PUT", org+"org-auth-tokens/"+made.ID+"/", `{"name":"renamed"}`)
	w.want(204, "DELETE", org+"org-auth-tokens/"+made.ID+"/")
	w.wantAs("Bearer "+made.Token, 401, "GET", org+"releases/")

	w.want(201, "POST", "/api/v1/organizations/default/tokens/", `{"name":"shop only","scopes":["event:read","project:read"],"projects":["shop"]}`).json(t, &made)
	scoped := "Bearer " + made.Token
	w.wantAs(scoped, 200, "GET", proj)
	w.wantAs(scoped, 200, "GET", org+"issues/SHOP-1/")
	w.wantAs(scoped, 404, "GET", "/api/0/projects/default/other/")
	w.want(400, "POST", "/api/v1/organizations/default/tokens/", `{"name":"x","scopes":["event:read"],"projects":["absent"]}`)
	w.want(400, "POST", "/api/v1/organizations/default/tokens/", `{"name":"x","scopes":["event:read"],"expiresAt":"2020-01-01T00:00:00Z"}`)
}

func TestWhatIsChangedIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 1)
	w.want(201, "POST", org+"teams/", `{"slug":"core"}`)
	w.want(201, "POST", members, `{"email":"ann@example.org"}`)
	w.want(200, "PUT", org+"issues/SHOP-1/", `{"status":"resolved"}`)
	w.want(201, "POST", proj+"keys/", `{"name":"second"}`)
	w.want(201, "POST", "/api/0/api-tokens/", `{"name":"t","scopes":["event:read"]}`)
	w.want(400, "POST", org+"teams/", `{}`) // what fails is not written down
	var log struct {
		Rows []struct {
			Event, Target string
			Actor         struct{ Name string }
			Data          map[string]any
		}
		Options []string
	}
	a := w.want(200, "GET", org+"audit-logs/")
	a.json(t, &log)
	var events []string
	for _, r := range log.Rows {
		events = append(events, r.Event)
		if r.Actor.Name != "owner@example.org" {
			t.Errorf("%s was done by %q", r.Event, r.Actor.Name)
		}
	}
	if got, want := strings.Join(events, " "), "token.create key.create issue.edit member.invite team.create"; got != want {
		t.Errorf("\nwant %s\ngot  %s", want, got)
	}
	if len(log.Rows) > 2 && (log.Rows[2].Target != "SHOP-1" || log.Rows[2].Data["status"] != "resolved") {
		t.Errorf("resolving was written as %+v", log.Rows[2])
	}
	w.want(200, "GET", org+"audit-logs/?event=team.create&per_page=1")
	csv := w.want(200, "GET", "/api/v1/organizations/default/audit-log/export/?format=csv")
	if !strings.Contains(string(csv.body), "member.invite") || csv.header.Get("Content-Disposition") == "" {
		t.Errorf("export: %s", csv.body)
	}
	verify := func() (v struct {
		Entries  int
		Intact   bool
		BrokenAt *int64
	}) {
		w.want(200, "GET", "/api/v1/organizations/default/audit-log/verify/").json(t, &v)
		return v
	}
	if v := verify(); !v.Intact || v.Entries != 5 {
		t.Errorf("verify: %+v", v)
	}
	// Even who may write the table cannot do so by accident, and it shows when they do on purpose.
	w.exec("alter table audit_log disable trigger audit_log_is_append_only")
	w.exec("update audit_log set actor = 'somebody@example.org' where seq = 3")
	if v := verify(); v.Intact || v.BrokenAt == nil || *v.BrokenAt != 3 {
		t.Errorf("a changed line: %+v", v)
	}
	w.exec("update audit_log set actor = 'owner@example.org' where seq = 3")
	w.exec("delete from audit_log where seq = 5")
	if v := verify(); v.Intact || v.BrokenAt == nil || *v.BrokenAt != 5 {
		t.Errorf("a line that was cut off: %+v", v)
	}
}

func TestProjectsAreMadeMovedAndRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", org+"projects/", `{"name":"Shop Two","slug":"shop-two","platform":"python"}`)
	w.want(400, "POST", org+"projects/", `{"name":""}`)
	w.want(400, "POST", org+"projects/", `{"name":"x","retention":3}`)
	w.want(201, "POST", "/api/0/organizations/", `{"name":"Second","slug":"second"}`)
	w.want(400, "POST", "/api/v1/projects/default/shop-two/transfer/", `{"organization":"absent"}`)
	w.want(200, "POST", "/api/v1/projects/default/shop-two/transfer/", `{"organization":"second"}`)
	w.want(404, "GET", "/api/0/projects/default/shop-two/")
	w.want(404, "GET", "/api/0/projects/second/shop-two/") // the token speaks for the first organization alone
	w.want(204, "DELETE", proj)
	w.want(404, "GET", proj)
	w.want(201, "POST", org+"projects/", `{"name":"Shop","slug":"shop"}`)
	w.want(201, "POST", "/api/v1/organizations/default/users/", `{"email":"bo@example.org","password":"correct horse","role":"viewer"}`)
	w.want(409, "POST", "/api/v1/organizations/default/users/", `{"email":"BO@example.org","password":"correct horse"}`)
	w.want(400, "POST", "/api/v1/organizations/default/users/", `{"email":"c@example.org","password":"short"}`)
	if _, err := w.st.SignIn(t.Context(), "bo@example.org", "correct horse"); err != nil {
		t.Error(err)
	}
}

// BenchmarkAuthenticate is the cost of a token that was verified before, of a thousand.
func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b)
	u, err := w.st.UserByEmail(b.Context(), "owner@example.org")
	if err != nil {
		b.Fatal(err)
	}
	var bearers []string
	soon := time.Now().Add(time.Hour)
	for range 1000 {
		_, secret, err := w.st.CreateToken(b.Context(), account.Token{Organization: 1, User: u.ID, Scopes: account.NewScopes(account.OrgRead), ExpiresAt: &soon})
		if err != nil {
			b.Fatal(err)
		}
		bearers = append(bearers, "Bearer "+secret)
	}
	n := 0
	for b.Loop() {
		var index map[string]json.RawMessage
		a := w.callAs(bearers[n%len(bearers)], "GET", "/api/0/")
		if json.Unmarshal(a.body, &index); a.status != 200 {
			b.Fatalf("%d %s", a.status, a.body)
		}
		n++
	}
}
