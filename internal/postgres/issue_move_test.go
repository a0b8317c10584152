package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// move lets time take its course, twice: the second time nothing is left to do.
func (w *world) move(now time.Time) {
	w.t.Helper()
	for range 2 {
		if err := w.st.MoveIssues(w.t.Context(), now); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestIssuesNobodySeesAreResolved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(sample(0, "silent"))
	other := sample(1, "of another project")
	other.Project = 2
	w.record(other)
	w.exec(`update projects set settings = '{"resolve_age": 48}' where id = 1`)
	w.move(noon.Add(47 * time.Hour))
	w.want(0, "select count(*) from issues where status = 1")
	w.move(noon.Add(49 * time.Hour))
	w.want(1, "select count(*) from issues where status = 1 and project_id = 1 and (resolution->>'by_age')::bool")
	w.want(1, "select count(*) from activities where type = 'set_resolved_by_age' and (data->>'age')::int = 48")
	w.want(1, "select count(*) from alert_outbox where change->>'kind' = 'resolved' and change->>'status' = 'resolved'")
	if done := w.record(sample(2, "silent")); done.Changes != 1 {
		t.Errorf("seen again: want a regression, got %+v", done)
	}
	w.want(0, "select count(*) from issues where status = 1")
}

func TestArchivedIssuesEscalateAboveTheirForecast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(2, "archived")...)
	w.fold()
	now := noon.Add(72 * time.Hour)
	hour := now.Truncate(time.Hour)
	archived := issue.Action{Status: new(issue.Archived), Substatus: new(issue.UntilEscalating)}
	id := w.int("select id from issues")
	for range 2 {
		if _, err := w.st.ChangeIssues(t.Context(), 1, []int64{id}, archived, 0); err != nil {
			t.Fatal(err)
		}
	}
	w.want(1, "select count(*) from activities where type = 'set_ignored'")
	// Ten times the largest hour, 2, since there is less than a week of them.
	w.exec("insert into issue_hours values (1, $1, $2, 20)", id, hour)
	w.exec("update issues set last_seen = $1", now)
	w.move(now)
	w.want(1, "select count(*) from issues where status = 2 and substatus = 1 and (snooze->>'forecast')::int = 20 and snooze ? 'forecast_at'")
	w.exec("update issue_hours set times_seen = 21 where hour = $1", hour)
	w.move(now.Add(time.Minute))
	w.want(1, "select count(*) from issues where status = 0 and substatus = 2 and priority = 75 and snooze is null")
	w.want(1, "select count(*) from activities where type = 'set_escalating' and (data->>'forecast')::int = 20 and length(data->>'event_id') = 32")
	w.want(1, `select count(*) from alert_outbox where change->>'kind' = 'reappeared' and (change->>'has_escalated')::bool and (change->>'has_reappeared')::bool
		and length(change->>'event_id') = 32`)
	w.move(now.Add(issue.SettleAfter + time.Hour))
	w.want(1, "select count(*) from issues where status = 0 and substatus = 3")
	w.want(1, "select count(*) from activities where type = 'auto_set_ongoing'")
}

// TestASnoozeUntilUsersAreAffectedEndsWithoutAnotherEvent wants the last user that was waited for to end it,
// though users are counted after their events.
func TestASnoozeUntilUsersAreAffectedEndsWithoutAnotherEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	by := func(n int) {
		r := sample(n, "archived")
		r.UserKey = fmt.Sprintf("id:%d", n)
		w.record(r)
		w.fold()
	}
	by(1)
	id := w.int("select id from issues")
	archived := issue.Action{Status: new(issue.Archived), Snooze: &issue.Snooze{UserCount: 2}}
	if _, err := w.st.ChangeIssues(t.Context(), 1, []int64{id}, archived, 0); err != nil {
		t.Fatal(err)
	}
	by(2)
	w.move(noon)
	w.want(2, "select status from issues")
	by(3)
	w.want(2, "select status from issues")
	w.move(noon)
	w.want(1, "select count(*) from issues where status = 0 and substatus = 2 and snooze is null")
	w.want(1, "select count(*) from activities where type = 'set_escalating' and (data->>'ignoreUserCount')::int = 2 and length(data->>'event_id') = 32")
	w.want(1, "select count(*) from alert_outbox where change->>'kind' = 'reappeared' and (change->>'has_reappeared')::bool")
}

func TestNewIssuesEscalateWhenTheyAreSeenMoreThanOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 20 { // the usual: two a day
		w.exec("insert into issues (project_id, id, number, type, level, platform, title, metadata, status, substatus, first_seen, last_seen, times_seen) values (1, $1::bigint, 1000 + $1::bigint, 'error', 40, '', '', '{}', 0, 3, $2, $3, 2)",
			i+1, noon.Add(-24*time.Hour), noon)
		w.exec("insert into issue_hours values (1, $1, $2, 2)", i+1, noon.Truncate(time.Hour))
	}
	w.record(samples(issue.EscalateCount, "burst")...)
	w.record(sample(1, "once"))
	w.move(noon.Add(30 * time.Minute))
	w.want(1, "select count(*) from issues where substatus = 2 and times_seen = 10")
	w.want(1, "select count(*) from issues where substatus = 7")
	w.want(1, "select count(*) from alert_outbox where change->>'kind' = 'escalating' and (change->>'has_escalated')::bool")
	w.want(1, "select count(*) from activities where type = 'set_escalating'")
}

func TestSnoozesWithinAWindowCountWhatIsRecent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(5, "window")...) // long before the window
	w.exec(`update issues set status = 2, substatus = 4, snooze = '{"count": 4, "window": 60}'`)
	recent := func(n int) {
		for i := range n {
			r := sample(100+i+int(w.int("select count(*) from events")), "window")
			r.ReceivedAt = time.Now().UTC()
			w.record(r)
		}
	}
	recent(3)
	w.want(2, "select status from issues")
	recent(1)
	w.want(1, "select count(*) from issues where status = 0 and substatus = 2 and snooze is null")
	w.exec(`update issues set status = 2, substatus = 4, snooze = '{"user_count": 2, "user_window": 60}'`)
	w.exec("update events set user_key = 'id:1'")
	r := sample(200, "window")
	r.ReceivedAt, r.UserKey = time.Now().UTC(), "id:1"
	w.record(r)
	w.want(2, "select status from issues")
	r = sample(201, "window")
	r.ReceivedAt, r.UserKey = time.Now().UTC(), "id:2"
	w.record(r)
	w.want(0, "select status from issues")
}
