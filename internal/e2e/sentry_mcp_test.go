package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestSentrysMCPServerWorksUnchanged runs the published program against an installation, tool by
// tool. What it needs and Tocsin does not store (replays, profiles, spans) is not called.
func TestSentrysMCPServerWorksUnchanged(t *testing.T) {
	t.Parallel()
	in, dir := up(t), installClients(t, "mcp")
	id := eventID(91)
	if status, err := in.send(t.Context(), id, `{"event_id":"`+id+`","platform":"python","level":"error","release":"shop@1.0.0","environment":"production","tags":{"tenant":"north"},
		"exception":{"values":[{"type":"ValueError","value":"boom","stacktrace":{"frames":[{"function":"pay","filename":"pay.py","lineno":7,"in_app":true,"context_line":"raise ValueError()"}]}}]}}`); err != nil || status != 200 {
		t.Fatalf("send: %d %v", status, err)
	}
	in.await("the issue and its tags", 60*time.Second, func(ctx context.Context) error {
		return in.api(ctx, "organizations/default/issues/DEFAULT-1/tags/tenant/", &struct{}{})
	})
	program := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "node_modules/.bin/sentry-mcp"), "--access-token="+in.AuthToken,
		"--host="+strings.TrimPrefix(in.URL, "http://"), "--insecure-http", "--sentry-dsn=")
	program.Env = append(os.Environ(), "SENTRY_DSN=")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, &sdk.CommandTransport{Command: program}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	table := newTable("Tool", "0.36.0")
	org, project, issue := map[string]any{}, map[string]any{"projectSlug": "default"}, map[string]any{"issueId": "DEFAULT-1"}
	for _, c := range []struct {
		tool string
		base map[string]any
		more map[string]any
		want string
	}{
		{"whoami", nil, nil, in.Email}, {"find_organizations", nil, nil, "default"}, {"find_teams", org, nil, "Teams in"}, {"find_projects", org, nil, "default"},
		{"find_releases", project, nil, "1.0.0"}, {"find_releases", org, nil, "1.0.0"}, {"find_dsns", project, nil, in.key()},
		{"create_team", org, map[string]any{"name": "Mobile"}, "mobile"}, {"create_project", org, map[string]any{"teamSlug": "mobile", "name": "App", "platform": "go"}, "SENTRY_DSN"},
		{"update_project", org, map[string]any{"projectSlug": "app", "name": "The App", "platform": "python"}, "The App"}, {"create_dsn", org, map[string]any{"projectSlug": "app", "name": "Production"}, "Production"},
		{"search_issues", org, map[string]any{"query": "is:unresolved"}, "DEFAULT-1"},
		{"get_sentry_resource", org, map[string]any{"resourceType": "issue", "resourceId": "DEFAULT-1"}, "pay.py"},
		{"get_issue_tag_values", issue, map[string]any{"tagKey": "tenant"}, "north"}, {"search_issue_events", issue, map[string]any{"query": ""}, id}, {"search_issue_events", issue, map[string]any{"query": "tenant:north"}, id},
		{"search_events", org, map[string]any{"dataset": "errors", "query": "tenant:north", "fields": []string{"issue", "title", "project", "timestamp", "level", "tenant"}, "sort": "-timestamp"}, "boom"},
		{"search_events", org, map[string]any{"dataset": "errors", "query": "", "fields": []string{"title", "count()"}, "sort": "-count()"}, "boom"},
		{"update_issue", issue, map[string]any{"status": "resolved"}, "**resolved**"}, {"update_issue", issue, map[string]any{"status": "unresolved", "assignedTo": "team:mobile"}, "Mobile"},
		{"get_event_attachment", project, map[string]any{"eventId": id}, "No attachments"},
	} {
		args := map[string]any{}
		if c.base != nil {
			args["organizationSlug"] = "default"
		}
		for _, from := range []map[string]any{c.base, c.more} {
			for k, v := range from {
				args[k] = v
			}
		}
		res, err := session.CallTool(ctx, &sdk.CallToolParams{Name: c.tool, Arguments: args})
		if err != nil {
			t.Errorf("%s: %v", c.tool, err)
			continue
		}
		var text strings.Builder
		for _, part := range res.Content {
			if p, ok := part.(*sdk.TextContent); ok {
				text.WriteString(p.Text)
			}
		}
		if res.IsError || !strings.Contains(text.String(), c.want) {
			t.Errorf("%s %v lacks %q (error: %t):\n%.800s", c.tool, args, c.want, res.IsError, text.String())
			continue
		}
		t.Logf("%-22s ok", c.tool)
		table.add(c.tool, 0, strings.NewReplacer(id, "the event", in.key(), "the key", in.Email, "the owner").Replace(c.want))
	}
	table.check(t, "sentry-mcp")
}
