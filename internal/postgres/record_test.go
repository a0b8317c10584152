package postgres_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

func TestAnEventIsStoredWithItsIssueAndCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	records := samples(5, "no stock")
	if done := w.record(records...); done != (postgres.Recorded{Stored: 5, Changes: 1}) {
		t.Errorf("want 5 stored and one change, got %+v", done)
	}
	w.want(1, "select count(*) from issues where times_seen = 5 and number = 1 and status = 0 and substatus = 7 and priority = 75")
	w.want(5, "select count(*) from events")
	w.want(1, "select count(*) from event_blocks")
	w.want(5, "select sum(quantity) from outcomes where outcome = 0 and key_id = 9")
	w.want(1, "select count(*) from alert_outbox")
	w.want(1, "select issue_count from projects where id = 1")
	w.want(1, "select count(*) from projects where id = 1 and first_event_at is not null")
	if got := w.text("select change->>'short_id' from alert_outbox"); got != "SHOP-1" {
		t.Errorf("want SHOP-1, got %s", got)
	}
	for _, r := range records {
		got, err := w.st.Event(t.Context(), 1, r.ID)
		if err != nil || !bytes.Equal(got.Payload, r.Payload) || !got.ReceivedAt.Equal(r.ReceivedAt) {
			t.Errorf("event %s: want its payload and time of receipt, got %+v, %v", r.ID, got, err)
		}
	}
	if _, err := w.st.Event(t.Context(), 2, records[0].ID); fault.KindOf(err) != fault.Unknown {
		t.Errorf("event of another project: want unknown, got %v", err)
	}
}

func TestADuplicateDeliveryCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := sample(0, "twice")
	var g errgroup.Group
	g.SetLimit(8)
	for range 100 {
		g.Go(func() error {
			_, err := w.st.RecordEvents(t.Context(), []postgres.Record{one})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	w.fold()
	w.want(1, "select count(*) from events")
	w.want(1, "select times_seen from issues")
	w.want(1, "select count(*) from alert_outbox")
	w.want(1, "select sum(quantity) from outcomes")
	w.want(1, "select times_seen from issue_tags where key = 'browser'")
	w.want(1, "select user_count from issues")
	w.want(1, "select count(*) from event_blocks")
}

func TestWhatTheClientSendsTwiceIsADuplicate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := sample(0, "twice")
	again := one
	again.ReceivedAt = again.ReceivedAt.Add(time.Second)
	if done := w.record(one, again); done.Stored != 1 || done.Duplicates != 1 || done.Redelivery != 0 {
		t.Errorf("in one batch: want one stored and one duplicate, got %+v", done)
	}
	if done := w.record(one); done.Redelivery != 1 || done.Stored+done.Duplicates != 0 {
		t.Errorf("the same receipt: want a redelivery, got %+v", done)
	}
	again.ReceivedAt = again.ReceivedAt.Add(time.Second)
	if done := w.record(again, sample(5, "twice")); done.Stored != 1 || done.Duplicates != 1 {
		t.Errorf("a later receipt: want a duplicate, got %+v", done)
	}
	if done := w.record(again, again); done.Redelivery != 2 || done.Stored+done.Duplicates != 0 {
		t.Errorf("the duplicate twice more by the queue: want redeliveries, got %+v", done)
	}
	w.want(2, "select sum(quantity) from outcomes where outcome = 3 and reason = 'duplicate'")
	w.want(2, "select sum(quantity) from outcomes where outcome = 0")
	w.want(2, "select times_seen from issues")
}

func TestANewHashMakesOneIssueHoweverManyRecordIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stores := []*postgres.Store{w.st, pgtest.Open(t, w.url)}
	const rounds, writers = 20, 6
	for round := range rounds {
		var g errgroup.Group
		for i := range writers {
			g.Go(func() error {
				a, b := sample(i, fmt.Sprint("race a ", round)), sample(i, fmt.Sprint("race b ", round))
				if i%2 == 0 {
					a, b = b, a
				}
				_, err := stores[i%2].RecordEvents(t.Context(), []postgres.Record{a, b})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	w.want(2*rounds, "select count(*) from issues")
	w.want(2*rounds, "select count(*) from issues where times_seen = $1", writers)
	w.want(2*rounds, "select count(*) from alert_outbox")
	w.want(2*rounds, "select count(distinct number) from issues")
	w.want(2*rounds, "select max(number) from issues")
}

func TestAnIssueTakesAllHashesOfItsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both, second, other := sample(0, "app"), sample(1, "system"), sample(2, "app")
	both.Hashes = append(both.Hashes, second.Hashes[0])
	other.Project = 2
	w.record(both)
	w.record(second, other)
	w.want(1, "select count(*) from issues where project_id = 1")
	w.want(2, "select times_seen from issues where project_id = 1")
	w.want(2, "select count(*) from issue_hashes where project_id = 1")
	w.want(1, "select number from issues where project_id = 2")
}

func TestEventsOfAProjectThatIsGoneAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost := sample(0, "lost")
	lost.Project = 404
	if done := w.record(lost, sample(1, "kept")); done.Dropped != 1 || done.Stored != 1 {
		t.Errorf("want one dropped and one stored, got %+v", done)
	}
	w.want(0, "select count(*) from events where project_id = 404")
	w.want(1, "select sum(quantity) from outcomes where project_id = 404 and reason = 'project_id'")
}

func TestABatchAcrossMidnightIsStoredUnderBothDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before, after := sample(12*3600-1, "midnight"), sample(12*3600, "midnight")
	w.record(after, before)
	w.want(1, "select count(*) from events_20261120")
	w.want(1, "select count(*) from events_20261121")
	w.want(2, "select count(distinct day) from event_blocks")
	for _, r := range []postgres.Record{before, after} {
		if got, err := w.st.Event(t.Context(), 1, r.ID); err != nil || !bytes.Equal(got.Payload, r.Payload) {
			t.Errorf("want the payload, got %s, %v", got.Payload, err)
		}
	}
	if n, err := w.st.DropPartitions(t.Context(), noon.AddDate(0, 0, 1)); n != 1 || err != nil {
		t.Fatalf("want one day dropped, got %d, %v", n, err)
	}
	w.want(1, "select count(*) from events")
	if _, err := w.st.Event(t.Context(), 1, before.ID); fault.KindOf(err) != fault.Unknown {
		t.Errorf("event past retention: want unknown, got %v", err)
	}
	w.record(sample(7, "midnight")) // its day was dropped and is made again
	w.want(2, "select count(*) from events")
	if err := w.st.ForgetSeen(t.Context(), noon.Add(12*time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.want(1, "select count(*) from event_seen")
}

func TestPartitionsAreMadeOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var g errgroup.Group
	for i := range 6 {
		st := pgtest.Open(t, w.url)
		g.Go(func() error {
			if i%2 == 0 {
				return st.EnsurePartitions(t.Context(), noon)
			}
			_, err := st.RecordEvents(t.Context(), []postgres.Record{sample(i, "first of the day")})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	w.want(8, "select count(*) from pg_inherits where inhparent = 'events'::regclass")
	w.want(8, "select count(*) from pg_inherits where inhparent = 'event_blocks'::regclass")
	w.want(8*2, "select count(*) from pg_index where indrelid in (select inhrelid from pg_inherits where inhparent = 'events'::regclass)")
	w.want(3, "select count(*) from events")
}

func TestHostileTextsAreStorable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := string(bytes.Repeat([]byte("ü"), 20000))
	r := sample(0, "hostile")
	r.Title, r.Culprit, r.Release, r.Environment, r.UserKey = "a\x00b\xff"+long, long, long, long, long
	r.Logger, r.Platform, r.Metadata.Value = long, long, "\x00\xed\xa0\x80"+long
	for i := range 500 {
		r.Tags = append(r.Tags, event.Pair{Key: fmt.Sprint(i, "\x00", long), Value: long})
	}
	r.Tags = append(r.Tags, event.Pair{Key: "", Value: "x"}, event.Pair{Key: "browser", Value: "second"})
	for i := range 100 {
		r.Hashes = append(r.Hashes, [16]byte{byte(i)})
	}
	r.Sanitize()
	w.record(r)
	w.fold()
	w.want(250, "select count(*) from issue_tags")
	w.want(1, "select count(*) from issue_tags where key = 'browser'")
	w.want(64, "select count(*) from issue_hashes")
}

func TestFoldingTwiceAddsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := int64(1); n <= 2; n++ {
		for range 3 {
			w.record(samples(10, "folded")...)
		}
		w.want(3, "select count(*) from pending_facts")
		w.fold()
		w.want(0, "select count(*) from pending_facts")
		for _, table := range []string{"issue_hours", "issue_environments", "issue_releases", "releases"} {
			w.want(30*n, "select sum(times_seen) from "+table)
		}
		w.want(30*n, "select times_seen from issue_tags where key = 'level'")
		w.want(7, "select user_count from issues")
		w.want(30*n, "select sum(times_seen) from hash_counts")
		w.want(1, "select new_issues from releases")
		w.want(1, "select count(*) from environments where name = 'production'")
	}
	w.want(9, "select extract(epoch from last_seen - first_seen)::bigint from issue_tags where key = 'level'")
}

func TestFactsAreFoldedOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const writers, batches, size = 3, 15, 4
	var recording sync.WaitGroup
	var g errgroup.Group
	done := make(chan struct{})
	for i := range writers {
		recording.Add(1)
		g.Go(func() error {
			defer recording.Done()
			for b := range batches {
				if _, err := w.st.RecordEvents(t.Context(), samples(size, fmt.Sprint("issue ", (i+b)%4))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	go func() { recording.Wait(); close(done) }()
	for range 3 {
		st := pgtest.Open(t, w.url)
		g.Go(func() error {
			for {
				if _, err := st.FoldFacts(t.Context()); err != nil {
					return err
				}
				select {
				case <-done:
					return nil
				default:
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	w.fold()
	w.want(writers*batches*size, "select sum(times_seen) from issues")
	w.want(writers*batches*size, "select sum(times_seen) from issue_tags where key = 'level'")
	w.want(writers*batches*size, "select sum(times_seen) from issue_hours")
	w.want(4*size, "select sum(user_count) from issues")
}
