package symbol

import (
	"context"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/symbolicator"
)

// Config bounds what symbolication takes.
type Config struct {
	SymbolCacheMB int `name:"symbol-cache-mb" help:"Memory of processor and of web, each, for source maps, mappings and debug files that were read, in MiB." default:"64" env:"TOCSIN_SYMBOL_CACHE_MB"`
	SourceMapMB   int `name:"source-map-mb" help:"Largest source map, script, mapping or part of a debug file that is read, in MiB; frames of larger ones stay as they came." default:"64" env:"TOCSIN_SOURCE_MAP_MB"`
}

// Service makes stacks readable. It is safe for concurrent use.
type Service struct {
	store   *postgres.Store
	files   blob.Store
	most    int64 // bytes of one file
	read    *cache
	loads   singleflight.Group
	turns   *semaphore.Weighted // of loads, which take memory
	mu      sync.Mutex
	indexes map[int64]*index // by project
	used    sync.Map         // usedKey: artifacts whose use was noted by this process
	frames  *prometheus.CounterVec
	loaded  *prometheus.HistogramVec
	outside *symbolicator.Client // nil: there is none
	dumps   blob.Store           // files that came with events
}

// loadsAtOnce is how many files are read at a time.
const loadsAtOnce = 2

// New returns a service that finds artifacts in store and their bytes in files.
func New(store *postgres.Store, files blob.Store, cfg Config) *Service {
	if cfg.SymbolCacheMB <= 0 {
		cfg.SymbolCacheMB = 64
	}
	if cfg.SourceMapMB <= 0 {
		cfg.SourceMapMB = 64
	}
	s := &Service{store: store, files: files, most: int64(cfg.SourceMapMB) << 20, read: newCache(cfg.SymbolCacheMB << 20), turns: semaphore.NewWeighted(loadsAtOnce),
		indexes: make(map[int64]*index)}
	s.frames = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tocsin_symbol_frames_total", Help: "Frames that were looked up, by result."}, []string{"result"})
	s.loaded = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tocsin_symbol_load_seconds", Help: "Time to read one file.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"kind"})
	return s
}

// Collectors are the service's metrics.
func (s *Service) Collectors() []prometheus.Collector {
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tocsin_symbol_cache_bytes", Help: "Memory that read files take."}, func() float64 { return float64(s.read.size()) })
	return []prometheus.Collector{s.frames, s.loaded, held}
}

// Revisions that are not known: Unknown lets what is remembered stand for some seconds.
const Unknown = -1

// Apply rewrites the frames of an event for which something was uploaded and keeps the stacks as
// they came beside them. Why others stay becomes the event's processing errors. revision is that
// of the project's artifacts, 0 when it never had any, or Unknown.
func (s *Service) Apply(ctx context.Context, ev *event.Event, revision int64) {
	if w := wanted(ev); w.any() {
		s.javascript(ctx, ev, &w, revision)
	}
	s.jvm(ctx, ev, revision)
	s.native(ctx, ev, revision)
}

// Refresh does what Apply does for an event that was stored, with what was uploaded since. The event
// stays as it was stored when that cannot be learned now. It reports whether a frame changed.
func (s *Service) Refresh(ctx context.Context, ev *event.Event) bool {
	if s == nil || !readable(ev) {
		return false
	}
	revision, err := s.store.ArtifactRevision(ctx, ev.Project)
	if err != nil {
		slog.WarnContext(ctx, "what was uploaded for an event is not known now", "err", err)
		return false
	}
	return s.RefreshAt(ctx, ev, revision)
}

// readable reports whether an event has frames that uploads could make readable.
func readable(ev *event.Event) bool {
	w := wanted(ev)
	return w.any() || len(mappingIDs(ev)) > 0 || hasNative(ev)
}

// RefreshAt is Refresh for callers that know the revision of the project's artifacts.
func (s *Service) RefreshAt(ctx context.Context, ev *event.Event, revision int64) bool {
	if s == nil || revision == 0 || !readable(ev) {
		return false
	}
	w := wanted(ev)
	ev.Errors = withoutOwn(ev.Errors)
	changed := s.unwindDump(ctx, ev, revision)
	changed = w.any() && s.javascript(ctx, ev, &w, revision) || changed
	changed = s.jvm(ctx, ev, revision) || changed
	return s.native(ctx, ev, revision) || changed
}
