package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
)

// program is one of ours, or the NATS server, as a process of its own.
type program struct {
	name string
	args []string
	cmd  *exec.Cmd
	done chan struct{}
}

// world is an installation of separate programs, with a proxy on every link between two of them.
type world struct {
	o        options
	dir      string
	postgres *embedded.Server
	db       *pgxpool.Pool
	programs map[string]*program
	links    map[string]*proxy // "processor-postgres", "ingest-nats", …
	address  map[string]string
	log      *os.File
	load     *generator
	note     string // what the last fault has to tell beyond the table

	credentials
}

type credentials struct {
	URL          string `json:"url"`
	Organization string `json:"organization"`
	Project      string `json:"project"`
	DSN          string `json:"dsn"`
	ProjectID    string `json:"project_id"`
	AuthToken    string `json:"auth_token"`
}

func (c credentials) key() string {
	u, err := url.Parse(c.DSN)
	if err != nil {
		return ""
	}
	return u.User.Username()
}

var services = []string{"ingest", "processor", "notifier", "web"}

// build starts everything and waits until it answers.
func build(ctx context.Context, o options) (w *world, err error) {
	w = &world{o: o, programs: map[string]*program{}, links: map[string]*proxy{}, address: map[string]string{}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.dir, err = os.MkdirTemp("", "tocsin-chaos-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(w.dir, 0o711); err != nil {
		return nil, err
	}
	if w.log, err = os.Create(filepath.Join(w.dir, "log")); err != nil {
		return nil, err
	}
	if w.postgres, err = embedded.Start(ctx, embedded.Options{Dir: filepath.Join(w.dir, "postgres")}); err != nil {
		return nil, err
	}
	if w.db, err = pgxpool.New(ctx, w.postgres.URL()); err != nil {
		return nil, err
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	for _, s := range services {
		if err := w.start(s); err != nil {
			return nil, err
		}
	}
	for _, s := range services {
		if err := w.ready(ctx, s); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// connect starts NATS, brings both stores up to date, and puts a proxy on every link.
func (w *world) connect(ctx context.Context) error {
	nats, err := freeAddress()
	if err != nil {
		return err
	}
	conf, err := w.run(ctx, "bindings", "nats-config", "--listen", nats, "--store-dir", filepath.Join(w.dir, "nats"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "nats.conf"), conf, 0o600); err != nil {
		return err
	}
	users := map[string]string{}
	for _, m := range regexp.MustCompile(`user: "(\w+)"\s+password: "(\w+)"`).FindAllStringSubmatch(string(conf), -1) {
		users[m[1]] = m[1] + ":" + m[2]
	}
	w.programs["nats"] = &program{name: os.Args[0], args: []string{natsRole, filepath.Join(w.dir, "nats.conf")}}
	if err := w.start("nats"); err != nil {
		return err
	}
	if err := await(ctx, 20*time.Second, func() error { return dialable(nats) }); err != nil {
		return err
	}
	if _, err := w.run(ctx, "migrate", "--database-url", w.postgres.URL(), "--nats-url", "nats://"+users["admin"]+"@"+nats); err != nil {
		return err
	}
	for _, s := range services {
		if w.address[s], err = freeAddress(); err != nil {
			return err
		}
	}
	out := filepath.Join(w.dir, "bootstrap.json")
	if _, err := w.run(ctx, "bootstrap", "--database-url", w.postgres.URL(), "--url", "http://"+w.address["web"], "--ingest-url", "http://"+w.address["ingest"], "--out", out); err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &w.credentials); err != nil {
		return err
	}
	pg, err := url.Parse(w.postgres.URL())
	if err != nil {
		return err
	}
	socket := filepath.Join(pg.Query().Get("host"), ".s.PGSQL.5432")
	for _, s := range services {
		n, err := listen(ctx, to("tcp", nats))
		if err != nil {
			return err
		}
		p, err := listen(ctx, to("unix", socket))
		if err != nil {
			return err
		}
		w.links[s+"-nats"], w.links[s+"-postgres"] = n, p
		db := url.URL{Scheme: "postgres", User: pg.User, Host: p.address(), Path: pg.Path, RawQuery: "sslmode=disable"}
		w.programs[s] = &program{name: filepath.Join(w.o.bin, s), args: []string{"--listen", w.address[s], "--database-url", db.String(),
			"--nats-url", "nats://" + users[s] + "@" + n.address(), "--data", filepath.Join(w.dir, "data"), "--url", w.URL}}
		if s == "notifier" { // receivers of alerts are on this machine
			w.programs[s].args = append(w.programs[s].args, "--allow-private-destinations", "127.0.0.0/8")
		}
	}
	return nil
}

// run executes one tocsin command to its end.
func (w *world) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(w.o.bin, "tocsin"), args...)
	cmd.Stderr = w.log
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("tocsin %s: %w; see %s", args[0], err, w.log.Name())
	}
	return out, nil
}

// start runs a program, again after it died.
func (w *world) start(name string) error {
	p := w.programs[name]
	p.cmd = exec.Command(p.name, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = w.log, w.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	done := make(chan struct{})
	p.done = done
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(done) }(p.cmd)
	return nil
}

func (w *world) ready(ctx context.Context, service string) error {
	err := await(ctx, 60*time.Second, func() error { return answers(ctx, "http://"+w.address[service]+"/_health/") })
	if err != nil {
		return fmt.Errorf("%s: %w", service, err)
	}
	return nil
}

func (w *world) signal(name string, s syscall.Signal) { _ = w.programs[name].cmd.Process.Signal(s) }

// kill ends a program as a power switch would.
func (w *world) kill(name string) {
	w.signal(name, syscall.SIGKILL)
	<-w.programs[name].done
}

// killPostgres kills the whole cluster; its supervisor starts it again.
func (w *world) killPostgres() error {
	text, err := os.ReadFile(filepath.Join(w.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

func (w *world) close() {
	if w.load != nil {
		w.load.end()
	}
	for _, s := range append(services, "nats") {
		if p := w.programs[s]; p != nil && p.cmd != nil && p.cmd.Process != nil {
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	for _, l := range w.links {
		l.close()
	}
	if w.db != nil {
		w.db.Close()
	}
	if w.postgres != nil {
		_ = w.postgres.Stop()
	}
	if w.log != nil {
		w.log.Close()
	}
	if !w.o.keep {
		_ = os.RemoveAll(w.dir)
	}
}

func await(ctx context.Context, limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

func dialable(address string) error {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
