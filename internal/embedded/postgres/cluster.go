package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/disk"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// socketPathMax is the longest directory whose socket path every system accepts.
const socketPathMax = 80

// pickSocketDir returns dir/run, or a new short directory when that path is too long for a socket.
func pickSocketDir(dir string) (string, error) {
	run := filepath.Join(dir, "run")
	if len(run) <= socketPathMax {
		return run, os.MkdirAll(run, 0o700)
	}
	return os.MkdirTemp("/tmp", "tocsin-pg-")
}

// readPassword returns the password in the file, making one the first time.
func readPassword(path string) (string, error) {
	if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	password := rand.Text()
	return password, disk.Replace(path, []byte(password+"\n"))
}

// initialize makes the cluster unless it exists, and stops a server that still runs on it.
func (s *Server) initialize(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		return s.stopOrphan(ctx)
	}
	fresh := s.data() + ".new" // renamed when complete, so that half a cluster is never taken for one
	if err := os.RemoveAll(fresh); err != nil {
		return fault.Wrap(err, fault.Denied, "cannot remove %s", fresh)
	}
	args := []string{"-D", fresh, "-U", superuser, "-A", "scram-sha-256", "--pwfile", filepath.Join(s.dir, "password"),
		"--data-checksums", "--encoding=UTF8", "--locale=C"}
	if s.scratch {
		args = append(args, "--no-sync")
	}
	out, err := s.program(ctx, "initdb", append(args, "--lc-ctype=C.UTF-8")...)
	if err != nil { // a system without that locale knows the case of ASCII letters only
		_ = os.RemoveAll(fresh)
		out, err = s.program(ctx, "initdb", args...)
	}
	if err == nil {
		err = os.Rename(fresh, s.data())
	}
	if err == nil && !s.scratch {
		err = disk.SyncFolder(s.dir)
	}
	if err != nil {
		_ = os.RemoveAll(fresh)
		return fault.Wrap(err, fault.Unavailable, "cannot create the PostgreSQL cluster in %s: %s", s.dir, complaint(out))
	}
	return nil
}

// complaint is what a program said from its first error on; all of it when none is marked so.
func complaint(said string) string {
	for _, mark := range []string{"FATAL:", "PANIC:", "error:"} {
		if at := strings.Index(said, mark); at >= 0 {
			return said[at:]
		}
	}
	return said
}

// stopOrphan ends a server that outlived the process that started it. We hold the directory's
// lock, so nobody else is using it.
func (s *Server) stopOrphan(ctx context.Context) error {
	path := filepath.Join(s.data(), "postmaster.pid")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fault.Wrap(err, fault.Denied, "cannot read %s", path)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || !s.isServer(ctx, pid) {
		// The number may belong to another program by now, which would keep the server from starting.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(err, fault.Denied, "cannot remove the stale %s", path)
		}
		return nil
	}
	s.log.Warn("a postgres server of an earlier run is stopped", "pid", pid)
	if out, err := s.program(ctx, "pg_ctl", "stop", "-D", s.data(), "-m", "fast", "-w", "-t", "30"); err != nil {
		if s.endsSoon(ctx, pid) { // by itself: it removes its pid file before it is gone
			return nil
		}
		return fault.Wrap(err, fault.Unavailable, "cannot stop the PostgreSQL server %d of an earlier run: %s", pid, out)
	}
	return nil
}

// endsSoon reports whether the server with this pid is gone within a moment.
func (s *Server) endsSoon(ctx context.Context, pid int) bool {
	for range 100 {
		if !s.isServer(ctx, pid) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

// isServer reports whether process pid is a server of this cluster.
func (s *Server) isServer(ctx context.Context, pid int) bool {
	if pid <= 0 {
		return false
	}
	if cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd"); err == nil {
		data, err := filepath.EvalSymlinks(s.data())
		return err == nil && cwd == data // a server works in its data directory
	}
	out, err := exec.CommandContext(ctx, "ps", "-p", strconv.Itoa(pid), "-o", "comm=").Output()
	return err == nil && strings.Contains(string(out), "postgres")
}

// walCompression is the best algorithm that this build of the server knows.
func (s *Server) walCompression(ctx context.Context) string {
	if _, err := s.program(ctx, "postgres", "-D", s.data(), "-C", "wal_compression", "-c", "wal_compression=lz4"); err == nil {
		return "lz4"
	}
	return "on"
}

// program runs one of the server programs to its end and returns what it printed.
func (s *Server) program(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	s.confine(cmd)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func flags(settings []string) []string {
	args := make([]string, 0, 2*len(settings))
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}
