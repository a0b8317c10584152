package postgres_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

var testAction = alert.Action{Kind: alert.ActionDestination, Destination: 9}

func testJob(change int64, target string) alert.Job {
	return alert.Job{
		Delivery: alert.Delivery{ID: postgres.NewID(), Project: 1, Rule: 2, Change: change, Issue: 3, Channel: alert.ChannelWebhook, Target: target, Lane: target},
		Payload:  []byte(`{}`),
	}
}

// execute runs statements that no method of the store makes.
func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func enqueueAll(t *testing.T, st *postgres.Store, jobs ...alert.Job) int {
	t.Helper()
	n, err := st.EnqueueDeliveries(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func claim(t *testing.T, st *postgres.Store, limit, perTarget int, lease time.Duration) []alert.Job {
	t.Helper()
	jobs, err := st.ClaimDeliveries(t.Context(), "me", limit, perTarget, lease)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func delivery(t *testing.T, st *postgres.Store, id int64) (postgres.DeliveryRow, []alert.Attempt) {
	t.Helper()
	d, tries, err := st.DeliveryWithAttempts(t.Context(), 1, id)
	if err != nil {
		t.Fatal(err)
	}
	return d, tries
}

func TestAChangeIsQueuedOnceHoweverOftenItComes(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	var queued atomic.Int64
	var g errgroup.Group
	for range 100 {
		g.Go(func() error {
			n, err := st.EnqueueDeliveries(context.Background(), []alert.Job{testJob(50, "https://a"), testJob(51, "https://a"), testJob(51, "https://a")})
			queued.Add(int64(n))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	page, err := st.ListDeliveries(t.Context(), postgres.DeliveryQuery{Project: 1})
	if err != nil || len(page.Rows) != 2 || queued.Load() != 2 {
		t.Errorf("want 2 deliveries, got %d rows, %d queued, %v", len(page.Rows), queued.Load(), err)
	}
}

func TestFrequencySuppressesAndLogs(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	st := pgtest.Open(t, url)
	rule := alert.NewOrRegressed(1, "Tell us", testAction)
	rule.Frequency = time.Hour
	if err := st.PutRule(t.Context(), &rule); err != nil {
		t.Fatal(err)
	}
	limited := func(change, issue int64) alert.Job {
		j := testJob(change, "https://a")
		j.Rule, j.Issue, j.Frequency = rule.ID, issue, time.Hour
		return j
	}
	if n := enqueueAll(t, st, limited(1, 3), limited(2, 3), limited(3, 4)); n != 2 {
		t.Errorf("one batch: want 2 queued, got %d", n)
	}
	var queued atomic.Int64
	var g errgroup.Group
	for i := range int64(20) {
		g.Go(func() error {
			n, err := st.EnqueueDeliveries(context.Background(), []alert.Job{limited(10+i, 5)})
			queued.Add(int64(n))
			return err
		})
	}
	if err := g.Wait(); err != nil || queued.Load() != 1 {
		t.Errorf("at once: want 1 queued, got %d, %v", queued.Load(), err)
	}
	if n := enqueueAll(t, st, limited(1, 3)); n != 0 {
		t.Errorf("repeated: want none queued, got %d", n)
	}
	suppressed := alert.DeliverySuppressed
	page, err := st.ListDeliveries(t.Context(), postgres.DeliveryQuery{Project: 1, State: &suppressed, Rule: rule.ID})
	if err != nil || len(page.Rows) != 20 || page.Rows[0].Reason == "" || page.Rows[0].RuleName != "Tell us" || page.Rows[0].FinishedAt == nil {
		t.Errorf("want 20 suppressed with a reason, got %d, %v", len(page.Rows), err)
	}
	execute(t, url, "update deliveries set created_at = created_at - interval '61 minutes'")
	if n := enqueueAll(t, st, limited(60, 3)); n != 1 {
		t.Errorf("after the frequency: want 1 queued, got %d", n)
	}
	if got, err := st.Rule(t.Context(), 1, rule.ID); err != nil || got.LastFiredAt == nil {
		t.Errorf("want a time of last firing, got %+v, %v", got, err)
	}
}

func TestClaimsAreExclusiveAndBoundedPerTarget(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	var jobs []alert.Job
	for i := range int64(300) {
		jobs = append(jobs, testJob(i+1, "https://dead"))
	}
	for i := range int64(5) {
		jobs = append(jobs, testJob(1000+i, fmt.Sprintf("https://live-%d", i)))
	}
	enqueueAll(t, st, jobs...)
	first := claim(t, st, 64, 2, time.Minute)
	perTarget := map[string]int{}
	for _, j := range first {
		perTarget[j.Target]++
		if j.AttemptCount != 1 || j.Issue != 3 || string(j.Payload) != "{}" {
			t.Fatalf("claimed %+v", j)
		}
	}
	if len(first) != 7 || perTarget["https://dead"] != 2 {
		t.Errorf("want 2 of the dead target and 1 of each other, got %v", perTarget)
	}
	if again := claim(t, st, 64, 2, time.Minute); len(again) != 0 {
		t.Errorf("while those are in hand: want none, got %d", len(again))
	}
	for _, j := range first {
		if j.Target == "https://dead" {
			v := alert.Verdict{State: alert.DeliveryQueued, NextAttemptAt: time.Now().Add(time.Hour)}
			if _, err := st.FinishAttempt(t.Context(), &j, alert.Attempt{Number: 1, StartedAt: time.Now(), Error: "down"}, v, alert.Answer{Error: "down", Cut: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if next := claim(t, st, 64, 2, time.Minute); len(next) != 2 || next[0].Target != "https://dead" {
		t.Errorf("want the dead target's next two, got %d", len(next))
	}
}

func TestTargetsThatHangDoNotStarveTheOthers(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	var jobs []alert.Job
	for i := range int64(120) {
		jobs = append(jobs, testJob(i+1, fmt.Sprintf("https://hung-%d", i%40)))
	}
	enqueueAll(t, st, jobs...)
	hung := claim(t, st, 64, 2, time.Minute)
	if len(hung) != 64 {
		t.Fatalf("want every place taken, got %d", len(hung))
	}
	enqueueAll(t, st, testJob(1000, "https://live"))
	next := claim(t, st, 1, 2, time.Minute) // one place is free; what waits for the hung targets is due longer
	if len(next) != 1 || next[0].Target != "https://live" {
		t.Errorf("want the live target's turn, got %+v", next)
	}
}

func TestConcurrentClaimsShareNothing(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	var jobs []alert.Job
	for i := range int64(200) {
		jobs = append(jobs, testJob(i+1, "https://t"+strconv.Itoa(int(i))))
	}
	enqueueAll(t, st, jobs...)
	var g errgroup.Group
	claimed := make([][]alert.Job, 8)
	for i := range claimed {
		g.Go(func() (err error) {
			for range 5 {
				got, err := st.ClaimDeliveries(context.Background(), "me", 10, 2, time.Minute)
				if err != nil {
					return err
				}
				claimed[i] = append(claimed[i], got...)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, list := range claimed {
		for _, j := range list {
			if seen[j.ID] {
				t.Errorf("delivery %d was claimed twice", j.ID)
			}
			seen[j.ID] = true
		}
	}
	if len(seen) == 0 {
		t.Error("nothing was claimed")
	}
}

func TestALostLeaseIsTakenUpByOthers(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	enqueueAll(t, st, testJob(1, "https://a"))
	slow := claim(t, st, 1, 2, -time.Second)[0] // in hand, and its lease is over
	taken := claim(t, st, 1, 2, time.Minute)
	if len(taken) != 1 || taken[0].ID != slow.ID || taken[0].AttemptCount != 2 {
		t.Fatalf("want the same delivery, second try, got %+v", taken)
	}
	// The slow one's failure is logged and changes nothing: the delivery is in another's hands.
	failed := alert.Verdict{State: alert.DeliveryFailed, Reason: "gone"}
	finish(t, st, slow, alert.Attempt{Number: 1, StartedAt: time.Now(), Status: 410, Error: "gone"}, failed)
	if d, tries := delivery(t, st, slow.ID); d.State != alert.DeliveryQueued || len(tries) != 1 {
		t.Errorf("after the slow one's failure: got %v with %d tries", d.State, len(tries))
	}
	// Its success counts: the message has arrived.
	finish(t, st, slow, alert.Attempt{Number: 1, StartedAt: time.Now(), Status: 200}, alert.Verdict{State: alert.DeliverySent})
	finish(t, st, taken[0], alert.Attempt{Number: 2, StartedAt: time.Now(), Status: 500, Error: "answered 500"}, failed)
	if d, tries := delivery(t, st, slow.ID); d.State != alert.DeliverySent || d.FinishedAt == nil || len(tries) != 2 {
		t.Errorf("after its success: got %v with %d tries", d.State, len(tries))
	}
}

func finish(t *testing.T, st *postgres.Store, j alert.Job, a alert.Attempt, v alert.Verdict) {
	t.Helper()
	if _, err := st.FinishAttempt(t.Context(), &j, a, v, alert.Answer{Error: a.Error, Cut: a.Error != ""}); err != nil {
		t.Fatal(err)
	}
}

func TestRequeueStartsTheLadderAnew(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	queued := testJob(2, "https://b")
	enqueueAll(t, st, testJob(1, "https://a"))
	j := claim(t, st, 1, 2, time.Minute)[0]
	want := alert.Attempt{Number: 1, StartedAt: time.Now().UTC().Truncate(time.Microsecond), Duration: 12 * time.Millisecond, Status: 410, Error: "gone", Response: "no"}
	finish(t, st, j, want, alert.Verdict{State: alert.DeliveryFailed, Reason: "gone"})
	enqueueAll(t, st, queued)
	got, err := st.Requeue(t.Context(), 1, []int64{j.ID, queued.ID, 12345})
	if err != nil || len(got) != 1 || got[0] != j.ID {
		t.Fatalf("want only the failed one, got %v, %v", got, err)
	}
	if other, err := st.Requeue(t.Context(), 2, []int64{j.ID}); err != nil || len(other) != 0 {
		t.Errorf("another project: want none, got %v, %v", other, err)
	}
	d, tries := delivery(t, st, j.ID)
	if diff := cmp.Diff([]alert.Attempt{want}, tries, cmpopts.EquateApproxTime(0)); diff != "" || d.State != alert.DeliveryQueued || d.Reason != "" || d.FinishedAt != nil {
		t.Errorf("got %+v (-want +got):\n%s", d.Delivery, diff)
	}
	for _, again := range claim(t, st, 10, 2, time.Minute) {
		if again.ID == j.ID && (again.AttemptCount != 2 || again.FirstAttempt != 1 || !again.QueuedAt.After(again.CreatedAt)) {
			t.Errorf("got %+v", again)
		}
	}
}

func TestTheLogIsReadInPages(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	st := pgtest.Open(t, url)
	execute(t, url,
		"insert into organizations (id, slug, name) values (1, 'default', 'Default')",
		"insert into projects (id, organization_id, slug, name) values (1, 1, 'shop', 'Shop')",
		`insert into issues (project_id, id, number, type, level, platform, title, metadata, first_seen, last_seen, times_seen)
			values (1, 3, 47, 'error', 40, 'go', 'boom', '{}', now(), now(), 1)`)
	var jobs []alert.Job
	for i := range int64(7) {
		jobs = append(jobs, testJob(i+1, "https://a"))
	}
	enqueueAll(t, st, jobs...)
	var ids []int64
	q := postgres.DeliveryQuery{Project: 1, Limit: 3}
	for pages := 1; ; pages++ {
		page, err := st.ListDeliveries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			ids = append(ids, r.ID)
			if r.ShortID() != "SHOP-1F" || r.IssueTitle != "boom" {
				t.Fatalf("got %q, %q", r.ShortID(), r.IssueTitle)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			if pages != 3 {
				t.Errorf("want 3 pages, got %d", pages)
			}
			break
		}
	}
	for i, id := range ids {
		if want := jobs[len(jobs)-1-i].ID; id != want {
			t.Errorf("entry %d: want %d, got %d", i, want, id)
		}
	}
	if _, err := st.ListDeliveries(t.Context(), postgres.DeliveryQuery{Project: 1, Cursor: "0:0:0"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("bad cursor: want fault.Invalid, got %v", err)
	}
	if _, _, err := st.DeliveryWithAttempts(t.Context(), 2, ids[0]); fault.KindOf(err) != fault.Unknown {
		t.Errorf("another project: want fault.Unknown, got %v", err)
	}
	if c, err := st.SampleChange(t.Context(), 1); err != nil || c.Org != "default" || c.ProjectSlug != "shop" {
		t.Errorf("sample: got %+v, %v", c, err)
	}
	if b, err := st.DeliveryBacklog(t.Context()); err != nil || b.Queued != 7 || b.Next == nil {
		t.Errorf("backlog: got %+v, %v", b, err)
	}
}

func TestOldFinishedDeliveriesAreDropped(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	st := pgtest.Open(t, url)
	enqueueAll(t, st, testJob(1, "https://a"), testJob(2, "https://b"), testJob(3, "https://c"))
	for _, j := range claim(t, st, 2, 2, time.Minute) {
		finish(t, st, j, alert.Attempt{Number: 1, StartedAt: time.Now(), Status: 200}, alert.Verdict{State: alert.DeliverySent})
	}
	execute(t, url, "update deliveries set created_at = created_at - interval '91 days', finished_at = finished_at - interval '91 days'")
	for _, want := range []int{1, 1, 0} {
		if n, err := st.DropDeliveries(t.Context(), time.Now().Add(-90*24*time.Hour), 1); err != nil || n != want {
			t.Errorf("want %d dropped, got %d, %v", want, n, err)
		}
	}
	page, err := st.ListDeliveries(t.Context(), postgres.DeliveryQuery{Project: 1})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].State != alert.DeliveryQueued {
		t.Errorf("want the queued one left, got %+v, %v", page, err)
	}
}

// A long queue of one target must not slow the search for the others' deliveries.
func BenchmarkClaimBesideALongQueue(b *testing.B) {
	st := pgtest.New(b)
	for chunk := range int64(20) {
		var jobs []alert.Job
		for i := range int64(1000) {
			jobs = append(jobs, testJob(chunk*1000+i+1, "https://dead"))
		}
		if _, err := st.EnqueueDeliveries(b.Context(), jobs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := st.ClaimDeliveries(b.Context(), "me", 64, 2, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAHolderTakesBackItsOwnOnly(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	enqueueAll(t, st, testJob(1, "a"), testJob(2, "b"))
	for _, holder := range []string{"me", "you"} {
		if jobs, err := st.ClaimDeliveries(t.Context(), holder, 1, 1, time.Hour); err != nil || len(jobs) != 1 {
			t.Fatalf("%s: %+v, %v", holder, jobs, err)
		}
	}
	if jobs := claim(t, st, 10, 1, time.Hour); len(jobs) != 0 {
		t.Fatalf("both are in hand, got %+v", jobs)
	}
	if n, err := st.ReleaseClaims(t.Context(), "me"); err != nil || n != 1 {
		t.Errorf("released %d, %v", n, err)
	}
	if jobs := claim(t, st, 10, 1, time.Hour); len(jobs) != 1 || jobs[0].Lane != "a" || jobs[0].AttemptCount != 2 {
		t.Errorf("want the one that I had, got %+v", jobs)
	}
}

// TestClaimingStepsThroughIndexes: a log of many deliveries must not be read whole for each claim,
// however the planner guesses.
func TestClaimingStepsThroughIndexes(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	execute(t, url, `insert into deliveries (project_id, id, rule_id, change_id, action, channel, target, lane, state, next_attempt_at)
		select 1, n, 1, n, 0, 'webhook', 'a', 'a', case when n % 2 = 0 then 0 else 1 end, now() from generate_series(1, 20000) n`, "analyze deliveries")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	sql, args, err := pgx.NamedArgs{"limit": "64", "per_lane": "1", "lease": "'30 s'", "holder": "'me'", "break_after": "5"}.
		RewriteQuery(t.Context(), conn, statements(t)["sqlClaimDeliveries"], nil)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]string, len(args))
	for i := range args {
		values[i] = args[i].(string)
	}
	if _, err := conn.Exec(t.Context(), "prepare claim as "+sql); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		if _, err := conn.Exec(t.Context(), "set plan_cache_mode = "+mode); err != nil {
			t.Fatal(err)
		}
		rows, _ := conn.Query(t.Context(), "explain execute claim("+strings.Join(values, ", ")+")", pgx.QueryExecModeSimpleProtocol)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan on deliveries") {
			t.Errorf("%s reads the whole log:\n%s", mode, text)
		}
	}
}
