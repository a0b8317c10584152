package bus

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Options say who connects, by which graph, and to where. InProcess wins over URL.
type Options struct {
	Service   string // a service of the graph, or Admin
	Graph     *Graph
	URL       string
	InProcess nats.InProcessConnProvider
	User      string // with Password: the broker's credentials; empty means none
	Password  string
	// Dir is where consumers remember what they have in hand, so that a message that kills the
	// process is found out. Empty: nowhere.
	Dir string
	Log *slog.Logger
}

// Conn is one program's connection to the bus. It is safe for concurrent use.
type Conn struct {
	service string
	graph   *Graph
	dir     string
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	stats   registry

	ctx    context.Context // ends when Close gives up waiting
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	packs  []*packer
	work   sync.WaitGroup // senders of packs
}

// Connect opens a connection that reconnects for ever. It returns at once even when the broker is
// away; Healthy tells. fault.Invalid: the service is not in the graph or the address is malformed.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	if o.Graph == nil {
		return nil, fault.New(fault.Invalid, "a connection needs the bindings")
	}
	if _, ok := o.Graph.Services[o.Service]; !ok && o.Service != Admin {
		return nil, fault.New(fault.Invalid, "%q is not a service of the bindings", o.Service)
	}
	if o.URL == "" && o.InProcess == nil {
		return nil, fault.New(fault.Invalid, "a bus connection needs an address")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Conn{service: o.Service, graph: o.Graph, dir: o.Dir, log: o.Log.With("bus", o.Service)}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	nc, err := nats.Connect(o.URL, c.options(o)...)
	if err != nil {
		c.cancel()
		return nil, fault.Wrap(err, fault.Invalid, "connect to the bus")
	}
	c.nc = nc
	if c.js, err = jetstream.New(nc); err != nil {
		nc.Close()
		c.cancel()
		return nil, fault.Wrap(err, fault.Internal, "prepare the bus connection")
	}
	return c, nil
}

func (c *Conn) options(o Options) []nats.Option {
	opts := []nats.Option{
		nats.Name(o.Service),
		nats.CustomInboxPrefix(inboxPrefix(o.Service)),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(reconnectDelay),
		// Nothing is buffered while the broker is away: callers learn of it at once.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			c.log.ErrorContext(c.ctx, "bus reported an error", "err", err, "subject", subject)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.WarnContext(c.ctx, "bus connection lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { c.log.InfoContext(c.ctx, "bus connection restored") }),
	}
	if o.InProcess != nil {
		opts = append(opts, nats.InProcessServer(o.InProcess))
	}
	if o.User != "" {
		opts = append(opts, nats.UserInfo(o.User, o.Password))
	}
	return opts
}

// reconnectDelay grows from 50 ms to 2 s, with a quarter of jitter.
func reconnectDelay(attempts int) time.Duration {
	d := min(50*time.Millisecond<<min(attempts, 6), 2*time.Second)
	return d - time.Duration(rand.Int64N(int64(d/4)))
}

// Service is the identity the connection was opened for.
func (c *Conn) Service() string { return c.service }

// Healthy is nil while the broker answers. fault.Unavailable: it is away.
func (c *Conn) Healthy() error {
	if !c.nc.IsConnected() {
		return fault.New(fault.Unavailable, "the bus is away")
	}
	return nil
}

// Close sends what publishers still hold, then disconnects. It waits until ctx ends at most.
// Consumers and servers are to be ended before, through their own contexts.
func (c *Conn) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	packs := c.packs
	c.mu.Unlock()
	for _, p := range packs {
		p.close()
	}
	sent := make(chan struct{})
	go func() {
		c.work.Wait()
		close(sent)
	}()
	var err error
	select {
	case <-sent:
	case <-ctx.Done():
		err = fault.Wrap(ctx.Err(), fault.Unavailable, "close the bus connection")
	}
	c.cancel()
	if c.nc.IsConnected() && err == nil {
		flush, cancel := context.WithTimeout(ctx, 2*time.Second)
		err = c.nc.FlushWithContext(flush)
		cancel()
	}
	c.nc.Close()
	<-sent
	return err
}

// translate gives a broker error its kind: whatever may pass is Unavailable.
func translate(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	kind := fault.Unavailable
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		kind = fault.TooLarge
	case errors.Is(err, jetstream.ErrInvalidKey), errors.Is(err, nats.ErrBadSubject):
		kind = fault.Invalid
	}
	return fault.Wrap(err, kind, format, args...)
}
