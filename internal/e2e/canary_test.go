package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/canary"
)

// named is the secret that only the name beside it gives away.
const named = "zq7canary"

// secretEvents are envelopes with every secret of the corpus in every place of it, and files and words
// of users with those that show by their form.
func secretEvents() (bodies []string, ids []string) {
	wrap := func(payload, rest string) {
		id := eventID(len(bodies) + 1)
		if !strings.HasPrefix(payload, `{"type":"transaction"`) { // that is not an event, whatever the item says
			ids = append(ids, id)
		}
		bodies = append(bodies, fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n%s", id, len(payload), payload, rest))
	}
	for place, payload := range canary.NamedPlaces {
		for _, name := range canary.Names {
			if place == "broken body" && (name == "otp" || strings.HasPrefix(name, "two")) {
				continue // names that count only when they stand alone, inside a text that no parser reads
			}
			wrap(payload(name, named), "")
		}
	}
	for _, s := range canary.Texts {
		for _, payload := range canary.TextPlaces {
			wrap(payload(s.Text), "")
		}
		if s.Name == "words" { // a secret that only the sentence around it gives away
			continue
		}
		file := "2026-01-02 10:00:00 INFO all is well\n" + s.Text + "\n"
		words := `{"name":"Kim","email":"kim@example.com","comments":` + canary.Quoted("I typed "+s.Text) + `}`
		wrap(`{"message":"with a file"}`, fmt.Sprintf("{\"type\":\"attachment\",\"filename\":\"app.log\",\"content_type\":\"text/plain\",\"length\":%d}\n%s\n{\"type\":\"user_report\",\"length\":%d}\n%s\n",
			len(file), file, len(words), words))
	}
	return bodies, ids
}

// leaks names the secrets in a text, in the open or as hexadecimal digits.
func leaks(text []byte) (found []string) {
	for _, s := range append([]canary.Secret{{Name: "named", Canary: named}}, canary.Texts...) {
		if bytes.Contains(text, []byte(s.Canary)) || bytes.Contains(text, []byte(hex.EncodeToString([]byte(s.Canary)))) {
			found = append(found, s.Name)
		}
	}
	return found
}

// TestNoSecretIsFoundAnywhere sends the corpus through the public door of an installation with default
// settings and looks for it in all of the database, compressed columns unpacked, in the stored files,
// in what was logged, and in what was told to the outside.
func TestNoSecretIsFoundAnywhere(t *testing.T) {
	t.Parallel()
	in := &instance{}
	in.URL = "http://" + freeAddress(t)
	db := in.prepare(t)
	in.start(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8", "TOCSIN_LOG_LEVEL=debug")
	hook := newReceiver(t)
	in.alertTo(t, hook.URL)
	bodies, ids := secretEvents()
	if secrets, places := len(canary.Names)+len(canary.Texts), len(canary.NamedPlaces)+len(canary.TextPlaces); secrets < 60 || places < 30 {
		t.Fatalf("the corpus shrank to %d secrets in %d places", secrets, places)
	}
	in.post(t, bodies)
	in.post(t, []string{"{\"event_id\":\"" + named, "{}\n{\"type\":\"event\"}\n{\"extra\":{\"password\":\"" + named, named}) // what cannot be read
	in.await("all events, files, words and alerts", 5*time.Minute, func(ctx context.Context) error {
		var events, files, words, waiting int64
		err := db.QueryRow(ctx, "select (select count(*) from events), (select count(*) from attachments), (select count(*) from feedback), (select count(*) from alert_outbox)").
			Scan(&events, &files, &words, &waiting)
		if kept := int64(len(canary.Texts) - 1); err == nil && (events < int64(len(ids)) || files < kept || words < kept || waiting > 0 || hook.count() == 0) {
			err = fmt.Errorf("%d of %d events, %d files, %d words of %d; %d changes wait, %d told", events, len(ids), files, words, kept, waiting, hook.count())
		}
		return err
	})
	in.wantNoLeak(t, "the database", allRows(t, db))
	in.wantNoLeak(t, "the stored events", in.allPayloads(t, ids))
	in.wantNoLeak(t, "the files", allFiles(t, filepath.Join(in.data, "blobs"), len(canary.Texts)-1))
	in.wantNoLeak(t, "the log", []byte(in.log.String()))
	hook.mu.Lock()
	defer hook.mu.Unlock()
	in.wantNoLeak(t, "what was told", bytes.Join(hook.bodies, nil))
	t.Logf("%d secrets in %d places, %d events, %d alerts", len(canary.Names)+len(canary.Texts), len(canary.NamedPlaces)+len(canary.TextPlaces), len(ids), len(hook.bodies))
}

func (in *instance) wantNoLeak(t *testing.T, where string, text []byte) {
	t.Helper()
	if len(text) == 0 {
		t.Errorf("%s: nothing to look at", where)
	}
	if found := leaks(text); found != nil {
		t.Errorf("%s: found %q", where, found)
	}
}

// post sends envelopes over several connections.
func (in *instance) post(t *testing.T, bodies []string) {
	t.Helper()
	work := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for body := range work {
				status, answer, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/"+in.ProjectID+"/envelope/", "", []byte(body),
					"X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+in.key())
				if err != nil || (status != http.StatusOK && status != http.StatusBadRequest) || len(leaks(answer)) > 0 {
					t.Errorf("%d %s %v", status, answer, err)
				}
			}
		})
	}
	for _, body := range bodies {
		work <- body
	}
	close(work)
	wg.Wait()
}

var packed = regexp.MustCompile(`\\x28b52ffd[0-9a-f]+`) // zstd, as a column of bytes is printed

// allRows is every row of every table as text, and every compressed column unpacked beside it.
func allRows(t *testing.T, db *pgx.Conn) []byte {
	t.Helper()
	rows, _ := db.Query(t.Context(), "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 20 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	reader, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var all bytes.Buffer
	unpacked := 0
	for _, table := range tables {
		rows, _ := db.Query(t.Context(), "select t::text from "+table+" t")
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			all.WriteString(text)
			for _, column := range packed.FindAllString(text, -1) {
				b, _ := hex.DecodeString(column[2:])
				if plain, err := reader.DecodeAll(b, nil); err == nil { // with a dictionary of its own: see allPayloads
					all.Write(plain)
					unpacked++
				}
			}
		}
	}
	if unpacked == 0 {
		t.Error("nothing was unpacked")
	}
	return all.Bytes()
}

// allPayloads is every event as the store reads it.
func (in *instance) allPayloads(t *testing.T, ids []string) []byte {
	t.Helper()
	store, err := postgres.Open(t.Context(), in.database, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all bytes.Buffer
	for _, id := range ids {
		parsed, err := event.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := store.Event(t.Context(), 1, parsed)
		if err != nil {
			t.Fatalf("event %s: %v", id, err)
		}
		all.Write(stored.Payload)
	}
	return all.Bytes()
}

// allFiles is every file below a folder, of which there must be some.
func allFiles(t *testing.T, dir string, atLeast int) []byte {
	t.Helper()
	var all bytes.Buffer
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		n++
		return err
	})
	if err != nil || n < atLeast {
		t.Errorf("%d files below %s: %v", n, dir, err)
	}
	return all.Bytes()
}
