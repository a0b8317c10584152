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

var somewhere = alert.Action{Kind: alert.ActionDestination, Destination: 9}

func TestValidationSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	good := alert.NewOrRegressed(1, "Tell us", somewhere)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	filter := func(c alert.Clause) func(*alert.Rule) { return func(r *alert.Rule) { r.Filters = []alert.Clause{c} } }
	for want, spoil := range map[string]func(r *alert.Rule){
		`unknown match "moon": allowed are all, any, none`:                     func(r *alert.Rule) { r.Match = "moon" },
		`unknown filter match "some": allowed are all, any, none`:              func(r *alert.Rule) { r.FilterMatch = "some" },
		`unknown level "loud": allowed are debug, info, warning, error, fatal`: filter(alert.Clause{Kind: alert.KindLevel, Value: "loud"}),
		`the value of filter "environment" has 1 to 1024 bytes`:                filter(alert.Clause{Kind: alert.KindEnvironment}),
		`a filter on a tag names its key`:                                      filter(alert.Clause{Kind: alert.KindTag, Match: alert.OpSet}),
		`the value of "times_seen" is a whole number from 1`:                   filter(alert.Clause{Kind: alert.KindTimesSeen, Value: "-1"}),
		"an action names the destination it goes to":                           func(r *alert.Rule) { r.Actions[0].Destination = 0 },
		"a rule has 1 to 32 actions":                                           func(r *alert.Rule) { r.Actions = nil },
		"a rule's name has 1 to 256 bytes":                                     func(r *alert.Rule) { r.Name = "  " },
		"a rule belongs to a project":                                          func(r *alert.Rule) { r.Project = 0 },
		"a rule's frequency is 0 or 5 to 43200 minutes":                        func(r *alert.Rule) { r.Frequency = time.Minute },
		"a rule has at most 32 conditions and 32 filters":                      func(r *alert.Rule) { r.Conditions = make([]alert.Clause, 33) },
		"quiet hours need a time zone such as Europe/Zurich":                   func(r *alert.Rule) { r.Quiet = &alert.Quiet{Zone: "Moon", From: "22:00", To: "07:00"} },
		"the interval of \"events\" is one of 1m, 5m, 15m, 30m, 1h, 1d, 1w, 30d": func(r *alert.Rule) {
			r.Conditions = []alert.Clause{{Kind: alert.KindEvents, Value: "1", Interval: "1y"}}
		},
		"the value of \"events\" is a number from 0": func(r *alert.Rule) {
			r.Conditions = []alert.Clause{{Kind: alert.KindEvents, Value: "NaN", Interval: "1h", Compare: true, Shift: "1d"}}
		},
		"the interval that \"users\" compares with is one of 5m, 15m, 1h, 1d, 1w, 30d": func(r *alert.Rule) {
			r.Conditions = []alert.Clause{{Kind: alert.KindUsers, Value: "1", Interval: "1h", Compare: true}}
		},
	} {
		r := alert.NewOrRegressed(1, "Tell us", somewhere)
		spoil(&r)
		if err := r.Validate(); fault.KindOf(err) != fault.Invalid || fault.Public(err) != want {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestAPatternIsOnlyText: what would take a regular expression for ever is looked for as it is written.
func TestAPatternIsOnlyText(t *testing.T) {
	t.Parallel()
	const doom = "(a+)+$"
	r := alert.NewOrRegressed(1, "Doom", somewhere)
	r.Filters = []alert.Clause{{Kind: alert.KindTag, Key: "path", Match: alert.OpContains, Value: doom}}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]alert.Truth{"a " + doom + " b": alert.True, strings.Repeat("a", 1<<20) + "!": alert.False} {
		f := scene(issue.ChangeNew, func(f *alert.Facts) { f.Event.Tags = [][2]string{{"path", text}} })
		if got := alert.Prepare(&r).Evaluate(f); got != want {
			t.Errorf("%.20s…: want %v, got %v", text, want, got)
		}
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
	for s := alert.DeliveryQueued; s <= alert.DeliveryFolded; s++ {
		if got, ok := alert.ParseDeliveryState(s.String()); !ok || got != s {
			t.Errorf("%v: got %v, %v", s, got, ok)
		}
	}
	if _, ok := alert.ParseDeliveryState("unknown"); ok || alert.DeliveryState(9).String() != "unknown" {
		t.Error("an unknown state has a name that parses")
	}
}
