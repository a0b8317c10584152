package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// stands is where a job stands, as the API tells it.
type stands struct {
	ID, Status  string
	Done, Total int
	Problem     string
	Result      struct{ Events, Changed int }
}

// startJob starts a job of the project.
func (in *instance) startJob(t *testing.T, kind string) (j stands) {
	t.Helper()
	status, answer, err := fetch(t.Context(), http.MethodPost, in.jobs(), in.AuthToken, fmt.Appendf(nil, `{"kind":%q}`, kind), "Content-Type", "application/json")
	if err != nil || status != http.StatusCreated || json.Unmarshal(answer, &j) != nil {
		t.Fatalf("start a job: %d %s %v", status, answer, err)
	}
	return j
}

func (in *instance) jobs() string {
	return in.URL + "/api/v1/projects/" + in.Organization + "/" + in.Project + "/jobs/"
}

// awaitJob follows a job to its end, and wants it never to go back.
func (in *instance) awaitJob(t *testing.T, id string) (j stands) {
	t.Helper()
	most := 0
	in.await("the end of the job", 2*time.Minute, func(ctx context.Context) error {
		status, answer, err := fetch(ctx, http.MethodGet, in.jobs()+id+"/", in.AuthToken, nil)
		if err != nil || status != http.StatusOK || json.Unmarshal(answer, &j) != nil {
			return fmt.Errorf("%d %s %w", status, answer, err)
		}
		if j.Done < most || j.Total > 0 && j.Done > j.Total {
			t.Errorf("%d of %d are done after %d were", j.Done, j.Total, most)
		}
		if most = max(most, j.Done); j.Status == "waiting" || j.Status == "running" {
			return fmt.Errorf("it stands at %+v", j)
		}
		return nil
	})
	return j
}

// awaitDone waits, without the program, until a job has done something, and returns how much.
func awaitDone(t *testing.T, db *pgx.Conn, id string) (n int) {
	t.Helper()
	for began := time.Now(); n == 0; time.Sleep(5 * time.Millisecond) {
		if err := db.QueryRow(t.Context(), "select done from jobs where id = $1::text::bigint", id).Scan(&n); err != nil || time.Since(began) > time.Minute {
			t.Fatalf("job %s does nothing: %v", id, err)
		}
	}
	return n
}

// exported reads all events of the project through an export.
func (in *instance) exported(t *testing.T) (lines []string) {
	t.Helper()
	j := in.startJob(t, "export")
	if done := in.awaitJob(t, j.ID); done.Status != "done" {
		t.Fatalf("the export ended %+v", done)
	}
	status, answer, err := fetch(t.Context(), http.MethodGet, in.jobs()+j.ID+"/download/", in.AuthToken, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(answer))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// TestStacksAreRewrittenAcrossAKill uploads a map late, kills the process while a job makes the stored
// stacks readable, and wants the job to go on soon, every event readable, and none done twice. Another
// run of it is cancelled half-way.
func TestStacksAreRewrittenAcrossAKill(t *testing.T) {
	t.Parallel()
	in := &instance{}
	in.URL = "http://" + freeAddress(t)
	db := in.prepare(t)
	const size = 3000
	in.record(t, size, func(n int, r *postgres.Record) {
		r.Platform, r.Title, r.Metadata = "javascript", "Error: late", event.Metadata{Type: "Error", Value: "late"}
		r.Payload = fmt.Appendf(nil, `{"event_id":%q,"platform":"javascript","release":"shop@1.1.0","exception":{"values":[{"type":"Error","value":"late %d","stacktrace":{"frames":[
			{"abs_path":"https://shop.example/app.js","filename":"/app.js","function":"a","lineno":1,"colno":15,"in_app":true}]}}]}}`, r.ID.String(), n)
	})
	in.start(t)
	in.uploadFile(t, "shop@1.1.0", "~/app.js", minifiedCart)
	in.uploadFile(t, "shop@1.1.0", "~/app.js.map", minifiedCartMap)
	j := in.startJob(t, "symbolicate")
	awaitDone(t, db, j.ID)
	in.kill()
	killed, half := time.Now(), awaitDone(t, db, j.ID)
	if half >= size {
		t.Fatalf("the process was killed too late: %d of %d events were done", half, size)
	}
	in.start(t)
	done := in.awaitJob(t, j.ID)
	t.Logf("%d of %d events were done before the process was killed; the rest %s after", half, size, time.Since(killed).Round(time.Millisecond))
	if done.Status != "done" || done.Done != size || done.Total != size || done.Result.Changed != size {
		t.Errorf("the job ended %+v", done)
	}
	seen := make(map[string]bool)
	for _, line := range in.exported(t) {
		var doc struct {
			EventID string `json:"event_id"`
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil || !strings.Contains(line, `"filename":"src/cart.js"`) || strings.Count(line, `"symbolicated"`) != 1 {
			t.Fatalf("%v %s", err, line)
		}
		seen[doc.EventID] = true
	}
	if len(seen) != size {
		t.Errorf("%d events can be read", len(seen))
	}

	again := in.startJob(t, "symbolicate")
	awaitDone(t, db, again.ID)
	in.call(t, http.MethodPost, strings.TrimPrefix(in.jobs(), in.URL)+again.ID+"/cancel/", http.StatusOK)
	if ended := in.awaitJob(t, again.ID); ended.Status != "cancelled" || ended.Done >= size || ended.Result.Changed != 0 {
		t.Errorf("after it was cancelled: %+v", ended)
	}
}
