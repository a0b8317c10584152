package ingest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

func keyOf(t testing.TB, s string) dsn.Key {
	t.Helper()
	k, err := dsn.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDirectoryFollowsTheBucketAndOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "projects.json")
	d := openDirectory(t.Context(), path)
	list := snapshots()
	d.take("1", &list[0])
	d.take("42", &list[1])
	d.take("nonsense", &list[2])
	if err := d.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("want a private file, got %v %v", info.Mode(), err)
	}

	again := openDirectory(t.Context(), path)
	c, err := again.lookup(keyOf(t, key), 1)
	if err != nil || c.project != 1 || c.keyID != 11 || again.size() != 2 {
		t.Fatalf("after a restart: %+v %v", c, err)
	}
	again.take("42", nil)
	rotated := list[0]
	rotated.Keys = []project.SnapshotKey{{ID: 14, PublicKey: otherKey, Active: true}}
	again.take("1", &rotated)
	for name, k := range map[string]string{"rotated away": key, "never there": pageKey, "disabled": offKey} {
		if _, err := again.lookup(keyOf(t, k), 0); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", name, err)
		}
	}
	if c, err := again.lookup(keyOf(t, otherKey), 1); err != nil || c.keyID != 14 {
		t.Errorf("want the new key at once, got %+v %v", c, err)
	}
	if _, err := again.lookup(keyOf(t, otherKey), 42); err != errRejected {
		t.Errorf("want a key of another project denied, got %v", err)
	}
}

func TestSyncDropsWhatTheBusForgotUnlessItForgotAll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "projects.json")
	d := openDirectory(t.Context(), path)
	for _, s := range snapshots() {
		d.put(&s)
	}
	if err := d.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	d = openDirectory(t.Context(), path)
	d.synced()
	if d.size() != 3 {
		t.Errorf("want an empty bus ignored, got %d projects", d.size())
	}
	one := snapshots()[0]
	d.take("1", &one)
	d.synced()
	if d.size() != 1 || !d.knows(1) || d.knows(42) {
		t.Errorf("want only project 1, got %d", d.size())
	}
}

func TestBrokenCopyIsIgnored(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "projects.json")
	if err := os.WriteFile(path, []byte(`[{"project":`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDirectory(t.Context(), path)
	if d.size() != 0 {
		t.Errorf("got %d projects", d.size())
	}
	if _, err := d.lookup(keyOf(t, key), 1); fault.KindOf(err) != fault.Unavailable || d.ready(t.Context()) == nil {
		t.Errorf("want keys not refused before projects are known, got %v", err)
	}
	d.synced()
	if _, err := d.lookup(keyOf(t, key), 1); fault.KindOf(err) != fault.Unavailable || d.ready(t.Context()) == nil {
		t.Errorf("want keys not refused while the bus knows no project yet, got %v", err)
	}
	d.put(&project.Snapshot{Project: 2})
	if _, err := d.lookup(keyOf(t, key), 1); fault.KindOf(err) != fault.Denied || d.ready(t.Context()) != nil {
		t.Errorf("want unknown keys refused once a project is known, got %v", err)
	}
	d.path = filepath.Join(path, "impossible")
	d.put(&project.Snapshot{Project: 1})
	if err := d.save(t.Context()); err == nil || !d.dirty {
		t.Error("want a failed write reported and tried again")
	}
}

// TestKeysCannotBeToldApartByTheirAnswer is the rule against guessing keys: unknown, disabled and
// mismatched keys answer the same bytes, and take the same time within what can be measured.
func TestKeysCannotBeToldApartByTheirAnswer(t *testing.T) {
	s := newTestService(t, testConfig(), &memory{})
	h := s.routes()
	cases := map[string]string{"unknown": strings.Repeat("e", 32), "disabled": offKey, "mismatched": otherKey}
	times := map[string][]time.Duration{}
	var first string
	const rounds = 10_000
	for range rounds {
		for name, k := range cases {
			header := "Sentry sentry_key=" + k
			started := time.Now()
			w := post(h, envelopePath, header, "{}")
			times[name] = append(times[name], time.Since(started))
			answer := w.Body.String() + w.Header().Get("X-Sentry-Error")
			if first == "" {
				first = answer
			}
			if w.Code != 403 || answer != first {
				t.Fatalf("%s: %d %s", name, w.Code, answer)
			}
		}
	}
	for name, samples := range times {
		if ratio := median(samples) / median(times["unknown"]); ratio < 0.8 || ratio > 1.25 {
			t.Errorf("%s takes %.2f times as long as unknown", name, ratio)
		}
	}
}

func median(samples []time.Duration) float64 {
	slices.Sort(samples)
	return float64(samples[len(samples)/2])
}

func TestClientReportsAreCountedWithinBounds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 10, 0, 30, 0, time.UTC)
	discard := func(stamp string) string {
		return `{"timestamp":` + stamp + `,"discarded_events":[{"reason":"before_send","category":"error","quantity":2},{"reason":"made up","category":"metric","quantity":1e300},` +
			`{"reason":"x","category":"nonsense","quantity":1},{"reason":"ignored","category":"error","quantity":-5}],"rate_limited_events":[{"reason":"y","category":"error","quantity":9}]}`
	}
	for name, c := range map[string]struct {
		payload string
		want    int
	}{
		"now": {discard("1795255230"), 2}, "text": {discard(`"2026-11-21T09:59:00Z"`), 2}, "null": {discard("null"), 2},
		"unreadable": {discard(`"soon"`), 2}, "future": {discard("1821175230"), 0}, "old": {discard(`"2020-01-01T00:00:00Z"`), 0},
		"negative": {discard("-1"), 0}, "broken": {`{"discarded_events":7}`, 0}, "list": {`[]`, 0},
		"many": {`{"discarded_events":[` + strings.Repeat(`{"reason":"before_send","category":"error","quantity":1},`, 1000) + `{}]}`, 1},
	} {
		var s Service
		s.countReport(&request{client: &client{project: 1, keyID: 11}, receivedAt: now}, new(envelope.Header), []byte(c.payload))
		got := s.counts()
		if len(got) != c.want {
			t.Errorf("%s: want %d counts, got %v", name, c.want, got)
		}
		for k, n := range got {
			if n > maxDiscardQuantity || (k.Reason != "before_send" && k.Reason != "other") {
				t.Errorf("%s: counted %d of %+v", name, n, k)
			}
		}
		if name == "many" {
			if diff := cmp.Diff(int64(maxDiscards), sum(got)); diff != "" {
				t.Errorf("many (-want +got):\n%s", diff)
			}
		}
	}
}

func sum[K comparable](m map[K]int64) (total int64) {
	for _, n := range m {
		total += n
	}
	return total
}
