package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	embeddednats "github.com/tocsin-dev/tocsin/internal/embedded/nats"
	embeddedpg "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/machine"
	"github.com/tocsin-dev/tocsin/internal/notifier"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/processor"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
	"github.com/tocsin-dev/tocsin/internal/web"
)

// Up runs the four services in one process on one port.
type Up struct {
	app.Config
	Listen      string `help:"Address to answer on: SDK traffic, API and pages." default:"127.0.0.1:9000" env:"TOCSIN_LISTEN"`
	DatabaseURL string `name:"database-url" help:"Use this Postgres instead of a private one under --data." env:"TOCSIN_DATABASE_URL"`
	NATSURL     string `name:"nats-url" help:"Use this NATS instead of the embedded one." env:"TOCSIN_NATS_URL"`
	NATSReplicas
	CPUProfile string           `name:"cpu-profile" help:"File to write a profile of the processor time of the whole run to, for go tool pprof." env:"TOCSIN_CPU_PROFILE"`
	Ingest     ingest.Config    `embed:""`
	Processor  processor.Config `embed:""`
	Notifier   notifier.Config  `embed:""`
	Web        web.Config       `embed:""`
}

// Run implements the command.
func (u *Up) Run(ctx context.Context, out io.Writer) error {
	started := time.Now()
	if err := os.MkdirAll(u.Data, 0o711); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	unlock, err := lockFolder(u.Data)
	if err != nil {
		return err
	}
	defer unlock()
	ln, err := net.Listen("tcp", u.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", u.Listen, err)
	}
	defer ln.Close()
	if u.URL == "" {
		u.URL = "http://" + publicHost(ln.Addr())
	}
	u.URL = strings.TrimSuffix(u.URL, "/")
	stopTelemetry, err := telemetry.Start(ctx, "tocsin", u.Config.Config, os.Stderr)
	if err != nil {
		return err
	}
	tuneMemory()
	stopProfile, err := u.profile()
	if err != nil {
		return err
	}
	defer stopProfile()

	in, err := u.install(ctx)
	if err != nil {
		return err
	}
	asked := make(chan time.Time, 1) // to stop
	context.AfterFunc(ctx, func() { asked <- time.Now() })
	defer func() {
		select {
		case at := <-asked:
			in.close(at.Add(app.StopTimeout))
		default: // a service gave up
			in.close(time.Now().Add(app.StopTimeout))
		}
	}()
	first, err := firstStart(ctx, in.databaseURL, u.Data, u.URL)
	if err != nil {
		return err
	}
	front := app.NewFront(u.URL)
	kits, err := u.kits(ctx, front, in)
	if err != nil {
		return err
	}
	defer func() {
		for _, k := range kits {
			k.Close(nil)
		}
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = stopTelemetry(stop)
	}()
	announce := func() { in.announce(out, u, first, time.Since(started)) }
	return u.serve(ctx, front, ln, kits, announce)
}

// serve runs the services and the front until ctx ends or one of them gives up.
func (u *Up) serve(ctx context.Context, front *app.Front, ln net.Listener, kits []*app.Kit, announce func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return front.Serve(ctx, ln, u.MetricsAllow) })
	runs := []func(context.Context, *app.Kit) error{
		func(ctx context.Context, k *app.Kit) error { return ingest.Run(ctx, k, u.Ingest) },
		func(ctx context.Context, k *app.Kit) error { return processor.Run(ctx, k, u.Processor) },
		func(ctx context.Context, k *app.Kit) error { return notifier.Run(ctx, k, u.Notifier) },
		func(ctx context.Context, k *app.Kit) error { return web.Run(ctx, k, u.Web) },
	}
	for i, run := range runs {
		g.Go(func() error {
			err := run(telemetry.With(ctx, kits[i].Scope), kits[i])
			if err == nil && ctx.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", kits[i].Service, err)
			}
			return nil
		})
	}
	g.Go(func() error {
		for !front.Healthy(ctx) {
			if !app.Sleep(ctx, 20*time.Millisecond) {
				return nil
			}
		}
		announce()
		return nil
	})
	return g.Wait()
}

// installation is what the services stand on.
type installation struct {
	databaseURL string
	postgres    *embeddedpg.Server   // nil when --database-url is given
	nats        *embeddednats.Server // nil when --nats-url is given
	natsURL     string
}

// install starts the private database and the embedded bus side by side, or connects to those
// given, and brings both up to this release.
func (u *Up) install(ctx context.Context) (in *installation, err error) {
	in = &installation{databaseURL: u.DatabaseURL, natsURL: u.NATSURL}
	defer func() {
		if err != nil {
			in.close(time.Now().Add(app.StopTimeout))
		}
	}()
	g := new(errgroup.Group)
	g.Go(func() error {
		if in.databaseURL == "" {
			server, err := embeddedpg.Start(ctx, embeddedpg.Options{Dir: filepath.Join(u.Data, "postgres")})
			if err != nil {
				return err
			}
			in.postgres, in.databaseURL = server, server.URL()
		}
		return postgres.Migrate(ctx, in.databaseURL)
	})
	g.Go(func() error {
		if in.natsURL == "" {
			server, err := embeddednats.Start(ctx, embeddednats.Options{Dir: filepath.Join(u.Data, "nats"), Graph: bindings.Graph()})
			if err != nil {
				return err
			}
			in.nats = server
			return nil
		}
		return ensureExternal(ctx, in.natsURL, u.Replicas)
	})
	return in, g.Wait()
}

// leastStop is what the database gets to stop in order, however long the rest took.
const leastStop = time.Second

// close ends both, in the time that is left until a moment: what it cuts short is recovered at the
// next start, as after a crash.
func (in *installation) close(until time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), until.Add(-leastStop))
	defer cancel()
	if in.nats != nil {
		if err := in.nats.Stop(ctx); err != nil {
			slog.Warn("the embedded NATS did not stop cleanly", "err", err)
		}
	}
	if in.postgres != nil {
		if err := in.postgres.StopWithin(max(leastStop, time.Until(until))); err != nil {
			slog.Warn("the private database did not stop cleanly", "err", err)
		}
	}
}

// kits makes the four kits: each with its own bus identity, so that the broker holds a service to
// its bindings in one process as it does in four, and with one pool of database connections.
func (u *Up) kits(ctx context.Context, front *app.Front, in *installation) ([]*app.Kit, error) {
	var kits []*app.Kit
	for _, service := range []string{"ingest", "processor", "notifier", "web"} {
		k, err := app.New(service, u.Config, front)
		if err != nil {
			return nil, err
		}
		o := bus.Options{Service: service, Graph: bindings.Graph(), URL: in.natsURL}
		if in.nats != nil {
			o = in.nats.Options(service)
		}
		o.Dir = k.DataDir
		sctx := telemetry.With(ctx, k.Scope)
		if k.Bus, err = bus.Connect(sctx, o); err != nil {
			return nil, err
		}
		if service != "ingest" {
			if k.Store, err = postgres.Open(sctx, in.databaseURL, postgres.Options{}); err != nil {
				return nil, err
			}
		}
		kits = append(kits, k)
	}
	front.Use(kits...)
	return kits, nil
}

// How much memory the heap may take before the collector works for each further byte, in MiB.
const (
	leastMemory        = 200 // what all services need under full load
	memoryPerProcessor = 200 // with which the collector takes 2 % of the time under full load
	memoryShare        = 16  // of the machine's, one part in so many, when that is less
)

// tuneMemory trades memory that is there for processor time: the collector runs a quarter as often
// as by default until the heap nears the limit. GOGC and GOMEMLIMIT, when set, decide instead.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(machine.Memory(), runtime.GOMAXPROCS(0)) << 20)
	}
}

// memoryLimit is for a machine with memory, in MiB as the result is.
func memoryLimit(memory, processors int) int64 {
	return int64(max(leastMemory, min(memory/memoryShare, memoryPerProcessor*processors)))
}

// profile starts the profile that --cpu-profile asks for; stop writes it.
func (u *Up) profile() (stop func(), err error) {
	if u.CPUProfile == "" {
		return func() {}, nil
	}
	f, err := os.Create(u.CPUProfile)
	if err != nil {
		return nil, fmt.Errorf("make the file of --cpu-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			slog.Error("the profile is not complete", "err", err)
		}
	}, nil
}

// publicHost is how this machine's own browser reaches addr.
func publicHost(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return fmt.Sprintf("localhost:%d", tcp.Port)
}
