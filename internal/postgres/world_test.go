package postgres_test

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// world is a database with one organization and projects 1 and 2, and a store on it.
type world struct {
	t   testing.TB
	url string
	st  *postgres.Store
	db  *pgxpool.Pool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	url := pgtest.URL(t)
	db, err := pgxpool.New(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w := &world{t, url, pgtest.Open(t, url), db}
	w.exec("insert into organizations (id, slug, name) values (1, 'acme', 'Acme')")
	w.exec("insert into projects (id, organization_id, slug, name) values (1, 1, 'shop', 'Shop'), (2, 1, 'api', 'API')")
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// int reads one number.
func (w *world) int(sql string, args ...any) int64 {
	w.t.Helper()
	var n int64
	if err := w.db.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// text reads one text.
func (w *world) text(sql string, args ...any) string {
	w.t.Helper()
	var s string
	if err := w.db.QueryRow(context.Background(), sql, args...).Scan(&s); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// want checks one number.
func (w *world) want(want int64, sql string, args ...any) {
	w.t.Helper()
	if got := w.int(sql, args...); got != want {
		w.t.Errorf("want %d, got %d: %s", want, got, sql)
	}
}

func (w *world) record(records ...postgres.Record) postgres.Recorded {
	w.t.Helper()
	done, err := w.st.RecordEvents(context.Background(), records)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func (w *world) fold() {
	w.t.Helper()
	for {
		done, err := w.st.FoldFacts(context.Background())
		if err != nil || done.Damaged > 0 {
			w.t.Fatal(done, err)
		}
		if done.Batches == 0 {
			return
		}
	}
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// sample is an event of project 1 whose one hash is made from text, received n seconds past noon.
func sample(n int, text string) postgres.Record {
	var id event.ID
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	at := noon.Add(time.Duration(n) * time.Second)
	return postgres.Record{
		Project: 1, KeyID: 9, ID: id, ReceivedAt: at, OccurredAt: at, Category: outcome.Error, Type: event.TypeError, Level: event.LevelError,
		Platform: "python", Environment: "production", Release: "shop@1.0.0", Title: "ValueError: " + text, Culprit: "shop.cart in add",
		Metadata: event.Metadata{Type: "ValueError", Value: text, Title: "ValueError: " + text}, UserKey: fmt.Sprintf("id:%d", n%7),
		Tags:   []event.Pair{{Key: "level", Value: "error"}, {Key: "browser", Value: "Firefox"}},
		Hashes: [][16]byte{md5.Sum([]byte(text))}, Payload: fmt.Appendf(nil, `{"event_id":%q,"message":%q}`, id.String(), text),
	}
}

func samples(n int, text string) []postgres.Record {
	records := make([]postgres.Record, n)
	for i := range records {
		records[i] = sample(i, text)
	}
	return records
}
