package postgres_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// searchWorld has five issues in project shop and one in api, named by a letter.
func searchWorld(t *testing.T) (w *world, ids map[string]int64) {
	t.Helper()
	w = newWorld(t)
	now := time.Now().UTC()
	add := func(letter string, change func(*postgres.Record), n int) {
		records := make([]postgres.Record, n)
		for i := range records {
			r := sample(i, "letter "+letter)
			r.ReceivedAt, r.OccurredAt = now.Add(time.Duration(i)*time.Second-time.Hour), now.Add(time.Duration(i)*time.Second-time.Hour)
			r.Release, r.Environment, r.UserKey, r.Tags = "", "", "", nil
			change(&r)
			records[i] = r
		}
		w.record(records...)
	}
	add("a", func(r *postgres.Record) { r.Release, r.Environment = "shop@1.0.0", "production" }, 3)
	add("b", func(r *postgres.Record) {
		r.Release, r.Level, r.Platform = "shop@2.0.0", event.LevelWarning, "go"
		r.Tags = []event.Pair{{Key: "browser", Value: "Firefox 100"}, {Key: "level", Value: "warning"}, {Key: "odd key", Value: "x*y"}}
	}, 1)
	add("c", func(r *postgres.Record) {
		r.Environment, r.Unhandled, r.UserKey = "staging", true, "email:a@b.c"
		r.Tags = []event.Pair{{Key: "browser", Value: "Chrome"}, {Key: "user", Value: "email:a@b.c"}}
	}, 2)
	add("d", func(r *postgres.Record) { r.Title, r.Culprit = "100% of_it Ärger", `back\slash` }, 1)
	add("e", func(r *postgres.Record) {
		r.ReceivedAt, r.OccurredAt = now.Add(-72*time.Hour), now.Add(-72*time.Hour)
		r.Metadata.Type = "TypeError"
	}, 1)
	add("f", func(r *postgres.Record) { r.Project = 2 }, 1)
	w.fold()
	ids = map[string]int64{}
	for _, l := range []string{"a", "b", "c", "e", "f"} {
		ids[l] = w.int("select id from issues where title = $1", "ValueError: letter "+l)
	}
	ids["d"] = w.int("select id from issues where title like '100%'")
	return w, ids
}

func TestSearchFindsWhatItSays(t *testing.T) {
	t.Parallel()
	w, ids := searchWorld(t)
	u, err := w.st.CreateUser(t.Context(), "ann@example.org", "Ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.st.SetMembership(t.Context(), 1, u.ID, account.RoleMember); err != nil {
		t.Fatal(err)
	}
	ann := fmt.Sprintf("user:%d", u.ID)
	resolved, archived := issue.Resolved, issue.Archived
	for _, c := range []struct {
		letter string
		action issue.Action
	}{{"a", issue.Action{Assignee: &ann}}, {"b", issue.Action{Status: &resolved}}, {"c", issue.Action{Status: &archived}}} {
		if _, err := w.st.ChangeIssues(t.Context(), 1, []int64{ids[c.letter]}, c.action, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	w.want(1, "select count(*) from alert_outbox where change->>'kind' = 'assigned' and change->>'assignee' = $1 and change->>'actor' = $2", ann, fmt.Sprint(u.ID))
	w.want(2, "select count(*) from alert_outbox where change->>'kind' in ('resolved', 'archived') and change->>'organization' = 'acme'")
	shortA := "SHOP-" + fmt.Sprint(w.int("select number from issues where id = $1", ids["a"]))
	for q, want := range map[string]string{
		"": "abcdef", "is:unresolved": "adef", "is:resolved": "b", "is:archived": "c", "!is:unresolved": "bc", "is:resolved is:archived": "", "is:archived_forever": "c",
		"is:new": "adef", "!is:new": "bc", "is:assigned": "a", "is:unassigned": "bcdef", "is:unhandled": "c", "!is:unhandled": "abdef",
		"letter": "abcef", "LETTER B": "b", "!letter": "", "100%": "d", "of_it": "d", "ofXit": "", `back\slash`: "d", "shop.cart": "abcef", "absent": "",
		"level:warning": "b", "level:[error,warning]": "abcdef", "!level:warning": "acdef", "priority:medium": "b", "platform:go": "b", "platform:py*": "acdef",
		"release:shop@1.0.0": "a", "release:shop@*": "ab", "release:latest": "b", `release:""`: "cdef", "!release:shop@1.0.0": "bcdef", "release:[shop@1.0.0,latest]": "ab", "has:release": "ab",
		"firstRelease:shop@2.0.0": "b", "environment:staging": "c", "environment:[staging,production]": "ac", `environment:""`: "bdef", "!environment:staging": "abdef", "has:environment": "ac",
		"browser:Chrome": "c", "browser:chrome": "", "browser:*FOX*": "b", "!browser:Chrome": "abdef", "has:browser": "bc", "!has:browser": "adef", `browser:""`: "adef",
		`"odd key":x\*y`: "b", `"odd key":x*`: "b", "tags[level]:warning": "b", "user.email:a@b.c": "c", "user:a@b.c": "c", "user:email:a@b.c": "c", "has:user": "c",
		"error.type:TypeError": "e", "error.value:*LETTER?*": "", "error.value:*LETTER*": "abcdef", "title:100*": "d", "culprit:*slash": "d",
		"timesSeen:>1": "ac", "timesSeen:3": "a", "timesSeen:<=1": "bdef", "users:1": "c", "age:-24h": "abcdf", "age:+24h": "e", "lastSeen:-24h": "abcdf", "!lastSeen:-24h": "e",
		"firstSeen:>=2020-01-01": "abcdef", "firstSeen:2020-01-01": "", "lastSeen:<" + time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly): "e",
		"assigned:me": "a", "assigned:ann@example.org": "a", "assigned:Ann": "a", "assigned:[me, none]": "abcdef", "assigned:none": "bcdef", "!assigned:me": "bcdef", "assigned:#team": "",
		"project:api": "f", "!project:api": "abcde", "issue:" + shortA: "a", "issue:" + strings.ToLower(shortA): "a", "issue.id:" + fmt.Sprint(ids["b"]): "b",
		"issue.category:error": "abcdef", "!issue.category:error": "", "event.type:error": "abcdef",
		"letter is:unresolved !has:release age:-1w": "ef",
		"level:warning OR release:shop@1.0.0":       "ab", "is:resolved OR is:archived": "bc", "(is:resolved OR is:archived) browser:Chrome": "c", "is:unresolved (project:api OR has:release)": "af",
		"!(is:resolved OR is:archived)": "adef", "project:api OR environment:staging": "cf", "!(project:api)": "abcde", "letter (is:resolved OR (timesSeen:>2 is:assigned))": "ab",
		"is:resolved (is:archived OR is:unresolved)": "", "is:new OR is:resolved OR is:new": "abdef", "assigned:me OR users:>0 OR 100%": "acd", "release.version:>=2 OR error.type:TypeError": "be",
	} {
		got := w.find(t, postgres.IssueQuery{Query: query(t, q), Me: u.ID}, ids)
		if got != want {
			t.Errorf("%s: want %q, got %q", q, want, got)
		}
	}
	for _, c := range []struct {
		q    postgres.IssueQuery
		want string
	}{
		{postgres.IssueQuery{Environments: []string{"staging"}}, "c"}, {postgres.IssueQuery{Environments: []string{"staging", "production"}}, "ac"},
		{postgres.IssueQuery{Projects: []int64{2}}, "f"}, {postgres.IssueQuery{Projects: []int64{99}}, ""}, {postgres.IssueQuery{Projects: []int64{}}, ""},
		{postgres.IssueQuery{IDs: []int64{ids["a"], ids["f"], 5}}, "af"}, {postgres.IssueQuery{From: time.Now().Add(-24 * time.Hour), To: time.Now()}, "abcdf"},
	} {
		if got := w.find(t, c.q, ids); got != c.want {
			t.Errorf("%+v: want %q, got %q", c.q, c.want, got)
		}
	}
}

// find lists the letters of what a query finds.
func (w *world) find(t *testing.T, q postgres.IssueQuery, ids map[string]int64) string {
	t.Helper()
	page, err := w.st.ListIssues(t.Context(), 1, q)
	if err != nil {
		t.Errorf("%s: %v", q.Query, err)
	}
	var letters []string
	for _, row := range page.Rows {
		for letter, id := range ids {
			if id == row.ID {
				letters = append(letters, letter)
			}
		}
	}
	if page.Hits != len(page.Rows) {
		t.Errorf("%s: %d rows and %d hits", q.Query, len(page.Rows), page.Hits)
	}
	slices.Sort(letters)
	return strings.Join(letters, "")
}

// TestFreeTextFollowsTheTitle looks for words that few issues have, which are found by their
// trigrams, and for words that most have, which are not, and for those of a title that changes.
func TestFreeTextFollowsTheTitle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UTC()
	for i := range 30 {
		r := sample(i, "crowd "+string(rune('a'+i)))
		r.Title = "MemoryError: crowd number " + strconv.Itoa(i)
		w.record(r)
	}
	changed := sample(40, "drifter")
	changed.Title = "ValueError: the cartography failed"
	w.record(changed)
	changed = sample(41, "drifter")
	changed.Title, changed.ReceivedAt, changed.OccurredAt = "ValueError: the geodesy failed", now.Add(time.Hour), now.Add(time.Hour)
	w.record(changed)
	w.fold()
	for words, want := range map[string]int{"crowd": 30, "Crowd number": 30, "number 29": 1, "cartography": 0, "geodesy": 1, "geodesy failed": 1,
		"geodesy is:new crowd": 0, "!title:*geodesy*": 30, "eo": 1, "nowhere at all": 0} {
		page, err := w.st.ListIssues(t.Context(), 1, postgres.IssueQuery{Query: query(t, words)})
		if err != nil {
			t.Fatal(words, err)
		}
		if page.Hits != want {
			t.Errorf("%s: want %d issues, got %d", words, want, page.Hits)
		}
	}
}

func TestSearchesThatCannotBeAnsweredAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, q := range []string{"project:absent", "issue:nothing"} {
		if _, err := w.st.ListIssues(t.Context(), 1, postgres.IssueQuery{Query: query(t, q)}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", q, err)
		}
	}
	for _, q := range []postgres.IssueQuery{{Sort: "odd"}, {Cursor: "1:2"}, {Cursor: "1:2:3"}, {Cursor: "x:2:1"}} {
		if _, err := w.st.ListIssues(t.Context(), 1, q); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: want invalid, got %v", q, err)
		}
	}
}

// TestHostileSearchesStayText: whatever is searched for, the tables are still there afterwards.
func TestHostileSearchesStayText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(2, "boom")...)
	for _, text := range []string{`'; drop table issues; --`, `"\"' or 1=1 --"`, `release:"'||(select 1)||'"`, `"k'; --":v`, `tags[a@limit]:@q0`, "@q0 @projects", `$1 $$ x $$`,
		`title:\%_\\`, "has:\"a' or true\"", `browser:[@limit,"','"]`, "a\x00b"} {
		q, err := search.Parse(text)
		if err != nil {
			continue
		}
		if page, err := w.st.ListIssues(t.Context(), 1, postgres.IssueQuery{Query: q}); err != nil || len(page.Rows) != 0 && !strings.Contains(text, "!") {
			t.Errorf("%q: %d rows, %v", text, len(page.Rows), err)
		}
	}
	w.want(1, "select count(*) from issues")
}

func TestChangedIssuesKeepTheirHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(3, "boom")...)
	id := w.int("select id from issues")
	status := issue.Resolved
	for range 2 { // the second changes nothing
		rows, err := w.st.ChangeIssues(t.Context(), 1, []int64{id, 12345}, issue.Action{Status: &status}, 0)
		if err != nil || len(rows) != 1 || rows[0].Status != issue.Resolved {
			t.Fatalf("rows %+v, %v", rows, err)
		}
	}
	w.want(1, "select count(*) from activities where type = 'set_resolved'")
	w.want(2, "select version from issues")
	if rows, err := w.st.ChangeIssues(t.Context(), 2, []int64{id}, issue.Action{Status: &status}, 0); err != nil || len(rows) != 0 {
		t.Errorf("another organization changed it: %v, %v", rows, err)
	}
	stranger := "user:4711"
	if _, err := w.st.ChangeIssues(t.Context(), 1, []int64{id}, issue.Action{Assignee: &stranger}, 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("assigned to a stranger: %v", err)
	}
}

func TestEventsOfAnIssueAreWalkedBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	records := samples(5, "boom")
	w.record(records...)
	id := w.int("select id from issues")
	v, err := w.st.IssueEvent(t.Context(), 1, id, postgres.EventSelector{Which: postgres.EventOldest})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if v.Event.ID != records[i].ID || v.First != records[0].ID || v.Last != records[4].ID || (i == 0) != v.Prev.IsZero() || (i == 4) != v.Next.IsZero() {
			t.Errorf("event %d: %+v", i, v)
		}
		if i == 4 {
			break
		}
		if v, err = w.st.IssueEvent(t.Context(), 1, id, postgres.EventSelector{Which: postgres.EventByID, ID: v.Next}); err != nil {
			t.Fatal(err)
		}
	}
	for _, which := range []postgres.EventWhich{postgres.EventLatest, postgres.EventRecommended} {
		if v, err := w.st.IssueEvent(t.Context(), 1, id, postgres.EventSelector{Which: which}); err != nil || v.Event.ID != records[4].ID {
			t.Errorf("%d: %v, %v", which, v.Event, err)
		}
	}
	for _, s := range []postgres.EventSelector{{Which: postgres.EventByID}, {Environments: []string{"absent"}}} {
		if _, err := w.st.IssueEvent(t.Context(), 1, id, s); fault.KindOf(err) != fault.Unknown {
			t.Errorf("%+v: want unknown, got %v", s, err)
		}
	}
	page, err := w.st.Events(t.Context(), postgres.EventQuery{Project: 1, Issue: id, Limit: 3})
	if err != nil || len(page.Rows) != 3 || !page.HasNext || page.Rows[0].ID != records[4].ID {
		t.Fatalf("page %+v, %v", page, err)
	}
	page, err = w.st.Events(t.Context(), postgres.EventQuery{Project: 1, Issue: id, Limit: 3, Cursor: page.Next})
	if err != nil || len(page.Rows) != 2 || page.HasNext || page.Rows[1].ID != records[0].ID {
		t.Errorf("page %+v, %v", page, err)
	}
}
