package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// count adds a quantity to the ledger.
func (w *world) count(at time.Time, c outcome.Category, kind outcome.Kind, reason string, n int64) {
	w.t.Helper()
	b := outcome.Batch{Counts: []outcome.Count{{Quantity: n, Key: outcome.Key{Project: 1, KeyID: 9, Category: c, Kind: kind, Reason: reason, Minute: at}}}}
	b.ID[0], b.ID[1], b.ID[2], b.ID[3] = byte(at.Unix()/60), byte(at.Unix()/15360), byte(kind), byte(n)
	if err := w.st.ApplyOutcomes(w.t.Context(), []outcome.Batch{b}); err != nil {
		w.t.Fatal(err)
	}
}

func TestTheLedgerTellsWhatIsMissingAndRollsUpWithoutLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UTC().Truncate(time.Minute)
	from, old := now.Add(-time.Hour), now.Add(-40*24*time.Hour)
	w.count(from, outcome.Error, outcome.Received, "", 10)
	w.count(from, outcome.Error, outcome.Accepted, "", 6)
	w.count(from, outcome.Error, outcome.RateLimited, outcome.ReasonKeyQuota, 4)
	w.count(from, outcome.Error, outcome.ClientDiscard, "before_send", 99) // these never came
	w.count(from, outcome.Attachment, outcome.Accepted, "", 5000)          // bytes
	check := func(want postgres.LedgerCheck) {
		t.Helper()
		got, err := w.st.CheckLedger(t.Context(), from, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("check (-want +got):\n%s", diff)
		}
	}
	check(postgres.LedgerCheck{Received: 10, Outcomes: 10})
	w.count(from.Add(time.Minute), outcome.Error, outcome.Received, "", 3)
	w.count(from.Add(2*time.Minute), outcome.Transaction, outcome.Filtered, outcome.ReasonNotStored, 2)
	check(postgres.LedgerCheck{Received: 13, Outcomes: 12, Missing: 3, Surplus: 2, Minutes: []postgres.LedgerMinute{
		{Project: 1, KeyID: 9, Category: outcome.Error, Minute: from.Add(time.Minute), Received: 3},
		{Project: 1, KeyID: 9, Category: outcome.Transaction, Minute: from.Add(2 * time.Minute), Outcomes: 2},
	}})

	for i := range 300 { // five hours
		w.count(old.Add(time.Duration(i)*time.Minute), outcome.Error, outcome.Accepted, "", 1)
		w.count(now.Add(-10*24*time.Hour+time.Duration(i)*time.Minute), outcome.Error, outcome.Accepted, "", 1)
	}
	rows, sum := w.int("select count(*) from outcomes"), w.int("select sum(quantity) from outcomes")
	if err := w.st.RollUpOutcomes(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	w.want(sum, "select sum(quantity) from outcomes")
	if left := w.int("select count(*) from outcomes"); left > rows-600+2+7 {
		t.Errorf("want at most two days and seven hours in place of 600 rows, got %d rows more", left-(rows-600))
	}
	list, err := w.st.OutcomeCounts(t.Context(), postgres.OutcomeQuery{Projects: []int64{1}, From: from, Step: time.Hour, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Outcome == outcome.Received {
			t.Errorf("what was received is shown as an outcome: %+v", c)
		}
	}
}
