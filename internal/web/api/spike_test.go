package api_test

import (
	"strings"
	"testing"
)

func TestSpikeProtectionIsSwitched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := ours + "spike-protection/"
	want := func(method, body, answer string) {
		t.Helper()
		if got := strings.TrimSpace(string(w.want(200, method, path, body).body)); got != answer {
			t.Errorf("%s %s: want %s, got %s", method, body, answer, got)
		}
	}
	const off, on = `{"enabled":false,"hourlyLimit":null,"measuredAt":null}`, `{"enabled":true,"hourlyLimit":null,"measuredAt":null}`
	want("GET", "", off)
	want("PUT", `{"enabled":true}`, on)
	want("GET", "", on)
	want("PUT", `{"enabled":false}`, off)
	w.want(400, "PUT", path, `{}`)
	w.want(400, "PUT", path, `{"enabled":true,"limit":5}`)
}

// TestWhatTerraformManagesBesideAlerts: spike protection of several projects, whose state is an option
// of each, destinations as integrations, and the reason for what there is not.
func TestWhatTerraformManagesBesideAlerts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(201, "POST", org+"projects/", `{"name":"attic"}`)
	off := func(slug string) any {
		return w.doc(200, "GET", "/api/0/projects/default/"+slug+"/")["options"].(map[string]any)["quotas:spike-protection-disabled"]
	}
	if off("shop") != true || off("attic") != true {
		t.Error("spike protection is on before anybody switched it")
	}
	w.want(201, "POST", org+"spike-protections/", `{"projects":["shop"]}`)
	if off("shop") != false || off("attic") != true || w.scalar("select count(*) from projects where settings ? 'spikes'") != 1 {
		t.Error("one project is not switched on")
	}
	w.want(201, "POST", org+"spike-protections/", `{"projects":["$all"]}`)
	w.want(200, "DELETE", org+"spike-protections/", `{"projects":["shop"]}`)
	if off("shop") != true || off("attic") != false {
		t.Error("one project is not switched off")
	}
	w.want(200, "PUT", proj, `{"options":{"quotas:spike-protection-disabled":false}}`)
	if off("shop") != false {
		t.Error("the option of the project switches nothing")
	}
	w.want(400, "POST", org+"spike-protections/", `{"projects":["absent"]}`)
	w.want(400, "POST", org+"spike-protections/", `{"projects":[]}`)
	if n := w.scalar("select count(*) from audit_log where event like 'spike-protection.%' and target <> ''"); n != 3 {
		t.Errorf("the audit log has %d of three", n)
	}

	d := w.doc(201, "POST", "/api/v1/organizations/default/destinations/", `{"channel":"slack","name":"On call","settings":{"url":"https://hooks.slack.com/services/T/B/x"}}`)
	var list []map[string]any
	w.want(200, "GET", org+"integrations/?provider_key=slack").json(t, &list)
	if len(list) != 1 || list[0]["id"] != d["id"] || list[0]["name"] != "On call" || list[0]["provider"].(map[string]any)["key"] != "slack" || list[0]["organizationId"] != 1.0 {
		t.Errorf("integrations: %v", list)
	}
	w.want(200, "GET", org+"integrations/"+d["id"].(string)+"/")
	w.want(200, "GET", org+"integrations/?provider_key=github").json(t, &list)
	if len(list) != 0 {
		t.Errorf("integrations that there are not: %v", list)
	}
	// An alert names the destination by what that list says.
	w.want(201, "POST", workflows, strings.Replace(aWorkflow("To Slack", ""), `{"type":"email","config":{"targetType":"issue_owners","targetIdentifier":null},"data":{"fallthroughType":"ActiveMembers"}}`,
		`{"type":"slack","integrationId":"`+d["id"].(string)+`","config":{"targetType":"specific","targetIdentifier":"C012","targetDisplay":"#alerts"},"data":{"tags":"browser"}}`, 1))
	if n := w.scalar("select count(*) from alert_rules where rule->'actions'->0->>'destination' = $1", d["id"]); n != 1 {
		t.Error("the alert does not go to the destination")
	}

	for path, says := range map[string]string{
		org + "dashboards/": "Dashboards are not a feature", org + "alert-rules/": "Metric alerts are not a feature", proj + "alert-rules/1/": "Metric alerts", org + "combined-rules/": "Metric alerts",
		org + "code-mappings/": "Code mappings are not a feature", org + "notifications/actions/": "Notification actions are not a feature", proj + "plugins/webhooks/": "destination of the channel webhook",
		proj + "symbol-sources/": "Upload debug files", org + "nothing/": "The requested resource does not exist",
	} {
		if a := w.want(404, "GET", path); !strings.Contains(string(a.body), says) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	w.want(200, "PUT", proj, `{"digestsMinDelay":300,"digestsMaxDelay":1800}`)
	if a := w.want(400, "PUT", proj, `{"digestsMinDelay":60}`); !strings.Contains(string(a.body), "300 seconds") {
		t.Errorf("%s", a.body)
	}
}
