package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
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

func measureSeparate(ctx context.Context, o options) (s separate, err error) {
	f, err := fleet.Start(ctx, fleet.Options{Bin: filepath.Dir(o.tocsin), Root: o.dataRoot})
	defer f.Remove()
	if err != nil {
		return s, err
	}
	pids := map[string]int{"nats-server": f.NATS.PID()}
	for _, p := range fleet.Services {
		pids[p] = f.Programs[p].PID()
	}
	db, err := pgx.Connect(ctx, f.Postgres.URL())
	if err != nil {
		return s, err
	}
	defer db.Close(ctx)
	time.Sleep(3 * time.Second) // start-up work ends
	s.Programs = map[string]consumed{}
	idle := map[string]usage{}
	for _, p := range programs {
		idle[p] = measure(pids[p])
	}
	in := target{f.Address["ingest"], []sender{{f.ProjectID, f.Key()}}}
	list := bodies(o.size, o.groups, 4, 1)
	if _, err := in.run(ctx, list, o.connections, 3*time.Second, 0); err != nil {
		return s, err
	}
	before, peaks := map[string]usage{}, map[string]func() int64{}
	for _, p := range programs {
		before[p], peaks[p] = measure(pids[p]), watchRSS(pids[p])
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
	err = fleet.Await(ctx, 2*time.Minute, func() error {
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
		used := measure(pids[p])
		s.Programs[p] = consumed{CPU: (used.own - before[p].own) * 1000 / float64(res.Accepted), Idle: idle[p].rss, Peak: peaks[p]()}
	}
	return s, err
}
