package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	embeddedpg "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// separate is the reference load on the four programs, a NATS server and Postgres, which talk
// over TCP.
type separate struct {
	Drained  float64             `json:"drained_per_second"`
	Programs map[string]consumed `json:"programs"`
}

// consumed is what one program took of the machine.
type consumed struct {
	CPU  float64 `json:"cpu_seconds_per_1000"`
	Idle int64   `json:"rss_idle_bytes"`
	Peak int64   `json:"rss_peak_bytes"`
}

var programs = []string{"ingest", "processor", "notifier", "web", "nats-server"}

// fleet is the running programs.
type fleet struct {
	credentials
	bin, dir string
	log      *os.File
	postgres *embeddedpg.Server
	address  map[string]string
	running  map[string]*exec.Cmd
}

func measureSeparate(ctx context.Context, o options) (s separate, err error) {
	f := &fleet{bin: filepath.Dir(o.tocsin), address: map[string]string{}, running: map[string]*exec.Cmd{}}
	defer f.stop()
	if err := f.start(ctx, o.dataRoot); err != nil {
		return s, err
	}
	db, err := pgx.Connect(ctx, f.postgres.URL())
	if err != nil {
		return s, err
	}
	defer db.Close(ctx)
	time.Sleep(3 * time.Second) // start-up work ends
	s.Programs = map[string]consumed{}
	idle := map[string]usage{}
	for _, p := range programs {
		idle[p] = measure(f.running[p].Process.Pid)
	}
	in := target{f.address["ingest"], f.ProjectID, f.key()}
	list := bodies(o.size, o.groups, 4, 1)
	if _, err := in.run(ctx, list, o.connections, 3*time.Second, 0); err != nil {
		return s, err
	}
	before, peaks := map[string]usage{}, map[string]func() int64{}
	for _, p := range programs {
		before[p], peaks[p] = measure(f.running[p].Process.Pid), watchRSS(f.running[p].Process.Pid)
	}
	var had int64
	if err := db.QueryRow(ctx, sqlAccepted, int16(outcome.Accepted), int16(outcome.Error)).Scan(&had); err != nil {
		return s, err
	}
	began := time.Now()
	res, err := in.run(ctx, list, o.connections, time.Duration(o.seconds)*time.Second, 0)
	if err != nil {
		return s, err
	}
	err = retry(ctx, 2*time.Minute, func() error {
		var now int64
		if err := db.QueryRow(ctx, sqlAccepted, int16(outcome.Accepted), int16(outcome.Error)).Scan(&now); err != nil {
			return err
		}
		if now-had < int64(res.Accepted) {
			return fmt.Errorf("%d of %d events are stored", now-had, res.Accepted)
		}
		return nil
	})
	s.Drained = float64(res.Accepted) / time.Since(began).Seconds()
	for _, p := range programs {
		used := measure(f.running[p].Process.Pid)
		s.Programs[p] = consumed{CPU: (used.own - before[p].own) * 1000 / float64(res.Accepted), Idle: idle[p].rss, Peak: peaks[p]()}
	}
	return s, err
}

func (f *fleet) start(ctx context.Context, root string) (err error) {
	if f.dir, err = os.MkdirTemp(root, "tocsin-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(f.dir, 0o711); err != nil { // the private Postgres runs as another user
		return err
	}
	if f.log, err = os.Create(filepath.Join(f.dir, "log")); err != nil {
		return err
	}
	if f.postgres, err = embeddedpg.Start(ctx, embeddedpg.Options{Dir: filepath.Join(f.dir, "postgres")}); err != nil {
		return err
	}
	for _, p := range programs {
		if f.address[p], err = freeAddress(); err != nil {
			return err
		}
	}
	users, err := f.startNATS(ctx)
	if err != nil {
		return err
	}
	if _, err := f.tocsin(ctx, "migrate", "--database-url", f.postgres.URL(), "--nats-url", users["admin"]); err != nil {
		return err
	}
	out := filepath.Join(f.dir, "bootstrap.json")
	if _, err := f.tocsin(ctx, "bootstrap", "--database-url", f.postgres.URL(), "--url", "http://"+f.address["web"], "--ingest-url", "http://"+f.address["ingest"], "--out", out); err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &f.credentials); err != nil {
		return err
	}
	for _, p := range programs[:4] {
		if err := f.launch(p, filepath.Join(f.bin, p), "--listen", f.address[p], "--database-url", f.postgres.URL(), "--nats-url", users[p], "--data", filepath.Join(f.dir, "data"), "--url", f.URL); err != nil {
			return err
		}
	}
	for _, p := range programs[:4] {
		if err := retry(ctx, time.Minute, func() error { return healthy(ctx, f.address[p]) }); err != nil {
			return fmt.Errorf("%s: %w; see %s", p, err, f.log.Name())
		}
	}
	return nil
}

// startNATS starts the server with the permissions that the bindings ask for, and returns the
// address of each of its users.
func (f *fleet) startNATS(ctx context.Context) (map[string]string, error) {
	address := f.address["nats-server"]
	conf, err := f.tocsin(ctx, "bindings", "nats-config", "--listen", address, "--store-dir", filepath.Join(f.dir, "nats"))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(f.dir, "nats.conf")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		return nil, err
	}
	users := map[string]string{}
	for _, m := range regexp.MustCompile(`user: "(\w+)"\s+password: "(\w+)"`).FindAllSubmatch(conf, -1) {
		users[string(m[1])] = fmt.Sprintf("nats://%s:%s@%s", m[1], m[2], address)
	}
	if err := f.launch("nats-server", os.Args[0], natsRole, file); err != nil {
		return nil, err
	}
	return users, retry(ctx, 20*time.Second, func() error {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

func (f *fleet) launch(name, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = f.log, f.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	f.running[name] = cmd
	return cmd.Start()
}

func (f *fleet) tocsin(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(f.bin, "tocsin"), args...)
	cmd.Stderr = f.log
	return cmd.Output()
}

func (f *fleet) stop() {
	for _, cmd := range f.running {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	if f.postgres != nil {
		_ = f.postgres.Stop()
	}
	if f.log != nil {
		f.log.Close()
	}
	_ = os.RemoveAll(f.dir)
}

func healthy(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/_health/", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New("health: " + strconv.Itoa(res.StatusCode))
	}
	return nil
}
