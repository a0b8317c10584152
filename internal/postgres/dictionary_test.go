package postgres_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// largeSamples are events of 12 KB, of sixty issues in turn, from the given one on.
func largeSamples(from, n int) []postgres.Record {
	records := make([]postgres.Record, n)
	for i := range records {
		kind := (from + i) % 60
		records[i] = sample(from+i, "large "+strconv.Itoa(kind))
		records[i].Payload = payload(kind, from+i)
	}
	return records
}

// enough is how many large samples make a dictionary at once.
const enough = 100

// readable checks that every event comes back as it was recorded.
func readable(t *testing.T, st *postgres.Store, records []postgres.Record) {
	t.Helper()
	for _, r := range records {
		e, err := st.Event(context.Background(), r.Project, r.ID)
		if err != nil || !bytes.Equal(e.Payload, r.Payload) {
			t.Fatalf("event %s: %v, want its payload of %d bytes, got %d", r.ID, err, len(r.Payload), len(e.Payload))
		}
	}
}

// blockDictionaries returns the dictionary of each block, in the order in which they were made.
func (w *world) blockDictionaries() (ids []int64) {
	w.t.Helper()
	rows, err := w.db.Query(context.Background(), "select data from event_blocks order by id")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			w.t.Fatal(err)
		}
		id, _ := binary.Uvarint(data[1:])
		ids = append(ids, int64(id))
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return ids
}

func TestBlocksLeaveOutWhatTheDictionaryHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := largeSamples(0, enough+2)
	for i := range all {
		body := make([]byte, 6<<10) // that only events of the same issue have in common
		_, _ = rand.NewChaCha8([32]byte{byte(i % 20)}).Read(body)
		all[i].Payload = fmt.Appendf(nil, `{"event_id":%q,"body":"%x%d"}`, all[i].ID.String(), body, i)
	}
	w.record(all[0])
	before := w.int("select length(data) from event_blocks")
	w.record(all[1 : enough+1]...)
	w.want(1, "select count(*) from event_dictionaries where project_id = 1")
	w.record(all[enough+1])
	after := w.int("select length(data) from event_blocks order by id desc limit 1")
	if after > before/8 {
		t.Errorf("want an event in an eighth of %d bytes, got %d", before, after)
	}
	readable(t, w.st, all)
	readable(t, pgtest.Open(t, w.url), all)
}

func TestARestartUsesTheDictionaryThatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(largeSamples(0, enough)...)
	dictionary := w.int("select id from event_dictionaries")
	w.st = pgtest.Open(t, w.url)
	records := largeSamples(enough, enough)
	w.record(records...)
	w.want(1, "select count(*) from event_dictionaries")
	ids := w.blockDictionaries()
	if last := ids[len(ids)-1]; last != dictionary {
		t.Errorf("want the last block made with dictionary %d, got %d", dictionary, last)
	}
	readable(t, w.st, records)
}

func TestTwoStoresReadTheBlocksOfEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stores := []*postgres.Store{w.st, pgtest.Open(t, w.url)}
	const batches = 20
	recorded := make([][]postgres.Record, len(stores))
	var group sync.WaitGroup
	for i, st := range stores {
		group.Go(func() {
			for n := range batches {
				records := largeSamples((i*batches+n)*10, 10)
				if _, err := st.RecordEvents(context.Background(), records); err != nil {
					t.Error(err)
					return
				}
				recorded[i] = append(recorded[i], records...)
			}
		})
	}
	group.Wait()
	if n := w.int("select count(*) from event_dictionaries"); n < 1 || n > int64(len(stores)) {
		t.Errorf("want at most a dictionary a store, got %d", n)
	}
	for i, st := range stores {
		readable(t, st, recorded[1-i])
	}
}

func TestALostDictionaryIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(largeSamples(0, enough)...)
	dictionary := w.int("select id from event_dictionaries")
	records := largeSamples(enough, 1)
	w.record(records...)
	for _, c := range []struct{ state, sql string }{
		{"cannot be read", "update event_dictionaries set data = 'damaged'"},
		{"is missing", "delete from event_dictionaries"},
	} {
		w.exec(c.sql)
		_, err := pgtest.Open(t, w.url).Event(t.Context(), 1, records[0].ID)
		want := fmt.Sprintf("dictionary %d of project 1 %s", dictionary, c.state)
		if fault.KindOf(err) != fault.Internal || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("want an internal error that says %q, got %v", want, err)
		}
	}
}

func TestNoBlockIsStoredWithoutItsDictionary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(largeSamples(0, enough)...)
	older := len(w.blockDictionaries())
	w.exec("delete from event_dictionaries") // as if the database had been restored from a backup
	records := largeSamples(enough, 2*enough)
	if done := w.record(records[:enough]...); done.Stored != enough {
		t.Errorf("want %d events stored, got %+v", enough, done)
	}
	for _, id := range w.blockDictionaries()[older:] {
		if id != 0 {
			t.Errorf("a block needs dictionary %d, which is gone", id)
		}
	}
	w.record(records[enough:]...)
	w.want(1, "select count(*) from event_dictionaries")
	readable(t, w.st, records)
}

func TestDamagedDictionariesAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(largeSamples(0, enough)...)
	w.exec("update event_dictionaries set data = 'damaged'")
	st := pgtest.Open(t, w.url)
	records := largeSamples(enough, 2*enough)
	for n := 0; n < len(records); n += 20 {
		if _, err := st.RecordEvents(t.Context(), records[n:n+20]); err != nil {
			t.Fatal(err)
		}
	}
	w.want(2, "select count(*) from event_dictionaries")
	readable(t, st, records)
}

func TestDictionariesGoAfterTheEventsThatNeedThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(largeSamples(0, enough)...)
	for _, c := range []struct {
		age  string
		want int64
	}{{"0 days", 1}, {"7 days", 1}, {"10 days", 0}} {
		w.exec("update event_dictionaries set created_at = $1::timestamptz - $2::text::interval", noon, c.age)
		if _, err := w.st.DropPartitions(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
		w.want(c.want, "select count(*) from event_dictionaries")
	}
}

func TestDictionariesGoWithTheirProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(largeSamples(0, enough)...)
	w.want(1, "select count(*) from event_dictionaries")
	w.exec("delete from projects where id = 1")
	if _, err := w.st.DropPartitions(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	w.want(0, "select count(*) from event_dictionaries")
	w.st = pgtest.Open(t, w.url)
	w.record(largeSamples(0, 2*enough)...)
	w.want(0, "select count(*) from event_dictionaries")
}

func TestProjectsHaveDictionariesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []postgres.Record
	for n := range 3 {
		records := largeSamples(n*enough, enough)
		for i := range records {
			records[i].Project = int64(1 + i%2)
		}
		w.record(records...)
		all = append(all, records...)
	}
	w.want(2, "select count(distinct project_id) from event_dictionaries")
	readable(t, w.st, all)
}
