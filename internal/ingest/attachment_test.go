package ingest

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// upload is one part of a form; without a filename it is a field.
type upload struct{ field, filename, content string }

// formCall posts parts as a form.
func formCall(path string, parts ...upload) call {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		disposition := `form-data; name="` + p.field + `"`
		if p.filename != "" {
			disposition += `; filename="` + p.filename + `"`
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		h.Set("Content-Disposition", disposition)
		part, _ := w.CreatePart(h) // a buffer takes everything
		_, _ = io.WriteString(part, p.content)
	}
	_ = w.Close()
	return call{path: path, body: body.String(), header: http.Header{"Content-Type": {w.FormDataContentType()}}}
}

// companions waits for n messages about an event that are not the event.
func (g *rig) companions(id string, n int) (list []event.Raw) {
	g.t.Helper()
	for deadline := time.After(10 * time.Second); ; {
		list = nil
		g.mu.Lock()
		for _, raw := range g.got {
			if raw.ID.String() == id && raw.ItemType != "event" {
				list = append(list, raw)
			}
		}
		g.mu.Unlock()
		if len(list) >= n {
			return list
		}
		select {
		case <-g.change:
		case <-deadline:
			g.t.Fatalf("%s: want %d companions, got %d", id, n, len(list))
		}
	}
}

// file reads what was stored of a queued attachment.
func (g *rig) file(raw event.Raw) (event.Attachment, string) {
	g.t.Helper()
	var a event.Attachment
	if err := json.Unmarshal(raw.Payload, &a); err != nil || raw.ItemType != event.ItemAttachment {
		g.t.Fatalf("%s %s: %v", raw.ItemType, raw.Payload, err)
	}
	if a.Blob == "" {
		return a, ""
	}
	r, err := g.s.blobs.Open(g.t.Context(), a.Blob)
	if err != nil {
		g.t.Fatalf("open %s: %v", a.Blob, err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		g.t.Fatal(err)
	}
	return a, string(b)
}

func attachmentsPath(id string) string { return "/api/1/events/" + id + "/attachments/" }

// TestConformanceAttachments is rows 101 and 102.
func TestConformanceAttachments(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	hello := upload{"a", "a.txt", "hello"}
	notForm := formCall(attachmentsPath(eventID(1)), hello)
	notForm.header = http.Header{"Content-Type": {"application/json"}}
	noBoundary := formCall(attachmentsPath(eventID(1)), hello)
	noBoundary.body = "hello"
	cut := formCall(attachmentsPath(eventID(1)), hello)
	cut.body = cut.body[:len(cut.body)-20]
	many := make([]upload, 31)
	for i := range many {
		many[i] = upload{"f", strconv.Itoa(i), "x"}
	}
	g.run([]row{
		{name: "101", call: formCall(attachmentsPath("123abc"), hello), status: 400, body: detail("bad event id path parameter")},
		{name: "102", call: formCall(attachmentsPath(eventID(102)), hello, upload{"b", "b.txt", "world"}, upload{"c", "c.txt", ""}, upload{"field", "", "no file"}), status: 201, body: "",
			counts: map[outcome.Key]int64{}},
		{name: "102 hyphens", call: formCall(attachmentsPath("00000000-0000-0000-0000-0000000abd03"), hello), status: 201, body: ""},
		{name: "no form", call: notForm, status: 400, body: detail("invalid multipart data"), counts: invalid(outcome.Attachment, "invalid_multipart", 1)},
		{name: "no boundary", call: noBoundary, status: 400, body: detail("invalid multipart data"), counts: invalid(outcome.Attachment, "invalid_multipart", 1)},
		{name: "cut short", call: cut, status: 400, body: detail("invalid multipart data")},
		{name: "31 files", call: formCall(attachmentsPath(eventID(1)), many...), status: 413, body: detail("envelope exceeded size limits for type 'attachment'")},
		{name: "unknown key", call: call{path: attachmentsPath(eventID(1)), auth: "Sentry sentry_key=" + strings.Repeat("f", 32), body: "x"}, status: 403, body: "*"},
	})
	want := map[string]string{"a.txt": "hello", "b.txt": "world", "c.txt": ""}
	got := map[string]string{}
	for _, raw := range g.companions(eventID(102), 3) {
		a, content := g.file(raw)
		got[a.Name] = content
		sum := sha1.Sum([]byte(content))
		if a.Size != int64(len(content)) || a.ContentType != "text/plain" || a.Type != event.DefaultAttachment || !bytes.Equal(a.SHA1, sum[:]) || raw.KeyID != 11 {
			t.Errorf("%s: %+v", a.Name, a)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	g.companions("000000000000000000000000000abd03", 1)
}

// TestConformanceFeedback is row 120, and where reports get their event from.
func TestConformanceFeedback(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	post := func(body string) call { return call{path: envelopePath, body: body} }
	head := func(n int) string { return `{"event_id":"` + eventID(n) + `"}` + "\n" }
	report := func(n int) string {
		return "{\"type\":\"user_report\"}\n{\"event_id\":\"" + eventID(n) + "\",\"name\":\"Ann\",\"comments\":\"broken\"}\n"
	}
	g.run([]row{
		{name: "120", call: post(head(120) + "{\"type\":\"feedback\"}\n{\"type\":\"feedback\",\"contexts\":{\"feedback\":{\"message\":\"slow\"}}}\n" +
			"{\"type\":\"attachment\",\"filename\":\"screen.png\",\"length\":3}\npng\n"), status: 200, body: okID(eventID(120)), counts: map[outcome.Key]int64{}},
		{name: "report", call: post(head(121) + report(1)), status: 200, body: okID(eventID(121)), counts: map[outcome.Key]int64{}},
		{name: "report alone", call: post("{}\n" + report(122)), status: 200, body: okID(eventID(122)), counts: map[outcome.Key]int64{}},
		{name: "a report without end", call: post(head(123) + "{\"type\":\"user_report\"}\n{\"comments\":\"" + strings.Repeat("x", 1<<20) + "\"}"), status: 200,
			body: okID(eventID(123)), counts: invalid(outcome.Feedback, "too_large:user_report", 1)},
	})
	types := map[string]int{}
	for _, raw := range g.companions(eventID(120), 2) {
		types[raw.ItemType]++
	}
	if types["feedback"] != 1 || types["attachment"] != 1 {
		t.Errorf("want a feedback and its picture, got %v", types)
	}
	for _, n := range []int{121, 122} {
		if raw := g.companions(eventID(n), 1)[0]; raw.ItemType != "user_report" {
			t.Errorf("%d: %+v", n, raw)
		}
	}
}

func TestWhatTheClientRepeatsIsTheSameFile(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	h := s.routes()
	body := `{"event_id":"` + id + `"}` + "\n" + strings.Repeat("{\"type\":\"attachment\",\"filename\":\"a\"}\nx\n", 2)
	for range 2 {
		if w := post(h, envelopePath, auth, body); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	came := map[outcome.Category]int64{}
	for _, c := range s.received.Take() {
		came[c.Category] += c.Quantity
	}
	if diff := cmp.Diff(map[outcome.Category]int64{outcome.Attachment: 4, outcome.AttachmentItem: 4}, came); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	seen := map[int64]int{}
	for _, raw := range queue.events {
		var a event.Attachment
		if err := json.Unmarshal(raw.Payload, &a); err != nil || a.ID <= 0 {
			t.Fatalf("%s: %v", raw.Payload, err)
		}
		seen[a.ID]++
	}
	for id, n := range seen {
		if n != 2 || len(seen) != 2 {
			t.Errorf("%d came %d times, of %d files", id, n, len(seen))
		}
	}
}

func TestFilesThatCannotBeKeptAreRefusedAndCounted(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	h := s.routes()
	s.blobs = full{s.blobs}
	w := post(h, envelopePath, auth, event1(id, "{}")+"{\"type\":\"attachment\",\"filename\":\"a\"}\nabc\n")
	if w.Code != 503 {
		t.Errorf("want 503, got %d %s", w.Code, w.Body)
	}
	if len(queue.events) != 1 || queue.events[0].ItemType != "event" {
		t.Errorf("want the event kept, got %+v", queue.events)
	}
	want := map[outcome.Key]int64{
		{Project: 1, KeyID: 11, Category: outcome.Attachment, Kind: outcome.Invalid, Reason: "internal"}:     3,
		{Project: 1, KeyID: 11, Category: outcome.AttachmentItem, Kind: outcome.Invalid, Reason: "internal"}: 1,
	}
	if diff := cmp.Diff(want, s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestRecordedFilesAreStoredAsTheyWere compares the stored bytes of every recorded attachment with
// what the client sent, and counts what users wrote.
func TestRecordedFilesAreStoredAsTheyWere(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	counts := map[string]int{}
	for _, r := range sdk.Requests(t, sdk.KindEnvelope) {
		var body []byte
		for _, it := range r.Items {
			if isKept[it.Type] && body == nil {
				body = g.plain(&r)
			}
		}
		if body == nil {
			continue
		}
		g.forget()
		if got := g.replay(&r); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", r.File, got.status, got.body)
			continue
		}
		env, err := envelope.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for i := range env.Items {
			if isKept[env.Items[i].Type] {
				counts[env.Items[i].Type]++
				want = append(want, string(env.Items[i].Payload))
			}
		}
		for _, raw := range g.companions(event.ID(env.Header.EventID).String(), len(want)) {
			content := string(raw.Payload)
			if raw.ItemType == event.ItemAttachment {
				_, content = g.file(raw)
			}
			got = append(got, content)
		}
		if !cmp.Equal(sorted(want), sorted(got)) {
			t.Errorf("%s: the stored bytes are others", r.File)
		}
	}
	if diff := cmp.Diff(map[string]int{"attachment": 34, "feedback": 11, "user_report": 1}, counts); diff != "" {
		t.Errorf("recorded items (-want +got):\n%s", diff)
	}
}

var isKept = map[string]bool{event.ItemAttachment: true, event.ItemUserReport: true, event.ItemFeedback: true}

// plain is a recorded body without its content encoding.
func (g *rig) plain(r *sdk.Request) []byte {
	g.t.Helper()
	if r.ContentEncoding == "" {
		return r.Body
	}
	buf, err := g.s.decode(g.t.Context(), r.ContentEncoding, r.Body, 200<<20)
	if err != nil {
		g.t.Fatalf("%s: %v", r.File, err)
	}
	defer buf.free()
	return bytes.Clone(buf.b)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// full is a store that takes nothing more.
type full struct{ blob.Store }

func (full) Put(context.Context, int64, time.Time, []byte) (string, error) {
	return "", fault.New(fault.Unavailable, "the disk is full")
}

// FuzzForm: whatever comes as a form, memory is given back, and parts are bounded.
func FuzzForm(f *testing.F) {
	c := formCall("/", upload{"a", "a.txt", "hello"}, upload{"b", "", "world"})
	f.Add(c.header.Get("Content-Type"), []byte(c.body))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n--x--"))
	s := newTestService(f, testConfig(), &memory{})
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		if form, err := s.readForm(t.Context(), contentType, body); err == nil {
			if len(form.parts) > maxParts {
				t.Errorf("%d parts", len(form.parts))
			}
			form.free()
		}
		if !s.budget.small.TryAcquire(s.cfg.BodyMemoryBytes / 3) {
			t.Fatal("memory was not given back")
		}
		s.budget.small.Release(s.cfg.BodyMemoryBytes / 3)
	})
}
