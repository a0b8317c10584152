package postgres_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// scoping is a condition over whose a row is, with a parameter, a row of another table or a list.
var scoping = regexp.MustCompile(`(?:project_id|organization_id)\s*(?:=|in\b|is not distinct)|\((?:\w+\.)?(?:project_id|organization_id)\s*,|insert into|` +
	`\bid = (?:any\()?@(?:own|projects?|org|organizations?)\b|unnest\(@projects|` + // projects themselves, by an id that was found within an organization
	`\b(?:token_)?hash = @hash|\buser_id = @user|share_id = @`) // a secret that its holder knows, or the caller

// ofAll are statements that are not asked about the rows of one organization, and why they need not.
var ofAll = []string{
	// Of a lane or a digest, whose names hold an id that was found within an organization.
	"sqlFolds", "sqlDropQueued", "sqlSuppressLane", "sqlDueFolds", "sqlFoldedIssues", "sqlUnfold", "sqlPointTo", "sqlDigestTotals", "sqlReleaseClaims",
	// Of a login, by the id that its cookie was resolved to.
	"sqlSeenLogin", "sqlExpireLoginRows",
	// Upkeep of the installation as a whole, of which nothing is shown.
	"sqlforgetDictionaries", "sqlForgetHours", "sqlForgetOutcomes", "sqlForgetUndo", "sqlForgetJobs", "sqlForgetChunks", "sqlDropWeeklyReports", "sqlExpiredBundles",
	"sqlExpiredDebugFiles", "sqlDeletedProjects", "sqlLiveProjects", "sqlProtectedProjects", "sqlSnapshotKeys", "sqlOutbox", "sqlPendingFacts",
	// What the installation as a whole does, told to its operator.
	"sqlOutboxAge", "sqlFactsAge", "sqlDeliveryBacklog", "sqlLedgerSides", "sqlLedgerMinutes", "sqlLedgerTotals", "sqlCheckup", "sqlCensus",
	"sqlHeartbeatSite", "sqlFindHeartbeatSite", "sqlPutHeartbeatRule",
	// Whose a public key, a sign-in or a button in a message is, which is the question; the last two are answered after a signature.
	"sqlKeyOwner", "sqlKeyByPublic", "sqlProvider", "sqlDestinationByID",
}

// TestStatementsSayWhoseRowsTheyAreAbout is the second lock beside the access matrix: whatever a handler
// asks of the store, a statement that the web service can run on rows of a project or an organization
// names it. A token, a login or an invite is found by its hash, which says whose it is.
func TestStatementsSayWhoseRowsTheyAreAbout(t *testing.T) {
	t.Parallel()
	owned, reached, all := ownedTables(t), readSource(t).reached("web"), statements(t)
	held := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !reached[name] || strings.HasSuffix(name, "Part") { // parts stand in statements that go on
			continue
		}
		text := strings.ToLower(comment.ReplaceAllString(all[name], ""))
		var of []string
		for _, way := range []*regexp.Regexp{reading, changing, removing} {
			for _, m := range way.FindAllStringSubmatch(text, -1) {
				if owned[m[1]] {
					of = append(of, m[1])
				}
			}
		}
		if len(of) == 0 {
			continue
		}
		excused := slices.Contains(ofAll, name)
		switch scoped := scoping.MatchString(text); {
		case !scoped && !excused:
			t.Errorf("%s reads %s of whoever's project or organization", name, strings.Join(of, ", "))
		case scoped && excused: // so that the list stays short
			t.Errorf("%s needs no excuse any more", name)
		}
		held++
	}
	t.Logf("%d statements, %d of them about rows of everybody", held, len(ofAll))
	if held < 100 {
		t.Errorf("only %d statements were looked at", held)
	}
}

// ownedTables are the tables whose rows are of a project or an organization.
func ownedTables(t *testing.T) map[string]bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, _ := conn.Query(t.Context(), `select distinct table_name::text from information_schema.columns where table_schema = 'public' and column_name in ('project_id', 'organization_id')`)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, n := range names {
		found[n] = true
	}
	return found
}
