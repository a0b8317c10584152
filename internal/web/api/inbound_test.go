package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	shop    = "/api/0/projects/default/shop/"
	ourShop = "/api/v1/projects/default/shop/"
)

func TestFiltersAreSwitched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	active := func() map[string]string {
		var list []struct {
			ID     string
			Active json.RawMessage
		}
		w.want(200, "GET", shop+"filters/").json(t, &list)
		out := map[string]string{}
		for _, f := range list {
			out[f.ID] = string(f.Active)
		}
		return out
	}
	want := map[string]string{"browser-extensions": "true", "localhost": "false", "filtered-transaction": "true", "web-crawlers": "true",
		"legacy-browsers": `["ie","firefox","chrome","safari","opera","opera_mini","android","edge"]`}
	if diff := cmp.Diff(want, active()); diff != "" {
		t.Errorf("a new project (-want +got):\n%s", diff)
	}
	w.want(204, "PUT", shop+"filters/localhost/", `{"active":true}`)
	w.want(204, "PUT", shop+"filters/web-crawlers/", `{"active":false}`)
	w.want(204, "PUT", shop+"filters/legacy-browsers/", `{"subfilters":["ie","safari"]}`)
	want["localhost"], want["web-crawlers"], want["legacy-browsers"] = "true", "false", `["ie","safari"]`
	if diff := cmp.Diff(want, active()); diff != "" {
		t.Errorf("switched (-want +got):\n%s", diff)
	}
	w.want(404, "PUT", shop+"filters/nothing/", `{"active":true}`)
	for _, body := range []string{`{}`, `{"active":"yes"}`, `[`, `{"active":true,"x":1}`} {
		w.want(400, "PUT", shop+"filters/localhost/", body)
	}
	w.want(400, "PUT", shop+"filters/legacy-browsers/", `{"subfilters":["`+strings.Repeat("x", 600)+`"]}`)
	reader := "Bearer " + w.tokenWith("project:read")
	for _, call := range [][2]string{{"PUT", shop}, {"PUT", shop + "filters/localhost/"}, {"PUT", ourShop + "filters/"}, {"PUT", ourShop + "privacy/"}} {
		if a := w.callAs(reader, call[0], call[1], `{}`); a.status != 403 {
			t.Errorf("%s %s with project:read: %d", call[0], call[1], a.status)
		}
	}
}

func TestAProjectIsChangedAsClientsDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var before map[string]any
	w.want(200, "GET", shop).json(t, &before)
	if before["dataScrubber"] != true || before["dataScrubberDefaults"] != true || before["scrubIPAddresses"] != false || before["relayPiiConfig"] != nil {
		t.Errorf("a new project: %v", before)
	}
	whole, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	w.want(200, "PUT", shop, string(whole)) // what was read can be written
	var after map[string]any
	w.want(200, "PUT", shop, `{"name":"The shop","platform":"python","scrubIPAddresses":true,"sensitiveFields":["pin"],"safeFields":["extra.pinned"],"allowedDomains":["shop.example"],
		"relayPiiConfig":"{\"applications\":{\"$string\":[\"@email\"]}}",
		"options":{"filters:releases":"1.*\n\n2.*","filters:error_messages":"*oops*","filters:blacklisted_ips":"10.0.0.0/8","other":1}}`).json(t, &after)
	want := map[string]any{"name": "The shop", "platform": "python", "slug": "shop", "scrubIPAddresses": true, "sensitiveFields": []any{"pin"}, "safeFields": []any{"extra.pinned"}, "allowedDomains": []any{"shop.example"},
		"options": map[string]any{"filters:releases": "1.*\n2.*", "quotas:spike-protection-disabled": true, "filters:error_messages": "*oops*", "filters:blacklisted_ips": "10.0.0.0/8"}}
	for name, value := range want {
		if diff := cmp.Diff(value, after[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if text := fmt.Sprint(after["relayPiiConfig"]); !strings.Contains(text, "@email") {
		t.Errorf("advanced rules: %s", text)
	}
	for body, field := range map[string]string{
		`{"name":""}`: "name", `{"name":"` + strings.Repeat("x", 51) + `"}`: "name", `{"platform":"` + strings.Repeat("x", 65) + `"}`: "platform", `{"nonsense":1}`: "nonsense", `{"slug":"No slug"}`: "slug", `{"relayPiiConfig":"{"}`: "relayPiiConfig", `{"relayPiiConfig":{}}`: "relayPiiConfig",
		`{"relayPiiConfig":"{\"applications\":{\"$$\":[\"@email\"]}}"}`: "relayPiiConfig",
		`{"options":{"filters:blacklisted_ips":"nonsense"}}`:            "filters:blacklisted_ips",
		`{"options":{"filters:releases":7}}`:                            "filters:releases",
		`{"sensitiveFields":["` + strings.Repeat("x", 600) + `"]}`:      "sensitiveFields",
	} {
		var problem map[string]any
		if w.want(400, "PUT", shop, body).json(t, &problem); problem[field] == nil {
			t.Errorf("%s: want an error of %s, got %v", body, field, problem)
		}
	}
	var still map[string]any
	w.want(200, "GET", shop).json(t, &still)
	if diff := cmp.Diff(after, still); diff != "" {
		t.Errorf("what is refused changes nothing (-want +got):\n%s", diff)
	}
}

func TestFiltersAreForeseen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 130)
	w.record(1, "bang", 5)
	w.foreignOrganization()
	var got struct {
		Events, Dropped int
		ByReason        map[string]int
	}
	const settings = `"settings":{"errorMessages":{"patterns":["*bang*"]},"releases":{"releases":["nothing"]}}`
	w.want(200, "POST", ourShop+"filters/preview/", `{`+settings+`}`).json(t, &got)
	if got.Events != 135 || got.Dropped != 5 || got.ByReason["error-message"] != 5 {
		t.Errorf("want 5 of 135 dropped, got %+v", got)
	}
	w.want(200, "POST", ourShop+"filters/preview/", `{"events":3,`+settings+`}`).json(t, &got)
	if got.Events != 3 {
		t.Errorf("want 3 events looked at, got %+v", got)
	}
	w.want(200, "POST", ourShop+"filters/preview/", `{}`).json(t, &got)
	if got.Dropped != 0 {
		t.Errorf("want nothing dropped by the filters in force, got %+v", got)
	}
	for _, body := range []string{`{"events":0}`, `{"events":1001}`, `{"settings":{"clientIps":{"blacklistedIps":["x"]}}}`, `{"settings":7}`, ``} {
		w.want(400, "POST", ourShop+"filters/preview/", body)
	}
	var problem map[string]any
	w.want(400, "PUT", ourShop+"filters/", `{"clientIps":{"blacklistedIps":["10.0.0.1","x"]}}`).json(t, &problem)
	if problem["clientIps.blacklistedIps[1]"] == nil {
		t.Errorf("want the entry at fault named, got %v", problem)
	}
	w.want(200, "PUT", ourShop+"filters/", `{"errorMessages":{"patterns":["*bang*"]}}`)
	if a := w.want(200, "GET", ourShop+"filters/"); !strings.Contains(string(a.body), `*bang*`) || strings.Contains(string(a.body), "webCrawlers") {
		t.Errorf("filters in force: %s", a.body)
	}
}

func TestScrubbingIsTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(404, "POST", ourShop+"privacy/preview/", `{}`) // no events yet
	w.record(1, "boom", 2)
	type change struct {
		Path  string
		After any
		Rules []string
	}
	var got struct {
		EventID string
		Changes []change
		More    bool
	}
	const settings = `"settings":{"scrubData":true,"scrubDefaults":true,"scrubIpAddresses":false,"sensitiveFields":["rows"],"piiConfig":{"applications":{"user.email":["@email:remove"]}}}`
	a := w.want(200, "POST", ourShop+"privacy/preview/", `{`+settings+`,"event":"`+eventID("1boom", 0).String()+`"}`)
	a.json(t, &got)
	want := map[string]change{
		"contexts.shelf.rows": {"contexts.shelf.rows", "[Filtered]", []string{"strip-fields"}},
		"user.email":          {"user.email", "", []string{"@email:remove"}},
	}
	for _, c := range got.Changes {
		if diff := cmp.Diff(want[c.Path].Rules, c.Rules); c.Path != "user.email" && diff != "" && want[c.Path].Path != "" {
			t.Errorf("%s (-want +got):\n%s", c.Path, diff)
		}
		delete(want, c.Path)
	}
	if len(want) > 0 || got.EventID != eventID("1boom", 0).String() || got.More || strings.Contains(string(a.body), "a@example.org") {
		t.Errorf("changes missing: %v in %s", want, a.body)
	}
	w.want(200, "POST", ourShop+"privacy/preview/", `{}`)
	w.want(404, "POST", ourShop+"privacy/preview/", `{"event":"`+strings.Repeat("1", 32)+`"}`)
	for _, body := range []string{`{"event":"x"}`, `{"settings":{"piiConfig":{"applications":{"$$":["@email"]}}}}`, `{"settings":{"x":1}}`} {
		w.want(400, "POST", ourShop+"privacy/preview/", body)
	}
	w.want(200, "PUT", ourShop+"privacy/", `{"scrubData":true,"scrubDefaults":false,"scrubIpAddresses":true}`)
	w.want(400, "PUT", ourShop+"privacy/", `{"piiConfig":{"rules":{"a":{"type":"pattern","pattern":"("}},"applications":{"**":["a"]}}}`)
	if a := w.want(200, "GET", ourShop+"privacy/"); !strings.Contains(string(a.body), `"scrubDefaults":false,"scrubIpAddresses":true`) {
		t.Errorf("scrubbing in force: %s", a.body)
	}
}
