package symbol

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/testkit/scripts"
)

// world is a store of uploads for project 1.
type world struct {
	tb    testing.TB
	store *postgres.Store
	files blob.Store
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	url := pgtest.URL(tb)
	db, err := pgxpool.New(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	for _, sql := range []string{"insert into organizations (id, slug, name) values (1, 'acme', 'Acme')",
		"insert into projects (id, organization_id, slug, name) values (1, 1, 'shop', 'Shop')"} {
		if _, err := db.Exec(tb.Context(), sql); err != nil {
			tb.Fatal(err)
		}
	}
	files, err := blob.Open("", tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return &world{tb, pgtest.Open(tb, url), files}
}

// upload keeps a script and its map for release shop@1, each as one file.
func (w *world) upload(name string, script, mapped []byte) {
	w.tb.Helper()
	w.uploadFor("shop@1", "", name, script, mapped)
}

// uploadFor is upload for a release and dist.
func (w *world) uploadFor(release, dist, name string, script, mapped []byte) {
	w.tb.Helper()
	for file, data := range map[string][]byte{name: script, name + ".map": mapped} {
		headers := map[string]string{}
		if file == name {
			headers["Sourcemap"] = path.Base(name) + ".map"
		}
		b := artifact.SingleFile("~/"+file, headers, data)
		key, err := w.files.Put(w.tb.Context(), 1, time.Now(), data)
		if err != nil {
			w.tb.Fatal(err)
		}
		b.Project, b.Blob, b.Releases = 1, key, []artifact.Release{{Version: release, Dist: dist}}
		sum := sha1.Sum([]byte(file))
		b.Identity = sum[:]
		b.SHA1 = b.Identity
		if err := w.store.KeepBundle(w.tb.Context(), b, func(string) bool { return true }); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// crash is an event of a script with frames all over it.
func crash(name string, script []byte, frames int) *event.Event {
	trace := &event.Stacktrace{}
	for i := range frames {
		column := bytes.Index(script[i*len(script)/frames:], []byte("Math.round(")) + i*len(script)/frames + 1
		trace.Frames = append(trace.Frames, event.Frame{Function: "a", Filename: name, AbsPath: "https://shop.example/" + name, Lineno: 1, Colno: column})
	}
	return &event.Event{Project: 1, Platform: "javascript", Release: "shop@1", Exceptions: []event.Exception{{Type: "E", Value: "x", Stacktrace: trace}}}
}

// TestMapsThatWereReadStayWithinTheirSetting reads more maps than the setting has memory for, and
// wants every frame resolved and the memory never above it.
func TestMapsThatWereReadStayWithinTheirSetting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const limit = 4
	s := New(w.store, w.files, Config{SymbolCacheMB: limit})
	script, mapped := scripts.Bundled(60)
	for n := range 12 {
		w.upload(fmt.Sprintf("app%d.min.js", n), script, mapped)
	}
	most := 0
	for n := range 24 {
		name := fmt.Sprintf("app%d.min.js", n%12)
		ev := crash(name, script, 3)
		s.Apply(t.Context(), ev, Unknown)
		for _, f := range ev.Exceptions[0].Stacktrace.Frames {
			if !artifact.IsResolved(&f) || f.Lineno < 3 {
				t.Fatalf("%s: %+v %+v", name, f, ev.Errors)
			}
		}
		if most = max(most, s.read.size()); s.read.size() > limit<<20 {
			t.Fatalf("%d bytes are held of at most %d", s.read.size(), limit<<20)
		}
	}
	if most < limit<<20/2 {
		t.Errorf("only %d bytes were ever held", most)
	}
}

// BenchmarkApply resolves the 30 frames of a minified stack with a map of 5 MB: warm, when it was
// read before, and cold, by a program that has just started.
func BenchmarkApply(b *testing.B) {
	w := newWorld(b)
	script, mapped := scripts.Bundled(scripts.Large)
	w.upload("app.min.js", script, mapped)
	s := New(w.store, w.files, Config{})
	run := func(b *testing.B, s *Service, ev *event.Event) {
		s.Apply(b.Context(), ev, Unknown)
		if resolved(ev) != 30 {
			b.Fatalf("%d of 30 frames are resolved: %+v", resolved(ev), ev.Errors)
		}
	}
	b.Run("warm", func(b *testing.B) {
		run(b, s, crash("app.min.js", script, 30))
		events := make([]*event.Event, 512)
		n := len(events)
		for b.Loop() {
			if n == len(events) {
				b.StopTimer()
				for i := range events {
					events[i] = crash("app.min.js", script, 30)
				}
				n = 0
				b.StartTimer()
			}
			run(b, s, events[n])
			n++
		}
		b.ReportMetric(float64(len(mapped))/1e6, "MB/map")
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			run(b, New(w.store, w.files, Config{}), crash("app.min.js", script, 30))
		}
	})
}
