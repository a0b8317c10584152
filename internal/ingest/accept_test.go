package ingest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

func TestItemTableIsComplete(t *testing.T) {
	t.Parallel()
	for _, r := range sdk.Requests(t, sdk.KindEnvelope) {
		for _, it := range r.Items {
			if _, ok := items[it.Type]; !ok {
				t.Errorf("%s: item type %s is not in the table", r.File, it.Type)
			}
		}
	}
	for name, spec := range items {
		if spec.internal {
			continue
		}
		if spec.class == nil || (spec.stored && !spec.event) || (spec.companion && (spec.event || !spec.needsID)) || (spec.event && !spec.needsID) {
			t.Errorf("%s: %+v", name, spec)
		}
	}
}

func TestQuantitiesByType(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		item envelope.Item
		want map[outcome.Category]int64
	}{
		"error":          {envelope.Item{Type: "event", Count: -1}, map[outcome.Category]int64{outcome.Error: 1}},
		"attachment":     {envelope.Item{Type: "attachment", Count: -1, Payload: []byte("abc")}, map[outcome.Category]int64{outcome.Attachment: 3, outcome.AttachmentItem: 1}},
		"empty file":     {envelope.Item{Type: "attachment", Count: -1}, map[outcome.Category]int64{outcome.Attachment: 1, outcome.AttachmentItem: 1}},
		"minidump":       {envelope.Item{Type: "attachment", AttachmentType: "event.minidump", Count: -1}, map[outcome.Category]int64{outcome.Attachment: 1, outcome.AttachmentItem: 1, outcome.Error: 1}},
		"logs":           {envelope.Item{Type: "log", Count: 2, Payload: []byte("[{},{}]")}, map[outcome.Category]int64{outcome.LogItem: 2, outcome.LogByte: 7}},
		"boasting logs":  {envelope.Item{Type: "log", Count: 2_000_000_000, Payload: []byte("[]")}, map[outcome.Category]int64{outcome.LogItem: 2, outcome.LogByte: 2}},
		"span":           {envelope.Item{Type: "span", Count: -1}, map[outcome.Category]int64{outcome.Span: 1}},
		"spans":          {envelope.Item{Type: "span", Count: 3, Payload: []byte("[{},{},{}]")}, map[outcome.Category]int64{outcome.Span: 3}},
		"client report":  {envelope.Item{Type: "client_report", Count: -1}, map[outcome.Category]int64{}},
		"profile":        {envelope.Item{Type: "profile_chunk", Platform: "python", Count: -1}, map[outcome.Category]int64{outcome.ProfileChunk: 1}},
		"profile of UI":  {envelope.Item{Type: "profile_chunk", Platform: "cocoa", Count: -1}, map[outcome.Category]int64{outcome.ProfileChunkUI: 1}},
		"something else": {envelope.Item{Type: "x", Count: -1}, map[outcome.Category]int64{outcome.UnknownItem: 1}},
	} {
		got := map[outcome.Category]int64{}
		quantities(&c.item, specOf(&c.item), func(cat outcome.Category, n int64) { got[cat] += n })
		for cat, n := range c.want {
			if got[cat] != n {
				t.Errorf("%s: want %d of %s, got %d", name, n, cat, got[cat])
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

var answered = regexp.MustCompile(`^(\{\}|\{"id":"[0-9a-f]{32}"\})$`)

// FuzzAccept: whatever a client sends to whichever route, the answer is one of the protocol, an id
// is answered only for what is in the queue or counted, and memory is given back.
func FuzzAccept(f *testing.F) {
	for i, r := range sdk.Requests(f, sdk.KindEnvelope, sdk.KindStore, sdk.KindSecurity) {
		if i%25 == 0 && len(r.Body) < 16<<10 {
			f.Add(r.Target, r.Header.Get("Content-Encoding"), r.Header.Get("X-Sentry-Auth"), r.Body)
		}
	}
	f.Add(envelopePath, "", auth, []byte(event1(id, "{}")))
	f.Add(storePath, "", auth, []byte("eJyrVkpUslKqBQALKgJh"))
	queue := &memory{}
	s := newTestService(f, testConfig(), queue)
	h := s.routes()
	f.Fuzz(func(t *testing.T, target, encoding, auth string, body []byte) {
		r, err := http.NewRequest(http.MethodPost, "http://x"+target, bytes.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Encoding", encoding)
		r.Header.Set("X-Sentry-Auth", auth)
		r.Header.Set("Content-Type", "application/json")
		queue.events = queue.events[:0]
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200:
			if w.Body.Len() > 0 && !answered.Match(w.Body.Bytes()) && !strings.Contains(target, "health") {
				t.Errorf("%s answered %s", target, w.Body)
			}
		case 400, 401, 403, 404, 405, 413, 415, 429:
		default:
			t.Errorf("%s answered %d %s", target, w.Code, w.Body)
		}
		for _, raw := range queue.events {
			if w.Code != 200 || raw.Project == 0 || raw.ID.IsZero() || raw.KeyID == 0 {
				t.Errorf("queued %+v with %d", raw, w.Code)
			}
			b, err := raw.AppendBinary(nil)
			var again event.Raw
			if err != nil || again.UnmarshalBinary(b) != nil || !bytes.Equal(again.Payload, raw.Payload) {
				t.Errorf("queue form of %+v", raw)
			}
		}
		if !s.budget.small.TryAcquire(s.cfg.BodyMemoryBytes / 3) {
			t.Fatal("memory was not given back")
		}
		s.budget.small.Release(s.cfg.BodyMemoryBytes / 3)
	})
}

// discard is an answer nobody reads.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkAccept is everything ingest does with a request besides net/http and the queue.
func BenchmarkAccept(b *testing.B) {
	large := event1(id, `{"a":"`+strings.Repeat("x", 12<<10)+`"}`)
	recorded := map[string]*sdk.Request{}
	for _, r := range sdk.Requests(b, sdk.KindEnvelope, sdk.KindStore) {
		switch r.File {
		case "browser-10.x/007-browser10-breadcrumbs.http", "raven-ruby-3.1/005-ravenruby-rack.http":
			recorded[r.SDK] = &r
		}
		if r.ContentEncoding == "gzip" && eventType(&r) != "" && len(r.Body) > 3000 {
			recorded["gzip "+r.Kind] = &r
		}
	}
	run := func(name, target string, header http.Header, body []byte) {
		b.Run(name, func(b *testing.B) {
			h := newTestService(b, testConfig(), nowhere{}).routes()
			r := httptest.NewRequest(http.MethodPost, target, nil)
			r.Header = header
			src := bytes.NewReader(body)
			w := &discard{http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(body)
				r.Body = readCloser{src}
				r.ContentLength = int64(len(body))
				h.ServeHTTP(w, r)
			}
		})
	}
	run("plain 12 KB", envelopePath, http.Header{"X-Sentry-Auth": {auth}}, []byte(large))
	run("gzip 12 KB of one letter", envelopePath, http.Header{"X-Sentry-Auth": {auth}, "Content-Encoding": {"gzip"}}, gzipped([]byte(large)))
	for name, r := range recorded {
		run(name, r.Target, r.Header, r.Body)
	}
}

// nowhere is a queue that costs nothing.
type nowhere struct{}

func (nowhere) Publish(context.Context, event.Raw) error      { return nil }
func (nowhere) PublishAll(context.Context, []event.Raw) error { return nil }

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
