package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// ingestLoad is what ingest alone did, with a NATS server that syncs every message and nobody to
// process them.
type ingestLoad struct {
	Accepted   int     `json:"accepted"`
	PerSecond  float64 `json:"accepted_per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Lost       int64   `json:"lost_after_kill"` // accepted, and not in the queue after ingest and NATS were killed
	CPU        float64 `json:"cpu_seconds_per_1000"`
	CPULimited float64 `json:"cpu_seconds_per_1000_limited"`
	CPUDenied  float64 `json:"cpu_seconds_per_1000_denied"`
	PeakRSS    int64   `json:"rss_peak_bytes"`
}

const (
	openKey   = "00000000000000000000000000000001"
	closedKey = "00000000000000000000000000000002"
	noKey     = "00000000000000000000000000000003"
)

// pair is an ingest program and a NATS server, as processes of their own, without a database.
type pair struct {
	dir, bin, address string
	nats              *fleet.Broker
	ingest            *fleet.Program
}

// measureIngest loads ingest alone, kills it and NATS, and counts what the queue has.
func measureIngest(ctx context.Context, o options) (l ingestLoad, err error) {
	p := &pair{bin: filepath.Dir(o.tocsin)}
	if p.dir, err = os.MkdirTemp(o.dataRoot, "tocsin-bench-"); err != nil {
		return l, err
	}
	defer p.close()
	if err := p.start(ctx); err != nil {
		return l, err
	}
	list := bodies(o.size, o.groups, 4, 1)
	to := target{p.address, []sender{{"1", openKey}}}
	warm, err := to.run(ctx, list, o.connections, 2*time.Second, 0)
	if err != nil {
		return l, err
	}
	before := p.cpu()
	peak := watchRSS(p.ingest.PID())
	res, err := to.run(ctx, list, o.connections, time.Duration(o.seconds)*time.Second, 0)
	if err != nil {
		return l, err
	}
	l.PeakRSS = peak()
	l.Accepted, l.PerSecond, l.P50, l.P99 = res.Accepted, res.perSecond(), res.quantile(0.5), res.quantile(0.99)
	l.CPU = 1000 * (p.cpu() - before) / float64(res.Accepted)
	if res.Refused > 0 {
		return l, fmt.Errorf("%d events were refused", res.Refused)
	}
	let := int64(warm.Accepted + res.Accepted)
	for key, cpu := range map[string]*float64{closedKey: &l.CPULimited, noKey: &l.CPUDenied} {
		before := p.cpu()
		res, err := target{p.address, []sender{{"1", key}}}.run(ctx, list, o.connections, 3*time.Second, 0)
		if err != nil {
			return l, err
		}
		let += int64(res.Accepted) // the quota lets one pass
		*cpu = 1000 * (p.cpu() - before) / float64(res.Refused)
	}
	p.ingest.Kill()
	p.nats.Kill()
	if err := errors.Join(p.nats.Start(), p.nats.Ready(ctx)); err != nil {
		return l, err
	}
	queued, err := p.queued(ctx, let)
	l.Lost = let - queued
	return l, err
}

func (p *pair) start(ctx context.Context) error {
	var err error
	if p.address, err = fleet.FreeAddress(); err != nil {
		return err
	}
	if p.nats, err = fleet.NewBroker(ctx, p.bin, p.dir); err != nil {
		return err
	}
	admin, err := bus.ConnectAdmin(p.nats.URL(bus.Admin))
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := bus.Ensure(ctx, admin, bindings.Graph(), bus.Limits{}); err != nil {
		return err
	}
	if err := p.tellProject(ctx); err != nil {
		return err
	}
	p.ingest = fleet.NewProgram(p.dir, filepath.Join(p.bin, "ingest"), "--listen", p.address, "--nats-url", p.nats.URL("ingest"), "--data", filepath.Join(p.dir, "data"))
	if err := p.ingest.Start(); err != nil {
		return err
	}
	return fleet.Await(ctx, time.Minute, func() error { return fleet.Healthy(ctx, p.address) })
}

// tellProject makes project 1 known, with a key that may send all it likes and one whose limit one
// event spends.
func (p *pair) tellProject(ctx context.Context) error {
	web, err := p.connect(ctx, "web")
	if err != nil {
		return err
	}
	defer func() { _ = web.Close(ctx) }()
	return bindings.Projects.Put(ctx, web, "1", project.Snapshot{Project: 1, Organization: 1, Slug: "bench",
		Settings: project.Settings{Quotas: []quota.Quota{{ID: "day", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: 1 << 40, Window: 24 * time.Hour, Reason: "daily_limit"}}},
		Keys: []project.SnapshotKey{
			{ID: 1, PublicKey: openKey, Active: true},
			{ID: 2, PublicKey: closedKey, Active: true, RateLimit: &project.RateLimit{Count: 1, Window: 24 * time.Hour}},
		}})
}

// queued counts the events of the queue, each once however often it is delivered, until want have come
// or no more do.
func (p *pair) queued(ctx context.Context, want int64) (int64, error) {
	c, err := p.connect(ctx, "processor")
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	seen := map[event.ID]bool{}
	quiet := time.AfterFunc(quietQueue, cancel)
	defer quiet.Stop()
	err = bindings.Events.Consume(ctx, c, func(_ context.Context, batch []event.Raw) ([]bus.Reject, error) {
		quiet.Reset(quietQueue)
		mu.Lock()
		defer mu.Unlock()
		for i := range batch {
			seen[batch[i].ID] = true
		}
		if int64(len(seen)) >= want {
			cancel()
		}
		return nil, nil
	})
	return int64(len(seen)), err
}

// quietQueue is how long a queue that gives nothing more is waited for.
const quietQueue = 20 * time.Second

func (p *pair) connect(ctx context.Context, service string) (*bus.Conn, error) {
	return bus.Connect(ctx, bus.Options{Service: service, Graph: bindings.Graph(), URL: p.nats.URL(service)})
}

// cpu is the CPU seconds that both programs have used.
func (p *pair) cpu() float64 {
	return measure(p.ingest.PID()).own + measure(p.nats.PID()).own
}

func (p *pair) close() {
	p.ingest.Kill()
	if p.nats != nil {
		p.nats.Kill()
	}
	_ = os.RemoveAll(p.dir)
}

// lines are the rows of the report.
func (l *ingestLoad) lines() [][2]string {
	return [][2]string{
		{"ingest alone", fmt.Sprintf("%.0f events/s accepted durably, p50 %.1f ms, p99 %.1f ms", l.PerSecond, l.P50, l.P99)},
		{"ingest alone: lost after kill -9 of it and of NATS", fmt.Sprintf("%d of %d", l.Lost, l.Accepted)},
		{"ingest alone: CPU per 1,000", fmt.Sprintf("accepted %.3f s, limited %.3f s (%.1f %%), unknown key %.3f s (%.1f %%)",
			l.CPU, l.CPULimited, 100*l.CPULimited/l.CPU, l.CPUDenied, 100*l.CPUDenied/l.CPU)},
		{"ingest alone: memory at most", fmt.Sprintf("%d MiB", l.PeakRSS>>20)},
	}
}
