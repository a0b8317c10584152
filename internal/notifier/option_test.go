package notifier_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// ruled stores a rule that wants to hear of new and regressed issues, changed by set.
func (w *world) ruled(set func(*alert.Rule), actions ...alert.Action) alert.Rule {
	w.t.Helper()
	r := alert.NewOrRegressed(1, "Tell us", actions...)
	set(&r)
	if err := w.store.PutRule(w.t.Context(), &r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestAnAlertThatNobodyAcknowledgesEscalates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := newReceiver(t, status(http.StatusOK)), newReceiver(t, status(http.StatusOK))
	further := w.action(second.URL)
	w.ruled(func(r *alert.Rule) {
		r.Escalation = &alert.Escalation{After: time.Minute, Destination: further.Destination}
	}, w.action(first.URL))
	w.run()
	w.tell(change(1))
	w.tell(change(2))
	w.eventually("both are told", func() bool {
		return len(first.requests()) == 2 && w.count("select count(*) from alert_escalations where due_at > now() + interval '50 seconds'") == 2
	})
	if err := w.store.Acknowledge(t.Context(), 1, 1001, 7, "Ada"); err != nil {
		t.Fatal(err)
	}
	w.execute("update alert_escalations set due_at = now()") // the minute is over
	w.eventually("both clocks ended", func() bool { return w.count("select count(*) from alert_escalations where ended_at is null") == 0 })
	w.eventually("the second destination is told", func() bool { return len(second.requests()) > 0 })
	var body struct{ Tocsin struct{ Kind string } }
	got := second.requests()
	if err := json.Unmarshal([]byte(got[0].body), &body); err != nil || len(got) != 1 || body.Tocsin.Kind != "escalation" || !strings.Contains(got[0].body, "SHOP-") {
		t.Errorf("want one escalation, got %+v, %v", got, err)
	}
	if n := w.count("select count(*) from alert_escalations where id = 1 and outcome = 'acknowledged by Ada' or id = 2 and outcome = 'escalated'"); n != 2 {
		t.Errorf("the outcomes are not noted: %d", n)
	}
}

func TestQuietHoursHoldAlertsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := newReceiver(t, status(http.StatusOK))
	now := time.Now().UTC()
	rule := w.ruled(func(r *alert.Rule) {
		r.Quiet = &alert.Quiet{Zone: "UTC", From: now.Add(-time.Hour).Format("15:04"), To: now.Add(time.Hour).Format("15:04")}
	}, w.action(hook.URL))
	w.run()
	w.tell(change(1))
	w.tell(change(2))
	w.eventually("both wait", func() bool { return w.count("select count(*) from deliveries where state = 4") == 2 })
	if n := w.count("select count(*) from alert_folds where due_at > now() + interval '50 minutes'"); n != 1 || len(hook.requests()) != 0 {
		t.Errorf("want one fold until the end of the hours, got %d, and %d messages", n, len(hook.requests()))
	}
	w.execute("update alert_folds set due_at = now()") // the morning comes
	w.eventually("one message of both", func() bool { return len(hook.requests()) == 1 })
	if got := hook.requests()[0].body; !strings.Contains(got, `"digest":{"alerts":2,"total":2`) {
		t.Errorf("got %s", got)
	}
	if rows := w.log(postgres.DeliveryQuery{Rule: rule.ID}); len(rows) != 2 || rows[0].Digest == 0 {
		t.Errorf("the log does not point to the digest: %+v", rows)
	}
}

func TestWhoSnoozedARuleHearsNothingOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people()
	sink := w.withMail(false)
	w.ruled(func(r *alert.Rule) { r.SnoozedFor = []int64{7} }, alert.Action{Kind: alert.ActionTeam, Target: 3})
	w.run()
	w.tell(change(1))
	if got := w.to(sink, 1); !slices.Equal(got, []string{"bob@example.com"}) {
		t.Errorf("got %v", got)
	}
}

func TestAPagerHearsThatItIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pager := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`{"status":"success"}`)) })
	w.rule("Page", w.destination(alert.ChannelPagerDuty, delivery.Settings{"routing_key": canary2 + strings.Repeat("0", 20), "api": pager.URL}))
	w.run()
	w.tell(change(1))
	w.eventually("the incident is opened", func() bool { return w.count("select count(*) from deliveries where state = 1") == 1 })
	over := change(2)
	over.Kind, over.Issue, over.ShortID = issue.ChangeResolved, 1001, "SHOP-1"
	w.tell(over)
	w.eventually("the incident is closed", func() bool { return len(pager.requests()) == 2 })
	var events [2]struct {
		Key    string `json:"routing_key"`
		Action string `json:"event_action"`
		Dedup  string `json:"dedup_key"`
	}
	for i, r := range pager.requests() {
		if err := json.Unmarshal([]byte(r.body), &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if events[0].Action != "trigger" || events[1].Action != "resolve" || events[0].Dedup == "" || events[0].Dedup != events[1].Dedup || !strings.HasPrefix(events[1].Key, canary2) {
		t.Errorf("got %+v", events)
	}
}

// canary2 is a key that the log and the database must not show.
const canary2 = "canary3f1c00"

func TestADestinationThatIsGoneIsSwitchedOffWithANotice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people()
	w.execute("update memberships set role = 'owner' where user_id = 9")
	sink := w.withMail(false)
	gone := newReceiver(t, status(http.StatusGone))
	rule := w.rule("Tell us", w.action(gone.URL))
	w.run()
	w.tell(change(1))
	w.settled(rule.ID, inState(alert.DeliveryFailed))
	if got := w.to(sink, 1); !slices.Equal(got, []string{"cleo@example.com"}) {
		t.Errorf("want the owner told, got %v", got)
	}
	if _, parts := read(t, sink.Mails()[0].Data); !strings.Contains(parts["text/plain"], "gone for good (410)") || strings.Contains(parts["text/plain"], canary) {
		t.Errorf("told:\n%s", parts["text/plain"])
	}
	w.tell(change(2))
	w.eventually("the next alert is only logged", func() bool {
		return w.count("select count(*) from deliveries where change_id = 2 and state = 3 and reason = 'the destination is switched off'") == 1
	})
	if n := len(gone.requests()); n != 1 {
		t.Errorf("the destination was asked %d times", n)
	}
}

func TestEveryNthEventIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	tenth := w.ruled(func(r *alert.Rule) { r.Conditions = []alert.Clause{{Kind: alert.KindNth, Value: "10"}} }, w.action(hook.URL))
	each := w.ruled(func(r *alert.Rule) { r.Conditions = []alert.Clause{{Kind: alert.KindEvent}} }, w.action(hook.URL))
	w.run()
	c := change(1)
	w.sight(c)
	for i, step := range []struct{ total, count, told int64 }{
		{7, 7, 0},
		{9, 1, 0},
		{12, 2, 1}, // of 3 since: totals are read later than counts are made
		{12, 1, 1}, // was in the last total already
		{31, 19, 2},
	} {
		w.execute("update issues set times_seen = $1 where project_id = 1 and id = $2", step.total, c.Issue)
		id := int64(100 * (i + 1))
		natstest.Publish(t, w.publish, issue.Change{ID: id, Kind: issue.ChangeSeen, Project: 1, At: time.Now(),
			Seen: []issue.Seen{{ID: id + 1, Issue: c.Issue, Count: step.count}}})
		alerts := fmt.Sprintf("select count(*) from deliveries where rule_id = %d", each.ID)
		w.eventually("the look is over", func() bool { return w.count(alerts) == i+1 })
		if got := w.count(fmt.Sprintf("select count(*) from deliveries where rule_id = %d", tenth.ID)); got != int(step.told) {
			t.Errorf("at %d events: want %d alerts, got %d", step.total, step.told, got)
		}
	}
}
