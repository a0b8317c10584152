package e2e

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// doomedEvents is how many events the deleted issue has: few in the suite, a million where the
// environment says so.
func doomedEvents() int {
	if n, err := strconv.Atoi(os.Getenv("TOCSIN_DOOMED_EVENTS")); err == nil && n > 0 {
		return n
	}
	return 15_000
}

// TestALargeIssueIsDeletedUnderLoad deletes an issue while others are reported to, kills the
// process half-way, and wants the rest of the issue gone, and all that was accepted kept. It prints
// how long locks were held and waited for, and how fast events were accepted.
func TestALargeIssueIsDeletedUnderLoad(t *testing.T) {
	t.Parallel()
	in := &instance{}
	in.URL = "http://" + freeAddress(t)
	db := in.prepare(t)
	size := doomedEvents()
	in.fill(t, size)
	in.start(t)
	rows, err := in.issues(t.Context(), "doomed")
	if err != nil || len(rows) != 1 || rows[0].Count != strconv.Itoa(size) {
		t.Fatalf("%+v, %v", rows, err)
	}
	quiet := in.load(t, 0, 5*time.Second)
	unwatch := watchLocks(t, in.database)
	in.call(t, http.MethodDelete, "/api/0/organizations/"+in.Organization+"/issues/"+rows[0].ID+"/", http.StatusAccepted)
	began := time.Now()
	for in.deleted(t, db) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	in.kill()
	half := in.deleted(t, db)
	if half >= int64(size) {
		t.Fatalf("the process was killed too late: %d of %d events were gone", half, size)
	}
	in.start(t)
	rest := in.load(t, 2_000_000, 5*time.Second)
	err = eventually(t.Context(), time.Duration(size/1000+300)*time.Second, func(ctx context.Context) error {
		var status int
		if err := db.QueryRow(ctx, "select status from jobs where kind = 'delete'").Scan(&status); err != nil || status != 2 {
			return fmt.Errorf("the job has status %d, %v", status, err)
		}
		return nil
	}, in.done)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	l := unwatch()
	t.Logf("%d events deleted in %s, %d before the process was killed; longest transaction of the job %s, longest wait for a lock %s", size, took.Round(time.Millisecond), half, l.job, l.waited)
	t.Logf("the longest write transaction of all took %s, in %.120s", l.held, strings.Join(strings.Fields(l.statement), " "))
	t.Logf("accepted per second: %.0f alone, %.0f beside the rest of the delete; slowest %s, %s", quiet.rate, rest.rate, quiet.slowest, rest.slowest)
	sent := quiet.sent + rest.sent
	err = eventually(t.Context(), time.Minute, func(ctx context.Context) error {
		var stored, doomed int
		if err := db.QueryRow(ctx, "select count(*), count(*) filter (where issue_id = $1::text::bigint) from events", rows[0].ID).Scan(&stored, &doomed); err != nil {
			return err
		}
		if stored != sent || doomed != 0 {
			return fmt.Errorf("want the %d accepted events and none of the issue's, got %d and %d", sent, stored-doomed, doomed)
		}
		return nil
	}, in.done)
	if err != nil {
		t.Error(err)
	}
}

// fill stores events of one issue of the project, without the program.
func (in *instance) fill(t *testing.T, size int) {
	t.Helper()
	padding := strings.Repeat("what every event of a program has in common, such as modules and contexts; ", 40)
	in.record(t, size, func(n int, r *postgres.Record) {
		r.Platform, r.Title, r.Metadata = "python", "doomed", event.Metadata{Title: "doomed"}
		r.Payload = fmt.Appendf(nil, `{"event_id":%q,"message":"doomed %d","extra":{"padding":%q}}`, r.ID.String(), n, padding)
	})
}

// record stores events of one issue of the project, without the program; set gives each its words.
func (in *instance) record(t *testing.T, size int, set func(n int, r *postgres.Record)) {
	t.Helper()
	st, err := postgres.Open(t.Context(), in.database, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	project, err := strconv.ParseInt(in.ProjectID, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	for first := 0; first < size; first += 500 {
		var records []postgres.Record
		for n := first; n < min(first+500, size); n++ {
			at := start.Add(time.Duration(n) * time.Millisecond)
			r := postgres.Record{Project: project, ReceivedAt: at, OccurredAt: at, Category: outcome.Error, Type: event.TypeError, Level: event.LevelError,
				Hashes: [][16]byte{md5.Sum([]byte("doomed"))}, UserKey: fmt.Sprintf("id:%d", n%1000), Tags: []event.Pair{{Key: "n", Value: strconv.Itoa(n % 100)}}}
			binary.BigEndian.PutUint64(r.ID[:], uint64(n)+1<<60)
			set(n, &r)
			records = append(records, r)
		}
		if _, err := st.RecordEvents(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
}

// deleted is how many events the one delete has removed.
func (in *instance) deleted(t *testing.T, db *pgx.Conn) (n int64) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "select coalesce(max(done), 0) from jobs where kind = 'delete'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// call makes a request of the API and checks its status.
func (in *instance) call(t *testing.T, method, path string, want int) {
	t.Helper()
	status, body, err := fetch(t.Context(), method, in.URL+path, in.AuthToken, nil)
	if err != nil || status != want {
		t.Fatalf("%s %s: want %d, got %d %.200s %v", method, path, want, status, body, err)
	}
}

// loaded is what a load was answered with.
type loaded struct {
	sent    int
	rate    float64
	slowest time.Duration
}

// load reports events for a while, from several clients, each of which waits for its answers. Ids
// begin at from.
func (in *instance) load(t *testing.T, from int, d time.Duration) loaded {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var l loaded
	began := time.Now()
	for client := range 4 {
		wg.Go(func() {
			for n := from + client; time.Since(began) < d; n += 4 {
				sent := time.Now()
				in.deliver(t, sending{body: func(n int) string {
					return fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\"}\n%s\n", eventID(n), plainEvent)
				}, status: 200}, n)
				mu.Lock()
				l.sent, l.slowest = l.sent+1, max(l.slowest, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	l.rate = float64(l.sent) / time.Since(began).Seconds()
	l.slowest = l.slowest.Round(time.Millisecond)
	return l
}

// locks are how long transactions that write have run at most, which is the longest that any of their locks
// was held, those of the job alone, and how long others have waited for a lock.
type locks struct {
	held, job, waited time.Duration
	statement         string // that the longest one was last seen in
}

// jobStatements are of the job's transactions and of no others.
var jobStatements = regexp.MustCompile(`(?s)^\s*(update jobs|update event_blocks|delete from (events|event_blocks|issue_|activities|feedback|attachments|hash_counts))`)

// watchLocks looks ten times a second for transactions that write. What it returns ends that and tells
// what was seen.
func watchLocks(t *testing.T, url string) func() locks {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var seen locks
	jobs := make(map[string]bool) // transactions of the job
	look := func() {
		rows, _ := conn.Query(ctx, `
			select coalesce(backend_xid::text, ''), coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::float8,
				case when wait_event_type = 'Lock' then extract(epoch from clock_timestamp() - query_start) else 0 end::float8, query
			from pg_stat_activity where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid()`) // ForEachRow reports a failed Query
		var xid, query string
		var ran, waited float64
		_, _ = pgx.ForEachRow(rows, []any{&xid, &ran, &waited, &query}, func() error {
			seconds := func(f float64) time.Duration { return time.Duration(f * float64(time.Second)).Round(time.Millisecond) }
			seen.waited = max(seen.waited, seconds(waited))
			if xid == "" {
				return nil
			}
			if seconds(ran) > seen.held {
				seen.held, seen.statement = seconds(ran), query
			}
			if jobs[xid] = jobs[xid] || jobStatements.MatchString(query); jobs[xid] {
				seen.job = max(seen.job, seconds(ran))
			}
			return nil
		})
	}
	go func() {
		defer close(done)
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		for tick := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; {
			look()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() locks {
		cancel()
		<-done
		return seen
	}
}
