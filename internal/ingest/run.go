package ingest

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/spool"
)

// saveEvery is how often a changed configuration is written to disk.
const saveEvery = time.Second

// Run answers SDK traffic until ctx ends, then finishes what it accepted.
func Run(ctx context.Context, k *app.Kit, cfg Config) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	sp, err := spool.Open(filepath.Join(k.DataDir, "spool"), spool.Options{MaxBytes: cfg.SpoolBytes})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sp.Close()) }()
	events, err := bindings.Events.Publisher(k.Bus)
	if err != nil {
		return err
	}
	outcomes, err := bindings.Outcomes.Publisher(k.Bus)
	if err != nil {
		return err
	}
	projects := openDirectory(ctx, filepath.Join(k.DataDir, "projects.json"))
	s, err := newService(cfg, projects, events, sp, k.Blobs, k.Registry)
	if err != nil {
		return err
	}
	s.guard.dir, s.guard.reserve = k.DataDir, cfg.DiskReserveBytes
	if err := s.guard.look(ctx); err != nil {
		return err
	}
	s.counters = quota.NewCounters(grants(k.Bus), nil)
	ledger := &reporter{tallies: []*outcome.Tally{&s.tally, &s.received}, batches: outcomes, path: filepath.Join(k.DataDir, "outcomes.json")}
	ledger.recover(ctx)

	k.Ready("spool", s.ready)
	k.Ready("projects", projects.ready)
	k.Depends("bus", func(context.Context) error { return k.Bus.Healthy() })
	k.Go(ctx, "project configuration", func(ctx context.Context) error {
		return bindings.Projects.Watch(ctx, k.Bus, func(key string, v *project.Snapshot) { projects.take(key, v) }, projects.synced)
	})
	k.Go(ctx, "spool forwarder", s.forward)
	k.Every(ctx, "disk guard", guardEvery, s.guard.look)
	k.Every(ctx, "outcome report", reportEvery, ledger.report)
	k.Every(ctx, "project copy", saveEvery, projects.save)

	err = k.Serve(ctx, s.routes())
	s.close()
	k.Wait() // the forwarder must be done with the spool before it is closed
	return errors.Join(err, ledger.close(ctx), projects.save(ctx))
}
