package notifier_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/delivery/webhook"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

func TestAChangePublishedAHundredTimesAlertsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := newReceiver(t, status(http.StatusNoContent))
	rule := w.rule("Tell us", w.action(hook.URL))
	w.run()
	w.sight(change(7))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			natstest.Publish(t, w.publish, change(7))
		})
	}
	wg.Wait()
	w.tell(change(8)) // comes after all the copies
	w.eventually("both changes sent", func() bool { return len(hook.requests()) >= 2 })
	w.eventually("both recorded", func() bool {
		sent := alert.DeliverySent
		return len(w.log(postgres.DeliveryQuery{State: &sent})) == 2
	})
	if rows := w.log(postgres.DeliveryQuery{Rule: rule.ID}); len(rows) != 2 || len(hook.requests()) != 2 {
		t.Errorf("want 2 deliveries and requests, got %d and %d", len(rows), len(hook.requests()))
	}
	var body struct {
		Tocsin struct {
			DeliveryID string `json:"delivery_id"`
			Issue      struct{ URL string }
		}
	}
	first := hook.requests()[0]
	if err := json.Unmarshal([]byte(first.body), &body); err != nil || first.id != "msg_"+body.Tocsin.DeliveryID ||
		!strings.HasPrefix(body.Tocsin.Issue.URL, "https://tocsin.example/o/default/issues/SHOP-") {
		t.Errorf("got id %s and %+v, %v", first.id, body, err)
	}
}

func TestAReceiverThatFailsThenRecovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls atomic.Int64
	hook := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			rw.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(rw, "down")
		}
	})
	rule := w.rule("Tell us", w.action(hook.URL))
	w.run()
	w.tell(change(1))
	for n, pause := range []time.Duration{5 * time.Second, 30 * time.Second} {
		d, tries := w.settled(rule.ID, tried(n+1))
		wait := d.NextAttemptAt.Sub(tries[n].StartedAt.Add(tries[n].Duration))
		if d.State != alert.DeliveryQueued || tries[n].Status != 500 || tries[n].Response != "down" || wait < pause*7/10 || wait > pause*13/10 {
			t.Errorf("try %d: got %v, next in %v, %+v", n+1, d.State, wait, tries[n])
		}
		w.execute("update deliveries set next_attempt_at = now()") // the pause is over
	}
	_, tries := w.settled(rule.ID, inState(alert.DeliverySent))
	got := hook.requests()
	if len(tries) != 3 || tries[2].Number != 3 || tries[2].Error != "" || len(got) != 3 {
		t.Errorf("want 3 tries, got %+v and %d requests", tries, len(got))
	}
	if diff := cmp.Diff([]received{got[0], got[0]}, got[1:], cmp.AllowUnexported(received{})); diff != "" {
		t.Errorf("want the same id and bytes each time (-want +got):\n%s", diff)
	}
}

func TestDifficultReceivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	redirect := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://169.254.169.254/"+canary, http.StatusFound)
	})
	endless := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		for chunk := strings.Repeat("x", 8192); ; {
			if _, err := io.WriteString(rw, chunk); err != nil {
				return
			}
		}
	})
	gone := newReceiver(t, status(http.StatusGone))
	busy := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusTooManyRequests)
	})
	echo := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(rw, "nothing at "+r.URL.Path+strings.Repeat("é", 2000))
	})
	type want struct {
		url    string
		state  alert.DeliveryState
		status int
		text   string // in the try's error
		next   time.Duration
	}
	cases := map[int64]want{}
	for name, c := range map[string]want{
		"302":      {redirect.URL, alert.DeliveryQueued, 302, "redirects are not followed", 5 * time.Second},
		"endless":  {endless.URL, alert.DeliverySent, 200, "", 0},
		"410":      {gone.URL, alert.DeliveryFailed, 410, "gone", 0},
		"429":      {busy.URL, alert.DeliveryQueued, 429, "answered 429", time.Hour},
		"echo":     {echo.URL, alert.DeliveryQueued, 404, "answered 404", 5 * time.Second},
		"metadata": {"http://169.254.169.254", alert.DeliveryFailed, 0, "not public", 0},
		"closed":   {"http://127.0.0.1:1", alert.DeliveryQueued, 0, "refused", 5 * time.Second},
	} {
		cases[w.rule(name, w.action(c.url)).ID] = c
	}
	w.run()
	w.tell(change(1))
	for rule, c := range cases {
		d, tries := w.settled(rule, tried(1))
		if d.State != c.state || tries[0].Status != c.status || !strings.Contains(tries[0].Error, c.text) || len(tries[0].Response) > 1024 {
			t.Errorf("%s: got %v, %v, %+v", d.RuleName, d.State, d.Reason, tries[0])
		}
		if c.next > 0 {
			if wait := d.NextAttemptAt.Sub(tries[0].StartedAt.Add(tries[0].Duration)); wait < c.next*7/10 || wait > c.next*13/10 {
				t.Errorf("%s: next in %v, want about %v", d.RuleName, wait, c.next)
			}
		}
		if d.Target != c.url || strings.Contains(fmt.Sprint(d, tries), canary) {
			t.Errorf("%s: target %q, or a secret in the log", d.RuleName, d.Target)
		}
	}
	w.noSecrets()
}

// noSecrets looks for the canary in all that the database keeps about alerts.
func (w *world) noSecrets() {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, table := range []string{"alert_rules", "alert_destinations", "deliveries", "delivery_attempts"} {
		var rows, leaks int
		query := fmt.Sprintf("select count(*), count(*) filter (where t::text ~ '%s|%x') from %s t", canary, canary, table)
		err := conn.QueryRow(context.Background(), query).Scan(&rows, &leaks)
		if err != nil || rows == 0 || leaks != 0 {
			w.t.Errorf("%s: %d of %d rows show a secret, %v", table, leaks, rows, err)
		}
	}
}

func TestADeadEndpointDelaysNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hang := make(chan struct{})
	var now, most atomic.Int64
	dead := newReceiver(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hang
		now.Add(-1)
	})
	live := newReceiver(t, status(http.StatusOK))
	w.rule("Dead", w.action(dead.URL))
	w.rule("Live", w.action(live.URL))
	w.run()
	t.Cleanup(sync.OnceFunc(func() { close(hang) })) // before the notifier stops
	const changes = 50
	for i := range int64(changes) {
		w.tell(change(i + 1))
	}
	w.eventually("the live endpoint has all", func() bool { return len(live.requests()) == changes })
	if most.Load() > 1 {
		t.Errorf("the dead endpoint was sent %d at once", most.Load())
	}
	w.eventually("one waits at the dead endpoint", func() bool { return now.Load() == 1 })
}

func TestSendTest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fine := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "thanks") })
	missing := newReceiver(t, status(http.StatusNotFound))
	rule := w.rule("Tell us", w.action(fine.URL), w.action(missing.URL))
	w.run()
	client, err := bindings.TestRule.Client(w.broker.Conn("web"))
	if err != nil {
		t.Fatal(err)
	}
	do := func(req alert.TestRequest) (res alert.TestResult, err error) {
		w.eventually("the notifier serves", func() bool {
			res, err = client.Do(t.Context(), req)
			return fault.KindOf(err) != fault.Unavailable
		})
		return res, err
	}
	res, err := do(alert.TestRequest{Project: 1, Rule: rule.ID})
	if err != nil || res.State != alert.DeliverySent || res.Attempt.Status != 200 || res.Attempt.Response != "thanks" {
		t.Errorf("saved: got %+v, %v", res, err)
	}
	res, err = do(alert.TestRequest{Project: 1, Rule: rule.ID, Action: 1})
	if err != nil || res.State != alert.DeliveryFailed || res.Attempt.Status != 404 || res.Attempt.Error == "" {
		t.Errorf("second action: got %+v, %v", res, err)
	}
	draft := alert.Draft{Channel: alert.ChannelWebhook, Target: fine.URL, Settings: w.settings(fine.URL)}
	res, err = do(alert.TestRequest{Project: 1, Organization: 1, Draft: &draft})
	d, tries, logErr := w.store.DeliveryWithAttempts(t.Context(), 1, res.Delivery)
	if err != nil || logErr != nil || !d.IsTest() || d.State != alert.DeliverySent || len(tries) != 1 || d.Target != fine.URL {
		t.Errorf("draft: got %+v, %v, logged %+v, %v", res, err, d, logErr)
	}
	private := alert.Draft{Channel: alert.ChannelWebhook, Target: "http://10.0.0.1", Settings: w.settings("http://10.0.0.1")}
	if res, err = do(alert.TestRequest{Project: 1, Organization: 1, Draft: &private}); err != nil || res.State != alert.DeliveryFailed || !strings.Contains(res.Attempt.Error, "not public") {
		t.Errorf("private: got %+v, %v", res, err)
	}
	for name, c := range map[string]struct {
		req  alert.TestRequest
		want fault.Kind
	}{
		"no project": {alert.TestRequest{Project: 2, Rule: rule.ID}, fault.Unknown},
		"no rule":    {alert.TestRequest{Project: 1, Rule: 5}, fault.Unknown},
		"no action":  {alert.TestRequest{Project: 1, Rule: rule.ID, Action: 2}, fault.Invalid},
		"bad draft":  {alert.TestRequest{Project: 1, Draft: &alert.Draft{Channel: "fax"}}, fault.Invalid},
	} {
		if _, err := do(c.req); fault.KindOf(err) != c.want {
			t.Errorf("%s: want %v, got %v", name, c.want, err)
		}
	}
	if n := len(fine.requests()); n != 2 {
		t.Errorf("want 2 samples at the first receiver, got %d", n)
	}
	w.noSecrets()
}

func TestRedeliverSendsTheSameAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls atomic.Int64
	hook := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			rw.WriteHeader(http.StatusGone)
		}
	})
	rule := w.rule("Tell us", w.action(hook.URL))
	w.run()
	w.tell(change(1))
	d, _ := w.settled(rule.ID, inState(alert.DeliveryFailed))
	client, err := bindings.Redeliver.Client(w.broker.Conn("web"))
	if err != nil {
		t.Fatal(err)
	}
	var res alert.RedeliverResult
	w.eventually("the notifier serves", func() bool {
		res, err = client.Do(t.Context(), alert.RedeliverRequest{Project: 1, Deliveries: []int64{d.ID, 99}})
		return fault.KindOf(err) != fault.Unavailable
	})
	if diff := cmp.Diff([]int64{d.ID}, res.Queued); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	_, tries := w.settled(rule.ID, inState(alert.DeliverySent))
	if got := hook.requests(); len(got) != 2 || got[0] != got[1] || got[0].id != webhook.MessageID(d.ID) || len(tries) != 2 {
		t.Errorf("want the same message twice, got %+v and %+v", got, tries)
	}
	if _, err := client.Do(t.Context(), alert.RedeliverRequest{Project: 1}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("none named: want fault.Invalid, got %v", err)
	}
}

func TestDeliveriesAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fine, gone := newReceiver(t, status(http.StatusOK)), newReceiver(t, status(http.StatusGone))
	sent, failed := w.rule("Fine", w.action(fine.URL)), w.rule("Gone", w.action(gone.URL))
	w.run()
	w.tell(change(1))
	w.settled(sent.ID, inState(alert.DeliverySent))
	w.settled(failed.ID, inState(alert.DeliveryFailed))
	want := map[string]float64{
		"tocsin_deliveries_queued_total": 2, "tocsin_deliveries_finished_total channel=webhook state=sent": 1,
		"tocsin_deliveries_finished_total channel=webhook state=failed": 1, "tocsin_delivery_latency_seconds channel=webhook": 1,
		"tocsin_delivery_attempt_seconds channel=webhook result=ok": 1, "tocsin_delivery_attempt_seconds channel=webhook result=failed": 1,
	}
	w.eventually("the counts", func() bool {
		got := w.counts()
		for name, n := range want {
			if got[name] != n {
				return false
			}
		}
		return true
	})
}

func (w *world) counts() map[string]float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			switch {
			case m.Counter != nil:
				got[name] = m.Counter.GetValue()
			case m.Histogram != nil:
				got[name] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return got
}
