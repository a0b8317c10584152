package spool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// childEnv makes the test binary a program that the tests kill or starve.
const childEnv = "SPOOL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role, dir, _ := strings.Cut(os.Getenv(childEnv), ":"); role {
	case "append":
		appendForEver(dir)
	case "starve":
		starve(dir)
	default:
		goleak.VerifyTestMain(m)
	}
}

func open(t testing.TB, dir string, max int64) *Spool {
	t.Helper()
	s, err := Open(dir, Options{MaxBytes: max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func drainAll(t testing.TB, s *Spool) []string {
	t.Helper()
	var got []string
	err := s.Drain(t.Context(), func(recs [][]byte) error {
		for _, r := range recs {
			got = append(got, string(r))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("drain: %v", err)
	}
	return got
}

func TestRecordsComeOutInOrderAndOnce(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 64<<20)
	var want []string
	for n := range 1000 {
		rec := fmt.Sprintf("record %d %s", n, strings.Repeat("x", n*20))
		want = append(want, rec)
		if err := s.Append(t.Context(), []byte(rec)); err != nil {
			t.Fatal(err)
		}
	}
	if s.Len() != 1000 {
		t.Errorf("len: want 1000, got %d", s.Len())
	}
	got := drainAll(t, s)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("want %d records in order, got %d", len(want), len(got))
	}
	if again := drainAll(t, s); len(again) != 0 || s.Len() != 0 || s.Bytes() != 0 {
		t.Errorf("want it empty, got %d records, Len %d, Bytes %d", len(again), s.Len(), s.Bytes())
	}
}

func TestAFailedHandOverIsRepeated(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 8<<20)
	for n := range 300 {
		if err := s.Append(t.Context(), []byte(strconv.Itoa(n))); err != nil {
			t.Fatal(err)
		}
	}
	away, calls := errors.New("away"), 0
	err := s.Drain(t.Context(), func([][]byte) error {
		if calls++; calls == 2 {
			return away
		}
		return nil
	})
	if !errors.Is(err, away) {
		t.Fatalf("want %v, got %v", away, err)
	}
	got := drainAll(t, s)
	if len(got) != 300-drainRecords || got[0] != strconv.Itoa(drainRecords) {
		t.Errorf("want the rest from record %d on, got %d records from %s on", drainRecords, len(got), got[0])
	}
}

func TestAFullSpoolRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), leastMaxBytes)
	rec := make([]byte, 100<<10)
	kept := 0
	var err error
	for ; err == nil && kept < 100; kept++ {
		err = s.Append(t.Context(), rec)
	}
	if fault.KindOf(err) != fault.Limited {
		t.Fatalf("want a limited fault, got %v", err)
	}
	if s.Bytes() > leastMaxBytes {
		t.Errorf("want at most %d bytes, got %d", leastMaxBytes, s.Bytes())
	}
	drainAll(t, s)
	if err := s.Append(t.Context(), rec); err != nil {
		t.Errorf("append after draining: %v", err)
	}
}

func TestADirectoryServesOneSpool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir, 8<<20)
	if _, err := Open(dir, Options{MaxBytes: 8 << 20}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("want a conflict, got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 8<<20)
}

func TestRecordsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 64<<20)
	if err := s.Append(t.Context(), nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("empty: want invalid, got %v", err)
	}
	if err := s.Append(t.Context(), make([]byte, maxRecordBytes+1)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("big: want too large, got %v", err)
	}
	if err := s.Append(t.Context(), make([]byte, maxRecordBytes)); err != nil {
		t.Errorf("largest: %v", err)
	}
}

// TestTornTailIsCut: whatever a crash leaves behind the last good record does not cost that record.
func TestTornTailIsCut(t *testing.T) {
	t.Parallel()
	for name, tail := range map[string][]byte{
		"zeros":          make([]byte, 4096),
		"half a head":    {0, 0, 1},
		"half a record":  append(binary.BigEndian.AppendUint32(nil, 100), 1, 2, 3, 4, 5, 6),
		"wrong checksum": append(binary.BigEndian.AppendUint32(nil, 2), 9, 9, 9, 9, 1, 2),
		"absurd length":  bytes.Repeat([]byte{0xff}, 64),
	} {
		dir := t.TempDir()
		s := open(t, dir, 8<<20)
		if err := s.Append(t.Context(), []byte("kept")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		paths, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
		whole, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths[0], append(whole, tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir, 8<<20)
		if err := again.Append(t.Context(), []byte("new")); err != nil {
			t.Fatal(err)
		}
		if got := drainAll(t, again); strings.Join(got, " ") != "kept new" {
			t.Errorf("%s: want [kept new], got %q", name, got)
		}
	}
}

// TestKilledProcessKeepsItsPromise kills a process with SIGKILL while it appends: whatever it
// reported as appended is there afterwards.
func TestKilledProcessKeepsItsPromise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	promised := map[string]bool{}
	for round := range 3 {
		cmd := child(t, "append:"+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			promised[lines.Text()] = true
			if n == 2000*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	found := map[string]bool{}
	for _, rec := range drainAll(t, open(t, dir, 256<<20)) {
		found[rec[:strings.IndexByte(rec, ' ')]] = true
	}
	lost := 0
	for id := range promised {
		if !found[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("want all %d promised records, %d are lost", len(promised), lost)
	}
	t.Logf("%d promised, %d found", len(promised), len(found))
}

func child(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// appendForEver reports each record once it is appended.
func appendForEver(dir string) {
	s, err := Open(dir, Options{MaxBytes: 256 << 20})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	for w := range 16 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n)
				if err := s.Append(context.Background(), []byte(id+" "+strings.Repeat("p", 700))); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println(id)
				out.Unlock()
			}
		}()
	}
	select {}
}

// TestADiskThatFailsIsNotAcknowledged lets a process meet write errors half way through a record,
// and then a disk that works again.
func TestADiskThatFailsIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	out, err := child(t, "starve:"+t.TempDir()).Output()
	if want := "ok\n"; err != nil || string(out) != want {
		t.Errorf("want %q, got %q, %v", want, out, err)
	}
}

// starve limits the size of files, which makes writes fail with EFBIG after a part of them.
func starve(dir string) {
	s, err := Open(dir, Options{MaxBytes: 64 << 20})
	must(err)
	must(s.Append(context.Background(), []byte("before")))
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10 << 10, Max: limit.Max}))
	for range 3 {
		if err := s.Append(context.Background(), make([]byte, 20<<10)); fault.KindOf(err) != fault.Unavailable {
			must(fmt.Errorf("want unavailable from a disk that fails, got %v", err))
		}
	}
	must(s.Append(context.Background(), []byte("small"))) // fits into the limit again
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	must(s.Append(context.Background(), []byte("after")))
	var got []string
	must(s.Drain(context.Background(), func(recs [][]byte) error {
		for _, r := range recs {
			got = append(got, string(r))
		}
		return nil
	}))
	if want := "before small after"; strings.Join(got, " ") != want {
		must(fmt.Errorf("want %q, got %q", want, got))
	}
	if s.Bytes() != 0 || s.Len() != 0 {
		must(fmt.Errorf("want an empty spool, got %d bytes, %d records", s.Bytes(), s.Len()))
	}
	fmt.Println("ok")
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// FuzzSegment: any file opens, and what comes out of it comes out the same after a second start.
func FuzzSegment(f *testing.F) {
	good := appendRecord(appendRecord([]byte(segmentMagic), []byte("one")), []byte("two"))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte(segmentMagic + "\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%020d%s", 1, segmentSuffix)), file, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{MaxBytes: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		first := s.Len()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir, 64<<20)
		if got := drainAll(t, again); int64(len(got)) != first {
			t.Errorf("want %d records, got %d", first, len(got))
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, b.TempDir(), 16<<30)
			rec := make([]byte, 4<<10)
			b.SetBytes(int64(len(rec)))
			b.ReportAllocs()
			var left sync.WaitGroup
			work := make(chan struct{}, writers)
			for range writers {
				left.Go(func() {
					for range work {
						if err := s.Append(context.Background(), rec); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			left.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
