package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// scratchDir is a directory that the server's account can reach, unlike those of t.TempDir.
func scratchDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Start(ctx, Options{Dir: dir, Scratch: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func query[T any](t *testing.T, s *Server, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func pid(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// await polls until ok, within 30 seconds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestDataOutlivesAStop(t *testing.T) {
	t.Parallel()
	dir := scratchDir(t)
	s := start(t, dir)
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table kept as select 7 as n"); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("second start on a directory in use: want a conflict, got %v", err)
	}
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("stop took %v with an open connection", took)
	}
	again := start(t, dir)
	if got := query[int](t, again, "select n from kept"); got != 7 {
		t.Errorf("want 7, got %d", got)
	}
	for setting, want := range map[string]string{"data_checksums": "on", "server_encoding": "UTF8", "lc_collate": "C", "listen_addresses": ""} {
		if got := query[string](t, again, "select setting from pg_settings where name = '"+setting+"'"); got != want {
			t.Errorf("%s: want %q, got %q", setting, want, got)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: want mode 0600, got %v, %v", info.Mode(), err)
	}
}

func TestADeadServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, scratchDir(t))
	first := pid(s)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "another server runs", func() bool { p := pid(s); return p != 0 && p != first })
	await(t, "it answers", func() bool { return s.Ping(t.Context()) == nil })
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, scratchDir(t))
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), s.password, "guess", 1)); err == nil {
		t.Error("want a refusal, got a connection")
	}
}

func TestAServerOfAnEarlierRunIsReplaced(t *testing.T) {
	t.Parallel()
	dir := scratchDir(t)
	s := start(t, dir)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	orphan := exec.Command(filepath.Join(s.bin, "postgres"), s.args...)
	s.confine(orphan)
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = orphan.Wait(); close(ended) }()
	await(t, "the orphan answers", func() bool { return s.Ping(t.Context()) == nil })
	again := start(t, dir)
	<-ended
	if pid(again) == orphan.Process.Pid {
		t.Error("the orphan was kept")
	}
	if err := again.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAStalePidFileOfAnotherProgramIsRemoved(t *testing.T) {
	t.Parallel()
	dir := scratchDir(t)
	s := start(t, dir)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	stale := fmt.Sprintf("%d\n%s\n0\n5432\n\n\n", os.Getpid(), s.data())
	if err := os.WriteFile(filepath.Join(s.data(), "postmaster.pid"), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(t, dir).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestALongPathGetsAShortSocketDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(scratchDir(t), strings.Repeat("long", 25))
	s := start(t, dir)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if _, err := os.Stat(s.socketDir); !os.IsNotExist(err) {
		t.Errorf("the socket directory %s is left behind: %v", s.socketDir, err)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 20 {
		if n, err := l.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".1"} {
		if info, err := os.Stat(p); err != nil || info.Size() > logBytes {
			t.Errorf("%s: want at most %d bytes, got %v, %v", p, logBytes, info, err)
		}
	}
	if got := len(l.Tail()); got != 2048 {
		t.Errorf("tail: want 2048 bytes, got %d", got)
	}
}

func TestTheNewestVersionIsPreferred(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{"/usr/lib/postgresql/17/bin": 17, "/usr/pgsql-9/bin": 9, "/opt/bin": 0, "": 0} {
		if got := majorIn(path); got != want {
			t.Errorf("%q: want %d, got %d", path, want, got)
		}
	}
}
