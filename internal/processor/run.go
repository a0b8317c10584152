package processor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/geo"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/symbolicator"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// Config is the settings of the processor.
type Config struct {
	ArtifactDays        int    `name:"artifact-retention-days" help:"Days that source maps and debug files are kept after they were last uploaded or used." default:"180" env:"TOCSIN_ARTIFACT_RETENTION_DAYS"`
	RetentionDays       int    `help:"Days that events are kept." default:"90" env:"TOCSIN_RETENTION_DAYS"`
	SymbolicatorURL     string `name:"symbolicator-url" help:"Address of a symbolicator, which names native frames that no uploaded debug file does; empty: it is done without." env:"TOCSIN_SYMBOLICATOR_URL"`
	SymbolicatorSources string `name:"symbolicator-sources" help:"File with a JSON list of the places that the symbolicator reads debug files from; empty: those that it is set up with." env:"TOCSIN_SYMBOLICATOR_SOURCES" type:"path"`
	GeoIPDatabase       string `name:"geoip-database" help:"MaxMind file of cities or countries, to say where users are; empty: nobody does." env:"TOCSIN_GEOIP_DATABASE" type:"path"`
}

// Service is the processor's state.
type Service struct {
	store     *postgres.Store
	blobs     blob.Store
	files     blob.Store // source maps and debug files
	chunks    blob.Store // pieces of them
	symbols   *symbol.Service
	policies  *policies
	geo       func(netip.Addr) event.Geo // nil without a database
	metrics   *metrics
	retention time.Duration
	artifacts time.Duration // how long uploads are kept that nobody uses
	holder    string        // names this process in leases
	changed   chan struct{} // holds one when the outbox got rows
	decode    decodeFunc
}

func newService(store *postgres.Store, blobs, files, chunks blob.Store, symbols *symbol.Service, cfg Config) *Service {
	s := &Service{
		store: store, blobs: blobs, files: files, chunks: chunks, symbols: symbols, metrics: newMetrics(),
		policies: newPolicies(store.Settings), retention: time.Duration(max(cfg.RetentionDays, 1)) * 24 * time.Hour, artifacts: time.Duration(max(cfg.ArtifactDays, 1)) * 24 * time.Hour, holder: rand.Text(), changed: make(chan struct{}, 1),
	}
	s.decode = s.record
	return s
}

// Run records events until ctx ends, then finishes the batches in hand.
func Run(ctx context.Context, k *app.Kit, cfg Config) error {
	s := newService(k.Store, k.Blobs, k.Files, k.Chunks, symbol.New(k.Store, k.Files, k.Config.Symbols), cfg)
	if cfg.GeoIPDatabase != "" {
		places, err := geo.Open(cfg.GeoIPDatabase)
		if err != nil {
			return err
		}
		s.geo = places.Lookup
	}
	s.symbols.ReadDumps(k.Blobs)
	if err := s.askSymbolicator(k, cfg); err != nil {
		return err
	}
	k.Registry.MustRegister(s.metrics.all()...)
	k.Registry.MustRegister(s.symbols.Collectors()...)
	alerts, err := bindings.Alerts.Publisher(k.Bus)
	if err != nil {
		return err
	}
	k.Ready("database", k.Store.Ping)
	k.Ready("bus", func(context.Context) error { return k.Bus.Healthy() })
	k.Every(ctx, "partitions", time.Hour, func(ctx context.Context) error { return s.store.EnsurePartitions(ctx, time.Now()) })
	k.Every(ctx, "measure what waits", 10*time.Second, s.measure)
	k.Every(ctx, "check the ledger", time.Minute, s.checkLedger)
	k.Every(ctx, "measure spikes", 10*time.Minute, s.measureSpikes)
	k.Every(ctx, "retention", time.Hour, s.retain)
	k.Every(ctx, "versions of grouping", time.Hour, s.upgradeGrouping)
	k.Every(ctx, "retention of uploads", time.Hour, s.retainUploads)
	k.Every(ctx, "move issues on", time.Minute, s.moveIssues)
	k.Go(ctx, "fold facts", s.fold)
	for range jobWorkers {
		k.Go(ctx, "jobs", s.work)
	}
	k.Go(ctx, "relay changes", func(ctx context.Context) error {
		return s.relay(ctx, func(ctx context.Context, c issue.Change) error {
			return alerts.Publish(telemetry.Continue(ctx, c.Trace), c)
		})
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return bindings.Projects.Watch(ctx, k.Bus, func(key string, v *project.Snapshot) { s.policies.take(key, v) }, func() {})
	})
	g.Go(func() error { return bindings.Events.Consume(ctx, k.Bus, s.Process, s.accountForBuried) })
	g.Go(func() error { return bindings.Rehearse.Serve(ctx, k.Bus, s.rehearse) })
	g.Go(func() error { return bindings.Outcomes.Consume(ctx, k.Bus, s.applyOutcomes) })
	g.Go(func() error { return k.Serve(ctx, http.NotFoundHandler()) })
	return g.Wait()
}

// maxSources bounds the file with the places of debug files.
const maxSources = 1 << 20

// askSymbolicator sets the external program up, where there is one.
func (s *Service) askSymbolicator(k *app.Kit, cfg Config) error {
	outside, err := bindings.Symbolicator.Client(k.Bus)
	if err != nil || cfg.SymbolicatorURL == "" {
		return err
	}
	var sources []byte
	if cfg.SymbolicatorSources != "" {
		f, err := os.Open(cfg.SymbolicatorSources)
		if err != nil {
			return fmt.Errorf("read the sources of the symbolicator: %w", err)
		}
		defer f.Close()
		if sources, err = io.ReadAll(io.LimitReader(f, maxSources)); err != nil {
			return fmt.Errorf("read the sources of the symbolicator: %w", err)
		}
	}
	client, err := symbolicator.New(outside, cfg.SymbolicatorURL, sources)
	if err == nil {
		s.symbols.AskOutside(client)
	}
	return err
}

// chunkAge is how long pieces of files are kept that nothing was made of.
const chunkAge = 24 * time.Hour

const (
	foldPause    = time.Second      // between folds when there is little to do
	foldPauseMax = 15 * time.Second // however long folds take
	foldShare    = 10               // folds take at most this fraction of the time
	relayPause   = time.Second
)

// fold adds waiting facts to the counts, at a pace that leaves the database to the recording:
// the longer a fold takes, the more batches the next one merges.
func (s *Service) fold(ctx context.Context) error {
	for pause := foldPause; app.Sleep(ctx, pause); {
		began := time.Now()
		for more := true; more && ctx.Err() == nil; {
			done, err := s.store.FoldFacts(ctx)
			if err != nil {
				return err
			}
			if more = done.More; done.Damaged > 0 {
				slog.ErrorContext(ctx, "facts of recorded events could not be read", "batches", done.Damaged)
			}
		}
		took := time.Since(began)
		s.metrics.fold.Observe(took.Seconds())
		pause = min(max(foldPause, foldShare*took), foldPauseMax)
	}
	return nil
}

// relay moves changes of issues from the outbox to the queue: at once when this process recorded
// some, else every second, which finds what others left.
func (s *Service) relay(ctx context.Context, publish func(context.Context, issue.Change) error) error {
	tick := time.NewTicker(relayPause)
	defer tick.Stop()
	for {
		for {
			n, err := s.store.RelayChanges(ctx, publish)
			s.metrics.relayed.Add(float64(n))
			if err != nil && fault.KindOf(err) != fault.Unavailable {
				return err
			}
			if n == 0 || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
		case <-tick.C:
		}
	}
}

// retain removes what is past its time, in one process at a time.
func (s *Service) retain(ctx context.Context) error {
	lease, ok, err := s.store.AcquireLease(ctx, "retention", s.holder, 30*time.Minute)
	if err != nil || !ok {
		return err
	}
	now := time.Now()
	days, err := s.store.DropPartitions(ctx, now.Add(-s.retention))
	if err != nil {
		return err
	}
	if days > 0 {
		slog.InfoContext(ctx, "events past the retention were removed", "days", days)
	}
	if _, err := s.blobs.DeleteBefore(ctx, now.Add(-s.retention)); err != nil {
		return err
	}
	if err := s.store.ForgetFeedback(ctx, now.Add(-s.retention)); err != nil {
		return err
	}
	if err := s.expire(ctx, now); err != nil {
		return err
	}
	if err := s.store.ForgetJobs(ctx, now.Add(-keepJobs)); err != nil {
		return err
	}
	if err := s.store.ForgetSeen(ctx, now.Add(-s.retention)); err != nil {
		return err
	}
	if err := s.store.ForgetOutcomeBatches(ctx, now.Add(-72*time.Hour)); err != nil {
		return err
	}
	if err := s.store.RollUpOutcomes(ctx, now); err != nil {
		return err
	}
	if err := s.store.ForgetCounts(ctx, now.Add(-s.retention)); err != nil {
		return err
	}
	return s.store.ReleaseLease(ctx, lease)
}

// moveIssues lets time take its course with issues, in one process at a time.
func (s *Service) moveIssues(ctx context.Context) error {
	lease, ok, err := s.store.AcquireLease(ctx, "issues", s.holder, 10*time.Minute)
	if err != nil || !ok {
		return err
	}
	if err := s.store.MoveIssues(ctx, time.Now().UTC()); err != nil {
		return err
	}
	return s.store.ReleaseLease(ctx, lease)
}

// upgradeGrouping moves projects to the newest version of grouping.
func (s *Service) upgradeGrouping(ctx context.Context) error {
	n, err := s.store.UpgradeGrouping(ctx)
	if n > 0 {
		slog.InfoContext(ctx, "projects got the newest version of grouping", "projects", n)
	}
	return err
}

// retainUploads removes uploads that nobody uses and pieces that nothing was made of, in one process
// at a time.
func (s *Service) retainUploads(ctx context.Context) error {
	lease, ok, err := s.store.AcquireLease(ctx, "retention of uploads", s.holder, 30*time.Minute)
	if err != nil || !ok {
		return err
	}
	now := time.Now()
	if err := s.store.ForgetChunks(ctx, now.Add(-chunkAge)); err != nil {
		return err
	}
	if _, err := s.chunks.DeleteBefore(ctx, now.Add(-chunkAge)); err != nil {
		return err
	}
	for {
		n, err := s.store.ExpireArtifacts(ctx, now.Add(-s.artifacts), func(key string) error { return s.files.Delete(ctx, key) })
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		slog.InfoContext(ctx, "uploads that nobody used were removed", "count", n)
	}
	return s.store.ReleaseLease(ctx, lease)
}

func (s *Service) measure(ctx context.Context) error {
	outbox, facts, err := s.store.Waiting(ctx)
	if err != nil {
		return err
	}
	s.metrics.outboxAge.Set(outbox)
	s.metrics.factsAge.Set(facts)
	return nil
}

// measureSpikes keeps the ceilings of spike protection to what projects usually send, in one process
// at a time.
func (s *Service) measureSpikes(ctx context.Context) error {
	lease, ok, err := s.store.AcquireLease(ctx, "spikes", s.holder, 5*time.Minute)
	if err != nil || !ok {
		return err
	}
	list, err := s.store.ProtectedProjects(ctx)
	for _, p := range list {
		if _, failed := s.store.MeasureSpikes(ctx, p, time.Now()); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return errors.Join(err, s.store.ReleaseLease(ctx, lease))
}

// checkLedger measures by how much the ledger of the last hour does not close.
func (s *Service) checkLedger(ctx context.Context) error {
	until := time.Now().Add(-postgres.LedgerSettle)
	check, err := s.store.CheckLedger(ctx, until.Add(-time.Hour), until)
	if err != nil {
		return err
	}
	s.metrics.ledger.Set(float64(check.Difference()))
	return nil
}
