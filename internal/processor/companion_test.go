package processor

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// beside is a message of an item type about event number n.
func beside(n int, itemType string, payload string) event.Raw {
	r := raw(n, payload)
	r.ItemType = itemType
	return r
}

func fileOf(t *testing.T, name string, size int64) string {
	t.Helper()
	b, err := json.Marshal(event.Attachment{ID: 5, Name: name, Type: event.DefaultAttachment, Size: size, SHA1: []byte("12345678901234567890"), Blob: "20261121/1/x"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const words = `{"type":"feedback","contexts":{"feedback":{"message":"slow","contact_email":"a@x.org","associated_event_id":"00000000000000010000000000000000"}}}`

func TestFilesAndWordsAreRecordedBesideEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := []event.Raw{
		beside(0, event.ItemAttachment, fileOf(t, "a\x00.txt", 7)), // before its event
		beside(0, event.ItemUserReport, `{"name":"Ann","comments":"broken"}`),
		raw(0, failure("KeyError")),
		beside(9, event.ItemFeedback, words),
		beside(10, event.ItemFeedback, `{"type":"feedback"}`),
		beside(11, event.ItemFeedback, `[`),
	}
	for range 2 { // as the queue may deliver it twice
		rejects, err := w.Process(t.Context(), batch)
		if err != nil || len(rejects) != 1 || rejects[0].Index != 5 {
			t.Fatalf("want number 5 rejected, got %+v, %v", rejects, err)
		}
	}
	w.want(1, "select count(*) from attachments where name = 'a.txt' and size_bytes = 7 and id = 5 and length(sha1) = 20")
	w.want(1, "select count(*) from feedback where kind = 1 and name = 'Ann' and message = 'broken'")
	w.want(1, "select count(*) from feedback where kind = 2 and message = 'slow' and event_id = '00000000-0000-0001-0000-000000000000'")
	w.want(1, "select count(*) from issues")
	w.want(7, "select sum(quantity) from outcomes where outcome = 0 and category = 4")
	w.want(1, "select sum(quantity) from outcomes where outcome = 0 and category = 22")
	w.want(2, "select sum(quantity) from outcomes where outcome = 0 and category = 14")
	w.want(1, "select sum(quantity) from outcomes where outcome = 3 and category = 14 and reason = 'no_data'")
	w.want(1, "select sum(quantity) from outcomes where outcome = 3 and category = 14 and reason = 'invalid_json'")

	again := beside(0, event.ItemAttachment, fileOf(t, "a.txt", 7))
	again.ReceivedAt = again.ReceivedAt.Add(time.Minute)
	if _, err := w.Process(t.Context(), []event.Raw{again}); err != nil {
		t.Fatal(err)
	}
	w.want(1, "select count(*) from attachments")
	w.want(7, "select sum(quantity) from outcomes where outcome = 3 and category = 4 and reason = 'duplicate'")
	gone := beside(0, event.ItemAttachment, fileOf(t, "a.txt", 7))
	gone.Project = 404
	if _, err := w.Process(t.Context(), []event.Raw{gone}); err != nil {
		t.Fatal(err)
	}
	w.want(0, "select count(*) from attachments where project_id = 404")
}

func TestRetentionTakesFilesWithTheirDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now().UTC()
	old, err := w.blobs.Put(t.Context(), 1, now.AddDate(0, 0, -100), []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := w.blobs.Put(t.Context(), 1, now, []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	batch := []event.Raw{beside(1, event.ItemAttachment, fileOf(t, "a", 3)), beside(2, event.ItemAttachment, fileOf(t, "b", 3)),
		beside(1, event.ItemUserReport, `{"comments":"x"}`), beside(2, event.ItemUserReport, `{"comments":"y"}`)}
	batch[0].ReceivedAt, batch[2].ReceivedAt = now.AddDate(0, 0, -100), now.AddDate(0, 0, -100)
	if _, err := w.Process(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	w.want(2, "select count(*) from attachments")
	if err := w.retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(1, "select count(*) from attachments")
	w.want(1, "select count(*) from feedback")
	if _, err := w.blobs.Open(t.Context(), old); err == nil {
		t.Error("the old file is still there")
	}
	f, err := w.blobs.Open(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhatCameWithAFilteredEventGoesItsWay: files and reports of an event that a filter drops are not
// kept, whichever comes first, however often and at whatever time it is delivered; the ledger says so.
func TestWhatCameWithAFilteredEventGoesItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.store.ChangeSettings(t.Context(), 1, func(s *project.Settings) error {
		s.Filters = json.RawMessage(dropsLocalhost)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const local = `{"message":"a","request":{"url":"http://localhost/"}}`
	of := func(n int) (ev, file, report event.Raw) {
		return raw(n, local), beside(n, event.ItemAttachment, fileOf(t, "a.txt", 7)), beside(n, event.ItemUserReport, `{"comments":"broken"}`)
	}
	process := func(batch ...event.Raw) {
		if rejects, err := w.Process(t.Context(), batch); err != nil || len(rejects) > 0 {
			t.Errorf("%v %v", rejects, err)
		}
	}
	e0, f0, r0 := of(0)
	for range 2 {
		process(e0, f0, r0)
	}
	e1, f1, r1 := of(1)
	for range 2 {
		process(e1)
		process(f1, r1)
	}
	e2, f2, r2 := of(2)
	for range 2 {
		process(f2, r2)
		process(e2)
	}
	const rounds = 20
	var wg sync.WaitGroup
	for n := range rounds {
		e, f, r := of(10 + n)
		wg.Go(func() { process(e) })
		wg.Go(func() { process(f, r) })
	}
	wg.Wait()
	const all = rounds + 3
	w.want(0, "select count(*) from attachments")
	w.want(0, "select count(*) from feedback")
	for category, n := range map[string]int64{"1": all, "4": 7 * all, "22": all, "14": all} {
		w.want(n, "select sum(quantity) from outcomes where outcome = 1 and reason = 'localhost' and category = "+category)
		w.want(0, "select coalesce(sum(quantity), 0) from outcomes where outcome = 0 and category = "+category)
	}

	_, file, report := of(90)
	process(raw(90, failure("KeyError")), file, report)
	w.want(1, "select count(*) from attachments")
	w.want(1, "select count(*) from feedback")
}
