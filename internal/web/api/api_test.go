package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const org, proj, ours = "/api/0/organizations/default/", "/api/0/projects/default/shop/", "/api/v1/projects/default/shop/"

func TestEveryRouteAnswersAsDescribed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 5)
	w.record(1, "other", 2)
	issue := w.first(org + "issues/?query=boom")
	id, short := issue["id"].(string), issue["shortId"].(string)
	ev := eventID("1boom", 1).String()
	for _, path := range []string{
		"/api/0/", "/api/0/internal/health/", "/api/0/auth/", "/api/0/users/me/", "/api/0/organizations/", org, org + "projects/",
		org + "?detailed=0", "/api/0/projects/", "/api/0/projects/?query=dsn:" + w.key, proj, proj + "?collapse=organization", proj + "keys/", "/api/0/projects/1/1/keys/",
		org + "environments/", proj + "environments/", org + "releases/", org + "stats_v2/?field=sum(quantity)&groupBy=outcome&groupBy=category&groupBy=project&statsPeriod=7d&interval=1d",
		org + "shortids/" + strings.ToLower(short) + "/", org + "eventids/" + ev + "/", org + "issues/", org + "issues/?query=&sort=freq&groupStatsPeriod=14d&environment=production&project=1&statsPeriod=14d",
		proj + "issues/?statsPeriod=24h", org + "issues/?query=" + ev, org + "issues/?query=" + short + "&shortIdLookup=1", proj + "events/", proj + "events/?full=1&per_page=2",
		proj + "events/" + ev + "/", proj + "events/" + ev + "/json/", proj + "events/" + ev + "/attachments/", proj + "user-feedback/", ours + "deliveries/",
		org + "releases/?sort=semver&status=open&query=shop", org + "releases/shop@1.0.0/", proj + "releases/", proj + "releases/shop@1.0.0/", org + "releases/shop@1.0.0/meta/",
		org + "releases/shop@1.0.0/previous-with-commits/", org + "releases/shop@1.0.0/commits/", org + "releases/shop@1.0.0/commitfiles/", org + "releases/shop@1.0.0/repositories/",
		org + "releases/shop@1.0.0/resolved/", org + "releases/shop@1.0.0/deploys/", org + "repos/", org + "activity/", proj + "environments/production/", proj + "ownership/",
		proj + "codeowners/", proj + "events/" + ev + "/committers/", proj + "events/" + ev + "/owners/", ours + "alert-rules/",
	} {
		w.want(200, "GET", path)
	}
	for _, base := range []string{org + "issues/" + id + "/", "/api/0/issues/" + id + "/", org + "issues/" + short + "/", strings.TrimSuffix("/api/0/issues/"+short+"/", "/")} {
		w.want(200, "GET", base)
		base = strings.TrimSuffix(base, "/") + "/"
		for _, path := range []string{"events/", "events/latest/", "events/oldest", "events/recommended/", "events/" + ev + "/", "hashes/", "attachments/", "user-reports/", "user-feedback/", "tags/", "tags/user/", "tags/user/values/?sort=-date", "activities/"} {
			w.want(200, "GET", base+path)
		}
		w.want(404, "GET", base+"events/"+strings.Repeat("0", 32)+"/")
		w.want(404, "GET", base+"tags/absent/")
	}
	w.want(404, "GET", "/api/0/users/me/regions/")
	w.want(404, "GET", "/api/0/nothing/")
	for _, path := range []string{org + "issues/?cursor=x", org + "issues/?sort=odd", org + "issues/?query=is:odd", org + "issues/?statsPeriod=x", org + "issues/?limit=x",
		proj + "events/?per_page=101", org + "stats_v2/", org + "stats_v2/?field=x", org + "eventids/x/", org + "issues/?query=(a+OR+b", org + "issues/?query=a+OR", org + "issues/?query=project:absent"} {
		w.want(400, "GET", path)
	}
}

func TestATokenIsHeldToItsScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 1)
	reader := w.tokenWith(account.EventRead)
	if a := w.callAs("Bearer "+reader, "GET", org+"issues/SHOP-1/"); a.status != 200 {
		t.Errorf("reading with event:read: %d", a.status)
	}
	if a := w.callAs("Bearer "+reader, "PUT", org+"issues/SHOP-1/", `{"status":"resolved"}`); a.status != 403 {
		t.Errorf("writing with event:read: %d", a.status)
	}
}

// TestForeignThingsAreInNoList: parameters and queries that name another organization's things find
// nothing; TestTheAccessMatrix names them in paths.
func TestForeignThingsAreInNoList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 2)
	own := w.first(org + "issues/")
	foreign := w.foreignOrganization()
	w.record(foreign, "secret", 2)
	secret := eventID(fmt.Sprint(foreign, "secret"), 0).String()
	issueID := fmt.Sprint(w.scalar("select id from issues where project_id = $1", foreign))
	if a := w.want(200, "GET", org+"issues/?query=&id="+issueID); string(a.body) != "[]" {
		t.Errorf("a foreign id in a list: %s", a.body)
	}
	w.want(204, "PUT", org+"issues/?id="+issueID, `{"status":"resolved"}`)
	w.want(404, "GET", org+"issues/?project="+fmt.Sprint(foreign))
	w.want(404, "GET", org+"issues/"+own["id"].(string)+"/events/"+secret+"/")
	if a := w.want(200, "GET", org+"issues/?query="+secret); string(a.body) != "[]" {
		t.Errorf("a foreign event found an issue: %s", a.body)
	}
	if n := w.scalar("select count(*) from issues where project_id = $1 and status = 0", foreign); n != 1 {
		t.Errorf("the foreign issue was changed")
	}
}

func TestChangesAreStoredAndToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 3)
	id := w.first(org + "issues/")["id"].(string)
	path := org + "issues/" + id + "/"
	for _, step := range []struct{ body, status, substatus string }{
		{`{"status":"resolved","snoozeDuration":null}`, "resolved", ""},
		{`{"status":"resolved"}`, "resolved", ""},
		{`{"status":"unresolved"}`, "unresolved", "regressed"},
		{`{"status":"ignored","statusDetails":{"ignoreCount":10}}`, "ignored", "archived_until_condition_met"},
		{`{"status":"ignored","substatus":"archived_until_escalating"}`, "ignored", "archived_until_escalating"},
		{`{"status":"resolved","statusDetails":{"inRelease":"latest"}}`, "resolved", ""},
		{`{"status":"resolvedInNextRelease"}`, "resolved", ""},
		{`{"assignedTo":"owner@example.org","priority":"low"}`, "resolved", ""},
		{`{"assignedTo":""}`, "resolved", ""},
	} {
		var got map[string]any
		w.want(200, "PUT", path, step.body).json(t, &got)
		sub, _ := got["substatus"].(string)
		if got["status"] != step.status || sub != step.substatus {
			t.Errorf("%s: status %v, substatus %v", step.body, got["status"], sub)
		}
	}
	var history struct {
		Activity []struct {
			Type string
			User *struct{ Email string }
		}
	}
	w.want(200, "GET", path+"activities/").json(t, &history)
	var types []string
	for _, a := range history.Activity {
		types = append(types, a.Type)
	}
	want := "unassigned set_priority assigned set_resolved_in_release set_resolved_in_release set_ignored set_ignored set_unresolved set_resolved first_seen"
	if got := strings.Join(types, " "); len(types) != 10 || !strings.HasSuffix(got, strings.TrimPrefix(want, "unassigned set_priority assigned ")) {
		t.Errorf("history %s", got)
	}
	if history.Activity[0].User == nil || history.Activity[0].User.Email != "owner@example.org" {
		t.Errorf("the newest entry does not name who did it: %+v", history.Activity[0])
	}
	for _, bad := range []string{`{"hasSeen":"yes"}`, `{"nonsense":1}`, `{"status":"odd"}`, `{"status":1}`, `{"substatus":"new"}`, `{"assignedTo":"nobody@example.org"}`,
		`{"assignedTo":"user:42"}`, `{"status":"resolved","statusDetails":{"inRelease":"absent"}}`, `{"merge":1}`, `[]`, `{`, `{} {}`} {
		w.want(400, "PUT", path, bad)
	}
	var echo map[string]any
	w.want(200, "PUT", org+"issues/?id="+id, `{"status":"unresolved"}`).json(t, &echo)
	if echo["status"] != "unresolved" || echo["substatus"] != "ongoing" || len(echo) != 3 {
		t.Errorf("echo %v", echo)
	}
	w.want(200, "PUT", proj+"issues/", `{"status":"resolved"}`) // all that is:unresolved
	w.want(204, "PUT", proj+"issues/", `{"status":"resolved"}`)
}

var nextCursor = regexp.MustCompile(`rel="next"; results="true"; cursor="([^"]+)"`)

func TestPagesHaveNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into issues (project_id, id, number, type, level, platform, title, metadata, first_seen, last_seen, times_seen, user_count)
		select 1, n, n, 'error', 40, 'go', 'issue ' || n, '{}', now() - n * interval '1 minute', now() - (n % 7) * interval '1 minute', n % 11, n % 5 from generate_series(1, 1000) n`)
	for _, sort := range []string{"new", "date", "freq", "user"} {
		seen, cursor, pages := map[string]bool{}, "", 0
		for {
			a := w.want(200, "GET", org+"issues/?query=&groupStatsPeriod=&limit=37&sort="+sort+"&cursor="+cursor)
			var list []struct{ ID string }
			a.json(t, &list)
			for _, i := range list {
				if seen[i.ID] {
					t.Fatalf("%s: issue %s twice", sort, i.ID)
				}
				seen[i.ID] = true
			}
			if pages++; pages%5 == 0 { // rows change while one reads: those behind move up, and new ones appear on top
				w.exec(`update issues set last_seen = now(), times_seen = times_seen + 100, user_count = user_count + 100 where id = any($1)`, w.seenIDs(seen))
				w.exec(`insert into issues (project_id, id, number, type, level, platform, title, metadata, first_seen, last_seen, times_seen)
					select 1, 1000000 + $1 * 10, 1000000 + $1 * 10, 'error', 40, 'go', 'late', '{}', now(), now(), 1000 on conflict do nothing`, pages+len(sort)*1000)
			}
			m := nextCursor.FindStringSubmatch(a.header.Get("Link"))
			if m == nil {
				break
			}
			cursor = m[1]
		}
		missing := 0
		for n := 1; n <= 1000; n++ {
			if !seen[fmt.Sprint(n)] {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%s: %d of 1000 issues were not shown", sort, missing)
		}
	}
	first := w.want(200, "GET", org+"issues/?query=&limit=10&sort=new")
	m := nextCursor.FindStringSubmatch(first.header.Get("Link"))
	second := w.want(200, "GET", org+"issues/?query=&limit=10&sort=new&cursor="+m[1])
	prev := regexp.MustCompile(`rel="previous"; results="true"; cursor="([^"]+)"`).FindStringSubmatch(second.header.Get("Link"))
	if prev == nil {
		t.Fatalf("no way back: %s", second.header.Get("Link"))
	}
	if back := w.want(200, "GET", org+"issues/?query=&limit=10&sort=new&cursor="+prev[1]); string(back.body) != string(first.body) {
		t.Error("the way back leads elsewhere")
	}
	if hits := first.header.Get("X-Hits"); hits != fmt.Sprint(postgres.HitsMax) {
		t.Errorf("hits %s", hits)
	}
}

func TestALinkHeaderIsExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.want(200, "GET", org+"projects/?per_page=5&cursor=").header.Get("Link")
	want := `<` + baseURL + org + `projects/?per_page=5&cursor=0%3A0%3A1>; rel="previous"; results="false"; cursor="0:0:1", ` +
		`<` + baseURL + org + `projects/?per_page=5&cursor=0%3A5%3A0>; rel="next"; results="false"; cursor="0:5:0"`
	if got != want {
		t.Errorf("\nwant %s\ngot  %s", want, got)
	}
}

func TestRulesAreWrittenTestedAndShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := `{"name":"new","enabled":true,"conditions":[{"kind":"new"}],"match":"any","actions":[{"channel":"webhook","url":"https://hooks.example.org/T0/secret"}]}`
	var made struct {
		ID      string
		Actions []struct{ Target, URL, Secret string }
	}
	w.want(200, "PUT", ours+"alert-rules/", rule).json(t, &made)
	if len(made.Actions) != 1 || made.Actions[0].Secret == "" || made.Actions[0].URL != "" {
		t.Errorf("made %+v", made)
	}
	list := w.want(200, "GET", ours+"alert-rules/")
	if strings.Contains(string(list.body), "/T0/") || strings.Contains(string(list.body), made.Actions[0].Secret) {
		t.Errorf("a list shows a secret: %s", list.body)
	}
	w.want(200, "PUT", ours+"alert-rules/", `{"id":"`+made.ID+`","name":"renamed","enabled":false,"conditions":[{"kind":"new"}],"match":"any","actions":[{"kind":"destination"}]}`)
	w.want(200, "POST", ours+"alert-rules/"+made.ID+"/test/")
	w.want(400, "POST", ours+"alert-rules/"+made.ID+"/test/", `{"action":3}`)
	w.want(404, "POST", ours+"alert-rules/1/test/")
	w.want(404, "POST", ours+"deliveries/1/redeliver/")
	for _, bad := range []string{`{"name":"x","actions":[{"channel":"webhook"}]}`, `{"name":"x","actions":[{"channel":"fax"}]}`, `{"odd":1}`,
		`{"name":"x","match":"any","conditions":[{"kind":"odd"}],"actions":[{"channel":"webhook","url":"https://a.example.org/"}]}`} {
		w.want(400, "PUT", ours+"alert-rules/", bad)
	}
	if len(w.asked) != 1 {
		t.Errorf("the notifier was asked %v", w.asked)
	}
}

func TestATokenWorksNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	soon := time.Now().Add(time.Second)
	u, err := w.st.UserByEmail(t.Context(), "owner@example.org")
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := w.st.CreateToken(t.Context(), account.Token{Organization: 1, User: u.ID, Scopes: account.NewScopes(account.OrgRead), ExpiresAt: &soon})
	if err != nil {
		t.Fatal(err)
	}
	if a := w.callAs("Bearer "+secret, http.MethodGet, org); a.status != 200 {
		t.Fatalf("before it expires: %d", a.status)
	}
	for a := w.callAs("Bearer "+secret, http.MethodGet, org); a.status != 401; a = w.callAs("Bearer "+secret, http.MethodGet, org) {
		if time.Since(soon) > 2*time.Second {
			t.Fatalf("after it expired: %d", a.status)
		}
	}
	if w.scalar("select count(*) from api_tokens where last_used_at is not null") != 1 {
		t.Error("the use of the token was not noted")
	}
}
