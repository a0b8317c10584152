package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// flusher is a compressor that can end a block at a whole byte.
type flusher interface {
	io.Writer
	Flush() error
}

// bomb is a compressed gibibyte of zeros: the blocks of the second MiB, over and over.
func bomb(t testing.TB, wrap func(io.Writer) (flusher, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := wrap(&out)
	if err != nil {
		t.Fatalf("compressor: %v", err)
	}
	zeros := make([]byte, 1<<20)
	var first int
	for range 2 {
		first = out.Len()
		if _, err := w.Write(zeros); err != nil {
			t.Fatalf("compress: %v", err)
		}
		if err := w.Flush(); err != nil {
			t.Fatalf("compress: %v", err)
		}
	}
	return append(out.Bytes(), bytes.Repeat(out.Bytes()[first:], 1022)...)
}

// TestBombsAreWhatTheySay decodes the start of a bomb far past the block it repeats.
func TestBombsAreWhatTheySay(t *testing.T) {
	t.Parallel()
	for encoding, wrap := range map[string]func(io.Writer) (flusher, error){
		"gzip": func(w io.Writer) (flusher, error) { return gzip.NewWriter(w), nil },
		"br":   func(w io.Writer) (flusher, error) { return brotli.NewWriter(w), nil },
		"zstd": func(w io.Writer) (flusher, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) },
	} {
		dec := pools[encoding].Get().(decoder)
		if err := dec.Reset(bytes.NewReader(bomb(t, wrap))); err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(io.Discard, dec, bombPart); err != nil {
			t.Errorf("%s: %d bytes, then %v", encoding, n, err)
		}
	}
}

// bombPart is how many bytes of a bomb are looked at.
const bombPart = 8 << 20

// resident is the memory of this process, in bytes.
func resident(t testing.TB) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatalf("read the process's memory: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	if err != nil {
		t.Fatalf("read the process's memory: %v", err)
	}
	return pages * int64(os.Getpagesize())
}

// TestBombsAreRefusedFastAndSmall is the rule for decompression bombs: a gigabyte in any encoding
// is answered with 413 within a second and 64 MiB. It measures memory, so it runs alone.
func TestBombsAreRefusedFastAndSmall(t *testing.T) {
	whole := bomb(t, func(w io.Writer) (flusher, error) { return gzip.NewWriter(w), nil })
	bombs := map[string]struct {
		encoding string
		body     []byte
	}{
		"gzip":         {"gzip", whole},
		"gzip members": {"gzip", bytes.Repeat(gzipped(make([]byte, 1<<20)), 1024)},
		"many members": {"gzip", bytes.Repeat(gzipped(nil), 40_000)},
		"zlib":         {"deflate", bomb(t, func(w io.Writer) (flusher, error) { return zlib.NewWriter(w), nil })},
		"raw":          {"deflate", bomb(t, func(w io.Writer) (flusher, error) { return flate.NewWriter(w, 6) })},
		"br":           {"br", bomb(t, func(w io.Writer) (flusher, error) { return brotli.NewWriter(w), nil })},
		"zstd":         {"zstd", bomb(t, func(w io.Writer) (flusher, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) })},
		"zstd window": {"zstd", bomb(t, func(w io.Writer) (flusher, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<20))
		})},
		"stacked": {"gzip", gzipped(whole)},
	}
	s := newTestService(t, testConfig(), &memory{})
	h := s.routes()
	for _, path := range []string{envelopePath, storePath} {
		for name, b := range bombs {
			debug.FreeOSMemory()
			before := resident(t)
			status, took := http.StatusOK, time.Hour
			for range 3 { // the machine may be busy with other things
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(b.body))
				r.Header.Set("X-Sentry-Auth", auth)
				r.Header.Set("Content-Encoding", b.encoding)
				started := time.Now()
				h.ServeHTTP(w, r)
				status, took = w.Code, min(took, time.Since(started))
			}
			grown := resident(t) - before
			want := http.StatusRequestEntityTooLarge
			if name == "many members" || (name == "stacked" && status != want) { // what is inside is no event, and little or nothing
				want = http.StatusBadRequest
			}
			if status != want || took > 10*time.Second || grown > 64<<20 {
				t.Errorf("%s to %s: want %d, got %d in %s with %d KiB more", name, path, want, status, took, grown>>10)
			}
			t.Logf("%s to %s: %d in %s, %d KiB of memory, %d bytes sent", name, path, status, took.Round(time.Microsecond), grown>>10, len(b.body))
		}
	}
	if !s.budget.small.TryAcquire(s.cfg.BodyMemoryBytes / 3) {
		t.Error("memory of refused bodies was not given back")
	}
	runtime.KeepAlive(bombs)
}

func TestWrappedBombInStoreBody(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	packed := bomb(t, func(w io.Writer) (flusher, error) { return zlib.NewWriter(w), nil })
	r := httptest.NewRequest(http.MethodPost, storePath, strings.NewReader(base64Text(packed[:64<<10])))
	r.Header.Set("X-Sentry-Auth", auth)
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("want 413, got %d %s", w.Code, w.Body)
	}
}

// endless is a body of zeros that never ends.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.read += int64(len(b))
	return len(b), nil
}

// TestConformanceBodyLimit is row 28 with a body of unknown length: chunked, plain.
func TestConformanceBodyLimit(t *testing.T) {
	s := newTestService(t, testConfig(), &memory{})
	for path, limit := range map[string]int64{envelopePath: s.cfg.MaxEnvelopeBytes, storePath: s.cfg.MaxEventBytes} {
		src := &endless{}
		r := httptest.NewRequest(http.MethodPost, path, src)
		r.Header.Set("X-Sentry-Auth", auth)
		w := httptest.NewRecorder()
		s.routes().ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || src.read > 2*limit+1<<20 {
			t.Errorf("%s: want 413 after about %d bytes, got %d after %d", path, limit, w.Code, src.read)
		}
		r = httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}"))
		r.Header.Set("X-Sentry-Auth", auth)
		r.ContentLength = limit + 1
		w = httptest.NewRecorder()
		s.routes().ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: want a claim over the limit refused, got %d", path, w.Code)
		}
	}
}

func TestChunkedBodiesAreRead(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	srv := httptest.NewServer(s.routes())
	defer srv.Close()
	pr, pw := io.Pipe()
	go func() {
		for _, c := range event1(id, `{"a":1}`) {
			_, _ = pw.Write([]byte(string(c)))
		}
		_ = pw.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+envelopePath, pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Sentry-Auth", auth)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(queue.events) != 1 || string(queue.events[0].Payload) != `{"a":1}` {
		t.Errorf("got %d, %+v", resp.StatusCode, queue.events)
	}
}

// TestLargeBodiesCannotKeepSmallOnesOut is row 29, and the rule of the two parts of the budget.
func TestLargeBodiesCannotKeepSmallOnesOut(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.BodyMemoryBytes = 6 << 20
	s := newTestService(t, cfg, &memory{})
	if err := s.budget.grow(t.Context(), 0, 5<<20); err != nil {
		t.Fatal(err)
	}
	if err := s.budget.grow(t.Context(), 0, 3<<20); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("want a second large body refused, got %v", err)
	}
	h := s.routes()
	r := httptest.NewRequest(http.MethodPost, envelopePath, strings.NewReader(event1(id, "{}")))
	r.Header.Set("X-Sentry-Auth", auth)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("want a small body taken, got %d %s", w.Code, w.Body)
	}
	r = httptest.NewRequest(http.MethodPost, envelopePath, bytes.NewReader(make([]byte, 2<<20)))
	r.Header.Set("X-Sentry-Auth", auth)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || w.Body.String() != `{"detail":"failed to queue envelope"}` {
		t.Errorf("want 503, got %d %v %s", w.Code, w.Header(), w.Body)
	}
	s.budget.release(5 << 20)
	if !s.budget.small.TryAcquire(2<<20) || !s.budget.large.TryAcquire(4<<20) {
		t.Error("the budget was not given back")
	}
}

// FuzzDecode: no encoded body panics, is decoded past its limit, or keeps memory.
func FuzzDecode(f *testing.F) {
	for _, e := range []string{"gzip", "deflate", "br", "zstd"} {
		f.Add(e, []byte(encoded(e, `{"a":[1,2,3]}`)))
	}
	f.Add("deflate", []byte(encoded("raw deflate", "{}")))
	cfg := testConfig()
	s := &Service{cfg: cfg, budget: newBudget(cfg.BodyMemoryBytes), decoders: make(chan struct{}, 1)}
	f.Fuzz(func(t *testing.T, encoding string, wire []byte) {
		if pools[encoding] == nil {
			return
		}
		const limit = 4 << 20
		out, err := s.decode(context.Background(), encoding, wire, limit)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Fatalf("%s: %v", encoding, err)
			}
		} else {
			if len(out.b) > limit || (len(out.b) > freeOutput && len(out.b) > maxRatio*len(wire)) {
				t.Errorf("%s: %d bytes from %d", encoding, len(out.b), len(wire))
			}
			out.free()
		}
		if !s.budget.small.TryAcquire(cfg.BodyMemoryBytes / 3) {
			t.Fatal("memory was not given back")
		}
		s.budget.small.Release(cfg.BodyMemoryBytes / 3)
	})
}

func TestReadersThatFailAreTheClientsFault(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	r := httptest.NewRequest(http.MethodPost, envelopePath, io.MultiReader(strings.NewReader("{}"), broken{}))
	r.Header.Set("X-Sentry-Auth", auth)
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("want 400, got %d %s", w.Code, w.Body)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }
