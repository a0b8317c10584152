package alert_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/testkit/golden"
)

// TestTheListOfRulesIsTrue holds deploy/docs/alerts.md to what the tests run.
func TestTheListOfRulesIsTrue(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	conditions, filters, actions := conditionRows(), filterRows(), actionRows()
	line("# What alert rules can say\n")
	line("A rule has conditions (what happened), filters (of what kind the event and its issue are) and actions (whom to tell). Each line")
	line("below names the test that fires it and the one in which it stays silent; run one with `go test ./internal/alert -run 'NAME'`.")
	line("`TestEveryConditionFilterAndActionCombine` runs all %d × %d × %d = %d combinations, each fired and each silenced.", len(conditions), len(filters),
		len(actions), len(conditions)*len(filters)*len(actions))
	line("This page is written by `go test ./internal/alert -run TestTheListOfRulesIsTrue -update`.")
	table := func(title, head, test string, rows []row) {
		line("\n## %s\n", title)
		line("| %s | reads | fires in | silent in |\n|---|---|---|---|", head)
		for _, r := range rows {
			name := test + "/" + strings.ReplaceAll(r.name, " ", "_")
			line("| %s | %s | `%s/fires` | `%s/silent` |", r.name, strings.ReplaceAll(r.clause.Sentence(), "|", "\\|"), name, name)
		}
	}
	table("Conditions", "condition", "TestEveryConditionFires", conditions)
	table("Filters", "filter", "TestEveryFilterDecides", filters)
	line("\n## Actions\n\n| action | reads | told in |\n|---|---|---|")
	told := map[alert.ActionKind]string{
		alert.ActionDestination: "internal/notifier `TestAChangePublishedAHundredTimesAlertsOnce`; every channel: internal/delivery/channels `TestMessagesAreAsRecorded`",
		alert.ActionOwners:      "internal/notifier `TestPeopleAreToldWhatConcernsThem/the_owners`, `…/everybody_else`",
		alert.ActionMember:      "internal/notifier `TestPeopleAreToldWhatConcernsThem/a_member`",
		alert.ActionTeam:        "internal/notifier `TestPeopleAreToldWhatConcernsThem/a_team`",
	}
	words := map[alert.ActionKind]string{alert.ActionDestination: "a destination of the organization", alert.ActionOwners: "who owns the issue, by mail",
		alert.ActionMember: "one member, by mail", alert.ActionTeam: "the members of a team, by mail"}
	for _, a := range actions {
		if told[a.Kind] == "" || words[a.Kind] == "" {
			t.Errorf("action %s is not explained", a.Kind)
		}
		line("| %s | %s | %s |", a.Kind, words[a.Kind], told[a.Kind])
	}
	line("\n## Options\n\n| a rule that is | and hears of | outcome | test |\n|---|---|---|---|")
	options := optionRows()
	for _, name := range slices.Sorted(maps.Keys(options)) {
		o := options[name]
		outcome := map[alert.Truth]string{alert.True: "fires", alert.False: "silent", alert.Unknown: "asks for more"}[o.want]
		line("| %s | %s | %s | `TestOptionsOfARuleAreEvaluated/%s` |", name, kindWords(o.facts.Change.Kind), outcome, strings.ReplaceAll(name, " ", "_"))
	}
	line("\nFrequency, quiet hours, folding and escalation are held by `TestQuietHoursFollowTheWallClock`, `TestBudgetsAndFolds` and the tests of")
	line("internal/postgres and internal/notifier.")
	golden.Check(t, "../../../deploy/docs/alerts.md", []byte(b.String()))
}

func kindWords(k issue.ChangeKind) string {
	if k == issue.ChangeSeen {
		return "events of an issue"
	}
	return "an issue: " + string(k)
}
