package mcp_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/mcp"
)

// bearer adds a token to every request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b != "" {
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// connect opens a session of a real client over HTTP.
func connect(t *testing.T, url, token string) (*sdk.ClientSession, error) {
	t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	s, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: url + "/mcp", HTTPClient: &http.Client{Transport: bearer(token)}, DisableStandaloneSSE: true}, nil)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func record(t *testing.T, st *postgres.Store, release string, seconds int) {
	t.Helper()
	at := time.Now().UTC().Add(time.Duration(seconds-3600) * time.Second).Truncate(time.Microsecond)
	raw := event.Raw{Project: 1, KeyID: 9, ID: md5.Sum([]byte{byte(seconds)}), ReceivedAt: at}
	raw.Payload = []byte(`{"event_id":"` + raw.ID.String() + `","platform":"python","level":"error","release":"` + release + `","timestamp":"` + at.Format(time.RFC3339) + `",
		"tags":{"kind":"cart"},"request":{"url":"https://shop.example.org/cart","method":"POST"},
		"exception":{"values":[{"type":"ValueError","value":"price of ` + "```" + ` is negative","mechanism":{"type":"django","handled":false},"stacktrace":{"frames":[
		{"filename":"django/base.py","function":"call","lineno":5,"in_app":false},
		{"filename":"shop/cart.py","function":"add","lineno":12,"in_app":true,"pre_context":["def add(price):"],"context_line":"  raise ValueError(price)","post_context":[""],"vars":{"price":"-1"}}]}}]}}`)
	e, err := event.Decode(raw.Payload)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Project = raw.ID, 1
	e.Normalize(raw.Delivery(90 * 24 * time.Hour))
	m := e.Metadata()
	if _, err := st.RecordEvents(t.Context(), []postgres.Record{{Project: 1, KeyID: 9, ID: raw.ID, ReceivedAt: at, OccurredAt: e.Timestamp, Category: outcome.Error, Type: e.Type,
		Level: e.Level, Platform: e.Platform, Release: e.Release, Title: m.Title, Culprit: m.Culprit, Metadata: m, Unhandled: true, Tags: e.Tags,
		Hashes: [][16]byte{md5.Sum([]byte("boom"))}, Payload: e.AppendJSON(nil)}}); err != nil {
		t.Fatal(err)
	}
	for {
		done, err := st.FoldFacts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done.Batches == 0 {
			return
		}
	}
}

func TestAnAssistantFindsReadsAndResolvesABug(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	made, err := st.Bootstrap(t.Context(), postgres.BootstrapInput{Organization: "default", Project: "shop", Email: "owner@example.org", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	record(t, st, "shop@1.0.0", 1)
	record(t, st, "shop@1.1.0", 2)
	service := api.New(api.Options{Store: st, BaseURL: "https://errors.example.org"})
	server := httptest.NewServer(mcp.New(mcp.Options{API: service, Authenticate: service.Authenticate, Trail: service.Trail(), Release: "test"}))
	t.Cleanup(server.Close)

	for _, token := range []string{"", "sntryu_0"} {
		if _, err := connect(t, server.URL, token); err == nil {
			t.Errorf("the token %q opens a session", token)
		}
	}
	s, err := connect(t, server.URL, made.AuthToken)
	if err != nil {
		t.Fatal(err)
	}
	call := func(s *sdk.ClientSession, name string, args map[string]any) (string, bool) {
		t.Helper()
		res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: args})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, ok := res.Content[0].(*sdk.TextContent)
		if !ok {
			t.Fatalf("%s answers %T", name, res.Content[0])
		}
		return text.Text, !res.IsError
	}
	tools, err := s.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) != 8 {
		t.Fatalf("tools %+v, %v", tools, err)
	}
	for _, step := range []struct {
		tool string
		args map[string]any
		want []string
	}{
		{"list_projects", nil, []string{"`shop`"}},
		{"search_issues", map[string]any{"query": "is:unresolved"}, []string{"SHOP-1", "ValueError"}},
		{"get_issue", map[string]any{"issue": "SHOP-1"}, []string{"# SHOP-1", "`add` at `shop/cart.py:12` **(in app)**", ">    12   raise ValueError(price)", "`price` = `-1`", "POST https://shop.example.org/cart", "kind: `cart`"}},
		{"get_issue", map[string]any{"issue": "https://errors.example.org/o/default/issues/SHOP-1", "event": "oldest"}, []string{"shop@1.0.0"}},
		{"why_grouped", map[string]any{"issue": "SHOP-1"}, []string{"hash"}},
		{"compare_releases", map[string]any{"project": "shop", "before": "shop@1.0.0", "after": "shop@1.1.0"}, []string{"In both (1)", "New in shop@1.1.0 (0)"}},
		{"doctor", map[string]any{"project": "shop"}, []string{"Keys", "active"}},
		{"update_issue", map[string]any{"issue": "SHOP-1", "status": "resolved", "assigned_to": "owner@example.org"}, []string{"SHOP-1 is now resolved"}},
	} {
		text, ok := call(s, step.tool, step.args)
		for _, want := range step.want {
			if !ok || !strings.Contains(text, want) {
				t.Errorf("%s %v lacks %q:\n%s", step.tool, step.args, want, text)
			}
		}
	}
	if text, ok := call(s, "get_issue", map[string]any{"issue": "SHOP-999"}); ok || !strings.Contains(text, "does not exist") {
		t.Errorf("an issue that is not there: %v %s", ok, text)
	}
	// A token that reads changes nothing.
	u, err := st.UserByEmail(t.Context(), "owner@example.org")
	if err != nil {
		t.Fatal(err)
	}
	_, reading, err := st.CreateToken(t.Context(), account.Token{Organization: 1, User: u.ID, Scopes: account.NewScopes(account.EventRead)})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := connect(t, server.URL, reading)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := call(reader, "update_issue", map[string]any{"issue": "SHOP-1", "status": "unresolved"}); ok || !strings.Contains(text, "event:write") {
		t.Errorf("a reader resolves: %s", text)
	}
	log, _, err := st.AuditLog(context.Background(), 1, postgres.AuditQuery{Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, e := range log {
		events = append(events, e.Event)
	}
	raw, _ := json.Marshal(events)
	for _, want := range []string{"mcp.update_issue", "issue.edit", "mcp.search_issues"} {
		if !strings.Contains(string(raw), `"`+want+`"`) {
			t.Errorf("the audit log lacks %s: %s", want, raw)
		}
	}
}
