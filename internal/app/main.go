package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// settings is the command line of one service's own program.
type settings[C any] struct {
	Config
	Listen      string `help:"Address to answer on." default:"${listen}" env:"TOCSIN_LISTEN"`
	DatabaseURL string `name:"database-url" help:"Postgres to use, such as postgres://user:password@host/tocsin." env:"TOCSIN_DATABASE_URL"`
	NATSURL     string `name:"nats-url" help:"NATS to use, such as nats://user:password@host:4222." default:"nats://127.0.0.1:4222" env:"TOCSIN_NATS_URL"`
	Service     C      `embed:""`
}

// Main is the main function of one service's own program: it reads the settings, connects, runs
// the service until a signal, and exits with 0 when it drained in time.
func Main[C any](service, listen string, run func(context.Context, *Kit, C) error) {
	var s settings[C]
	kong.Parse(&s, kong.Name(service), kong.Vars{"listen": listen},
		kong.Description("One of the four services of Tocsin. Every flag can also be set by its environment variable."))
	if err := start(service, &s, run); err != nil {
		slog.Error("stopped", "service", service, "err", err)
		os.Exit(1)
	}
}

func start[C any](service string, s *settings[C], run func(context.Context, *Kit, C) error) error {
	ctx, cancel := Signals()
	defer cancel()
	stopTelemetry, err := telemetry.Start(ctx, service, s.Config.Config, os.Stderr)
	if err != nil {
		return err
	}
	if s.URL == "" {
		s.URL = "http://" + s.Listen
	}
	k, err := New(service, s.Config, nil)
	if err != nil {
		return err
	}
	k.Listen = s.Listen
	ctx = telemetry.With(ctx, k.Scope)
	k.Bus, err = bus.Connect(ctx, bus.Options{Service: service, Graph: bindings.Graph(), URL: s.NATSURL, Dir: k.DataDir})
	if err != nil {
		return err
	}
	if service != "ingest" {
		if k.Store, err = openStore(ctx, service, s.DatabaseURL); err != nil {
			return err
		}
	}
	err = run(ctx, k, s.Service)
	k.Close(stopTelemetry)
	return err
}

// openStore waits for a database whose schema is this release's.
func openStore(ctx context.Context, service, url string) (*postgres.Store, error) {
	if url == "" {
		return nil, fmt.Errorf("no database: set --database-url or TOCSIN_DATABASE_URL")
	}
	st, err := postgres.Open(ctx, url, postgres.Options{Name: service})
	if err != nil {
		return nil, err
	}
	for warned := false; ; warned = true {
		err := postgres.CheckSchema(ctx, url)
		if err == nil {
			return st, nil
		}
		if !warned {
			slog.WarnContext(ctx, "waiting for the database", "err", err)
		}
		if !Sleep(ctx, time.Second) {
			return nil, context.Cause(ctx)
		}
	}
}

// Close ends what the kit opened, after Run returned: tasks, bus, database, reports.
func (k *Kit) Close(stopTelemetry func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), StopTimeout/3)
	defer cancel()
	k.Wait()
	if k.Bus != nil {
		if err := k.Bus.Close(ctx); err != nil {
			slog.WarnContext(ctx, "bus did not close cleanly", "err", err)
		}
	}
	if k.Store != nil {
		k.Store.Close()
	}
	k.Scope.Flush(ctx)
	if stopTelemetry != nil {
		_ = stopTelemetry(ctx)
	}
}
