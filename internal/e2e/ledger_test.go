package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sending is one kind of request, and what it is counted as.
type sending struct {
	path, key string // empty: the envelope route, the project's key
	body      func(n int) string
	received  map[string]int64
	status    int
}

func fixed(text string) func(int) string { return func(int) string { return text } }

// mixture is ten kinds of requests, half of them nothing that can be kept.
func mixture(in *instance) []sending {
	wrap := func(n int, payload string) string {
		return fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", eventID(n), len(payload), payload)
	}
	event := func(n int) string {
		return wrap(n, strings.Replace(plainEvent, `["lights"]`, fmt.Sprintf(`["lights %d"]`, n%7), 1))
	}
	one := map[string]int64{"1": 1}
	return []sending{
		{body: event, received: one, status: 200},
		{body: func(n int) string { return event(n - n%10) }, received: one, status: 200}, // again what kind 0 sent
		{body: func(n int) string {
			if n%200 == 2 {
				return wrap(n, `{"message":`) // cannot be read, and goes to the dead letters
			}
			return event(n)
		}, received: one, status: 200},
		{body: fixed("\x00\x01 no envelope"), received: one, status: 400},
		{key: strings.Repeat("f", 32), body: event, received: one, status: 403},
		{body: fixed(""), received: one, status: 400},
		{body: fixed("{}\n{\"type\":\"transaction\"}\n{\"type\":\"transaction\"}\n"), received: map[string]int64{"2": 1, "12": 1}, status: 200}, // with its own span
		{body: fixed("{}\n{\"type\":\"of_the_future\"}\nhello\n"), received: map[string]int64{"-1": 1}, status: 200},
		{body: fixed("{}\n{\"type\":\"client_report\"}\n{\"discarded_events\":[{\"reason\":\"before_send\",\"category\":\"error\",\"quantity\":3}]}\n"),
			received: map[string]int64{}, status: 200},
		{path: "/api/" + in.ProjectID + "/store/", body: fixed("%%%"), received: one, status: 400},
	}
}

// ledgerRequests is how many requests the mixed load has; make ledger sends a hundred thousand.
var ledgerRequests = flag.Int("ledger-requests", 20_000, "requests of the mixed load after which the ledger must close")

// TestTheLedgerClosesAfterAMixedLoad sends many requests, many of them garbage, counts by itself
// what it sent, and wants the ledger to know the same and to have an outcome for each.
func TestTheLedgerClosesAfterAMixedLoad(t *testing.T) {
	t.Parallel()
	in := &instance{}
	in.URL = "http://" + freeAddress(t)
	db := in.prepare(t)
	in.start(t)
	requests := *ledgerRequests
	kinds := mixture(in)
	want := map[string]int64{}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < requests; n = int(next.Add(1)) - 1 {
				in.deliver(t, kinds[n%len(kinds)], n)
			}
		})
	}
	for n := range requests {
		for category, q := range kinds[n%len(kinds)].received {
			want[category] += q
		}
	}
	wg.Wait()

	in.await("an outcome for each item", time.Duration(requests/100)*time.Second, func(ctx context.Context) error {
		report, err := in.checkLedger(ctx)
		if err != nil {
			err = fmt.Errorf("%w: the ledger says %+v", err, report)
		}
		if err == nil && (report.Difference != 0 || report.Received < want["1"]+want["2"]+want["-1"]) {
			err = fmt.Errorf("the ledger says %+v", report)
		}
		return err
	})
	rows, err := db.Query(t.Context(), "select category::text, sum(quantity)::bigint from outcomes where outcome = -1 group by 1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	var category string
	var q int64
	for rows.Next() {
		if err := rows.Scan(&category, &q); err != nil {
			t.Fatal(err)
		}
		got[category] = q
	}
	if !maps.Equal(got, want) {
		t.Errorf("received by category: want %v, got %v", want, got)
	}
	if report, err := in.checkLedger(t.Context()); err == nil {
		t.Logf("%d requests: %d items received, %d outcomes, difference %d", requests, report.Received, report.Outcomes, report.Difference)
	}
	if _, err := db.Exec(t.Context(), "update outcomes set quantity = quantity - 1 where outcome = 0"); err != nil {
		t.Fatal(err)
	}
	if report, err := in.checkLedger(t.Context()); err == nil || report.Missing == 0 {
		t.Errorf("a lost outcome goes unnoticed: %+v, %v", report, err)
	}
}

// deliver sends request n and checks its answer.
func (in *instance) deliver(t *testing.T, s sending, n int) {
	path, key := s.path, s.key
	if path == "" {
		path = "/api/" + in.ProjectID + "/envelope/"
	}
	if key == "" {
		key = in.key()
	}
	status, answer, err := fetch(t.Context(), http.MethodPost, in.URL+path, "", []byte(s.body(n)), "X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+key)
	if err != nil || status != s.status {
		t.Errorf("request %d: want %d, got %d %.100s %v", n, s.status, status, answer, err)
	}
}

type ledgerReport struct{ Received, Outcomes, Difference, Missing, Surplus int64 }

// checkLedger runs the command; an error is its exit status.
func (in *instance) checkLedger(ctx context.Context) (r ledgerReport, err error) {
	out, failed := exec.CommandContext(ctx, filepath.Join(bin, "tocsin"), "ledger", "check", "--json", "--settle", "0s", "--since", "1h",
		"--database-url", in.database).Output()
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("%w: %s", err, out)
	}
	return r, failed
}
