package api_test

import (
	"fmt"
	"strings"
	"testing"
)

const workflows = org + "workflows/"

// aWorkflow is what the Terraform provider sends, with a name.
func aWorkflow(name, more string) string {
	return `{"name":"` + name + `","enabled":true,"environment":null,"config":{"frequency":60},"detectorIds":["11"],
		"triggers":{"logicType":"any-short","conditions":[{"type":"first_seen_event","comparison":true,"conditionResult":true},{"type":"regression_event","comparison":true,"conditionResult":true}]},
		"actionFilters":[{"logicType":"all","conditions":[{"type":"level","comparison":{"match":"gte","level":40},"conditionResult":true}],
		"actions":[{"type":"email","config":{"targetType":"issue_owners","targetIdentifier":null},"data":{"fallthroughType":"ActiveMembers"}}]}]` + more + `}`
}

type workflowAnswer struct {
	ID, Name, Environment string
	Enabled               bool
	DetectorIDs           []string
	Config                struct{ Frequency int }
	Triggers              groupAnswer
	ActionFilters         []groupAnswer
}

type groupAnswer struct {
	LogicType  string
	Conditions []struct {
		ID, Type   string
		Comparison any
	}
	Actions []struct {
		ID, Type string
		Config   map[string]any
		Data     map[string]any
	}
}

// doc is the document that a call answers.
func (w *world) doc(status int, method, path string, body ...string) (doc map[string]any) {
	w.t.Helper()
	w.want(status, method, path, body...).json(w.t, &doc)
	return doc
}

// TestAnAlertHasTwoShapes: what was made as a workflow is a classic rule, and the other way round;
// a change in one is read in the other.
func TestAnAlertHasTwoShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made workflowAnswer
	w.want(201, "POST", workflows, aWorkflow("From Terraform", "")).json(t, &made)
	if fmt.Sprint(made.DetectorIDs) != "[11]" || made.Config.Frequency != 60 || made.Triggers.LogicType != "any-short" || len(made.ActionFilters) != 1 ||
		fmt.Sprint(made.Triggers.Conditions) != "[{1 first_seen_event true} {2 regression_event true}]" || fmt.Sprint(made.ActionFilters[0].Conditions) != "[{3 level map[level:40 match:gte]}]" ||
		fmt.Sprint(made.ActionFilters[0].Actions) != "[{4 email map[targetIdentifier:<nil> targetType:issue_owners] map[fallthroughType:ActiveMembers]}]" {
		t.Errorf("what was sent is answered as %+v", made)
	}
	var classic struct {
		ID, Name, ActionMatch, FilterMatch string
		Frequency                          int
		Conditions, Filters, Actions       []map[string]any
	}
	w.want(200, "GET", proj+"rules/"+made.ID+"/").json(t, &classic)
	if classic.Name != "From Terraform" || classic.Frequency != 60 || classic.ActionMatch != "any" || classic.FilterMatch != "all" ||
		fmt.Sprint(classic.Conditions) != "[map[id:sentry.rules.conditions.first_seen_event.FirstSeenEventCondition] map[id:sentry.rules.conditions.regression_event.RegressionEventCondition]]" ||
		classic.Filters[0]["level"] != "40" || classic.Actions[0]["targetType"] != "IssueOwners" {
		t.Errorf("as a classic rule: %+v", classic)
	}

	// A change in the classic shape is read in the newer one, whose detectors stay.
	w.want(200, "PUT", proj+"rules/"+made.ID+"/", `{"name":"Renamed","actionMatch":"all","filterMatch":"any","frequency":30,"environment":"production",
		"conditions":[{"id":"sentry.rules.conditions.event_frequency.EventFrequencyCondition","value":100,"comparisonType":"count","interval":"1h"}],"filters":[],
		"actions":[{"id":"sentry.mail.actions.NotifyEmailAction","targetType":"Member","targetIdentifier":"1"}]}`)
	var read workflowAnswer
	w.want(200, "GET", workflows+made.ID+"/").json(t, &read)
	if read.Name != "Renamed" || read.Environment != "production" || len(read.Triggers.Conditions) != 0 || fmt.Sprint(read.ActionFilters[0].Conditions) != "[{1 event_frequency_count map[interval:1h value:100]}]" ||
		read.ActionFilters[0].Actions[0].Config["targetType"] != "user" || fmt.Sprint(read.DetectorIDs) != "[11]" {
		t.Errorf("after a classic change: %+v", read)
	}

	// Underscores, ids and what the answer had besides are read; a part that is left out stays.
	snake := strings.NewReplacer("detectorIds", "detector_ids", "actionFilters", "action_filters", "logicType", "logic_type", "conditionResult", "condition_result", "targetType", "target_type",
		"targetIdentifier", "target_identifier", "fallthroughType", "fallthrough_type").Replace(aWorkflow("Snakes", `,"id":"`+made.ID+`","organizationId":"1","createdBy":null,"lastTriggered":null`))
	w.want(200, "PUT", workflows+made.ID+"/", snake).json(t, &read)
	if read.Name != "Snakes" || len(read.Triggers.Conditions) != 2 || read.ActionFilters[0].Actions[0].Data["fallthroughType"] != "ActiveMembers" {
		t.Errorf("with underscores: %+v", read)
	}
	w.want(200, "PUT", workflows+made.ID+"/", `{"name":"Only a name","enabled":false}`).json(t, &read)
	if read.Name != "Only a name" || read.Enabled || len(read.Triggers.Conditions) != 2 {
		t.Errorf("a change of the name: %+v", read)
	}

	// A rule that was made classic reads as a workflow, of both detectors.
	var rule struct{ ID string }
	w.want(201, "POST", proj+"rules/", `{"name":"Classic","actionMatch":"any","conditions":[{"id":"sentry.rules.conditions.first_seen_event.FirstSeenEventCondition"}],
		"filters":[{"id":"sentry.rules.filters.tagged_event.TaggedEventFilter","key":"plan","match":"eq","value":"pro"}],
		"actions":[{"id":"sentry.mail.actions.NotifyEmailAction","targetType":"IssueOwners","targetIdentifier":"","fallthroughType":"NoOne"}]}`).json(t, &rule)
	var asWorkflow workflowAnswer
	w.want(200, "GET", workflows+rule.ID+"/").json(t, &asWorkflow)
	if fmt.Sprint(asWorkflow.DetectorIDs) != "[11 12]" || asWorkflow.Triggers.Conditions[0].Type != "first_seen_event" || asWorkflow.Config.Frequency != 30 ||
		fmt.Sprint(asWorkflow.ActionFilters[0].Conditions) != "[{2 tagged_event map[key:plan match:eq value:pro]}]" || asWorkflow.ActionFilters[0].Actions[0].Data["fallthroughType"] != "NoOne" {
		t.Errorf("a classic rule as a workflow: %+v", asWorkflow)
	}
	w.want(204, "DELETE", workflows+rule.ID+"/")
	w.want(404, "GET", proj+"rules/"+rule.ID+"/")
	w.want(404, "GET", workflows+rule.ID+"/")
	for event, n := range map[string]int64{"workflow.create": 1, "workflow.edit": 2, "workflow.remove": 1} {
		if got := w.scalar("select count(*) from audit_log where event = $1 and target <> ''", event); got != n {
			t.Errorf("the audit log has %d of %s, want %d", got, event, n)
		}
	}
}

// TestWorkflowsAreListedAndChangedTogether pages, orders, searches, switches and deletes.
func TestWorkflowsAreListedAndChangedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", org+"projects/", `{"name":"attic"}`)
	attic := w.scalar("select id from projects where slug = 'attic'")
	for i := range 5 {
		w.want(201, "POST", workflows, aWorkflow(fmt.Sprintf("Alert %d", i), ""))
	}
	w.want(201, "POST", workflows, strings.Replace(aWorkflow("Attic", ""), `"11"`, fmt.Sprintf(`"%d1"`, attic), 1))
	names := func(query string) string {
		var list []workflowAnswer
		w.want(200, "GET", workflows+query).json(t, &list)
		var out []string
		for _, l := range list {
			out = append(out, l.Name)
		}
		return strings.Join(out, ", ")
	}
	for query, want := range map[string]string{
		"?sortBy=-name&per_page=2":                            "Alert 4, Alert 3", // Attic sorts first of all that are left
		"?projectSlug=attic":                                  "Attic",
		"?projectSlug=shop&sortBy=-id&query=name:\"*ert+3*\"": "Alert 3",
		"?query=lert+4":                                       "Alert 4",
		"?query=name:\"Attic\"":                               "Attic",
		"?query=name:\"100%25\"":                              "",
		fmt.Sprintf("?project=%d", attic):                     "Attic",
	} {
		if query == "?sortBy=-name&per_page=2" {
			want = "Attic, Alert 4"
		}
		if got := names(query); got != want {
			t.Errorf("%s: want %q, got %q", query, want, got)
		}
	}
	var seen []string
	cursor := ""
	for range 4 {
		a := w.want(200, "GET", workflows+"?sortBy=name&per_page=2&cursor="+cursor)
		var list []workflowAnswer
		a.json(t, &list)
		for _, l := range list {
			seen = append(seen, l.Name)
		}
		_, next, _ := strings.Cut(a.header.Get("Link"), `rel="next"; results="`)
		if strings.HasPrefix(next, "false") {
			break
		}
		_, cursor, _ = strings.Cut(next, `cursor="`)
		cursor = strings.TrimSuffix(cursor, `"`)
	}
	if got := strings.Join(seen, ", "); got != "Alert 0, Alert 1, Alert 2, Alert 3, Alert 4, Attic" {
		t.Errorf("pages: %s", got)
	}
	var list []workflowAnswer
	w.want(200, "GET", workflows+"?projectSlug=shop&sortBy=id").json(t, &list)
	w.want(200, "PUT", workflows+"?id="+list[0].ID+"&id="+list[1].ID, `{"enabled":false}`).json(t, &list)
	if len(list) != 2 || list[0].Enabled || w.scalar("select count(*) from alert_rules where not is_enabled") != 2 {
		t.Errorf("switched off: %+v", list)
	}
	w.want(400, "PUT", workflows, `{"enabled":false}`)
	w.want(400, "PUT", workflows+"?id="+list[0].ID, `{}`)
	w.want(400, "DELETE", workflows)
	w.want(204, "DELETE", workflows+"?id="+list[0].ID+"&query=lert")
	w.want(204, "DELETE", workflows+"?projectSlug=attic")
	if n := w.scalar("select count(*) from alert_rules"); n != 4 {
		t.Errorf("%d rules are left", n)
	}
	for _, path := range []string{"?sortBy=odd", "?query=age:1", "?id=x", "?cursor=x", "?per_page=0"} {
		w.want(400, "GET", workflows+path)
	}
	w.want(404, "GET", workflows+"?projectSlug=absent")
}

// TestDetectorsAreWhatProjectsHave: two for each project; those that cannot be evaluated are refused
// with what there is instead, and nothing is stored.
func TestDetectorsAreWhatProjectsHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made workflowAnswer
	w.want(201, "POST", workflows, aWorkflow("One", "")).json(t, &made)
	type detector struct {
		ID, ProjectID, Name, Type string
		WorkflowIDs               []string
	}
	var list []detector
	w.want(200, "GET", org+"detectors/?project=1&query=type:error").json(t, &list)
	if len(list) != 1 || list[0].ID != "11" || list[0].ProjectID != "1" || list[0].Type != "error" || fmt.Sprint(list[0].WorkflowIDs) != "["+made.ID+"]" {
		t.Errorf("the error detector: %+v", list)
	}
	w.want(200, "GET", org+"projects/shop/detectors/?sortBy=-name").json(t, &list)
	if len(list) != 2 || list[0].Type != "issue_stream" || len(list[0].WorkflowIDs) != 0 {
		t.Errorf("both: %+v", list)
	}
	w.want(200, "GET", org+"detectors/?id=12&query=name:stream+!type:error")
	var one detector
	w.want(200, "GET", org+"detectors/11/").json(t, &one)
	w.want(200, "PUT", org+"detectors/11/", `{"name":"Error Monitor","type":"error","project_id":"1","enabled":true}`)
	for body, field := range map[string]string{`{"name":"Other"}`: "name", `{"enabled":false}`: "enabled", `{"type":"metric_issue"}`: "type", `{"owner":"user:1"}`: "owner"} {
		if a := w.want(400, "PUT", org+"detectors/11/", body); !strings.HasPrefix(string(a.body), `{"`+field+`"`) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	for kind, says := range map[string]string{"metric_issue": "Metrics are not evaluated", "uptime_domain_failure": "Addresses are not watched", "monitor_check_in_failure": "Check-ins are not evaluated", "error": "its own detectors"} {
		a := w.want(400, "POST", org+"projects/shop/detectors/", `{"name":"x","type":"`+kind+`","data_sources":[{"query":"x"}],"condition_group":{"logicType":"any","conditions":[]},"config":{},"workflow_ids":[]}`)
		if !strings.Contains(string(a.body), says) {
			t.Errorf("%s: %s", kind, a.body)
		}
	}
	w.want(400, "DELETE", org+"detectors/12/")
	for _, path := range []string{org + "detectors/13/", org + "detectors/991/", org + "detectors/x/"} {
		w.want(404, "GET", path)
	}
	w.want(400, "GET", org+"detectors/?query=age:1")
	w.want(400, "GET", org+"detectors/?sortBy=odd")
	for body, says := range map[string]string{
		strings.Replace(aWorkflow("x", ""), `["11"]`, `[]`, 1):                                      "Connect the alert",
		strings.Replace(aWorkflow("x", ""), `["11"]`, `["991"]`, 1):                                 "no detector 991",
		strings.Replace(aWorkflow("x", ""), `"frequency":60`, `"frequency":1`, 1):                   "5 to 43200",
		strings.Replace(aWorkflow("x", ""), `"conditionResult":true`, `"conditionResult":false`, 1): "conditionResult",
		strings.Replace(aWorkflow("x", ""), `"frequency":60`, `"frequency":60,"odd":1`, 1):          "Unknown field",
		strings.Replace(aWorkflow("x", ""), `"level"`, `"percent_sessions_count"`, 1):               "sessions are not counted",
		aWorkflow("", ""): "name",
		strings.Replace(aWorkflow("x", ""), `"type":"email"`, `"type":"slack"`, 1):                       "slack",
		`{"name":"deep","triggers":` + strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50) + `}`: "too deep",
	} {
		if a := w.want(400, "POST", workflows, body); !strings.Contains(string(a.body), says) {
			t.Errorf("want %q in %s", says, a.body)
		}
	}
	if n := w.scalar("select count(*) from alert_rules"); n != 1 {
		t.Errorf("%d rules are stored", n)
	}
}
