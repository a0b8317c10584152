package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
)

const (
	// keeperVariable makes a test program the keeper of the shared server in the named directory.
	keeperVariable = "TOCSIN_PGTEST_KEEPER"
	startWait      = time.Minute
	idleWait       = 8 * time.Second
)

// The keeper is this very test program, started again in the background. A test binary is the one
// program that is certain to be there, and its locks go with it however it ends.
func init() {
	dir := os.Getenv(keeperVariable)
	if dir == "" {
		return
	}
	if err := keep(dir); err != nil {
		_ = os.WriteFile(filepath.Join(dir, "error"), []byte(err.Error()), 0o600)
		os.Exit(1)
	}
	os.Exit(0)
}

var shared struct {
	sync.Once
	url   string
	err   error
	users *os.File // locked as long as this process lives
}

// server returns the connection string of the server's maintenance database.
func server(t testing.TB) string {
	t.Helper()
	if given := os.Getenv("TOCSIN_TEST_DATABASE_URL"); given != "" {
		return given
	}
	shared.Do(func() { shared.url, shared.users, shared.err = join(sharedDir()) })
	if shared.err != nil {
		t.Fatalf("start a PostgreSQL server for tests: %v", shared.err)
	}
	return shared.url
}

func sharedDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("tocsin-pgtest-%d", os.Getuid()))
}

// join registers this process as a user of the shared server, starting a keeper when there is
// none, and returns the server's connection string.
func join(dir string) (string, *os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	gate, err := locked(filepath.Join(dir, "gate"), syscall.LOCK_EX)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = gate.Close() }()
	users, err := locked(filepath.Join(dir, "users"), syscall.LOCK_SH)
	if err != nil {
		return "", nil, err
	}
	url, err := runningURL(dir)
	if err != nil {
		url, err = startKeeper(dir)
	}
	return url, users, err
}

// runningURL returns the connection string of a keeper's server that answers.
func runningURL(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	url := string(b)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	return url, conn.Close(ctx)
}

func startKeeper(dir string) (string, error) {
	_ = os.Remove(filepath.Join(dir, "url"))
	_ = os.Remove(filepath.Join(dir, "error"))
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), keeperVariable+"="+dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives this process
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go func() { _ = cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); <-tick.C {
		if url, err := runningURL(dir); err == nil {
			return url, nil
		}
		if text, err := os.ReadFile(filepath.Join(dir, "error")); err == nil {
			return "", errors.New(string(text))
		}
	}
	return "", fmt.Errorf("the server was not ready after %v; see %s", startWait, dir)
}

// keep runs the shared server until nobody has used it for a while.
func keep(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	cluster := filepath.Join(dir, "cluster")
	// A cluster that was not synced may be damaged when its server was killed; a new one costs a second.
	if text, err := os.ReadFile(filepath.Join(cluster, "data", "postmaster.pid")); err == nil && !alive(string(text)) {
		if err := os.RemoveAll(cluster); err != nil {
			return err
		}
	}
	s, err := embedded.Start(ctx, embedded.Options{Dir: cluster, Scratch: true})
	if err != nil {
		return err
	}
	if err := publish(dir, s.URL()); err != nil {
		return err
	}
	idle := 0
	for range time.Tick(time.Second) {
		users, err := locked(filepath.Join(dir, "users"), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			idle = 0
			continue
		}
		_ = users.Close()
		if idle++; idle >= int(idleWait/time.Second) && leave(dir, s) {
			return nil
		}
	}
	return nil
}

func publish(dir, url string) error {
	temporary := filepath.Join(dir, "url.new")
	if err := os.WriteFile(temporary, []byte(url), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, "url"))
}

// leave stops the server unless a user has come in the meantime. Nobody can while the gate is ours.
func leave(dir string, s *embedded.Server) bool {
	gate, err := locked(filepath.Join(dir, "gate"), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return false
	}
	defer func() { _ = gate.Close() }()
	users, err := locked(filepath.Join(dir, "users"), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return false
	}
	defer func() { _ = users.Close() }()
	_ = os.Remove(filepath.Join(dir, "url"))
	_ = s.Stop()
	_ = os.RemoveAll(filepath.Join(dir, "cluster"))
	return true
}

// locked opens the file and takes the lock, which ends when the file is closed.
func locked(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// alive reports whether the process that a pid file names exists.
func alive(pidFile string) bool {
	var pid int
	if _, err := fmt.Sscan(strings.TrimSpace(pidFile), &pid); err != nil || pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
