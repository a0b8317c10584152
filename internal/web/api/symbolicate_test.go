package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// TestStoredStacksAreRewrittenAfterALateUpload uploads a map after its events came, and wants the
// stored frames rewritten by a job whose first worker dies half-way, in the issues they are in.
func TestStoredStacksAreRewrittenAfterALateUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const size = 520 // more than one chunk
	id := w.minifiedEvents("late", size)
	stored := func() string {
		page, err := w.st.Event(t.Context(), 1, id)
		if err != nil {
			t.Fatal(err)
		}
		return string(page.Payload)
	}
	const owners = "select sum(hashtextextended(event_id::text || issue_id, 0) % 1000000)::bigint from events"
	before, issues := stored(), w.scalar(owners)
	if strings.Contains(before, `"greeting"`) {
		t.Fatalf("readable before the upload: %s", before)
	}
	if state, detail := w.uploadBundle(shopBundle(t), `,"version":"shop@2.4.1","dist":"web-87"`); state != "ok" {
		t.Fatalf("%s %s", state, detail)
	}
	w.want(400, "POST", ourShop+"jobs/", `{"kind":"export","regroup":true}`)
	var made struct{ ID, Status string }
	w.want(201, "POST", ourShop+"jobs/", `{"kind":"symbolicate"}`).json(t, &made)
	tools := &postgres.JobTools{Put: w.blobs.Put, Delete: w.blobs.Delete, Symbolicate: w.symbols.Again}
	if _, err := w.st.WorkJob(t.Context(), tools, 0); err != nil { // one chunk, by a worker that is never seen again
		t.Fatal(err)
	}
	half := w.scalar("select done from jobs")
	w.exec("update jobs set leased_until = now(), fence = fence + 1")
	w.work()
	var done struct {
		Kind, Status string
		Done, Total  int
		Regroup      bool
		Result       struct{ Events, Changed int }
	}
	w.want(200, "GET", ourShop+"jobs/"+made.ID+"/").json(t, &done)
	if done.Status != "done" || done.Done != size || done.Total != size || done.Result.Changed != size || half <= 0 || half >= size {
		t.Errorf("%+v after %d", done, half)
	}
	if after := stored(); !strings.Contains(after, `"function":"greeting"`) || !strings.Contains(after, `"raw_stacktrace"`) {
		t.Errorf("the stored event is not readable: %s", after)
	}
	if now := w.scalar(owners); now != issues {
		t.Errorf("events changed their issues")
	}
	rewritten := stored()
	w.want(201, "POST", ourShop+"jobs/", `{"kind":"symbolicate","regroup":true}`).json(t, &made)
	w.work()
	w.want(200, "GET", ourShop+"jobs/"+made.ID+"/").json(t, &done)
	if done.Result.Changed != 0 || stored() != rewritten || !done.Regroup || w.scalar("select count(*) from jobs where kind = 'regroup'") != 0 {
		t.Errorf("a second run changed something: %+v", done)
	}
}

// TestSymbolicatingRegroupsWhenAsked wants events of one bug that minified frames kept apart in one
// issue after the map came.
func TestSymbolicatingRegroupsWhenAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.minifiedEvent("asked")
	w.uploadBundle(shopBundle(t), `,"version":"shop@2.4.1","dist":"web-87"`)
	const hash = "select hash from events"
	before := w.scalar(hash)
	w.want(201, "POST", ourShop+"jobs/", `{"kind":"symbolicate","regroup":true}`)
	w.work()
	if n := w.scalar("select count(*) from jobs where kind = 'regroup' and status = 2"); n != 1 {
		t.Fatalf("%d jobs regrouped", n)
	}
	if w.scalar(hash) == before {
		t.Error("the event has the hash of its minified frames still")
	}
	// A cancelled job leaves what it did.
	w.want(201, "POST", ourShop+"jobs/", `{"kind":"symbolicate"}`)
	var list []struct{ ID string }
	w.want(200, "GET", ourShop+"jobs/").json(t, &list)
	w.want(200, "POST", ourShop+"jobs/"+list[0].ID+"/cancel/")
	w.work()
	if n := w.scalar(fmt.Sprintf("select count(*) from jobs where id = %s and status = %d", list[0].ID, job.Cancelled)); n != 1 {
		t.Error("the job was not cancelled")
	}
}
