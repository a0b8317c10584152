package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/embedded/nats"
	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// roundTrip is how long a service waits for another's answer when that takes no time to make, with all
// that a call does: encoding, deadline, breaker, trace.
type roundTrip struct {
	InProcess waits `json:"in_process"`
	TCP       waits `json:"tcp"`
}

type waits struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

const roundTrips = 5000

func measureRoundTrips(ctx context.Context, o options) (r roundTrip, err error) {
	dir, err := os.MkdirTemp(o.dataRoot, "tocsin-bench-bus")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	inside, err := nats.Start(ctx, nats.Options{Dir: filepath.Join(dir, "inside"), Graph: bindings.Graph()})
	if err != nil {
		return r, err
	}
	defer func() { _ = inside.Stop(ctx) }()
	if r.InProcess, err = callOften(ctx, inside.Options); err != nil {
		return r, fmt.Errorf("in process: %w", err)
	}
	apart, err := fleet.NewBroker(ctx, filepath.Dir(o.tocsin), dir)
	if err != nil {
		return r, err
	}
	defer apart.Kill()
	r.TCP, err = callOften(ctx, func(service string) bus.Options {
		return bus.Options{Service: service, Graph: bindings.Graph(), URL: apart.URL(service)}
	})
	return r, err
}

// callOften asks the notifier from the web service, one call after the other.
func callOften(ctx context.Context, options func(service string) bus.Options) (waits, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server, err := bus.Connect(ctx, options("notifier"))
	if err != nil {
		return waits{}, err
	}
	defer func() { _ = server.Close(ctx) }()
	served := make(chan error, 1)
	go func() {
		served <- bindings.Redeliver.Serve(ctx, server, func(context.Context, alert.RedeliverRequest) (alert.RedeliverResult, error) {
			return alert.RedeliverResult{}, nil
		})
	}()
	caller, err := bus.Connect(ctx, options("web"))
	if err != nil {
		return waits{}, err
	}
	defer func() { _ = caller.Close(ctx) }()
	client, err := bindings.Redeliver.Client(caller)
	if err != nil {
		return waits{}, err
	}
	ask := func() error {
		_, err := client.Do(ctx, alert.RedeliverRequest{})
		return err
	}
	if err := fleet.Await(ctx, 10*time.Second, ask); err != nil {
		return waits{}, err
	}
	took := make([]float64, roundTrips)
	for i := range took {
		began := time.Now()
		if err := ask(); err != nil {
			return waits{}, err
		}
		took[i] = float64(time.Since(began).Microseconds()) / 1000
	}
	cancel()
	<-served
	slices.Sort(took)
	return waits{P50: took[len(took)/2], P99: took[len(took)*99/100]}, nil
}
