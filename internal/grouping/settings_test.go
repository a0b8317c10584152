package grouping_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/grouping"
)

var midday = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const twoExceptions = `{"platform":"other","exception":{"values":[
	{"type":"A","value":"a","mechanism":{"type":"x","exception_id":1,"parent_id":2}},
	{"type":"B","value":"b","mechanism":{"type":"x","exception_id":2,"parent_id":1}}]}}`

func decoded(t *testing.T, text string) *event.Event {
	t.Helper()
	ev, err := event.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func TestAVersionGivesWayUnlessItWasChosen(t *testing.T) {
	t.Parallel()
	var s grouping.Settings
	if !s.Upgrade(midday) || s.Config != grouping.Newstyle2026 || s.Secondary != "" {
		t.Errorf("a project that never said a version: %+v", s)
	}
	if s.Upgrade(midday) {
		t.Error("an upgrade to what is in force changed something")
	}
	s = grouping.Settings{Config: grouping.Newstyle2023, Pinned: true}
	if s.Upgrade(midday) {
		t.Error("a version that a member chose gave way")
	}
	s.Pinned = false
	if !s.Upgrade(midday) || s.Config != grouping.Newstyle2026 || s.Secondary != grouping.Newstyle2023 || !s.SecondaryUntil.Equal(midday.Add(grouping.TransitionPeriod)) {
		t.Errorf("an old version: %+v", s)
	}
	if later := s.SecondaryUntil.Add(time.Second); !s.Upgrade(later) || s.Secondary != "" {
		t.Errorf("a transition that is over: %+v", s)
	}
}

func TestBothVersionsAreKnownDuringATransition(t *testing.T) {
	t.Parallel()
	text := `{"platform":"python","exception":{"values":[{"type":"ValueError","value":"bad","stacktrace":{"frames":[
		{"module":"shop","function":"add","in_app":true}]}}]}}`
	old := grouping.Compile(grouping.Settings{Config: grouping.Newstyle2023}).Assign(decoded(t, text), midday)
	s := grouping.Settings{Config: grouping.Newstyle2023}
	s.Move(grouping.Newstyle2026, midday)
	plan := grouping.Compile(s)
	now := plan.Assign(decoded(t, text), midday)
	if slices.Equal(now.Hashes, old.Hashes) {
		t.Fatal("the versions do not differ in this event")
	}
	if !slices.Equal(now.Secondary, old.Hashes) {
		t.Errorf("want former hashes %v, got %v", old.Hashes, now.Secondary)
	}
	ev := decoded(t, text)
	if late := plan.Assign(ev, s.SecondaryUntil); late.Secondary != nil || !slices.Equal(late.Hashes, now.Hashes) {
		t.Errorf("after the transition: %+v", late)
	}
	if again := plan.Assign(ev, midday); !slices.Equal(again.Secondary, old.Hashes) || !slices.Equal(again.Hashes, now.Hashes) {
		t.Errorf("grouped again: %+v", again)
	}
}

func TestWhatGroupingCannotDoIsNoted(t *testing.T) {
	t.Parallel()
	plan := grouping.Compile(grouping.Settings{Fingerprints: "type:A -> one\nnonsense:x -> two", Enhancements: "function:f +app\nfunction:"})
	ev := decoded(t, twoExceptions)
	if r := plan.Assign(ev, midday); len(r.Hashes) == 0 {
		t.Fatal("no hash")
	}
	notes := map[string]string{}
	for _, e := range ev.Errors {
		notes[e.Type] = string(e.Value)
	}
	if text := notes[grouping.ErrorRules]; !strings.Contains(text, "line 2, column 1") || !strings.Contains(text, "stack-trace rules: line 2, column 10") {
		t.Errorf("rules that cannot be used: %s", text)
	}
	if _, noted := notes[grouping.ErrorChain]; !noted {
		t.Errorf("exceptions that are each other's parents: %v", notes)
	}
	fine := decoded(t, strings.Replace(twoExceptions, `,"parent_id":2`, "", 1))
	if grouping.Compile(grouping.Settings{}).Assign(fine, midday); len(fine.Errors) != 0 {
		t.Errorf("noted of an event that is fine: %+v", fine.Errors)
	}
}

func TestAnEndlessRecursionIsGroupedAndNoted(t *testing.T) {
	t.Parallel()
	stack := func(frames int) *event.Event {
		list := strings.Repeat(`{"function":"again","module":"m","lineno":3,"in_app":true},`, frames)
		return decoded(t, `{"platform":"python","exception":{"values":[{"type":"A","value":"b","stacktrace":{"frames":[`+strings.TrimSuffix(list, ",")+`]}}]}}`)
	}
	plan := grouping.Compile(grouping.Settings{})
	deep, shallow := stack(1000), stack(2)
	if a, b := plan.Assign(deep, midday), plan.Assign(shallow, midday); !slices.Equal(a.Hashes, b.Hashes) {
		t.Errorf("how deep it went changes the issue: %v, %v", a.Hashes, b.Hashes)
	}
	plan.Assign(deep, midday) // notes once
	if len(deep.Errors) != 1 || deep.Errors[0].Type != grouping.ErrorStack || string(deep.Errors[0].Value) != "1000" || len(shallow.Errors) != 0 {
		t.Errorf("%+v, %+v", deep.Errors, shallow.Errors)
	}
}

func TestAnErrorInRulesHasAPosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]grouping.Position{
		"# names\n type:A colour:red -> x": {Line: 2, Column: 9},
		"type:é* !!":                       {Line: 1, Column: 10},
	} {
		_, err := grouping.ParseFingerprintRules(text)
		if got, ok := grouping.PositionOf(err); !ok || got != want {
			t.Errorf("%q: want %v, got %v of %v", text, want, got, err)
		}
	}
}
