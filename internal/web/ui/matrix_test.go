package ui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const accessFile = "testdata/access.txt"

// readAccess reads testdata/access.txt: the least that each route of the pages asks for.
func readAccess(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(accessFile)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	for n, line := range strings.Split(string(raw), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) != 3 || fields[0] != "open" && fields[0] != "any" && fields[0] != "operator" && !account.Role(fields[0]).Valid() {
			t.Fatalf("%s:%d: %q", accessFile, n+1, line)
		}
		table[fields[1]+" "+fields[2]] = fields[0]
	}
	return table
}

var parameter = regexp.MustCompile(`\{\w+\}`)

// TestTheAccessMatrixOfPages asks every route of the router as nobody, as the owner of another
// organization, in every role, and with the names of another organization's things.
func TestTheAccessMatrixOfPages(t *testing.T) {
	t.Parallel()
	s, table := newSite(t), readAccess(t)
	routes := s.ui.Routes()
	for _, r := range routes {
		if table[r] == "" {
			t.Errorf("%s is missing from %s", r, accessFile)
		}
	}
	for r := range table {
		if !slices.Contains(routes, r) {
			t.Errorf("%s lists %s, which the router does not have", accessFile, r)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	id := s.report(boom, time.Now()).String()
	own := map[string]string{"{org}": "default", "{slug}": "default", "{project}": "default", "{version}": "shop@1.0", "{issue}": "DEFAULT-1", "{event}": id, "{team}": "core", "{rule}": "1", "{destination}": "1", "{pid}": "1", "{delivery}": "1", "{token}": "absent", "{key}": "tenant", "{view}": "1", "{attachment}": "1", "{n}": "0", "{hash}": "1", "{file}": "1", "{frame}": "0-0", "{group}": "1", "{letter}": "1", "{bundle}": "1"}
	foreign := s.foreign()
	if _, err := s.store.CreateTeam(t.Context(), 1, "core", "Core", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.PutRelease(t.Context(), 1, []int64{s.made.ProjectID}, own["{version}"], postgres.ReleaseChange{}, 0); err != nil {
		t.Fatal(err)
	}
	browsers := map[account.Role]*browser{}
	for _, role := range account.Roles {
		browsers[role] = s.member("a-"+string(role)+"@example.com", role)
	}
	stranger := s.browser()
	stranger.wantPost(http.StatusSeeOther, "/login", url.Values{"email": {"them@example.com"}, "password": {password}})
	fill := func(route string, names map[string]string) string {
		return parameter.ReplaceAllStringFunc(route, func(p string) string {
			if names[p] == "" {
				t.Errorf("%s: the matrix has no %s", route, p)
			}
			return names[p]
		})
	}
	ask := func(b *browser, method, path string) (int, string) {
		if method == http.MethodGet {
			res, body := b.get(path)
			return res.StatusCode, res.Header.Get("Location") + body
		}
		res, body := b.post(path, url.Values{"absent": {"1"}})
		return res.StatusCode, res.Header.Get("Location") + body
	}
	calls := 0
	for _, r := range routes {
		method, route, _ := strings.Cut(r, " ")
		least, path := table[r], fill(route, own)
		if least == "open" || strings.HasSuffix(route, "/live") { // which stays open as long as it is read
			continue
		}
		if status, text := ask(s.browser(), method, path); status != http.StatusSeeOther || !strings.HasPrefix(text, "/login") {
			t.Errorf("%s as nobody: want the sign-in form, got %d", r, status)
		}
		if inside := strings.HasPrefix(route, "/o/{org}"); inside {
			if status, _ := ask(stranger, method, path); status != http.StatusNotFound {
				t.Errorf("%s as the owner of another organization: want 404, got %d", r, status)
			}
			if status, _ := ask(browsers[account.RoleOwner], method, fill(route, map[string]string{"{org}": "other", "{project}": "vault", "{version}": "vault@1.0", "{issue}": "VAULT-1", "{event}": id, "{team}": "theirs", "{rule}": "1", "{destination}": "1", "{pid}": "1", "{delivery}": "1", "{key}": "tenant", "{view}": "1", "{attachment}": "1", "{n}": "0", "{hash}": "1", "{file}": "1", "{frame}": "0-0", "{group}": "1", "{letter}": "1", "{bundle}": "1"})); status != http.StatusNotFound {
				t.Errorf("%s of another organization: want 404, got %d", r, status)
			}
		}
		if things := parameter.FindAllString(strings.TrimPrefix(route, "/o/{org}"), -1); len(things) > 0 && method == http.MethodGet && strings.HasPrefix(route, "/o/") {
			if status, text := ask(browsers[account.RoleOwner], method, fill(route, foreign)); status != http.StatusNotFound && route != "/o/{org}/projects/{project}/alerts" { // which leads to the list of alerts
				t.Errorf("%s with another organization's things: want 404, got %d %.120s", r, status, text)
			}
		}
		calls += 4
		for role, b := range browsers {
			if least == "operator" && role == account.RoleOwner { // these pages need a broker
				continue
			}
			status, text := ask(b, method, path)
			calls++
			may := least == "any" || role.AtLeast(account.Role(least)) // nobody has the role "operator"
			if refused := status == http.StatusForbidden || least == "operator" && status == http.StatusNotFound; may == refused {
				t.Errorf("%s as %s: %s says %s, got %d: %.200s", r, role, accessFile, least, status, text)
			}
			if status >= 500 && !strings.Contains(route, "/passkeys/") { // which need a host with a name
				t.Errorf("%s as %s: %d", r, role, status)
			}
		}
	}
	t.Logf("%d routes, %d roles, %d calls", len(routes), len(account.Roles), calls)
}

// foreign makes the organization other of them@example.com with a project, a team and an issue, and
// returns their names under one's own organization.
func (s *site) foreign() map[string]string {
	s.t.Helper()
	ctx := s.t.Context()
	u, err := s.store.CreateUser(ctx, "them@example.com", "", password)
	if err != nil {
		s.t.Fatal(err)
	}
	o, err := s.store.CreateOrganization(ctx, "other", "Other", u.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := s.store.CreateProject(ctx, o.ID, "vault", "Vault", "")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.CreateTeam(ctx, o.ID, "theirs", "Theirs", ""); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.PutRelease(ctx, o.ID, []int64{p.ID}, "vault@1.0", postgres.ReleaseChange{}, 0); err != nil {
		s.t.Fatal(err)
	}
	mine := s.made.ProjectID
	s.made.ProjectID = p.ID
	event := s.report(`{"platform":"go","message":"theirs"}`, time.Now()).String()
	s.made.ProjectID = mine
	return map[string]string{"{org}": "default", "{project}": "vault", "{version}": "vault@1.0", "{issue}": "VAULT-1", "{event}": event, "{team}": "theirs", "{rule}": "77", "{destination}": "77", "{pid}": fmt.Sprint(p.ID), "{delivery}": "77", "{key}": "tenant", "{view}": "77", "{attachment}": "1", "{n}": "0", "{hash}": "77", "{file}": "1", "{frame}": "0-0", "{group}": "1", "{letter}": "1", "{bundle}": "1"}
}
