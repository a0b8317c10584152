package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/disk"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Options say where the server keeps its data and whom it serves.
type Options struct {
	Dir   string // created when absent
	Graph *bus.Graph
	// RelaxedSync lets an acknowledged message wait up to two minutes for the disk: it survives
	// the death of the process but not of the machine. Off, each one is synced first.
	RelaxedSync bool
	// MaxStoreBytes bounds what all streams take on disk. Zero means 30 % of the free disk, 10 GiB
	// at most.
	MaxStoreBytes int64
	Log           *slog.Logger
}

const (
	readyWait    = 30 * time.Second
	mostStore    = 10 << 30
	leastStore   = 256 << 20
	memoryStore  = 16 << 20 // streams in memory; ours are all on disk
	maxPending   = 32 << 20 // what a slow connection may have outstanding
	healthPeriod = 2 * time.Second
)

// Server is a private broker inside this process. It opens no port: connections are in-process.
type Server struct {
	o        Options
	log      *slog.Logger
	maxStore int64
	secrets  map[string]string // by identity, new at each start

	mu      sync.Mutex
	current *natsserver.Server // nil while restarting, halted or stopped
	halted  bool               // by Halt: not to be restarted
	stopped bool

	cancel context.CancelFunc
	watch  sync.WaitGroup
}

// Start starts the server, creates the graph's streams, consumers and buckets, and keeps it
// running until Stop. fault.Unavailable: the directory cannot be used.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "make the broker's directory")
	}
	s := &Server{o: o, log: o.Log, maxStore: o.MaxStoreBytes, secrets: map[string]string{}}
	if s.maxStore == 0 {
		room, err := disk.At(o.Dir)
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "read the free disk space")
		}
		s.maxStore = min(max(room.Free/10*3, leastStore), mostStore)
	}
	for _, identity := range o.Graph.Identities() {
		s.secrets[identity] = rand.Text()
	}
	if err := s.launch(); err != nil {
		return nil, err
	}
	if err := errors.Join(s.takeBack(ctx), s.ensure(ctx)); err != nil {
		s.halt()
		return nil, err
	}
	supervised, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.watch.Go(func() { s.supervise(supervised) })
	return s, nil
}

func (s *Server) options() *natsserver.Options {
	opts := &natsserver.Options{
		ServerName: "tocsin", DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: s.o.Dir, SyncAlways: !s.o.RelaxedSync,
		JetStreamMaxStore: s.maxStore + bus.StoreOverhead(s.o.Graph), JetStreamMaxMemory: memoryStore,
		MaxPayload: bus.MaxPayload, MaxPending: maxPending,
		StreamMaxBufferedSize: maxPending,
	}
	for identity, secret := range s.secrets {
		opts.Users = append(opts.Users, &natsserver.User{Username: identity, Password: secret,
			Permissions: permissions(s.o.Graph.Permissions(identity))})
	}
	return opts
}

func permissions(p bus.Permission) *natsserver.Permissions {
	out := &natsserver.Permissions{Publish: allow(p.Publish), Subscribe: allow(p.Subscribe)}
	if p.Responses > 0 {
		out.Response = &natsserver.ResponsePermission{MaxMsgs: p.Responses, Expires: bus.ResponseWait}
	}
	return out
}

// allow permits exactly subjects: an absent list would permit everything.
func allow(subjects []string) *natsserver.SubjectPermission {
	if len(subjects) == 0 {
		return &natsserver.SubjectPermission{Deny: []string{">"}}
	}
	return &natsserver.SubjectPermission{Allow: subjects}
}

// launch starts a server process part and waits until it recovered its streams.
func (s *Server) launch() error {
	srv, err := natsserver.NewServer(s.options())
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "configure the broker")
	}
	srv.SetLoggerV2(logger{s.log}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(readyWait) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fault.New(fault.Unavailable, "the broker did not start in %s", s.o.Dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		srv.Shutdown()
		return fault.New(fault.Unavailable, "the broker was stopped")
	}
	s.current = srv
	return nil
}

// Halt ends the server and leaves it down until Resume: to its clients the broker is away.
func (s *Server) Halt() {
	s.mu.Lock()
	s.halted = true
	s.mu.Unlock()
	s.halt()
}

// Resume starts the server again after Halt, on the same data. fault.Unavailable: it did not start.
func (s *Server) Resume(ctx context.Context) error {
	err := s.launch()
	if err == nil {
		err = s.ensure(ctx)
	}
	s.mu.Lock()
	s.halted = false
	s.mu.Unlock()
	return err
}

// halt ends the running server, if any, after it wrote what it holds.
func (s *Server) halt() {
	s.mu.Lock()
	srv := s.current
	s.current = nil
	s.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// takeBack readies what an earlier process had in hand for delivery; its consumers ended with it.
func (s *Server) takeBack(ctx context.Context) error {
	nc, err := s.Admin()
	if err != nil {
		return err
	}
	defer nc.Close()
	return bus.TakeBack(ctx, nc, s.o.Graph)
}

func (s *Server) ensure(ctx context.Context) error {
	nc, err := s.Admin()
	if err != nil {
		return err
	}
	defer nc.Close()
	return bus.Ensure(ctx, nc, s.o.Graph, bus.Limits{StoreBytes: s.maxStore})
}

// InProcessConn opens a connection to whichever server runs now, so that clients find a restarted
// one by themselves.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	srv := s.current
	s.mu.Unlock()
	if srv == nil {
		return nil, errors.New("the embedded broker is not running")
	}
	return srv.InProcessConn()
}

// Connect opens a service's connection.
func (s *Server) Connect(ctx context.Context, service string) (*bus.Conn, error) {
	return bus.Connect(ctx, s.Options(service))
}

// Options is what bus.Connect needs for a service.
func (s *Server) Options(service string) bus.Options {
	return bus.Options{Service: service, Graph: s.o.Graph, InProcess: s, User: service, Password: s.secrets[service], Log: s.log}
}

// Admin opens a connection with the administrator's rights. The caller closes it.
func (s *Server) Admin() (*nats.Conn, error) {
	return s.Raw(bus.Admin)
}

// Raw opens a plain connection with the rights of an identity. The caller closes it.
func (s *Server) Raw(identity string) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(identity, s.secrets[identity]),
		nats.CustomInboxPrefix("_INBOX_"+identity), nats.Name(identity), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "connect to the broker as %s", identity)
	}
	return nc, nil
}

// Stop ends the server once everything it holds is written. It waits until ctx ends at most.
// Services are to be ended before.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watch.Wait()
		s.halt()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "stop the broker")
	}
}
