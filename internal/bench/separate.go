package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/bus"
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
	nats     *broker
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
	if f.postgres, err = embeddedpg.Start(ctx, embeddedpg.Options{Dir: filepath.Join(f.dir, "postgres")}); err != nil {
		return err
	}
	for _, p := range programs[:4] {
		if f.address[p], err = freeAddress(); err != nil {
			return err
		}
	}
	if f.nats, err = newBroker(ctx, f.bin, f.dir); err != nil {
		return err
	}
	f.running["nats-server"] = f.nats.cmd
	if err := f.tocsin(ctx, "migrate", "--database-url", f.postgres.URL(), "--nats-url", f.nats.url(bus.Admin)); err != nil {
		return err
	}
	out := filepath.Join(f.dir, "bootstrap.json")
	if err := f.tocsin(ctx, "bootstrap", "--database-url", f.postgres.URL(), "--url", "http://"+f.address["web"], "--ingest-url", "http://"+f.address["ingest"], "--out", out); err != nil {
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
		f.running[p], err = launch(f.dir, filepath.Join(f.bin, p), "--listen", f.address[p], "--database-url", f.postgres.URL(), "--nats-url", f.nats.url(p), "--data", filepath.Join(f.dir, "data"), "--url", f.URL)
		if err != nil {
			return err
		}
	}
	for _, p := range programs[:4] {
		if err := healthy(ctx, f.address[p]); err != nil {
			return fmt.Errorf("%s: %w; see %s", p, err, filepath.Join(f.dir, "log"))
		}
	}
	return nil
}

// tocsin runs one of its commands to the end.
func (f *fleet) tocsin(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(f.bin, "tocsin"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tocsin %s: %w\n%s", args[0], err, out)
	}
	return nil
}

func (f *fleet) stop() {
	for _, cmd := range f.running {
		kill(cmd)
	}
	if f.postgres != nil {
		_ = f.postgres.Stop()
	}
	_ = os.RemoveAll(f.dir)
}
