package postgres

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	superuser = "tocsin"
	database  = "tocsin"

	// firstExits is how often the server may die before it was ever ready; children of a server
	// that was killed keep its memory for a moment and make the next one give up.
	firstExits = 6
	// codeInvalidPassword is what Postgres answers to a wrong one.
	// Rule: https://www.postgresql.org/docs/15/errcodes-appendix.html
	codeInvalidPassword = "28P01"
	// stopWait is how long a fast shutdown may take before it becomes an immediate one.
	stopWait = 8 * time.Second
)

// Options say where the cluster lives.
type Options struct {
	Dir     string       // created when missing; holds everything the server writes
	Log     *slog.Logger // nil: slog.Default
	Scratch bool         // for tests: nothing is synced to disk, a crash may corrupt the cluster
}

// Server is a running, supervised cluster. It restarts the server when it dies, until Stop.
type Server struct {
	dir, bin  string
	socketDir string
	password  string
	runner    runner
	scratch   bool
	args      []string
	log       *slog.Logger
	serverLog *logFile
	lock      *os.File

	mu       sync.Mutex
	process  *os.Process
	stopping bool
	stop     chan struct{} // closed when Stop begins
	exits    chan struct{} // one for each death before the server was first ready
	done     chan struct{} // closed when the supervisor has returned
}

// Start runs the cluster in o.Dir, creating it the first time, and returns when it answers.
// fault.Unavailable: the machine has no server programs, or the server does not start.
// fault.Conflict: another process uses the directory. fault.Denied: the directory cannot be used
// by the account that the server must run as.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := s.initialize(ctx); err != nil {
		s.release()
		return nil, err
	}
	s.args = append([]string{"-D", s.data()}, flags(settings(s.socketDir, s.walCompression(ctx), o.Scratch))...)
	go s.supervise()
	if err := s.awaitReady(ctx); err != nil {
		_ = s.Stop() // the failure to start says more
		return nil, err
	}
	return s, nil
}

// prepare finds the programs and the account, and readies and locks the directory.
func prepare(o Options) (*Server, error) {
	s := &Server{log: o.Log, scratch: o.Scratch,
		stop: make(chan struct{}), exits: make(chan struct{}, firstExits), done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	var err error
	if s.bin, err = findPrograms(); err != nil {
		return nil, err
	}
	if s.runner, err = pickRunner(); err != nil {
		return nil, err
	}
	if s.dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the data directory %q has no absolute path", o.Dir)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Denied, "cannot create %s", s.dir)
	}
	if err := s.runner.reachable(s.dir); err != nil {
		return nil, err
	}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// acquire takes the directory's lock, which the kernel gives back when this process ends.
func (s *Server) acquire() error {
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Denied, "cannot write in %s", s.dir)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return fault.Wrap(err, fault.Conflict, "another process uses %s", s.dir)
	}
	s.lock = f
	return nil
}

// open readies what the server needs in the directory before the cluster itself.
func (s *Server) open() error {
	var err error
	if s.socketDir, err = pickSocketDir(s.dir); err == nil {
		s.password, err = readPassword(filepath.Join(s.dir, "password"))
	}
	if err == nil {
		s.serverLog, err = openLog(filepath.Join(s.dir, "postgres.log"))
	}
	if err == nil {
		err = errors.Join(s.runner.own(s.dir), s.runner.own(s.socketDir), s.runner.own(filepath.Join(s.dir, "password")))
	}
	if err != nil {
		return fault.Wrap(err, fault.Denied, "cannot prepare %s", s.dir)
	}
	return nil
}

func (s *Server) release() {
	if s.serverLog != nil {
		_ = s.serverLog.Close()
	}
	if s.socketDir != "" && filepath.Dir(s.socketDir) != s.dir {
		_ = os.RemoveAll(s.socketDir)
	}
	_ = s.lock.Close()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// URL is the connection string of the database that the cluster was made for.
func (s *Server) URL() string { return s.url(database) }

func (s *Server) url(name string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + name}
	u.RawQuery = url.Values{"host": {s.socketDir}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// Done is closed when the server has stopped for good.
func (s *Server) Done() <-chan struct{} { return s.done }

// Ping reports whether the server accepts connections.
func (s *Server) Ping(ctx context.Context) error { return s.ping(ctx, database) }

func (s *Server) ping(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.url(name))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the private PostgreSQL does not answer")
	}
	return conn.Close(ctx)
}

// Stop ends the server: connections are closed, a checkpoint is written, and the directory is
// free for the next start. After eight seconds it ends without the checkpoint, which is what the
// failure then says; the next start replays the log.
func (s *Server) Stop() error { return s.StopWithin(stopWait) }

// StopWithin is Stop with another time than eight seconds.
func (s *Server) StopWithin(wait time.Duration) error {
	s.signal(syscall.SIGINT)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
	}
	s.signal(syscall.SIGQUIT)
	<-s.done
	return fault.New(fault.Unavailable, "the private PostgreSQL did not stop within %v and was ended", wait.Round(time.Millisecond))
}

// signal asks the server to stop and keeps the supervisor from starting it again.
func (s *Server) signal(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.stopping = true
		close(s.stop)
	}
	if s.process != nil {
		_ = s.process.Signal(sig) // it may have ended already
	}
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// supervise runs the server until Stop, restarting it with growing pauses.
func (s *Server) supervise() {
	defer close(s.done)
	defer s.release()
	runtime.LockOSThread() // the kernel ends the server with the thread that started it
	pause := 100 * time.Millisecond
	for {
		began := time.Now()
		err := s.runOnce()
		if s.isStopping() {
			return
		}
		select {
		case s.exits <- struct{}{}:
		default: // nobody counts any more
		}
		s.log.Warn("the private postgres server ended and is started again", "err", err, "after", time.Since(began), "pause", pause)
		if time.Since(began) > time.Minute {
			pause = 100 * time.Millisecond
		}
		timer := time.NewTimer(pause)
		select {
		case <-s.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, 15*time.Second)
	}
}

// runOnce runs the server until it ends.
func (s *Server) runOnce() error {
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), s.args...)
	s.confine(cmd)
	cmd.SysProcAttr = attributes(s.runner.credential)
	cmd.Stdout, cmd.Stderr = s.serverLog, s.serverLog
	cmd.WaitDelay = time.Second // children may keep the log open after the server is gone
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	err := cmd.Start()
	s.process = cmd.Process
	s.mu.Unlock()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	s.mu.Lock()
	s.process = nil
	s.mu.Unlock()
	return err
}

// confine sets the account, directory and environment of a server program.
func (s *Server) confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.runner.credential}
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// awaitReady returns when the server answers and its database exists.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for exits := 0; ; {
		err := s.ping(ctx, "postgres")
		if err == nil {
			return s.createDatabase(ctx)
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == codeInvalidPassword {
			return fault.New(fault.Unavailable, "the private PostgreSQL refuses the password in %s: the file is not the one that the cluster was made with; put a copy of that back, or restore a backup into another folder", filepath.Join(s.dir, "password"))
		}
		select {
		case <-ctx.Done():
			return fault.Wrap(ctx.Err(), fault.Unavailable, "the private PostgreSQL was not ready in time; see %s", s.serverLog.path)
		case <-s.exits:
			if exits++; exits == firstExits {
				return fault.New(fault.Unavailable, "the private PostgreSQL does not start; the end of %s:\n%s", s.serverLog.path, s.serverLog.Tail())
			}
		case <-tick.C:
		}
	}
}

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the private PostgreSQL does not answer")
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, database).Scan(&exists); err != nil {
		return fault.Wrap(err, fault.Unavailable, "list the databases")
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "create database "+database); err != nil {
		return fault.Wrap(err, fault.Unavailable, "create the database")
	}
	return nil
}
