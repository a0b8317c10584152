package postgres_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// blobs is where jobs of a test put what they make.
type blobs map[string][]byte

func (b blobs) tools() *postgres.JobTools {
	return &postgres.JobTools{
		Put: func(_ context.Context, _ int64, _ time.Time, data []byte) (string, error) {
			key := fmt.Sprint(len(b))
			b[key] = bytes.Clone(data)
			return key, nil
		},
		Delete: func(_ context.Context, key string) error { delete(b, key); return nil },
	}
}

// work does jobs until one is over.
func (w *world) work(id int64, tools *postgres.JobTools) job.Job {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		worked, err := w.st.WorkJob(w.t.Context(), tools, 10*time.Second)
		if err != nil {
			w.t.Fatal(err)
		}
		j, err := w.st.Job(w.t.Context(), 1, id)
		if err != nil {
			w.t.Fatal(err)
		}
		if j.Status.Over() {
			return j
		}
		if !worked {
			time.Sleep(20 * time.Millisecond)
		}
	}
	w.t.Fatalf("job %d does not end", id)
	return job.Job{}
}

// issueOf is the issue that owns the hash of a text.
func (w *world) issueOf(text string) int64 {
	w.t.Helper()
	sum := md5.Sum([]byte(text))
	return w.int("select issue_id from issue_hashes where project_id = 1 and hash = $1", sum[:])
}

// facts is all that is counted of an issue, as JSON.
func (w *world) facts(id int64) string {
	w.t.Helper()
	return w.text(`select jsonb_pretty(jsonb_build_object(
		'issue', (select jsonb_build_array(times_seen, user_count, first_seen, last_seen, first_release, last_release, title) from issues where project_id = 1 and id = $1),
		'hours', (select jsonb_object_agg(hour, times_seen) from issue_hours where project_id = 1 and issue_id = $1),
		'environments', (select jsonb_object_agg(environment, times_seen) from issue_environments where project_id = 1 and issue_id = $1),
		'releases', (select jsonb_object_agg(release, times_seen) from issue_releases where project_id = 1 and issue_id = $1),
		'tags', (select jsonb_object_agg(key || ':' || value, times_seen) from issue_tags where project_id = 1 and issue_id = $1),
		'events', (select count(*) from events where project_id = 1 and issue_id = $1)))`, id)
}

// varied is events of one text that differ in all that is counted.
func varied(n int, text string, r *rand.Rand) []postgres.Record {
	records := make([]postgres.Record, n)
	for i := range records {
		rec := sample(r.IntN(20_000), text)
		rec.Release, rec.Environment = fmt.Sprintf("shop@1.0.%d", r.IntN(3)), []string{"production", "staging", ""}[r.IntN(3)]
		rec.UserKey = fmt.Sprintf("id:%d", r.IntN(40))
		rec.Tags = []event.Pair{{Key: "level", Value: "error"}, {Key: "browser", Value: []string{"Firefox", "Chrome"}[r.IntN(2)]}}
		payload := map[string]any{"event_id": rec.ID.String(), "level": "error", "platform": "python", "tags": map[string]string{"level": "error", "browser": rec.Tags[1].Value},
			"exception": []any{map[string]string{"type": "ValueError", "value": text}}, "user": map[string]string{"id": rec.UserKey[3:], "email": "mail" + rec.UserKey[3:] + "@example.org"}}
		rec.Payload, _ = json.Marshal(payload)
		records[i] = rec
	}
	return records
}

func TestMergeThenUnmergeRestoresCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 7))
		big, small := fmt.Sprint("big ", seed), fmt.Sprint("small ", seed)
		w.record(varied(200+r.IntN(400), big, r)...)
		w.record(varied(1+r.IntN(150), small, r)...)
		w.fold()
		bigID, smallID := w.issueOf(big), w.issueOf(small)
		before := w.facts(bigID)
		number := w.int("select number from issues where id = $1", smallID)

		target, j, err := w.st.MergeIssues(t.Context(), 1, []int64{bigID, smallID}, 0)
		if err != nil || target != bigID {
			t.Fatalf("want the larger issue to stay: %d, %v", target, err)
		}
		later := varied(25, small, r) // bound to the one issue from now on
		w.record(later...)
		if done := w.work(j.ID, blobs{}.tools()); done.Status != job.Done {
			t.Fatalf("the merge ended %s: %s", done.Status, done.Problem)
		}
		w.fold()
		if w.issueOf(small) != bigID {
			t.Error("a merged hash has another issue")
		}
		w.want(0, "select count(*) from events where issue_id = $1", smallID)
		w.want(w.int("select count(*) from events where issue_id = $1", bigID), "select times_seen from issues where id = $1", bigID)
		w.want(w.int("select times_seen from issues where id = $1", bigID), "select sum(times_seen) from issue_hours where issue_id = $1", bigID)
		for _, name := range []string{project.ShortID("shop", number), fmt.Sprint(smallID)} {
			row, err := w.st.IssueByShortID(t.Context(), 1, name)
			if name == fmt.Sprint(smallID) {
				row, err = w.st.IssueByID(t.Context(), 1, smallID)
			}
			if err != nil || row.ID != bigID {
				t.Errorf("%s leads to %d, %v", name, row.ID, err)
			}
		}
		apart, j, err := w.st.UnmergeIssue(t.Context(), 1, bigID, []grouping.Hash{md5.Sum([]byte(small))}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if done := w.work(j.ID, blobs{}.tools()); done.Status != job.Done {
			t.Fatalf("the unmerge ended %s: %s", done.Status, done.Problem)
		}
		if diff := cmp.Diff(before, w.facts(bigID)); diff != "" {
			t.Errorf("seed %d: the larger issue (-before +after):\n%s", seed, diff)
		}
		w.want(w.int("select sum(times_seen) from hash_counts where hash = $1", hashOf(small)), "select times_seen from issues where id = $1", apart)
		w.want(w.int("select times_seen from issues where id = $1", apart), "select count(*) from events where issue_id = $1", apart)
		w.want(w.int("select times_seen from issues where id = $1", apart), "select sum(times_seen) from issue_tags where issue_id = $1 and key = 'level'", apart)
		w.wordsFindEveryIssue()
	}
}

// wordsFindEveryIssue checks that free text finds every issue by the words that it has now.
func (w *world) wordsFindEveryIssue() {
	w.t.Helper()
	w.want(0, `select count(*) from issues i left join issue_texts t on t.project_id = i.project_id and t.issue_id = i.id
		where t.search_text is distinct from i.search_text`)
}

func hashOf(text string) []byte {
	sum := md5.Sum([]byte(text))
	return sum[:]
}

func TestUnmergeRestoresBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := rand.New(rand.NewPCG(3, 3))
	w.record(varied(90, "one", r)...)
	w.record(varied(40, "two", r)...)
	w.fold()
	one, two := w.issueOf("one"), w.issueOf("two")
	before := w.facts(two)
	_, j, err := w.st.MergeIssues(t.Context(), 1, []int64{one, two}, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.work(j.ID, blobs{}.tools())
	for _, bad := range [][]grouping.Hash{{md5.Sum([]byte("three"))}, {md5.Sum([]byte("one")), md5.Sum([]byte("two"))}} {
		if _, _, err := w.st.UnmergeIssue(t.Context(), 1, one, bad, 0); fault.KindOf(err) != fault.Invalid {
			t.Errorf("unmerge of hashes that cannot leave: %v", err)
		}
	}
	apart, j, err := w.st.UnmergeIssue(t.Context(), 1, one, []grouping.Hash{md5.Sum([]byte("two"))}, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.work(j.ID, blobs{}.tools())
	if diff := cmp.Diff(before, w.facts(apart)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	w.record(varied(1, "two", r)...)
	w.want(41, "select times_seen from issues where id = $1", apart)
	if _, _, err := w.st.MergeIssues(t.Context(), 1, []int64{one}, 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("merge of one issue: %v", err)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := rand.New(rand.NewPCG(1, 1))
	w.record(varied(2500, "doomed", r)...)
	w.record(varied(30, "other", r)...)
	doomed := w.issueOf("doomed")
	other := w.issueOf("other")
	j, err := w.st.DeleteIssues(t.Context(), 1, []int64{doomed}, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.want(1, "select count(*) from issues") // gone at once
	w.record(sample(5, "doomed"))
	fresh := w.issueOf("doomed")
	if fresh == doomed {
		t.Error("an event that came later belongs to the deleted issue")
	}
	done := w.work(j.ID, blobs{}.tools())
	if done.Status != job.Done || done.Done != 2500 || done.Total != 2500 {
		t.Fatalf("%+v", done)
	}
	w.fold()
	for _, table := range []string{"events", "issue_hours", "issue_environments", "issue_releases", "issue_tags", "activities"} {
		w.want(0, "select count(*) from "+table+" where issue_id = $1", doomed)
	}
	w.want(30, "select count(*) from events where issue_id = $1", other)
	w.want(1, "select times_seen from issues where id = $1", fresh)
	w.want(2, "select count(*) from hash_counts")
	page, err := w.st.Events(t.Context(), postgres.EventQuery{Project: 1, Issue: other, Limit: 100})
	if err != nil || len(page.Rows) != 30 || page.Rows[0].Event == nil {
		t.Errorf("events of the other issue: %d, %v", len(page.Rows), err)
	}
	if j, err := w.st.DeleteIssues(t.Context(), 2, []int64{other}, false, 0); err != nil || j.ID != 0 {
		t.Errorf("delete through another project: %+v, %v", j, err)
	}
}

func TestACancelledDeleteGivesBackWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(40, "kept")...)
	w.fold()
	id := w.issueOf("kept")
	before := w.facts(id)
	j, err := w.st.DeleteIssues(t.Context(), 1, []int64{id}, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.st.CancelJob(t.Context(), 1, j.ID); err != nil {
		t.Fatal(err)
	}
	if done := w.work(j.ID, blobs{}.tools()); done.Status != job.Cancelled {
		t.Errorf("the job ended %s", done.Status)
	}
	if diff := cmp.Diff(before, w.facts(id)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	w.record(sample(1, "kept"))
	w.want(41, "select times_seen from issues where id = $1", id)
	w.want(0, "select count(*) from discards")
	if _, err := w.st.CancelJob(t.Context(), 1, j.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("cancelled again: %v", err)
	}
	w.wordsFindEveryIssue()
}

func TestADiscardedIssueStaysAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(5, "noise")...)
	id := w.issueOf("noise")
	j, err := w.st.DeleteIssues(t.Context(), 1, []int64{id}, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second batch is foreseen
		if done := w.record(sample(7, "noise"), sample(8, "signal")); done.Discarded != 1 || done.Stored != 1 {
			t.Errorf("%+v", done)
		}
	}
	w.want(2, "select sum(quantity) from outcomes where reason = 'discarded-hash' and outcome = 1")
	w.work(j.ID, blobs{}.tools())
	w.want(1, "select count(*) from issues")
	w.want(2, "select count(*) from events")
	list, err := w.st.Discards(t.Context(), 1)
	if err != nil || len(list) != 1 || list[0].Title != "ValueError: noise" || list[0].TimesSeen != 5 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := w.st.Undiscard(t.Context(), 1, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if done := w.record(sample(9, "noise")); done.Stored != 1 {
		t.Errorf("after it was let in again: %+v", done)
	}
	w.want(3, "select count(*) from events")
	if err := w.st.Undiscard(t.Context(), 1, list[0].ID); fault.KindOf(err) != fault.Unknown {
		t.Errorf("let in twice: %v", err)
	}
}

func TestRegroupingMovesStoredEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := rand.New(rand.NewPCG(5, 5))
	w.record(varied(60, "a", r)...)
	w.record(varied(50, "b", r)...)
	w.record(varied(40, "c", r)...)
	c := w.issueOf("c")
	_, err := w.st.ChangeSettings(t.Context(), 1, func(s *project.Settings) (err error) {
		s.Grouping, err = json.Marshal(grouping.Settings{Fingerprints: "value:a -> letters\nvalue:b -> letters\nvalue:c -> c"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	j, err := w.st.StartJob(t.Context(), 1, job.Regroup, job.Args{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if done := w.work(j.ID, blobs{}.tools()); done.Status != job.Done || done.Done != 150 {
		t.Fatalf("%+v", done)
	}
	w.fold()
	w.want(2, "select count(*) from issues")
	w.want(110, "select times_seen from issues where id = $1", w.issueOf("letters"))
	w.want(110, "select count(*) from events where issue_id = $1", w.issueOf("letters"))
	w.want(110, "select sum(times_seen) from issue_hours where issue_id = $1", w.issueOf("letters"))
	w.want(150, "select sum(times_seen) from hash_counts")
	if row, err := w.st.IssueByID(t.Context(), 1, c); err != nil || row.TimesSeen != 40 {
		t.Errorf("an issue all of whose events went leads to theirs: %+v, %v", row, err)
	}
	w.wordsFindEveryIssue()
	again, err := w.st.StartJob(t.Context(), 1, job.Regroup, job.Args{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if done := w.work(again.ID, blobs{}.tools()); !strings.Contains(string(done.Result), `"moved": 0`) {
		t.Errorf("grouped again: %s", done.Result)
	}
}

func TestOneUserIsExportedAndErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := rand.New(rand.NewPCG(9, 9))
	records := varied(300, "mixed", r)
	for i := range records {
		ev, err := event.Decode(records[i].Payload)
		if err != nil {
			t.Fatal(err)
		}
		records[i].Properties = ev.Properties()
		records[i].Tags = append(records[i].Tags, event.Pair{Key: "user", Value: records[i].UserKey})
	}
	w.record(records...)
	w.fold()
	theirs := w.int("select count(*) from events where user_key = 'id:7'")
	w.want(1, "select count(*) from issue_properties where value = 'mail7@example.org'")
	w.want(1, "select count(*) from issue_tags where key = 'user' and value = 'id:7'")
	store := blobs{}
	j, err := w.st.StartJob(t.Context(), 1, job.Export, job.Args{User: "email:mail7@example.org"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.work(j.ID, store.tools())
	parts, err := w.st.ExportParts(t.Context(), 1, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	for _, key := range parts {
		file.Write(store[key])
	}
	unzipped, err := gzip.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil || int64(bytes.Count(text, []byte("\n"))) != theirs || int64(bytes.Count(text, []byte("mail7@"))) != theirs {
		t.Errorf("want %d lines, all theirs, got %d, %v", theirs, bytes.Count(text, []byte("\n")), err)
	}
	if j, err = w.st.StartJob(t.Context(), 1, job.Erase, job.Args{User: "email:mail7@example.org"}, 0); err != nil {
		t.Fatal(err)
	}
	if done := w.work(j.ID, store.tools()); done.Status != job.Done || !strings.Contains(string(done.Result), fmt.Sprintf(`"events": %d`, theirs)) {
		t.Errorf("%+v %s", done, done.Result)
	}
	w.want(0, "select count(*) from events where user_key = 'id:7'")
	w.want(300-theirs, "select count(*) from events")
	w.want(300, "select times_seen from issues") // what was counted stays
	w.want(0, "select count(*) from issue_properties where value = 'mail7@example.org'")
	w.want(0, "select count(*) from issue_tags where key = 'user' and value = 'id:7'")
	w.want(1, "select count(*) from issue_properties where value = 'mail6@example.org'")
	for _, data := range w.payloads() {
		if bytes.Contains(data, []byte("mail7@")) {
			t.Fatal("a block still has the user's address")
		}
	}
	for _, bad := range []string{"", "mail7@example.org", "phone:1", "id:"} {
		if _, err := w.st.StartJob(t.Context(), 1, job.Erase, job.Args{User: bad}, 0); fault.KindOf(err) != fault.Invalid {
			t.Errorf("erase %q: %v", bad, err)
		}
	}
}

// payloads are the stored payloads of all events that are left, and of blocks that have others.
func (w *world) payloads() (list [][]byte) {
	w.t.Helper()
	page := postgres.EventQuery{Project: 1, Limit: 100}
	for {
		p, err := w.st.Events(w.t.Context(), page)
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range p.Rows {
			list = append(list, p.Rows[i].Event.AppendJSON(nil))
		}
		if page.Cursor = p.Next; !p.HasNext {
			return list
		}
	}
}

func TestAJobOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(2600, "long")...)
	j, err := w.st.DeleteIssues(t.Context(), 1, []int64{w.issueOf("long")}, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	for w.int("select done from jobs where id = $1", j.ID) == 0 { // each call takes it for one chunk
		if _, err := w.st.WorkJob(t.Context(), blobs{}.tools(), 0); err != nil {
			t.Fatal(err)
		}
	}
	half := w.int("select done from jobs where id = $1", j.ID)
	w.exec("update jobs set leased_until = now() + interval '1 hour', fence = fence + 1") // a worker that has died
	if worked, err := w.st.WorkJob(t.Context(), blobs{}.tools(), time.Second); worked || err != nil {
		t.Errorf("a job is in two hands: %v", err)
	}
	w.exec("update jobs set leased_until = now()")
	if done := w.work(j.ID, blobs{}.tools()); done.Status != job.Done || done.Done != 2600 || half >= 2600 {
		t.Errorf("%+v after %d", done, half)
	}
	w.want(0, "select count(*) from events")
}

// TestAChunkThatIsHeldUpGivesItsLocksBack wants a job that waits for a lock of others to let its own go, to
// take less at a time for it, and to be done once the lock is free, without a failure.
func TestAChunkThatIsHeldUpGivesItsLocksBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(300, "held")...)
	id := w.issueOf("held")
	w.fold()
	j, err := w.st.DeleteIssues(t.Context(), 1, []int64{id}, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from events where issue_id = $1 for update", id); err != nil {
		t.Fatal(err)
	}
	cut := func() int64 {
		return w.int("select coalesce((state->>'cut')::bigint, 0) from jobs where id = $1", j.ID)
	}
	for began := time.Now(); cut() < 16; {
		if _, err := w.st.WorkJob(t.Context(), blobs{}.tools(), 0); err != nil || time.Since(began) > time.Minute {
			t.Fatalf("chunks are one in %d: %v", cut(), err)
		}
	}
	w.want(0, "select done + failures from jobs where id = $1", j.ID)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done := w.work(j.ID, blobs{}.tools()); done.Status != job.Done || done.Done != 300 {
		t.Errorf("%+v", done)
	}
	w.want(0, "select count(*) from events")
}

func TestSmartRetentionKeepsWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := postgres.Thinning{First: 100, OneIn: 10}
	total := 0
	for batch := range 10 {
		var records []postgres.Record
		for i := range 200 {
			rec := sample(batch, "frequent")
			rec.ReceivedAt = rec.ReceivedAt.Add(time.Duration(i) * time.Millisecond)
			rec.Thinning = rule
			records = append(records, rec)
		}
		rare := sample(batch, fmt.Sprint("rare ", batch))
		rare.Thinning = rule
		w.record(append(records, rare)...)
		total += 200
	}
	w.fold()
	id := w.issueOf("frequent")
	w.want(int64(total), "select times_seen from issues where id = $1", id)
	w.want(int64(total), "select sum(times_seen) from issue_hours where issue_id = $1", id)
	stored := w.int("select count(*) from events where issue_id = $1", id)
	if stored < 200 || stored > 600 {
		t.Errorf("want the first batch and a tenth of the rest kept, got %d of %d", stored, total)
	}
	w.want(int64(total)-stored, "select thinned_count from hash_counts where hash = $1", hashOf("frequent"))
	w.want(10, "select count(*) from events where issue_id <> $1", id)
	next := sample(3000, "frequent")
	next.Thinning, next.Release = rule, "shop@2.0.0"
	if done := w.record(next); done.Thinned != 0 {
		t.Error("the first event of a release was not kept")
	}
	thinned, err := w.st.Thinned(t.Context(), 1, []int64{id})
	if err != nil || thinned[id] != int64(total)-stored {
		t.Errorf("want %d, got %d, %v", int64(total)-stored, thinned[id], err)
	}
}

func TestEveryTableOfIssuesIsKnownToJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rows, err := w.db.Query(t.Context(), `
		select c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
		where a.attname = 'issue_id' and not a.attisdropped and n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition`)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"events": true, "issue_hashes": true, "issue_redirects": true, "deliveries": true}
	for _, name := range postgres.IssueTables() {
		known[name] = true
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !known[name] {
			t.Errorf("jobs do not know what becomes of %s when an issue is deleted or merged", name)
		}
	}
}
