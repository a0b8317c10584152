package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

type eventTable struct {
	Data []map[string]any
	Meta struct {
		Fields  map[string]string
		Dataset string
		Tips    map[string]any
	}
}

// shopEvents are the events that searches of this file are over: six of boom, two of them of another
// release and environment, three of bang, which are warnings, and one of another project.
func shopEvents(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.record(1, "boom", 6, func(doc map[string]any) {
		if n := doc["tags"].(map[string]any)["n"]; n == "4" || n == "5" {
			doc["release"], doc["environment"] = "shop@2.0.0", "staging"
		}
	})
	w.record(1, "bang", 3, func(doc map[string]any) {
		doc["level"], doc["tags"] = "warning", map[string]any{"browser.kind": "Chrome", "size": "40"}
		delete(doc, "user")
	})
	w.want(201, "POST", org+"projects/", `{"name":"attic"}`)
	w.record(w.scalar("select id from projects where slug = 'attic'"), "fall", 1)
	return w
}

func (w *world) table(query url.Values) (t eventTable) {
	w.t.Helper()
	w.want(200, "GET", org+"events/?"+query.Encode()).json(w.t, &t)
	return t
}

// TestEventsAreFoundByWhatEachHas asks for single events by everything a term can be about.
func TestEventsAreFoundByWhatEachHas(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	for query, want := range map[string]int{
		"": 10, "boom": 6, "release:shop@2.0.0": 2, "!release:shop@2.0.0": 8, "release:shop@2*": 2, "release:latest boom": 2, "release.version:>1.5": 2,
		"environment:staging": 2, "environment:[staging, production]": 10, "level:warning": 3, "!level:warning": 7, "platform:python": 10, "platform:go": 0,
		"project:attic": 1, "!project:attic": 9, "is:unresolved": 10, "is:resolved": 0, "issue:SHOP-1": 6, "n:5": 1, "!n:5": 9, "browser.kind:Chrome": 3, "browser.kind:fire*": 7,
		"size:>30": 3, "size:>50": 0, "has:size": 3, "!has:size": 7, "has:user": 7, "!has:user": 3, "user.email:a@example.org": 7, "user:id:1": 2, "user.id:1": 2,
		"http.method:POST": 10, "stack.function:add": 10, "stack.filename:*base.py": 10, "error.type:ValueError": 10, "error.value:bang": 3, "error.unhandled:true": 10,
		"id:" + eventID("1boom", 2).String(): 1, "timestamp:-1m": 0, `n:""`: 3, "browser.kind:Firefox release:shop@2.0.0": 2,
		"release:shop@2.0.0 OR level:warning": 5, "(release:shop@2.0.0 OR level:warning) boom": 2, "n:5 OR size:>30": 4, "n:[4,5] OR (level:warning AND title:*bang*)": 5,
		"!(environment:staging OR project:attic)": 7, "boom (n:1 OR release:shop@2*)": 3, "release.version:>1.5 OR project:attic": 3, "!(has:size OR n:1)": 6, "fall OR n:2": 2,
	} {
		got := w.table(url.Values{"field": {"id"}, "query": {query}})
		if len(got.Data) != want {
			t.Errorf("%q: want %d events, got %d", query, want, len(got.Data))
		}
		var meta struct{ Count int }
		if w.want(200, "GET", org+"events-meta/?query="+url.QueryEscape(query)).json(t, &meta); meta.Count != want {
			t.Errorf("%q: want a count of %d, got %d", query, want, meta.Count)
		}
	}
	if a := w.want(400, "GET", org+"events/?field=id&query="+url.QueryEscape("n:5 OR is:resolved")); !strings.Contains(string(a.body), "outside of the parentheses") {
		t.Errorf("%s", a.body)
	}
	var rows []struct{ EventID, Title string }
	w.want(200, "GET", proj+"events/?query="+url.QueryEscape("n:[1,2]")).json(t, &rows)
	if len(rows) != 2 || rows[0].EventID != eventID("1boom", 2).String() {
		t.Errorf("of the project: %+v", rows)
	}
	w.want(200, "GET", org+"issues/SHOP-2/events/?query="+url.QueryEscape("has:size")).json(t, &rows)
	if len(rows) != 3 || !strings.Contains(rows[0].Title, "bang") {
		t.Errorf("of the issue: %+v", rows)
	}
	w.want(200, "GET", org+"issues/SHOP-1/events/?query="+url.QueryEscape("has:size")).json(t, &rows)
	if len(rows) != 0 {
		t.Errorf("of the other issue: %+v", rows)
	}
}

// TestEventFieldsHaveTheirKinds reads a row with a field of every kind, and what meta says of them.
func TestEventFieldsHaveTheirKinds(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	fields := []string{"id", "title", "issue", "issue.id", "project", "project.id", "timestamp", "level", "release", "environment", "user.display", "error.type", "error.handled",
		"browser.kind", "tags[n]", "stack.function", "http.url", "nothing"}
	got := w.table(url.Values{"field": fields, "query": {"n:3 boom"}, "statsPeriod": {"90d"}})
	if len(got.Data) != 1 {
		t.Fatalf("%v", got)
	}
	for field, want := range map[string]any{"issue": "SHOP-1", "project": "shop", "project.id": 1.0, "level": "error", "release": "shop@1.0.0", "user.display": "0", "error.handled": false,
		"browser.kind": "Firefox", "tags[n]": "3", "http.url": "https://shop.example.org/cart", "nothing": nil, "project.name": "shop", "id": eventID("1boom", 3).String(),
		"timestamp": noon.Add(3 * time.Second).Format("2006-01-02T15:04:05.000Z")} {
		if got.Data[0][field] != want {
			t.Errorf("%s: want %v, got %v", field, want, got.Data[0][field])
		}
	}
	if frames := fmt.Sprint(got.Data[0]["stack.function"]); frames != "[call add]" {
		t.Errorf("stack.function: %s", frames)
	}
	for field, want := range map[string]string{"id": "string", "issue.id": "integer", "timestamp": "date", "error.handled": "boolean", "stack.function": "array", "nothing": "string"} {
		if got.Meta.Fields[field] != want {
			t.Errorf("%s is said to be %q, want %s", field, got.Meta.Fields[field], want)
		}
	}
}

// TestEventsAreCountedByGroups counts in the database what columns tell, and from payloads what only
// they do, to the same effect.
func TestEventsAreCountedByGroups(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	got := w.table(url.Values{"field": {"issue", "count()", "count_unique(user)", "last_seen()", "epm()"}, "sort": {"-count"}, "statsPeriod": {"10d"}})
	if len(got.Data) != 3 || got.Data[0]["issue"] != "SHOP-1" || got.Data[0]["count()"] != 6.0 || got.Data[0]["count_unique(user)"] != 3.0 || got.Data[1]["count_unique(user)"] != 0.0 ||
		got.Data[0]["last_seen()"] != noon.Add(5*time.Second).Format(time.RFC3339) || got.Data[0]["epm()"].(float64) <= 0 {
		t.Errorf("%+v", got.Data)
	}
	if got.Meta.Fields["count()"] != "integer" || got.Meta.Fields["last_seen()"] != "date" || got.Meta.Fields["epm()"] != "number" {
		t.Errorf("%v", got.Meta.Fields)
	}
	got = w.table(url.Values{"field": {"browser.kind", "count()", "count_unique(n)", "first_seen()"}, "sort": {"count()"}})
	if len(got.Data) != 2 || got.Data[0]["browser.kind"] != "Chrome" || got.Data[0]["count()"] != 3.0 || got.Data[1]["count()"] != 7.0 || got.Data[1]["count_unique(n)"] != 6.0 {
		t.Errorf("%+v", got.Data)
	}
	if got = w.table(url.Values{"field": {"count()"}, "query": {"nothing_like_this:1"}}); len(got.Data) != 1 || got.Data[0]["count()"] != 0.0 {
		t.Errorf("%+v", got.Data)
	}
	a := w.want(200, "GET", org+"events/?field=release&field=count()&per_page=1&sort=-release")
	a.json(t, &got)
	if len(got.Data) != 1 || got.Data[0]["release"] != "shop@2.0.0" || !strings.Contains(a.header.Get("Link"), `rel="next"; results="true"; cursor="0:1:0"`) {
		t.Errorf("%+v %s", got.Data, a.header.Get("Link"))
	}
	if got = w.table(url.Values{"field": {"id", "title"}, "dataset": {"logs"}}); len(got.Data) != 0 || got.Meta.Dataset != "logs" || got.Meta.Fields["id"] != "string" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"", "field=p95(span.duration)", "field=equation|count()/2", "field=id&sort=-count()", "field=id&dataset=nonsense", "field=id&query=level:nonsense", "field=id&query=a+OR",
		"field=id&cursor=x", "field=id&per_page=101", "field=id&statsPeriod=1y", "field=" + strings.Repeat("a", 300), "field=count(", "field=id&query=n:5&sort=title", strings.Repeat("field=id&", 21)} {
		w.want(400, "GET", org+"events/?"+bad)
	}
}

// TestEventsOverTime draws one line, one for each axis, and one for each of the largest groups.
func TestEventsOverTime(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	type line struct {
		Data       [][2]any
		Start, End int64
		Order      *int
	}
	sum := func(l line) (n float64) {
		for _, point := range l.Data {
			n += point[1].([]any)[0].(map[string]any)["count"].(float64)
		}
		return n
	}
	span := "start=" + noon.Add(-time.Hour).Format("2006-01-02T15:04:05") + "&end=" + noon.Add(time.Hour).Format("2006-01-02T15:04:05")
	var one line
	w.want(200, "GET", org+"events-stats/?interval=1h&"+span).json(t, &one)
	if len(one.Data) != 2 || sum(one) != 10 || one.Data[1][0] != float64(noon.Unix()) || one.Start != noon.Add(-time.Hour).Unix() {
		t.Errorf("%+v", one)
	}
	var axes map[string]line
	w.want(200, "GET", org+"events-stats/?interval=1h&yAxis=count()&yAxis=count_unique(user)&query=boom&"+span).json(t, &axes)
	if sum(axes["count()"]) != 6 || sum(axes["count_unique(user)"]) != 3 {
		t.Errorf("%+v", axes)
	}
	for _, by := range []string{"issue", "browser.kind"} { // in the database, and from payloads
		var top map[string]line
		w.want(200, "GET", org+"events-stats/?interval=1h&topEvents=2&field=count()&field="+by+"&"+span).json(t, &top)
		first := top[map[string]string{"issue": "SHOP-1", "browser.kind": "Firefox"}[by]]
		if len(top) != 2 || sum(first) < 6 || first.Order == nil || *first.Order != 0 {
			t.Errorf("by %s: %+v", by, top)
		}
	}
	w.want(200, "GET", org+"events-stats/?dataset=spans&yAxis=p95(span.duration)").json(t, &one)
	if sum(one) != 0 {
		t.Errorf("%+v", one)
	}
	for _, bad := range []string{"yAxis=last_seen()", "topEvents=11", "interval=1x", "yAxis=title"} {
		w.want(400, "GET", org+"events-stats/?"+bad)
	}
	var keys []struct {
		Key         string
		TotalValues int
	}
	w.want(200, "GET", org+"tags/").json(t, &keys)
	if len(keys) < 5 {
		t.Errorf("%+v", keys)
	}
	w.want(200, "GET", org+"tags/?dataset=spans").json(t, &keys)
	if len(keys) != 0 {
		t.Errorf("%+v", keys)
	}
	w.want(200, "GET", org+"monitors/?cursor=")
	w.want(200, "GET", org+"trace-items/attributes/?itemType=logs&attributeType=string")
}

// TestEventsOutOfReachAreNotFound: a member whose teams do not have a project finds no event of it.
func TestEventsOutOfReachAreNotFound(t *testing.T) {
	t.Parallel()
	w := shopEvents(t)
	w.want(201, "POST", org+"teams/", `{"slug":"core"}`)
	w.want(201, "POST", proj+"teams/core/")
	user, bearer := w.as("ann@example.org", "member")
	w.want(201, "POST", fmt.Sprintf("%s%d/teams/core/", members, user))
	w.want(200, "PUT", org, `{"openMembership":false}`)
	for _, path := range []string{"events/?field=project&field=count()", "events/?field=project.name", "events/?field=browser.kind&field=project"} {
		var got eventTable
		w.wantAs(bearer, 200, "GET", org+path).json(t, &got)
		for _, row := range got.Data {
			if row["project"] == "attic" || row["project.name"] == "attic" || len(got.Data) == 0 {
				t.Errorf("%s shows %v", path, row)
			}
		}
	}
	w.wantAs(bearer, 404, "GET", org+"events/?field=id&project=attic")
}
