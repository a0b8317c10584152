package api_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// sumOf is the SHA-1 of data in hex.
func sumOf(data []byte) string {
	sum := sha1.Sum(data)
	return hex.EncodeToString(sum[:])
}

// chunkForm is a form of chunks, each packed with gzip when field says so.
func chunkForm(t testing.TB, field string, chunks ...[]byte) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	form := multipart.NewWriter(&buf)
	for _, c := range chunks {
		part, err := form.CreateFormFile(field, sumOf(c))
		if err != nil {
			t.Fatal(err)
		}
		if field == "file_gzip" {
			z := gzip.NewWriter(part)
			_, _ = z.Write(c)
			_ = z.Close()
		} else {
			_, _ = part.Write(c)
		}
	}
	_ = form.Close()
	return buf.String(), form.FormDataContentType()
}

// bundle is an archive of files with the manifest that is given.
func bundle(t testing.TB, manifest any, files map[string][]byte) []byte {
	t.Helper()
	buf := bytes.NewBufferString("SYSB\x02\x00\x00\x00")
	z := zip.NewWriter(buf)
	z.SetOffset(8)
	if manifest != nil {
		body, err := json.Marshal(manifest)
		if err != nil {
			t.Fatal(err)
		}
		files["manifest.json"] = body
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(files[name])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shopBundle is the bundle of a recorded script and its map.
func shopBundle(t testing.TB) []byte {
	const id = "d2977f4a-f610-5dd3-8a7a-91a4bd7b18ee"
	return bundle(t, map[string]any{"org": "default", "release": "shop@2.4.1", "debug_id": "2a6021e0-95b3-513b-a75d-27a4683c10a9", "files": map[string]any{
		"files/_/_/assets/app.min.js":     map[string]any{"url": "~/assets/app.min.js", "type": "minified_source", "headers": map[string]string{"debug-id": id, "Sourcemap": "app.min.js.map"}},
		"files/_/_/assets/app.min.js.map": map[string]any{"url": "~/assets/app.min.js.map", "type": "source_map", "headers": map[string]string{"debug-id": id}},
	}}, map[string][]byte{"files/_/_/assets/app.min.js": readFile(t, "../../sourcemap/testdata/app.min.js"),
		"files/_/_/assets/app.min.js.map": readFile(t, "../../sourcemap/testdata/app.min.js.map")})
}

const assemble = org + "artifactbundle/assemble/"

// uploadBundle sends a bundle in chunks of 4,000 bytes and returns the last state and detail.
func (w *world) uploadBundle(data []byte, more string) (state, detail string) {
	w.t.Helper()
	var chunks [][]byte
	var sums []string
	for rest := data; len(rest) > 0; {
		n := min(4000, len(rest))
		chunks, sums, rest = append(chunks, rest[:n]), append(sums, sumOf(rest[:n])), rest[n:]
	}
	list, _ := json.Marshal(sums)
	body := fmt.Sprintf(`{"checksum":%q,"chunks":%s,"projects":["shop"]%s}`, sumOf(data), list, more)
	ask := func() (a struct {
		State, Detail string
		MissingChunks []string
	}) {
		w.t.Helper()
		if err := json.Unmarshal(w.want(200, "POST", assemble, body).body, &a); err != nil {
			w.t.Fatal(err)
		}
		return a
	}
	if a := ask(); a.State == "not_found" {
		if len(a.MissingChunks) == 0 {
			w.t.Fatal("nothing is missing, and nothing was found")
		}
		form, contentType := chunkForm(w.t, "file_gzip", chunks...)
		w.wantWith(200, "POST", org+"chunk-upload/", form, "Content-Type", contentType)
	}
	a := ask()
	return a.State, a.Detail
}

// minifiedEvent stores an event whose stack is of the recorded script.
func (w *world) minifiedEvent(text string) event.ID { return w.minifiedEvents(text, 1) }

// minifiedEvents records events with a frame of a minified script and returns the first one's id.
func (w *world) minifiedEvents(text string, n int) event.ID {
	w.t.Helper()
	w.record(1, text, n, func(doc map[string]any) {
		doc["platform"], doc["release"], doc["dist"] = "javascript", "shop@2.4.1", "web-87"
		doc["exception"] = map[string]any{"values": []any{map[string]any{"type": "TypeError", "value": text, "stacktrace": map[string]any{"frames": []any{
			map[string]any{"function": "o.greeting", "abs_path": "http://localhost:9200/assets/app.min.js", "filename": "/assets/app.min.js", "lineno": 3, "colno": 405, "in_app": true}}}}}}
	})
	return eventID("1"+text, 0)
}

type frameAnswer struct {
	Filename, Function string
	LineNo, ColNo      int
	Context            [][2]any
}

func (w *world) lastFrame(e event.ID) (f frameAnswer, errors []string) {
	w.t.Helper()
	var doc struct {
		Entries []struct {
			Type string
			Data struct {
				Values []struct {
					Stacktrace    struct{ Frames []frameAnswer }
					RawStacktrace *struct{ Frames []frameAnswer }
				}
			}
		}
		Errors []struct{ Type string }
	}
	if err := json.Unmarshal(w.want(200, "GET", proj+"events/"+e.String()+"/").body, &doc); err != nil {
		w.t.Fatal(err)
	}
	for _, problem := range doc.Errors {
		errors = append(errors, problem.Type)
	}
	frames := doc.Entries[0].Data.Values[0].Stacktrace.Frames
	if raw := doc.Entries[0].Data.Values[0].RawStacktrace; raw != nil && raw.Frames[0].ColNo != 405 {
		w.t.Errorf("the stack as it came is not kept: %+v", raw)
	}
	return frames[len(frames)-1], errors
}

func TestALateUploadMakesOlderEventsReadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.minifiedEvent("late")
	if f, _ := w.lastFrame(e); f.LineNo != 3 || f.Function != "o.greeting" {
		t.Fatalf("before the upload: %+v", f)
	}
	if state, detail := w.uploadBundle(shopBundle(t), `,"version":"shop@2.4.1","dist":"web-87"`); state != "ok" {
		t.Fatalf("upload: %s %s", state, detail)
	}
	f, problems := w.lastFrame(e)
	if f.Filename != "../../src/cart.ts" || f.LineNo != 18 || f.ColNo != 38 || f.Function != "greeting" || len(f.Context) < 6 || len(problems) > 0 {
		t.Errorf("after the upload: %+v %v", f, problems)
	}
	w.want(200, "POST", assemble, fmt.Sprintf(`{"checksum":%q,"chunks":[],"projects":["shop"],"version":"shop@2.4.2"}`, sumOf(shopBundle(t))))
	for path, want := range map[string]int{proj + "files/artifact-bundles/": 1, proj + "files/source-maps/": 2, proj + "files/artifact-bundles/?query=web-87": 1,
		proj + "files/artifact-bundles/?query=d2977f4af6105dd38a7a91a4bd7b18ee": 1, proj + "files/artifact-bundles/?query=none": 0} {
		var list []any
		if err := json.Unmarshal(w.want(200, "GET", path).body, &list); err != nil || len(list) != want {
			t.Errorf("%s: want %d, got %v", path, want, list)
		}
	}
	w.want(200, "GET", proj+"files/artifact-bundles/2a6021e0-95b3-513b-a75d-27a4683c10a9/files/")
	w.want(404, "GET", proj+"files/artifact-bundles/2a6021e0-95b3-513b-a75d-27a4683c10aa/files/")
	w.want(400, "DELETE", proj+"files/artifact-bundles/")
	w.want(204, "DELETE", proj+"files/source-maps/?name=shop@2.4.1")
	if f, _ := w.lastFrame(e); f.LineNo != 3 {
		t.Errorf("after its bundle was removed: %+v", f)
	}
}

func TestBadUploadsAreRefusedWithTheirReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := map[string]any{"files": map[string]any{"a.js": map[string]any{"url": "~/a.js", "type": "minified_source"}}}
	script := func() map[string][]byte { return map[string][]byte{"a.js": []byte("x")} }
	for reason, data := range map[string][]byte{
		"no readable ZIP":        []byte("SYSB\x02\x00\x00\x00 nothing"),
		"outside of itself":      bundle(t, one, map[string][]byte{"a.js": []byte("x"), "../../etc/cron.d/x": []byte("y")}),
		"no manifest.json":       bundle(t, nil, script()),
		"no readable JSON":       bundle(t, nil, map[string][]byte{"manifest.json": []byte("{")}),
		"names no file":          bundle(t, map[string]any{"files": map[string]any{"b.js": map[string]any{"url": "~/b.js"}}}, script()),
		"unpacks to more than 6": bundle(t, nil, map[string][]byte{"manifest.json": bytes.Repeat([]byte(" "), 65<<20)}),
	} {
		if state, detail := w.uploadBundle(data, ""); state != "error" || !strings.Contains(detail, reason) {
			t.Errorf("want %q, got %s %q", reason, state, detail)
		}
	}
	data := shopBundle(t)
	sum := sumOf(data)
	for _, bad := range []string{`{}`, `{`, `{"checksum":"x","chunks":[],"projects":["shop"]}`, `{"checksum":"` + sum + `","chunks":["x"],"projects":["shop"]}`,
		`{"checksum":"` + sum + `","chunks":[],"projects":[]}`, `{"checksum":"` + sum + `","chunks":[],"projects":["other"]}`,
		`{"checksum":"` + sum + `","chunks":[],"projects":["shop"],"dist":"1"}`, `{"checksum":"` + sum + `","chunks":[],"projects":["shop"],"version":"a\nb"}`} {
		w.want(400, "POST", assemble, bad)
	}
	form, contentType := chunkForm(t, "file", []byte("chunk"))
	lie := strings.Replace(form, sumOf([]byte("chunk")), sumOf([]byte("other")), 1)
	w.wantWith(400, "POST", org+"chunk-upload/", lie, "Content-Type", contentType)
	w.wantWith(400, "POST", org+"chunk-upload/", form, "Content-Type", "text/plain")
	w.wantWith(400, "POST", org+"chunk-upload/", form, "Content-Type", contentType, "Content-Encoding", "br")
	w.wantWith(400, "POST", org+"chunk-upload/", form, "Content-Type", contentType, "Content-Encoding", "zstd")
	large, largeType := chunkForm(t, "file_gzip", make([]byte, 8<<20+1))
	w.wantWith(400, "POST", org+"chunk-upload/", large, "Content-Type", largeType)
	w.wantWith(200, "POST", org+"chunk-upload/", form, "Content-Type", contentType)
	body := w.want(200, "POST", assemble, fmt.Sprintf(`{"checksum":%q,"chunks":[%q],"projects":["shop"]}`, sum, sumOf([]byte("chunk")))).body
	if !strings.Contains(string(body), "another checksum") {
		t.Errorf("a lie about the whole: %s", body)
	}
	w.want(200, "GET", org+"chunk-upload/")
}

func TestFilesOfAReleaseAreKeptOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.minifiedEvent("legacy")
	files := org + "releases/shop@2.4.1/files/"
	send := func(status int, base, name, dist string, data []byte, headers ...string) answer {
		var buf bytes.Buffer
		form := multipart.NewWriter(&buf)
		for _, h := range headers {
			_ = form.WriteField("header", h)
		}
		_ = form.WriteField("name", name)
		if dist != "" {
			_ = form.WriteField("dist", dist)
		}
		part, _ := form.CreateFormFile("file", "x")
		_, _ = part.Write(data)
		_ = form.Close()
		return w.wantWith(status, http.MethodPost, base, buf.String(), "Content-Type", form.FormDataContentType())
	}
	script, mapped := readFile(t, "../../sourcemap/testdata/app.min.js"), readFile(t, "../../sourcemap/testdata/app.min.js.map")
	var made struct{ ID string }
	if err := json.Unmarshal(send(201, files, "~/assets/app.min.js", "web-87", script, "Sourcemap: app.min.js.map").body, &made); err != nil {
		t.Fatal(err)
	}
	send(409, files, "~/assets/app.min.js", "web-87", script)
	send(400, files, "~/assets/b.js", "", script, "no colon")
	send(400, files, "a\nb", "", script)
	send(404, org+"releases/none@1/files/", "~/b.js", "", script)
	send(201, proj+"releases/shop@2.4.1/files/", "~/assets/app.min.js.map", "web-87", mapped)
	if f, _ := w.lastFrame(e); f.Function != "greeting" || f.LineNo != 18 {
		t.Errorf("%+v", f)
	}
	if got := w.want(200, "GET", files+made.ID+"/?download=1").body; !bytes.Equal(got, script) {
		t.Errorf("downloaded %d bytes", len(got))
	}
	w.want(200, "GET", files+"?query=app.min&checksum="+sumOf(script))
	w.want(200, "GET", files+made.ID+"/")
	w.want(200, "PUT", files+made.ID+"/", `{"name":"~/other/app.min.js"}`)
	if f, _ := w.lastFrame(e); f.Function == "greeting" {
		t.Errorf("under another name: %+v", f)
	}
	w.want(404, "GET", files+"1/")
	w.want(204, "DELETE", files+made.ID+"/")
	w.want(404, "GET", files+made.ID+"/")
}
