package api_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// manyIssues puts n open issues into a project, as a database of some age has them: each was seen in
// the hour after noon.
func (w *world) manyIssues(project int64, n int, title string) {
	w.t.Helper()
	w.exec(`insert into issues (project_id, id, number, type, level, platform, title, culprit, metadata, status, substatus, priority, first_seen, last_seen, times_seen, first_release)
		select $1::bigint, 1000000 * $1::bigint + n, 100000 + n, 'error', 40, 'python', $3 || ' ' || n, 'shop.cart in add', '{"type":"ValueError"}', 0, 7, 75, $4, $4, 3, 'shop@1.0.0'
		from generate_series(1, $2::bigint) as n`, project, n, title, noon)
	w.exec("insert into issue_texts (project_id, issue_id, search_text) select project_id, id, search_text from issues where project_id = $1 on conflict do nothing", project)
	w.exec("analyze issues")
}

type startedJobs struct {
	Jobs []struct{ ID, URL, Project, Query, Status string }
}

// TestManyIssuesAreDeletedByOneRequest deletes all that a search finds, however many.
func TestManyIssuesAreDeletedByOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.manyIssues(1, 1100, "boom")
	w.exec("update issues set title = 'kept' where number = 100001")
	var started startedJobs
	a := w.want(202, "DELETE", org+"issues/?query=boom")
	a.json(t, &started)
	if len(started.Jobs) != 2 || a.header.Get("Location") != started.Jobs[0].URL {
		t.Fatalf("%+v, Location %s", started, a.header.Get("Location"))
	}
	var left []any
	w.want(200, "GET", org+"issues/?query=").json(t, &left)
	if len(left) != 1 {
		t.Errorf("%d issues are listed after they were deleted", len(left))
	}
	w.work()
	if n := w.scalar("select count(*) from issues"); n != 1 {
		t.Errorf("%d issues are left", n)
	}
	if n := w.scalar("select count(*) from audit_log where event = 'issue.remove' and note like '%boom%'"); n != 1 {
		t.Errorf("%d lines in the audit log", n)
	}
}

// TestTenThousandIssuesAreChangedByAJob resolves them as one request asks: within five seconds, with
// the histories, alerts and subscriptions that a single change has, and back again.
func TestTenThousandIssuesAreChangedByAJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 10_000
	w.manyIssues(1, n, "boom")
	w.exec("update issues set status = 1, substatus = 0 where number = 100001") // is not found by the search

	began := time.Now()
	a := w.want(202, "PUT", org+"issues/?query=is:unresolved+boom", `{"status":"resolved","hasSeen":true}`)
	var started startedJobs
	a.json(t, &started)
	if len(started.Jobs) != 1 || a.header.Get("Location") != started.Jobs[0].URL || started.Jobs[0].URL != baseURL+ourShop+"jobs/"+started.Jobs[0].ID+"/" {
		t.Fatalf("%+v, Location %s", started, a.header.Get("Location"))
	}
	answered := time.Since(began)
	seen := w.workWatching(strings.TrimPrefix(started.Jobs[0].URL, baseURL))
	took := time.Since(began)
	t.Logf("%d issues: answered in %s, done in %.2f s, progress seen at %v", n, answered.Round(time.Millisecond), took.Seconds(), seen)
	if len(seen) < 3 {
		t.Errorf("progress was told %d times: %v", len(seen), seen)
	}
	var job struct {
		Status, Kind string
		Done, Total  int
		Result       struct {
			Changed, Refused int
			Undo             string
		}
	}
	w.want(200, "GET", strings.TrimPrefix(started.Jobs[0].URL, baseURL)).json(t, &job)
	if job.Status != "done" || job.Kind != "update" || job.Done != n-1 || job.Total != n-1 || job.Result.Changed != n-1 || job.Result.Refused != 0 {
		t.Errorf("%+v", job)
	}
	for what, want := range map[string]int64{
		"select count(*) from issues where status = 1":                                                        n,
		"select count(distinct issue_id) from activities where type = 'set_resolved' and user_id is not null": n - 1,
		"select count(*) from activities":                                                                     n - 1,
		"select count(*) from alert_outbox where change->>'kind' = 'resolved' and change->>'status' = 'resolved' and change->>'actor' is not null":     n - 1,
		"select count(*) from issue_people where is_subscribed and reason = 'status_change' and seen_at is not null":                                   n - 1,
		"select count(*) from audit_log where event = 'issue.edit' and target like 'job %' and note like '%is:unresolved%' and data like '%resolved%'": 1,
	} {
		if got := w.scalar(what); got != want {
			t.Errorf("want %d, got %d: %s", want, got, what)
		}
	}
	began = time.Now()
	w.want(200, "POST", "/api/v1/organizations/default/issues/undo/", fmt.Sprintf(`{"undo":%q}`, job.Result.Undo))
	t.Logf("taken back in %.2f s", time.Since(began).Seconds())
	if left := w.scalar("select count(*) from issues where status = 0 and substatus = 7"); left != n-1 {
		t.Errorf("%d are open again", left)
	}
	w.want(404, "POST", "/api/v1/organizations/default/issues/undo/", fmt.Sprintf(`{"undo":%q}`, job.Result.Undo))
}

// workWatching does the jobs there are, and returns how far the job at a path was when asked meanwhile.
func (w *world) workWatching(path string) (seen []int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	over := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if worked, err := w.st.WorkJob(ctx, &postgres.JobTools{}, time.Second); err != nil && ctx.Err() == nil {
				over <- err
				return
			} else if !worked {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-over:
			w.t.Fatal(err)
		default:
		}
		var job struct {
			Status string
			Done   int
		}
		w.want(200, "GET", path).json(w.t, &job)
		if len(seen) == 0 || seen[len(seen)-1] != job.Done {
			seen = append(seen, job.Done)
		}
		switch job.Status {
		case "done", "cancelled":
			return seen
		case "failed":
			w.t.Fatalf("the job failed")
		}
	}
	w.t.Fatal("the job does not end")
	return nil
}

// TestAChangeOfManyStopsAndSaysWhy: a job of an update is cancelled between chunks, one of two projects
// is two jobs, and what it cannot do is refused before it begins.
func TestAChangeOfManyStopsAndSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", org+"projects/", `{"name":"attic"}`)
	attic := w.scalar("select id from projects where slug = 'attic'")
	w.manyIssues(1, 1500, "boom")
	w.manyIssues(attic, 30, "boom")

	for body, want := range map[string]string{
		`{"status":"resolved","version":3}`:                                   "version",
		`{"isPublic":true}`:                                                   "isPublic",
		`{"assignedTo":"user:999"}`:                                           "assignedTo",
		`{"status":"resolved","statusDetails":{"inRelease":"none@1"}}`:        "multiple projects",
		`{"status":"resolved","statusDetails":{"inCommit":{"commit":"abc"}}}`: "inCommit",
	} {
		if a := w.want(400, "PUT", org+"issues/?query=boom", body); !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	if a := w.want(400, "PUT", proj+"issues/?query=boom", `{"status":"resolved","statusDetails":{"inRelease":"none@1"}}`); !strings.Contains(string(a.body), "Unable to find a release") {
		t.Errorf("%s", a.body)
	}
	var ids []string
	for i := range 1001 {
		ids = append(ids, fmt.Sprint("id=", 1000001+i))
	}
	w.want(413, "PUT", org+"issues/?"+strings.Join(ids, "&"), `{"status":"resolved"}`)
	if n := w.scalar("select count(*) from jobs"); n != 0 {
		t.Fatalf("%d jobs were started", n)
	}

	var started startedJobs
	w.want(202, "PUT", org+"issues/?query=boom", `{"status":"ignored","statusDetails":{"ignoreCount":100},"inbox":false}`).json(t, &started)
	if len(started.Jobs) != 2 {
		t.Fatalf("%+v", started)
	}
	for _, j := range started.Jobs {
		if j.Query != `"boom"` || j.Status != "waiting" {
			t.Errorf("%+v", j)
		}
		if j.Project == "shop" {
			w.want(200, "POST", strings.TrimPrefix(j.URL, baseURL)+"cancel/")
		}
	}
	w.work()
	var list []struct{ Project, Status, URL string }
	w.want(200, "GET", "/api/v1/organizations/default/jobs/").json(t, &list)
	got := map[string]string{}
	for _, j := range list {
		got[j.Project] = j.Status
	}
	if got["shop"] != "cancelled" || got["attic"] != "done" || len(list) != 2 {
		t.Errorf("%v", list)
	}
	w.want(200, "GET", "/api/v1/organizations/default/jobs/?project=attic&per_page=1").json(t, &list)
	if len(list) != 1 || list[0].Project != "attic" {
		t.Errorf("%v", list)
	}
	w.want(400, "GET", "/api/v1/organizations/default/jobs/?before=x")
	if n := w.scalar("select count(*) from issues where status = 2 and snooze->>'count' = '100' and project_id = $1", attic); n != 30 {
		t.Errorf("%d issues are archived", n)
	}
	if n := w.scalar("select count(*) from activities where type = 'mark_reviewed' and project_id = $1", attic); n != 30 {
		t.Errorf("%d issues are reviewed", n)
	}
	if n := w.scalar("select count(*) from issues where status <> 0 and project_id = 1"); n != 0 {
		t.Errorf("%d issues were changed by a job that was stopped first", n)
	}
}

// TestAnUpdateGoesOnAfterItsWorkerDied: the worker dies in the middle, and its successor changes the
// rest, each issue once.
func TestAnUpdateGoesOnAfterItsWorkerDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.manyIssues(1, 3000, "boom")
	var started startedJobs
	w.want(202, "PUT", proj+"issues/?query="+url.QueryEscape(`boom firstSeen:<2099-01-01`), `{"priority":"low"}`).json(t, &started)
	if _, err := w.st.WorkJob(t.Context(), &postgres.JobTools{}, 0); err != nil { // one chunk
		t.Fatal(err)
	}
	part := w.scalar("select count(*) from issues where priority = 25")
	if part == 0 || part == 3000 {
		t.Fatalf("%d after one chunk", part)
	}
	conn, err := pgx.Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "update jobs set fence = fence + 1, leased_until = now() + interval '1 second'"); err != nil { // as one that holds it and says nothing more
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	w.record(1, "boom after the change was asked for", 1, func(doc map[string]any) { doc["level"] = "error" })
	w.exec("update issues set first_seen = now() + interval '1 second' where number < 100000")
	w.work()
	if n := w.scalar("select count(*) from issues where priority = 25"); n != 3000 {
		t.Errorf("%d issues were changed", n)
	}
	if n := w.scalar("select count(*) from activities where type = 'set_priority'"); n != 3000 {
		t.Errorf("%d entries in the histories", n)
	}
	if n := w.scalar("select done from jobs"); n != 3000 {
		t.Errorf("%d done", n)
	}
}
