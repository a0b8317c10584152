package notifier_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// occur stores n events of one issue as the processor does, counts them, and relays what rules are
// asked about; tags are those of the i-th, the oldest first.
func (w *world) occur(n int, user func(i int) string, tags func(i int) map[string]string) {
	w.t.Helper()
	records := make([]postgres.Record, n)
	began := time.Now().Add(-time.Duration(n) * time.Millisecond).Truncate(time.Microsecond)
	for i := range records {
		id := event.ID{0: byte(rand.Uint32()), 1: byte(rand.Uint32()), 2: byte(rand.Uint32()), 3: byte(rand.Uint32()), 4: byte(i), 5: byte(i >> 8), 15: 1}
		at := began.Add(time.Duration(i) * time.Millisecond)
		payload, err := json.Marshal(map[string]any{"event_id": id.String(), "level": "error", "tags": tags(i)})
		if err != nil {
			w.t.Fatal(err)
		}
		records[i] = postgres.Record{Project: 1, KeyID: 9, ID: id, ReceivedAt: at, OccurredAt: at, Category: outcome.Error, Type: event.TypeError,
			Level: event.LevelError, Platform: "go", Title: "Boom", Metadata: event.Metadata{Title: "Boom"}, UserKey: user(i),
			Tags: []event.Pair{{Key: "level", Value: "error"}}, Hashes: [][16]byte{md5.Sum([]byte("boom"))}, Payload: payload}
		for k, v := range tags(i) {
			records[i].Tags = append(records[i].Tags, event.Pair{Key: k, Value: v})
		}
	}
	if _, err := w.store.RecordEvents(w.t.Context(), records); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.FoldFacts(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	relay := func(_ context.Context, c issue.Change) error {
		natstest.Publish(w.t, w.publish, c)
		return nil
	}
	if _, err := w.store.RelayChanges(w.t.Context(), relay); err != nil {
		w.t.Fatal(err)
	}
}

// TestALookAtManyEventsDecidesByAllOfThem: rules about further events are decided by what was counted,
// not by the few events that are read, and numbers are right however they were found out.
func TestALookAtManyEventsDecidesByAllOfThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := newReceiver(t, status(http.StatusOK))
	to := w.action(hook.URL)
	each := []alert.Clause{{Kind: alert.KindEvent}}
	tenant := func(name string) alert.Clause {
		return alert.Clause{Kind: alert.KindTag, Key: "Tenant", Match: alert.OpEqual, Value: name}
	}
	count := func(kind alert.Kind, value, interval string, clauses ...alert.Clause) []alert.Clause {
		return []alert.Clause{{Kind: kind, Value: value, Interval: interval, Clauses: clauses}}
	}
	rules := map[string]struct {
		set  alert.Rule
		told [3]int // after each look
	}{
		"each":                       {alert.Rule{Conditions: each}, [3]int{1, 2, 3}},
		"one event among many":       {alert.Rule{Conditions: each, Filters: []alert.Clause{tenant("acme")}}, [3]int{1, 1, 1}},
		"no such event":              {alert.Rule{Conditions: each, Filters: []alert.Clause{tenant("nobody")}}, [3]int{}},
		"no such level":              {alert.Rule{Conditions: each, Filters: []alert.Clause{{Kind: alert.KindLevel, Value: "fatal"}}}, [3]int{}},
		"not of the same event":      {alert.Rule{Conditions: each, Filters: []alert.Clause{tenant("acme"), {Kind: alert.KindTag, Key: "region", Match: alert.OpEqual, Value: "moon"}}}, [3]int{}},
		"none of them":               {alert.Rule{Conditions: each, FilterMatch: alert.MatchNone, Filters: []alert.Clause{tenant("nobody")}}, [3]int{1, 2, 3}},
		"another environment":        {alert.Rule{Conditions: each, Environment: "staging"}, [3]int{}},
		"events by minutes":          {alert.Rule{Conditions: count(alert.KindEvents, "150", "1h")}, [3]int{1, 2, 3}},
		"more events later":          {alert.Rule{Conditions: count(alert.KindEvents, "205", "1h")}, [3]int{0, 0, 1}},
		"events by hours":            {alert.Rule{Conditions: count(alert.KindEvents, "205", "1w")}, [3]int{0, 0, 1}},
		"more events than there are": {alert.Rule{Conditions: count(alert.KindEvents, "1000", "1d")}, [3]int{}},
		"percent of nothing":         {alert.Rule{Conditions: []alert.Clause{{Kind: alert.KindEvents, Value: "20200", Interval: "1h", Compare: true, Shift: "1d"}}}, [3]int{0, 1, 2}},
		"users":                      {alert.Rule{Conditions: count(alert.KindUsers, "6", "1h")}, [3]int{1, 2, 3}},
		"users of some events":       {alert.Rule{Conditions: count(alert.KindUsersFiltered, "2", "1h", tenant("busy"))}, [3]int{0, 0, 1}},
		"users of no event":          {alert.Rule{Conditions: count(alert.KindUsersFiltered, "0", "1h", tenant("nobody"))}, [3]int{}},
	}
	ids := map[string]int64{}
	for name, r := range rules {
		made := r.set
		made.Project, made.Name, made.Enabled, made.Match, made.Actions = 1, name, true, alert.MatchAll, []alert.Action{to}
		if err := w.store.PutRule(t.Context(), &made); err != nil {
			t.Fatal(err)
		}
		ids[name] = made.ID
	}
	w.run()
	for look, c := range []struct {
		n    int
		user func(i int) string
		tags func(i int) map[string]string
	}{
		{200, func(i int) string { return fmt.Sprint("id:", i%7) }, func(i int) map[string]string {
			switch i {
			case 0:
				return map[string]string{"tenant": "acme"} // far from the newest
			case 1:
				return map[string]string{"tenant": "busy", "region": "moon"}
			case 2:
				return map[string]string{"tenant": "busy"}
			}
			return map[string]string{"tenant": "other"}
		}},
		{3, func(int) string { return "id:1" }, func(int) map[string]string { return map[string]string{"tenant": "busy"} }}, // again
		{5, func(int) string { return "id:8" }, func(int) map[string]string { return map[string]string{"tenant": "busy"} }},
	} {
		w.occur(c.n, c.user, c.tags)
		told := func(name string) int {
			return w.count(fmt.Sprintf("select count(*) from deliveries where rule_id = %d", ids[name]))
		}
		w.eventually("the look is over", func() bool { return told("each") == look+1 })
		for name, r := range rules {
			if got := told(name); got != r.told[look] {
				t.Errorf("look %d: %s: want %d alerts, got %d", look, name, r.told[look], got)
			}
		}
	}
}
