package mcp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/callers"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/mcp"
)

// toolAccess is one line of testdata/access.txt.
type toolAccess struct {
	least account.Role
	args  string
}

func readAccess(t *testing.T) map[string]toolAccess {
	t.Helper()
	raw, err := os.ReadFile("testdata/access.txt")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]toolAccess{}
	for _, line := range strings.Split(string(raw), "\n") {
		role, rest, _ := strings.Cut(line, " ")
		if account.Role(role).Valid() {
			name, args, _ := strings.Cut(strings.TrimSpace(rest), " ")
			table[name] = toolAccess{account.Role(role), strings.TrimSpace(args)}
		}
	}
	return table
}

// TestTheAccessMatrixOfTools uses every tool in every role, on the caller's own things and on those of
// another organization, which read as what is not there; tokens that are no good open no session.
func TestTheAccessMatrixOfTools(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	st := pgtest.Open(t, url)
	if _, err := st.Bootstrap(t.Context(), postgres.BootstrapInput{Organization: "default", Project: "shop", Email: "owner@example.org", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	record(t, st, "shop@1.0.0", 1)
	record(t, st, "shop@1.1.0", 2)
	service := api.New(api.Options{Store: st, BaseURL: "https://errors.example.org"})
	server := httptest.NewServer(mcp.New(mcp.Options{API: service, Authenticate: service.Authenticate, Trail: service.Trail(), Release: "test"}))
	t.Cleanup(server.Close)

	who, table := callers.New(t, st, url), readAccess(t)
	nobody := who.Nobody()
	for name, token := range nobody {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
			if err != nil {
				t.Fatal(err)
			}
			res, err := bearer(token).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if _ = res.Body.Close(); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %s: want 401, got %d", method, name, res.StatusCode)
			}
		}
	}
	calls := 3 * len(nobody)
	use := func(s *sdk.ClientSession, name, args string) (text string, failed bool) {
		calls++
		var in map[string]any
		if err := json.Unmarshal([]byte(args), &in); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: in})
		if err != nil {
			return err.Error(), true
		}
		for _, part := range res.Content {
			if p, ok := part.(*sdk.TextContent); ok {
				text += p.Text
			}
		}
		return text, res.IsError
	}
	fill := func(args, issue, project string) string {
		return strings.NewReplacer("{issue}", issue, "{project}", project).Replace(args)
	}
	tokens := map[account.Role]string{"": who.Build()}
	for _, role := range account.Roles {
		_, tokens[role] = who.Member("a-"+string(role)+"@example.org", role)
	}
	for role, token := range tokens {
		s, err := connect(t, server.URL, token)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Tools) != len(table) {
			t.Fatalf("the server has %d tools, testdata/access.txt lists %d", len(list.Tools), len(table))
		}
		for _, tool := range list.Tools {
			line, listed := table[tool.Name]
			if !listed {
				t.Fatalf("the tool %s is missing from testdata/access.txt", tool.Name)
			}
			may := role != "" && role.AtLeast(line.least)
			if text, failed := use(s, tool.Name, fill(line.args, "SHOP-1", "shop")); failed == may || failed && !strings.Contains(text, "(403)") {
				t.Errorf("%s as %q: %.300s", tool.Name, role, text)
			}
		}
	}
	stranger, err := connect(t, server.URL, who.Stranger())
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range table {
		theirs, failed := use(stranger, name, fill(line.args, "SHOP-1", "shop"))
		if !strings.Contains(line.args, "{") || line.args == "{}" || name == "search_issues" {
			if failed || strings.Contains(theirs, "SHOP-1") || strings.Contains(theirs, "shop") {
				t.Errorf("%s shows a stranger %.300s", name, theirs)
			}
			continue
		}
		absent, failedToo := use(stranger, name, fill(line.args, "ABSENT-9", "absent"))
		if !failed || !failedToo || strings.ReplaceAll(strings.ReplaceAll(theirs, "SHOP-1", "ABSENT-9"), "shop", "absent") != strings.ReplaceAll(absent, "shop", "absent") {
			t.Errorf("%s tells a stranger what is there: %.300s; and of what is not: %.300s", name, theirs, absent)
		}
	}
	t.Logf("%d tools, %d roles, %d tokens that are no good, %d calls", len(table), len(account.Roles), len(nobody), calls)
}
