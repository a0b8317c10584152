package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// work does every job there is.
func (w *world) work() {
	w.t.Helper()
	tools := &postgres.JobTools{Put: w.blobs.Put, Delete: w.blobs.Delete, Symbolicate: w.symbols.Again}
	for w.scalar("select count(*) from jobs where status in (0, 1)") > 0 {
		worked, err := w.st.WorkJob(w.t.Context(), tools, 10*time.Second)
		if err != nil {
			w.t.Fatal(err)
		}
		if !worked {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func TestIssuesAreMergedAndTakenApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 5)
	w.record(1, "bang", 2)
	boom, bang := w.first(org + "issues/?query=boom")["id"].(string), w.first(org + "issues/?query=bang")["id"].(string)
	w.want(400, "PUT", org+"issues/?id="+boom, `{"merge":1}`)
	w.want(400, "PUT", org+"issues/", `{"merge":true}`)
	var echo struct {
		Merge struct {
			Parent   string
			Children []string
		}
	}
	w.want(200, "PUT", org+"issues/?id="+boom+"&id="+bang, `{"merge":1}`).json(t, &echo)
	if echo.Merge.Parent != boom || len(echo.Merge.Children) != 1 || echo.Merge.Children[0] != bang {
		t.Errorf("%+v", echo)
	}
	w.work()
	var issue map[string]any
	for _, name := range []string{boom, bang, "SHOP-1", "SHOP-2"} {
		if w.want(200, "GET", org+"issues/"+name+"/").json(t, &issue); issue["id"] != boom || issue["count"] != "7" {
			t.Errorf("%s leads to %v with %v events", name, issue["id"], issue["count"])
		}
	}
	var hashes []struct{ ID string }
	w.want(200, "GET", org+"issues/"+boom+"/hashes/").json(t, &hashes)
	if len(hashes) != 2 {
		t.Fatalf("%v", hashes)
	}
	w.want(400, "DELETE", org+"issues/"+boom+"/hashes/")
	w.want(400, "DELETE", org+"issues/"+boom+"/hashes/?id=nonsense")
	w.want(400, "DELETE", org+"issues/"+boom+"/hashes/?id="+hashes[0].ID+"&id="+hashes[1].ID)
	var made struct{ Issue, Job string }
	w.want(202, "DELETE", org+"issues/"+boom+"/hashes/?id="+hashes[1].ID).json(t, &made)
	w.work()
	w.want(200, "GET", org+"issues/"+boom+"/").json(t, &issue)
	var other map[string]any
	w.want(200, "GET", org+"issues/"+made.Issue+"/").json(t, &other)
	if got := fmt.Sprintf("%v %v", issue["count"], other["count"]); got != "5 2" && got != "2 5" {
		t.Errorf("want 5 and 2 events, got %v and %v", issue["count"], other["count"])
	}
	var job map[string]any
	if w.want(200, "GET", ourShop+"jobs/"+made.Job+"/").json(t, &job); job["status"] != "done" || job["kind"] != "unmerge" {
		t.Errorf("%v", job)
	}
	w.want(409, "POST", ourShop+"jobs/"+made.Job+"/cancel/")
}

func TestIssuesAreDeletedAndDiscarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 3)
	w.record(1, "bang", 2)
	w.record(1, "crash", 1)
	boom, bang := w.first(org + "issues/?query=boom")["id"].(string), w.first(org + "issues/?query=bang")["id"].(string)
	w.want(400, "DELETE", org+"issues/")
	w.want(202, "DELETE", org+"issues/"+boom+"/")
	w.want(404, "GET", org+"issues/"+boom+"/")
	w.want(204, "PUT", org+"issues/?id="+bang, `{"discard":true}`)
	w.want(404, "GET", org+"issues/"+bang+"/")
	w.want(204, "DELETE", shop+"issues/?query=crash")
	w.work()
	if n := w.scalar("select count(*) from events"); n != 0 {
		t.Errorf("%d events are left", n)
	}
	var list []struct{ ID, ShortID, Count string }
	w.want(200, "GET", ourShop+"discards/").json(t, &list)
	if len(list) != 1 || list[0].ShortID != "SHOP-2" || list[0].Count != "2" {
		t.Fatalf("%+v", list)
	}
	w.want(204, "DELETE", ourShop+"discards/"+list[0].ID+"/")
	w.want(404, "DELETE", ourShop+"discards/"+list[0].ID+"/")
	var jobs []struct{ Kind, Status string }
	w.want(200, "GET", ourShop+"jobs/").json(t, &jobs)
	if len(jobs) != 3 || jobs[0].Kind != "delete" || jobs[0].Status != "done" {
		t.Errorf("%+v", jobs)
	}
	member := "Bearer " + w.tokenWith("event:write")
	for _, call := range [][3]string{{"DELETE", org + "issues/?id=1"}, {"PUT", org + "issues/?id=1", `{"discard":true}`}, {"POST", ourShop + "jobs/", `{"kind":"erase","user":"id:1"}`}} {
		if a := w.callAs(member, call[0], call[1], call[2]); a.status != 403 {
			t.Errorf("%s %s with event:write: %d", call[0], call[1], a.status)
		}
	}
}

func TestAUserIsExportedAndErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(1, "boom", 6)
	for body, status := range map[string]int{`{"kind":"dance"}`: 400, `{"kind":"erase"}`: 400, `{"kind":"erase","user":"x"}`: 400, `{"kind":"export","issues":["77"]}`: 400, `{"kind":"delete"}`: 400} {
		w.want(status, "POST", ourShop+"jobs/", body)
	}
	var job struct {
		ID, Status string
		Result     struct{ Events int }
	}
	w.want(201, "POST", ourShop+"jobs/", `{"kind":"export","user":"id:1"}`).json(t, &job)
	w.want(404, "GET", ourShop+"jobs/"+job.ID+"/download/")
	w.work()
	w.want(200, "GET", ourShop+"jobs/"+job.ID+"/").json(t, &job)
	file, err := gzip.NewReader(bytes.NewReader(w.want(200, "GET", ourShop+"jobs/"+job.ID+"/download/").body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(file)
	if err != nil || bytes.Count(text, []byte("\n")) != 2 || job.Result.Events != 2 || job.Status != "done" {
		t.Errorf("%+v, %v:\n%s", job, err, text)
	}
	w.want(201, "POST", ourShop+"jobs/", `{"kind":"erase","user":"id:1"}`)
	w.work()
	var events []struct{ User struct{ ID string } }
	w.want(200, "GET", shop+"events/").json(t, &events)
	if len(events) != 4 {
		t.Errorf("%d events are left", len(events))
	}
	if w.first(org + "issues/")["count"] != "6" {
		t.Error("what was counted has changed")
	}
	other := w.foreignOrganization()
	w.want(404, "GET", fmt.Sprintf("/api/v1/projects/default/%d/jobs/", other))
}

func TestRetentionIsSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got map[string]any
	w.want(200, "GET", ourShop+"retention/").json(t, &got)
	if fmt.Sprint(got["days"], got["keepFirst"], got["keepOneIn"]) != "0 0 0" {
		t.Errorf("a new project: %v", got)
	}
	for body, field := range map[string]string{`{"days":-1}`: "days", `{"days":1,"keepOneIn":10,"keepFirst":9}`: "keepFirst", `{"keepOneIn":2000,"keepFirst":1000}`: "keepOneIn"} {
		var problem map[string][]string
		if w.want(400, "PUT", ourShop+"retention/", body).json(t, &problem); len(problem[field]) != 1 {
			t.Errorf("%s: %v", body, problem)
		}
	}
	w.want(200, "PUT", ourShop+"retention/", `{"days":30,"keepFirst":1000,"keepOneIn":10}`)
	w.want(200, "GET", ourShop+"retention/").json(t, &got)
	if fmt.Sprint(got["days"], got["keepFirst"], got["keepOneIn"]) != "30 1000 10" {
		t.Errorf("%v", got)
	}
}
