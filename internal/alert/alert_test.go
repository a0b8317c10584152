package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

var webhook = alert.Action{Channel: alert.ChannelWebhook, Target: "https://hooks.example", Settings: "v1.AAAA"}

func TestRulesMatch(t *testing.T) {
	t.Parallel()
	isNew := issue.Change{Project: 7, Kind: issue.ChangeNew, Level: "error", Environment: "Production"}
	regressed := isNew
	regressed.Kind = issue.ChangeRegressed
	resolved := isNew
	resolved.Kind = issue.ChangeResolved
	other := isNew
	other.Project = 8
	onlyNew := []alert.Condition{{Kind: alert.ConditionNew}}
	both := []alert.Condition{{Kind: alert.ConditionNew}, {Kind: alert.ConditionRegressed}}
	env := func(v string) alert.Filter { return alert.Filter{Kind: alert.FilterEnvironment, Value: v} }
	level := func(v string) alert.Filter { return alert.Filter{Kind: alert.FilterLevel, Value: v} }
	for name, c := range map[string]struct {
		change issue.Change
		rule   alert.Rule
		want   bool
	}{
		"new, asked for":            {isNew, alert.Rule{Conditions: onlyNew, Match: alert.MatchAll}, true},
		"regressed, not asked for":  {regressed, alert.Rule{Conditions: onlyNew, Match: alert.MatchAll}, false},
		"any of two, new":           {isNew, alert.Rule{Conditions: both, Match: alert.MatchAny}, true},
		"any of two, regressed":     {regressed, alert.Rule{Conditions: both, Match: alert.MatchAny}, true},
		"all of two cannot be":      {isNew, alert.Rule{Conditions: both, Match: alert.MatchAll}, false},
		"no condition, any":         {regressed, alert.Rule{Match: alert.MatchAny}, true},
		"no condition, all":         {regressed, alert.Rule{Match: alert.MatchAll}, true},
		"no condition, by a person": {resolved, alert.Rule{Match: alert.MatchAll}, false},
		"another project":           {other, alert.Rule{Match: alert.MatchAny}, false},
		"environment":               {isNew, alert.Rule{Match: alert.MatchAll, Filters: []alert.Filter{env("production ")}}, true},
		"other environment":         {isNew, alert.Rule{Match: alert.MatchAll, Filters: []alert.Filter{env("staging")}}, false},
		"filters: all by default":   {isNew, alert.Rule{Match: alert.MatchAll, Filters: []alert.Filter{env("production"), level("fatal")}}, false},
		"filters: any":              {isNew, alert.Rule{Match: alert.MatchAll, FilterMatch: alert.MatchAny, Filters: []alert.Filter{env("production"), level("fatal")}}, true},
		"level equal":               {isNew, alert.Rule{Match: alert.MatchAll, Filters: []alert.Filter{level("error")}}, true},
		"level lower":               {isNew, alert.Rule{Match: alert.MatchAll, Filters: []alert.Filter{level("warning")}}, true},
		"level higher":              {isNew, alert.Rule{Match: alert.MatchAll, Filters: []alert.Filter{level("fatal")}}, false},
		"unknown condition":         {isNew, alert.Rule{Match: alert.MatchAny, Conditions: []alert.Condition{{Kind: "moon"}}}, false},
		"unknown filter":            {isNew, alert.Rule{Match: alert.MatchAny, Filters: []alert.Filter{{Kind: "moon"}}}, false},
	} {
		c.rule.Project, c.rule.Enabled = 7, true
		if got := c.rule.Matches(&c.change); got != c.want {
			t.Errorf("%s: want %v, got %v", name, c.want, got)
		}
		c.rule.Enabled = false
		if c.rule.Matches(&c.change) {
			t.Errorf("%s: a disabled rule matched", name)
		}
	}
}

func TestValidationSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	good := alert.NewOrRegressed(1, "Tell us", webhook)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(r *alert.Rule){
		`unknown condition "frequency": allowed are new, regressed`: func(r *alert.Rule) { r.Conditions[0].Kind = "frequency" },
		`unknown match "none": allowed are all, any`:                func(r *alert.Rule) { r.Match = "none" },
		`unknown filter match "some": allowed are all, any`:         func(r *alert.Rule) { r.FilterMatch = "some" },
		`unknown filter "age": allowed are environment, level`:      func(r *alert.Rule) { r.Filters = []alert.Filter{{Kind: "age", Value: "1"}} },
		`unknown level "loud": allowed are debug, info, warning, error, fatal`: func(r *alert.Rule) {
			r.Filters = []alert.Filter{{Kind: alert.FilterLevel, Value: "loud"}}
		},
		`the value of filter "environment" has 1 to 256 bytes`: func(r *alert.Rule) { r.Filters = []alert.Filter{{Kind: alert.FilterEnvironment}} },
		`unknown channel "fax": allowed are webhook`:           func(r *alert.Rule) { r.Actions[0].Channel = "fax" },
		"an action's target has 1 to 256 bytes":                func(r *alert.Rule) { r.Actions[0].Target = "" },
		"an action's settings are sealed text of at most 16384 bytes": func(r *alert.Rule) {
			r.Actions[0].Settings = `{"secret":"canary"}`
		},
		"a rule has 1 to 32 actions":                    func(r *alert.Rule) { r.Actions = nil },
		"a rule's name has 1 to 256 bytes":              func(r *alert.Rule) { r.Name = "  " },
		"a rule belongs to a project":                   func(r *alert.Rule) { r.Project = 0 },
		"a rule's frequency is 0 or 5 to 43200 minutes": func(r *alert.Rule) { r.Frequency = time.Minute },
		"a rule has at most 32 conditions and 32 filters": func(r *alert.Rule) {
			r.Conditions = make([]alert.Condition, 33)
		},
	} {
		r := alert.NewOrRegressed(1, "Tell us", webhook)
		spoil(&r)
		if err := r.Validate(); fault.KindOf(err) != fault.Invalid || fault.Public(err) != want {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	r := alert.NewOrRegressed(1, strings.Repeat("n", 257), webhook)
	if err := r.Validate(); fault.KindOf(err) != fault.Invalid {
		t.Errorf("long name: want fault.Invalid, got %v", err)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	queued := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	job := func(attempts, first int) *alert.Job {
		return &alert.Job{Delivery: alert.Delivery{QueuedAt: queued, AttemptCount: attempts}, FirstAttempt: first}
	}
	failed := alert.Answer{Status: 500, Error: "answered 500"}
	later := func(d time.Duration) alert.Verdict {
		return alert.Verdict{State: alert.DeliveryQueued, NextAttemptAt: queued.Add(d)}
	}
	for name, c := range map[string]struct {
		job    *alert.Job
		answer alert.Answer
		at     time.Duration
		chance float64
		want   alert.Verdict
	}{
		"delivered":        {job(1, 0), alert.Answer{Status: 200}, 0, 0.5, alert.Verdict{State: alert.DeliverySent}},
		"first failure":    {job(1, 0), failed, 0, 0.5, later(5 * time.Second)},
		"least jitter":     {job(1, 0), failed, 0, 0, later(4 * time.Second)},
		"second failure":   {job(2, 0), failed, 0, 0.5, later(30 * time.Second)},
		"sixth failure":    {job(6, 0), failed, 0, 0.5, later(4 * time.Hour)},
		"far failure":      {job(30, 0), failed, 0, 0.5, later(24 * time.Hour)},
		"redelivered":      {job(8, 7), failed, 0, 0.5, later(5 * time.Second)},
		"asked to wait":    {job(1, 0), alert.Answer{Error: "x", RetryAfter: time.Hour}, 0, 0.5, later(time.Hour)},
		"asked too much":   {job(1, 0), alert.Answer{Error: "x", RetryAfter: 90 * 24 * time.Hour}, 0, 0.5, later(24 * time.Hour)},
		"asked too little": {job(2, 0), alert.Answer{Error: "x", RetryAfter: time.Second}, 0, 0.5, later(30 * time.Second)},
		"one last try":     {job(9, 0), failed, 71 * time.Hour, 0.5, later(72 * time.Hour)},
		"gone":             {job(1, 0), alert.Answer{Error: "gone", Final: true}, 0, 0.5, alert.Verdict{State: alert.DeliveryFailed, Reason: "gone"}},
		"given up": {job(9, 0), failed, 72 * time.Hour, 0.5,
			alert.Verdict{State: alert.DeliveryFailed, Reason: "gave up after 72 hours: answered 500"}},
		"cut off": {job(1, 0), alert.Answer{Error: "stopping", Cut: true}, time.Minute, 0.5, later(time.Minute)},
	} {
		if diff := cmp.Diff(c.want, alert.Judge(c.job, c.answer, queued.Add(c.at), c.chance)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Whatever the chance, a destination that never answers is tried at growing pauses, not past
// 72 hours, and then given up.
func TestADeadDestinationIsGivenUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
		now := start
		for tries := 1; ; tries++ {
			if tries > 20 {
				t.Fatal("still tried after 20 times")
			}
			j := &alert.Job{Delivery: alert.Delivery{QueuedAt: start, AttemptCount: tries}}
			v := alert.Judge(j, alert.Answer{Error: "down"}, now, rapid.Float64Range(0, 0.999).Draw(t, "chance"))
			if v.State == alert.DeliveryFailed {
				if tries < 8 || now.Sub(start) != alert.GiveUpAfter {
					t.Fatalf("given up at try %d after %v", tries, now.Sub(start))
				}
				return
			}
			if !v.NextAttemptAt.After(now) || v.NextAttemptAt.After(start.Add(alert.GiveUpAfter)) {
				t.Fatalf("try %d at %v, next at %v", tries, now, v.NextAttemptAt)
			}
			now = v.NextAttemptAt
		}
	})
}

func TestStateNamesRoundTrip(t *testing.T) {
	t.Parallel()
	for s := alert.DeliveryQueued; s <= alert.DeliverySuppressed; s++ {
		if got, ok := alert.ParseDeliveryState(s.String()); !ok || got != s {
			t.Errorf("%v: got %v, %v", s, got, ok)
		}
	}
	if _, ok := alert.ParseDeliveryState("unknown"); ok || alert.DeliveryState(9).String() != "unknown" {
		t.Error("an unknown state has a name that parses")
	}
}
