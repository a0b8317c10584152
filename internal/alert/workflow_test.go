package alert_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

var workflowPlaces = []alert.Destination{
	{ID: 11, Channel: alert.ChannelSlack, Name: "On call", Target: "#alerts"}, {ID: 12, Channel: alert.ChannelWebhook, Name: "Hook"},
	{ID: 13, Channel: alert.ChannelWebhook, Name: "Other hook"}, {ID: 14, Channel: alert.ChannelPagerDuty, Name: "Pager"}, {ID: 15, Channel: alert.ChannelEmail, Name: "List"},
}

const toOwners = `"actions":[{"type":"email","config":{"targetType":"issue_owners"},"data":{"fallthroughType":"AllMembers"}}]`

func readWorkflow(t testing.TB, text string) (alert.Rule, alert.Workflow, error) {
	t.Helper()
	var w alert.Workflow
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	r := alert.Rule{Project: 1, Name: "x", Enabled: true, Workflow: &w}
	return r, w, r.ReadWorkflow(&w, workflowPlaces)
}

// TestAWorkflowIsReadAsItWasWritten: every condition and action of Sentry's API that can be evaluated
// makes a valid rule, reads as it was written, and reads alike when it is made from the rule alone.
func TestAWorkflowIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ triggers, filters string }{
		"flags":      {`{"type":"first_seen_event","comparison":true},{"type":"regression_event","comparison":true},{"type":"reappeared_event","comparison":true},{"type":"issue_resolved_trigger","comparison":true},{"type":"new_high_priority_issue","comparison":true},{"type":"existing_high_priority_issue","comparison":true},{"type":"every_event","comparison":true}`, ``},
		"age":        {`{"type":"first_seen_event","comparison":true}`, `{"type":"age_comparison","comparison":{"comparisonType":"older","value":10,"time":"minute"}}`},
		"assigned":   {`{"type":"first_seen_event","comparison":true}`, `{"type":"assigned_to","comparison":{"targetType":"Team","targetIdentifier":"7"}},{"type":"assigned_to","comparison":{"targetType":"Unassigned","targetIdentifier":""}}`},
		"category":   {`{"type":"first_seen_event","comparison":true}`, `{"type":"issue_category","comparison":{"value":1,"include":true}},{"type":"issue_category","comparison":{"value":6,"include":false}}`},
		"numbers":    {`{"type":"first_seen_event","comparison":true}`, `{"type":"issue_occurrences","comparison":{"value":5}},{"type":"issue_priority_greater_or_equal","comparison":75},{"type":"level","comparison":{"match":"gte","level":40}}`},
		"texts":      {`{"type":"first_seen_event","comparison":true}`, `{"type":"event_attribute","comparison":{"attribute":"http.url","match":"co","value":"/pay"}},{"type":"tagged_event","comparison":{"key":"browser","match":"is"}}`},
		"releases":   {`{"type":"first_seen_event","comparison":true}`, `{"type":"latest_release","comparison":true},{"type":"latest_adopted_release","comparison":{"environment":"prod","ageComparison":"newer","releaseAgeType":"oldest"}}`},
		"counts":     {``, `{"type":"event_frequency_count","comparison":{"value":100,"interval":"1h"}},{"type":"event_frequency_percent","comparison":{"value":50,"interval":"1h","comparisonInterval":"1w"}},{"type":"event_unique_user_frequency_count","comparison":{"value":5,"interval":"5min"}},{"type":"event_unique_user_frequency_percent","comparison":{"value":12.5,"interval":"1d","comparisonInterval":"1d"}}`},
		"count both": {`{"type":"every_event","comparison":true}`, `{"type":"event_frequency_count","comparison":{"value":100,"interval":"1hr"}},{"type":"level","comparison":{"match":"eq","level":50}}`},
		"narrowed":   {``, `{"type":"event_unique_user_frequency_count","comparison":{"value":5,"interval":"1h","filters":[{"key":"plan","match":"eq","value":"pro"},{"attribute":"platform","match":"eq","value":"go"}]}}`},
		"our own":    {`{"type":"tocsin.escalating","comparison":{}},{"type":"tocsin.nth","comparison":{"value":"100"}}`, `{"type":"tocsin.query","comparison":{"value":"is:unresolved"}}`},
	} {
		text := `{"triggers":{"logicType":"any-short","conditions":[` + c.triggers + `]},"actionFilters":[{"logicType":"all","conditions":[` + c.filters + `],"actions":[
			{"type":"email","config":{"targetType":"user","targetIdentifier":"3"},"data":{}},{"type":"email","config":{"targetType":"team","targetIdentifier":"4"},"data":{}},
			{"type":"slack","integrationId":"11","config":{"targetType":"specific","targetIdentifier":"C0123","targetDisplay":"#alerts"},"data":{"tags":"browser,os","notes":"look"}},
			{"type":"pagerduty","integrationId":"14","config":{"targetType":"specific","targetIdentifier":"x","targetDisplay":"Pager"},"data":{"priority":"critical"}},
			{"type":"webhook","config":{"targetIdentifier":"15"},"data":{}},{"type":"plugin","config":{},"data":{}}]}]}`
		rule, sent, err := readWorkflow(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := rule.Validate(); err != nil {
			t.Errorf("%s makes no valid rule: %v", name, err)
		}
		if len(rule.Actions) != 7 || rule.Actions[2].Destination != 11 || rule.Actions[6].Destination != 13 || rule.Actions[3].Severity != "critical" {
			t.Errorf("%s: actions %+v", name, rule.Actions)
		}
		stored := roundTrip(t, rule)
		if diff := cmp.Diff(sent, stored.AsWorkflow(workflowPlaces)); diff != "" {
			t.Errorf("%s is not read as it was written (-sent +read):\n%s", name, diff)
		}
		stored.Workflow = nil
		made := stored.AsWorkflow(workflowPlaces)
		again := alert.Rule{Project: 1, Name: "x", Enabled: true}
		if err := again.ReadWorkflow(&made, workflowPlaces); err != nil {
			t.Errorf("%s: made from the rule: %v", name, err)
		}
		if diff := cmp.Diff(stored.Conditions, again.Conditions); diff != "" {
			t.Errorf("%s: conditions of the form made from the rule:\n%s", name, diff)
		}
		if diff := cmp.Diff(stored.Filters, again.Filters); diff != "" {
			t.Errorf("%s: filters of the form made from the rule:\n%s", name, diff)
		}
		wantSame := made.ActionFilters[0].Conditions
		for i, c := range sent.ActionFilters[0].Conditions {
			if !jsonEqual(c.Comparison, wantSame[i].Comparison) && !strings.Contains(string(c.Comparison), "include") {
				t.Errorf("%s: %s reads %s when made from the rule, was %s", name, c.Type, wantSame[i].Comparison, c.Comparison)
			}
		}
	}
}

func jsonEqual(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

// roundTrip is the rule as it comes from the database.
func roundTrip(t testing.TB, r alert.Rule) alert.Rule {
	t.Helper()
	text, err := json.Marshal(r)
	out := alert.Rule{ID: 5, Project: r.Project, Name: r.Name, Enabled: r.Enabled}
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWorkflowsThatCannotBeEvaluatedAreRefused names the member at fault.
func TestWorkflowsThatCannotBeEvaluatedAreRefused(t *testing.T) {
	t.Parallel()
	group := func(conditions string) string {
		return `[{"logicType":"all","conditions":[` + conditions + `],` + toOwners + `}]`
	}
	for text, want := range map[string]string{
		`{"triggers":{"conditions":[{"type":"nonsense"}]},"actionFilters":` + group(``) + `}`:                                                                                                    "triggers: \"nonsense\" is not",
		`{"actionFilters":` + group(`{"type":"percent_sessions_count","comparison":{"value":1,"interval":"1h"}}`) + `}`:                                                                          "actionFilters: The condition percent_sessions_count is not supported: sessions",
		`{"actionFilters":` + group(`{"type":"event_frequency_count","comparison":{"value":1,"interval":"2h"}}`) + `}`:                                                                           "actionFilters: the interval",
		`{"actionFilters":` + group(`{"type":"event_frequency_count","comparison":{"value":1,"interval":"1h","odd":1}}`) + `}`:                                                                   `unknown field "odd"`,
		`{"actionFilters":` + group(`{"type":"event_frequency_count","comparison":{"value":1,"interval":"1h","filters":[{"key":"a","match":"eq","value":"b"}]}}`) + `}`:                          "filters: only event_unique_user",
		`{"actionFilters":` + group(`{"type":"level","comparison":{"match":"gte","level":45}}`) + `}`:                                                                                            "level: \"45\"",
		`{"actionFilters":` + group(`{"type":"latest_release","comparison":3}`) + `}`:                                                                                                            "comparison: it is true",
		`{"actionFilters":` + group(`{"type":"issue_priority_greater_or_equal","comparison":10}`) + `}`:                                                                                          "75 for high",
		`{"triggers":{"conditions":[{"type":"first_seen_event","comparison":true}]},"actionFilters":` + group(`{"type":"event_frequency_count","comparison":{"value":1,"interval":"1h"}}`) + `}`: "leave the triggers empty",
		`{"actionFilters":[]}`: "one list of filters",
		`{"actionFilters":[{"logicType":"all","conditions":[],"actions":[]}]}`:                                                                                                   "add 1 to 32 actions",
		`{"actionFilters":[{"logicType":"some","conditions":[],` + toOwners + `}]}`:                                                                                              "logicType",
		`{"actionFilters":[{"logicType":"all","conditions":[],"actions":[{"type":"jira","config":{"targetType":"specific"},"data":{}}]}]}`:                                       "create tickets",
		`{"actionFilters":[{"logicType":"all","conditions":[],"actions":[{"type":"webhook","config":{"targetIdentifier":"absent"},"data":{}}]}]}`:                                "no destination \"absent\"",
		`{"actionFilters":[{"logicType":"all","conditions":[],"actions":[{"type":"discord","config":{"targetIdentifier":"1"},"data":{}}]}]}`:                                     "no destination of the channel",
		`{"actionFilters":[{"logicType":"all","conditions":[],"actions":[{"type":"email","config":{"targetType":"user"},"data":{}}]}]}`:                                          "id of a user",
		`{"actionFilters":[{"logicType":"all","conditions":[],"actions":[{"type":"email","config":{"targetType":"issue_owners","odd":1},"data":{}}]}]}`:                          "config: unknown",
		`{"triggers":{"conditions":[],"actions":[{"type":"plugin"}]},"actionFilters":[{"logicType":"all","conditions":[],"actions":[{"type":"plugin","config":{},"data":{}}]}]}`: "Actions belong",
	} {
		_, _, err := readWorkflow(t, text)
		var at *alert.WorkflowFault
		if !errors.As(err, &at) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\nwant %q, got %v", text, want, err)
		}
	}
}

// TestARuleReadsAsAWorkflow: what pages and the classic API made reads in the newer shape, and a
// change there is what the newer shape says from then on.
func TestARuleReadsAsAWorkflow(t *testing.T) {
	t.Parallel()
	rule := alert.Rule{Project: 1, Name: "x", Enabled: true, Match: alert.MatchAny, FilterMatch: alert.MatchNone,
		Conditions: []alert.Clause{{Kind: alert.KindNew}, {Kind: alert.KindEvents, Value: "10", Interval: "1h"}}, Filters: []alert.Clause{{Kind: alert.KindLevel, Match: alert.OpAtMost, Value: "info"}},
		Actions: []alert.Action{{Kind: alert.ActionDestination, Destination: 11, Tags: []string{"a", "b"}}, {Kind: alert.ActionDestination, Destination: 15}, {Kind: alert.ActionOwners}}}
	got, err := json.Marshal(rule.AsWorkflow(workflowPlaces))
	const want = `{"triggers":{"logicType":"any-short","conditions":[{"type":"first_seen_event","comparison":true},{"type":"event_frequency_count","comparison":{"value":10,"interval":"1h"}}]},` +
		`"actionFilters":[{"logicType":"none","conditions":[{"type":"level","comparison":{"match":"lte","level":20}}],"actions":[` +
		`{"type":"slack","integrationId":"11","data":{"tags":"a,b"},"config":{"targetType":"specific","targetIdentifier":"11","targetDisplay":"On call"}},` +
		`{"type":"webhook","data":{},"config":{"targetIdentifier":"15","targetDisplay":"List"}},` +
		`{"type":"email","data":{"fallthroughType":"ActiveMembers"},"config":{"targetType":"issue_owners"}}]}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\nwant %s\ngot  %s", err, want, got)
	}

	sent, _, err := readWorkflow(t, `{"detectors":["error"],"triggers":{"logicType":"any-short","conditions":[{"type":"first_seen_event","comparison":{}}]},"actionFilters":[{"logicType":"any","conditions":[],`+toOwners+`}]}`)
	if err != nil {
		t.Fatal(err)
	}
	sent.Conditions = append(sent.Conditions, alert.Clause{Kind: alert.KindRegressed})
	if w := sent.AsWorkflow(workflowPlaces); len(w.Triggers.Conditions) != 2 || len(w.Detectors) != 1 {
		t.Errorf("a change made elsewhere is not read: %+v", w)
	}
}

// FuzzReadWorkflow: whatever is accepted makes a valid rule that reads as it was written, and reads
// the same from the form made of it.
func FuzzReadWorkflow(f *testing.F) {
	f.Add(`{"triggers":{"logicType":"any-short","conditions":[{"type":"first_seen_event","comparison":true}]},"actionFilters":[{"logicType":"all","conditions":[{"type":"level","comparison":{"match":"gte","level":40}}],` + toOwners + `}]}`)
	f.Add(`{"actionFilters":[{"logicType":"any","conditions":[{"type":"event_frequency_count","comparison":{"value":"3","interval":"1h"}},{"type":"assigned_to","comparison":{"targetType":"Member","targetIdentifier":3}}],` + toOwners + `}]}`)
	f.Add(`{"triggers":{"conditions":[{"type":"tocsin.age","comparison":{"value":"1","match":"older","interval":"day"}}]},"actionFilters":[{"conditions":[],"actions":[{"type":"plugin"}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var w alert.Workflow
		if json.Unmarshal([]byte(text), &w) != nil {
			return
		}
		r := alert.Rule{Project: 1, Name: "x", Enabled: true, Workflow: &w}
		if r.ReadWorkflow(&w, workflowPlaces) != nil {
			return
		}
		if err := r.Validate(); err != nil {
			t.Fatalf("%s is accepted, and no valid rule: %v", text, err)
		}
		if diff := cmp.Diff(w, r.AsWorkflow(workflowPlaces)); diff != "" {
			t.Fatalf("%s (-sent +read):\n%s", text, diff)
		}
	})
}
