package blob_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

var today = time.Date(2026, 11, 21, 23, 59, 0, 0, time.UTC)

// each runs a test on both kinds of store.
func each(t *testing.T, test func(t *testing.T, st blob.Store)) {
	open := func(t *testing.T, location, dir string) blob.Store {
		st, err := blob.Open(location, dir)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	t.Run("folder", func(t *testing.T) { test(t, open(t, "", filepath.Join(t.TempDir(), "blobs"))) })
	t.Run("bucket", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "id")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		backend := s3mem.New()
		if err := backend.CreateBucket("files"); err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(gofakes3.New(backend).Server())
		t.Cleanup(srv.Close)
		test(t, open(t, "s3://files/tocsin?region=us-east-1&insecure=true&endpoint="+strings.TrimPrefix(srv.URL, "http://"), ""))
	})
}

func read(t *testing.T, st blob.Store, key string) []byte {
	t.Helper()
	r, err := st.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %s: %v", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return b
}

func TestWhatIsPutIsReadBackAndStoredOnce(t *testing.T) {
	each(t, func(t *testing.T, st blob.Store) {
		for _, data := range [][]byte{[]byte("hello"), bytes.Repeat([]byte{0, 1, 2}, 1<<20)} {
			var group sync.WaitGroup
			keys := make([]string, 4)
			for i := range keys {
				group.Go(func() {
					key, err := st.Put(t.Context(), 7, today, data)
					if err != nil {
						t.Errorf("put %d bytes: %v", len(data), err)
					}
					keys[i] = key
				})
			}
			group.Wait()
			for _, key := range keys[1:] {
				if key != keys[0] || !strings.HasPrefix(key, "20261121/7/") {
					t.Errorf("keys of the same bytes: %v", keys)
				}
			}
			if got := read(t, st, keys[0]); !bytes.Equal(got, data) {
				t.Errorf("want %d bytes, got %d", len(data), len(got))
			}
		}
	})
}

func TestDaysGoAsAWhole(t *testing.T) {
	each(t, func(t *testing.T, st blob.Store) {
		var keys []string
		for _, days := range []int{-3, -2, -2, 0} {
			key, err := st.Put(t.Context(), int64(len(keys)), today.AddDate(0, 0, days), []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		if days, err := st.DeleteBefore(t.Context(), today.AddDate(0, 0, -1)); err != nil || days != 2 {
			t.Errorf("want 2 days gone, got %d, %v", days, err)
		}
		for _, key := range keys[:3] {
			if _, err := st.Open(t.Context(), key); fault.KindOf(err) != fault.Unknown {
				t.Errorf("%s: want it gone, got %v", key, err)
			}
		}
		if got := read(t, st, keys[3]); string(got) != "x" {
			t.Errorf("today's file: got %q", got)
		}
	})
}

func TestKeysReachNothingElse(t *testing.T) {
	each(t, func(t *testing.T, st blob.Store) {
		for _, key := range []string{"", "..", "../secret.key", "20261121/7/../../../secret.key", "20261121/7/" + strings.Repeat("0", 64), "/etc/passwd"} {
			if _, err := st.Open(t.Context(), key); fault.KindOf(err) != fault.Unknown {
				t.Errorf("%q: want fault.Unknown, got %v", key, err)
			}
		}
		if _, err := st.Put(t.Context(), 1, today, make([]byte, blob.MaxBytes+1)); fault.KindOf(err) != fault.TooLarge {
			t.Errorf("one byte too many: got %v", err)
		}
	})
}

func TestAFolderThatCannotBeWrittenSaysSo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "blobs")
	st, err := blob.Open("", dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "20261121"), nil, 0o600); err != nil { // in the way of the day's folder
		t.Fatal(err)
	}
	if _, err := st.Put(t.Context(), 1, today, []byte("x")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("want fault.Unavailable, got %v", err)
	}
}

func TestOnlyBucketsHaveAddresses(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"file:///tmp", "s3://", "%", "http://x/y"} {
		if _, err := blob.Open(location, t.TempDir()); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: want fault.Invalid, got %v", location, err)
		}
	}
}

func TestStreamsAreWhatWasAnnounced(t *testing.T) {
	each(t, func(t *testing.T, st blob.Store) {
		data := bytes.Repeat([]byte("stack"), 1<<18)
		sum := sha256.Sum256(data)
		put := func(size int64, sum [32]byte, given []byte) (string, error) {
			return st.PutStream(t.Context(), 7, today, sum, size, bytes.NewReader(given))
		}
		for name, bad := range map[string]func() (string, error){
			"shorter": func() (string, error) { return put(int64(len(data)), sum, data[1:]) },
			"other":   func() (string, error) { return put(int64(len(data)), sha256.Sum256(nil), data) },
		} {
			if _, err := bad(); err == nil {
				t.Errorf("%s: it was kept", name)
			}
		}
		if _, err := put(blob.MaxStreamBytes+1, sum, nil); fault.KindOf(err) != fault.TooLarge {
			t.Errorf("too large: %v", err)
		}
		key, err := put(int64(len(data)), sum, data)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, st, key); !bytes.Equal(got, data) {
			t.Errorf("want %d bytes, got %d", len(data), len(got))
		}
		file, err := st.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 5)
		if n, err := file.ReadAt(part, 5*1000); n != 5 || err != nil || string(part) != "stack" {
			t.Errorf("read at: %q %v", part, err)
		}
		_ = file.Close()
		for range 2 {
			if err := st.Delete(t.Context(), key); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
		if _, err := st.Open(t.Context(), key); fault.KindOf(err) != fault.Unknown {
			t.Errorf("deleted: %v", err)
		}
	})
}
