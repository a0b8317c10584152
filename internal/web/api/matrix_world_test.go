package api_test

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/testkit/callers"
)

// matrix is a world with everybody and everything that the access matrix is about. The organization
// default is closed: team core has project shop, nobody's team has attic. Organization other has vault.
type matrix struct {
	*world
	bearers   map[account.Role]string // of members; of a build machine under ""
	nobody    map[string]string       // tokens that are not good, by what is wrong
	stranger  string                  // owner of the organization other
	scopeless string                  // a member's token that may do nothing

	own, attic, vault map[string]string // names of things, by placeholder
	absent, harmless  map[string]string
	otherProject      int64
}

func newMatrix(t *testing.T, w *world) *matrix {
	t.Helper()
	m := &matrix{world: w, bearers: map[account.Role]string{}, nobody: map[string]string{"another scheme": "Basic abc"}}
	w.wantAs("Bearer "+w.token, 201, "POST", org+"teams/", `{"slug":"core"}`)
	w.want(201, "POST", org+"projects/", `{"name":"attic"}`)
	w.want(201, "POST", proj+"teams/core/")
	for _, role := range account.Roles {
		user, bearer := w.as("a-"+string(role)+"@example.org", role)
		m.bearers[role] = bearer
		if !role.Global() {
			w.want(201, "POST", fmt.Sprintf("%s%d/teams/core/", members, user))
		}
	}
	w.want(200, "PUT", org, `{"openMembership":false}`)
	var build struct{ Token string }
	w.want(201, "POST", org+"org-auth-tokens/", `{"name":"build"}`).json(t, &build)
	m.bearers[""] = "Bearer " + build.Token
	m.scopeless = "Bearer " + w.tokenWith("openid")
	for name, token := range callers.New(t, w.st, w.url).Nobody() {
		m.nobody[name] = "Bearer " + token
	}
	m.nobody["no token"] = ""
	m.otherOrganization()

	attic := w.scalar("select id from projects where slug = 'attic'")
	m.own = m.populate("Bearer "+w.token, "default", "shop", "core", 1)
	m.attic = m.populate("Bearer "+w.token, "default", "attic", "rest", attic)
	m.vault = m.populate(m.stranger, "other", "vault", "theirs", m.otherProject)
	m.absent = map[string]string{
		"org": "default", "project": "absent", "issue": "999999", "event": strings.Repeat("ab", 16), "short": "ABSENT-9", "team": "absent", "member": "999999", "public": strings.Repeat("9", 32),
		"note": "999999", "bundle": "999999", "version": "absent@9", "release": "absent@9", "environment": "absent", "filter": "localhost", "key": "absent", "queue": "absent", "share": strings.Repeat("9", 32), "id": "999999",
	}
	for _, kind := range []string{"alert-rules", "rules", "workflows", "detectors", "integrations", "destinations", "deliveries", "jobs", "discards", "org-auth-tokens", "attachments", "dead-letters", "slack", "release-files"} {
		m.absent[kind] = "999999"
	}
	m.harmless = maps.Clone(m.absent)
	m.harmless["filter"], m.harmless["queue"] = "absent", "absent"
	return m
}

// otherOrganization makes the stranger and their project.
func (m *matrix) otherOrganization() {
	u, err := m.st.CreateUser(m.t.Context(), "them@example.org", "", "correct horse")
	if err != nil {
		m.t.Fatal(err)
	}
	o, err := m.st.CreateOrganization(m.t.Context(), "other", "Other", u.ID)
	if err != nil {
		m.t.Fatal(err)
	}
	_, secret, err := m.st.CreateToken(m.t.Context(), account.Token{Organization: o.ID, User: u.ID, Scopes: account.RoleOwner.Scopes()})
	if err != nil {
		m.t.Fatal(err)
	}
	m.stranger = "Bearer " + secret
	m.wantAs(m.stranger, 201, "POST", "/api/0/organizations/other/projects/", `{"name":"vault"}`)
	m.otherProject = m.scalar("select id from projects where slug = 'vault'")
}

// populate makes one of everything in a project and returns their names by placeholder.
func (m *matrix) populate(bearer, orgSlug, slug, team string, projectID int64) map[string]string {
	m.t.Helper()
	m.record(projectID, "boom of "+slug, 2)
	orgID := m.scalar("select organization_id from projects where id = $1", projectID)
	oPath, pPath, ours := "/api/0/organizations/"+orgSlug+"/", "/api/0/projects/"+orgSlug+"/"+slug+"/", "/api/v1/projects/"+orgSlug+"/"+slug+"/"
	issue := fmt.Sprint(m.scalar("select id from issues where project_id = $1", projectID))
	made := func(a answer, field string) string {
		var doc map[string]any
		a.json(m.t, &doc)
		text, _ := doc[field].(string)
		if text == "" {
			m.t.Fatalf("no %s in %s", field, a.body)
		}
		return text
	}
	names := map[string]string{
		"org": orgSlug, "project": slug, "issue": issue, "event": eventID(fmt.Sprint(projectID, "boom of "+slug), 0).String(), "team": team, "key": "user", "filter": "localhost", "queue": "events",
		"environment": "production", "version": slug + "@2", "release": slug + "@2", "id": "1", "dead-letters": "1", "slack": "1", "short": strings.ToUpper(slug) + "-1",
	}
	if m.scalar("select count(*) from teams where organization_id = $1 and slug = $2", orgID, team) == 0 {
		m.wantAs(bearer, 201, "POST", oPath+"teams/", `{"slug":"`+team+`"}`)
	}
	names["member"] = fmt.Sprint(m.scalar("select min(user_id) from memberships where organization_id = $1", orgID))
	names["share"] = made(m.wantAs(bearer, 200, "PUT", oPath+"issues/"+issue+"/", `{"isPublic":true}`), "shareId")
	names["note"] = made(m.wantAs(bearer, 201, "POST", oPath+"issues/"+issue+"/notes/", `{"text":"note of `+slug+`"}`), "id")
	names["alert-rules"] = made(m.wantAs(bearer, 200, "PUT", ours+"alert-rules/", `{"name":"`+slug+`","enabled":true,"conditions":[{"kind":"new"}],"match":"any","actions":[{"channel":"webhook","url":"https://hooks.example.org/x"}]}`), "id")
	names["rules"], names["workflows"], names["detectors"] = names["alert-rules"], names["alert-rules"], fmt.Sprint(projectID)+"1"
	names["destinations"] = made(m.wantAs(bearer, 201, "POST", "/api/v1/organizations/"+orgSlug+"/destinations/", `{"channel":"webhook","name":"`+slug+`","settings":{"url":"https://hooks.example.org/`+slug+`"}}`), "id")
	names["integrations"] = names["destinations"]
	names["org-auth-tokens"] = made(m.wantAs(bearer, 201, "POST", oPath+"org-auth-tokens/", `{"name":"of `+slug+`"}`), "id")
	names["jobs"] = made(m.wantAs(bearer, 201, "POST", ours+"jobs/", `{"kind":"export"}`), "id")
	m.wantAs(bearer, 201, "POST", pPath+"releases/", `{"version":"`+slug+`@2","projects":["`+slug+`"]}`)
	m.wantAs(bearer, 201, "POST", strings.ReplaceAll(pPath, " ", "")+"releases/"+slug+"@2/deploys/", `{"environment":"production"}`)
	names["release-files"] = m.releaseFile(bearer, pPath+"releases/"+slug+"@2/files/", slug)
	var keys []struct{ Public string }
	m.wantAs(bearer, 200, "GET", pPath+"keys/").json(m.t, &keys)
	names["public"] = keys[0].Public
	at := noon
	event := names["event"]
	m.exec(`insert into deliveries (project_id, id, rule_id, change_id, action, channel, target, payload, state) values ($1, $2, 1, $2, 0, 'webhook', 'hooks.example.org', '{}', 1)`, projectID, 7000+projectID)
	m.exec(`insert into discards (project_id, id, title, culprit, number, times_seen) values ($1, $2, 'gone', '', 9, 1)`, projectID, 8000+projectID)
	m.exec(`insert into attachments (project_id, received_at, event_id, id, name, content_type, type, size_bytes, sha1, blob_key) values ($1, $2, $3, $4, 'a.txt', 'text/plain', 'event.attachment', 0, $5, '')`, projectID, at, event, 9000+projectID, make([]byte, 20))
	sum := md5.Sum([]byte(slug))
	m.exec(`insert into artifact_bundles (project_id, id, kind, identity, sha1, debug_id, size_bytes, file_count, blob_key) values ($1, $2, 1, $3, $3, $4, 1, 0, '')`, projectID, 6000+projectID, sum[:], fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:]))
	names["deliveries"], names["discards"], names["attachments"] = fmt.Sprint(7000+projectID), fmt.Sprint(8000+projectID), fmt.Sprint(9000+projectID)
	names["bundle"] = fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
	return names
}

// releaseFile uploads a file of a release the old way and returns its id.
func (m *matrix) releaseFile(bearer, path, text string) string {
	m.t.Helper()
	var buf bytes.Buffer
	form := multipart.NewWriter(&buf)
	_ = form.WriteField("name", "~/"+text+".js")
	part, err := form.CreateFormFile("file", text+".js")
	if err != nil {
		m.t.Fatal(err)
	}
	_, _ = io.WriteString(part, "// "+text)
	_ = form.Close()
	r := httptest.NewRequest(http.MethodPost, path, &buf)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", bearer)
	a := m.answer(r)
	var doc struct{ ID string }
	a.json(m.t, &doc)
	if a.status != 201 || doc.ID == "" {
		m.t.Fatalf("upload a file: %d %s", a.status, a.body)
	}
	return doc.ID
}

// others lists the names of things that are not the caller's: another organization's, its things
// under one's own organization and project, and those of a project that the caller's teams lack.
func (m *matrix) others(role account.Role, route string) []map[string]string {
	below := func(from map[string]string, keep ...string) map[string]string {
		names := maps.Clone(from)
		for _, k := range keep {
			names[k] = m.own[k]
		}
		return names
	}
	var list []map[string]string
	if strings.Contains(route, "{org}") {
		list = append(list, m.vault)
	}
	list = append(list, below(m.vault, "org"))
	if strings.Contains(route, "{project}") {
		byID := below(m.vault, "org")
		byID["project"] = fmt.Sprint(m.otherProject)
		list = append(list, byID)
		if strings.Count(placeholder.ReplaceAllString(route, "{}"), "{}") > 2 && narrower.MatchString(strings.Replace(route, "{project}", "", 1)) {
			list = append(list, below(m.vault, "org", "project"))
			if !strings.Contains(route, "{team}") { // which is the organization's own
				list = append(list, below(m.attic, "project"))
			}
		}
	}
	if strings.Contains(route, "{project}") || strings.Contains(route, "{issue}") {
		if role != "" && !role.Global() {
			list = append(list, m.attic)
		}
	}
	return list
}

// absentLike are names of nothing at all in the places where names are somebody else's.
func (m *matrix) absentLike(names map[string]string, route string) map[string]string {
	like := maps.Clone(names)
	for k, v := range names {
		if k == "org" && v == "other" {
			like[k] = "absent"
		}
		if k != "org" && v != m.own[k] {
			like[k] = m.absent[k]
		}
	}
	return like
}

// theirs is every row of the other organization and of the project attic, by table.
func (m *matrix) theirs() string {
	var lines []string
	for _, table := range m.tables() {
		column, ids := "project_id", fmt.Sprintf("(%d, %s)", m.otherProject, "(select id from projects where slug = 'attic')")
		if strings.HasPrefix(table, "organization_id ") {
			column, ids = "organization_id", "(select id from organizations where slug = 'other')"
		}
		_, name, _ := strings.Cut(table, " ")
		sum := m.scalar(fmt.Sprintf("select coalesce(sum(hashtextextended(t::text, 0))::numeric %% 1000000007, 0)::bigint from %s t where %s in %s", name, column, ids))
		lines = append(lines, fmt.Sprintf("%s %d", name, sum))
	}
	return strings.Join(lines, "\n")
}

// tables lists the tables of the schema that say whose a row is, each after the column that does.
func (m *matrix) tables() []string {
	rows := m.texts(`select c.column_name || ' ' || quote_ident(c.table_name) from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
		where c.table_schema = 'public' and c.column_name in ('project_id', 'organization_id') and t.table_type = 'BASE TABLE'
		and c.table_name !~ '_[0-9]{8}$' and c.table_name <> 'api_tokens' order by 1`)
	if len(rows) < 30 {
		m.t.Fatalf("only %d tables: %v", len(rows), rows)
	}
	return rows
}
