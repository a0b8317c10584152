package bus

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sony/gobreaker/v2"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	// publishWait is how long a message may wait for its pack to be acknowledged.
	publishWait = 300 * time.Millisecond
	// packsInFlight is how many packs of one publisher may await their acknowledgement.
	packsInFlight = 2
	// maxWaitingBytes bounds what callers may pile up in front of the packs in flight.
	maxWaitingBytes = 32 << 20

	breakerFailures = 3
	breakerPause    = time.Second
)

// Queue names a queue of the bindings and the type of its messages. A type whose pointer has
// AppendBinary and UnmarshalBinary travels in that form, every other as JSON.
type Queue[T any] struct{ Name string }

// Publisher puts messages into one queue. It is safe for concurrent use.
type Publisher[T any] struct {
	packs  *packer
	encode func([]byte, *T) ([]byte, error)
}

// Publisher starts a publisher, which lives until c is closed. fault.Denied: the bindings do not
// name the service as a producer of the queue.
func (q Queue[T]) Publisher(c *Conn) (*Publisher[T], error) {
	policy, ok := c.graph.Queues[q.Name]
	if !ok || !slices.Contains(policy.Producers, c.service) {
		return nil, fault.New(fault.Denied, "%s is not bound as a producer of queue %s", c.service, q.Name)
	}
	p, err := c.packer(q.Name)
	return &Publisher[T]{packs: p, encode: encoder[T]()}, err
}

// Publish returns nil once msg is durable. Concurrent callers share a pack, and with it the cost
// of making it durable. fault.Unavailable, within 300 ms: the message may or may not have been
// stored; it is safe to publish it again. fault.TooLarge: above 4 MiB.
func (p *Publisher[T]) Publish(ctx context.Context, msg T) error {
	return p.packs.publish(ctx, 1, func(_ int, b []byte) ([]byte, error) { return p.encode(b, &msg) })
}

// PublishAll is Publish for several messages that belong together, such as what a spool held. It
// returns nil once all are durable; after an error any of them may have been stored.
func (p *Publisher[T]) PublishAll(ctx context.Context, msgs []T) error {
	return p.packs.publish(ctx, len(msgs), func(i int, b []byte) ([]byte, error) { return p.encode(b, &msgs[i]) })
}

// packer fills packs from many callers and sends them from a fixed number of goroutines.
type packer struct {
	c       *Conn
	queue   string
	stats   *edge
	breaker *gobreaker.CircuitBreaker[struct{}]

	mu      sync.Mutex
	some    *sync.Cond // a pack waits, or closed
	open    *pack      // takes messages
	ready   []*pack    // full, in order
	waiting int        // bytes in open and ready
	closed  bool
}

func (c *Conn) packer(queue string) (*packer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, fault.New(fault.Unavailable, "the bus connection is closed")
	}
	for _, p := range c.packs {
		if p.queue == queue {
			return p, nil
		}
	}
	p := &packer{c: c, queue: queue, stats: c.stats.edge("publish", queue)}
	p.some = sync.NewCond(&p.mu)
	p.breaker = newBreaker[struct{}](c, p.stats)
	c.packs = append(c.packs, p)
	for range packsInFlight {
		c.work.Go(p.send)
	}
	return p, nil
}

// newBreaker opens after a few failures in a row and lets one probe through every second.
func newBreaker[T any](c *Conn, stats *edge) *gobreaker.CircuitBreaker[T] {
	return gobreaker.NewCircuitBreaker[T](gobreaker.Settings{
		Name:        stats.kind + " " + stats.name,
		Timeout:     breakerPause,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool {
			return err == nil || fault.KindOf(err) != fault.Unavailable
		},
		OnStateChange: func(name string, _, to gobreaker.State) {
			stats.breaker.Store(int32(to))
			c.log.WarnContext(c.ctx, "bus circuit breaker changed", "edge", name, "state", to.String())
		},
	})
}

// publish puts count messages into packs and waits for all of those.
func (p *packer) publish(ctx context.Context, count int, write func(i int, b []byte) ([]byte, error)) error {
	if p.breaker.State() == gobreaker.StateOpen {
		return p.stats.fail(fault.New(fault.Unavailable, "queue %s is away", p.queue).RetryAfter(breakerPause))
	}
	start, trace := time.Now(), traceText(ctx)
	var first *pack
	var more []*pack // after first, when there is more than one
	for i := range count {
		k, err := p.join(trace, start, func(b []byte) ([]byte, error) { return write(i, b) })
		if err != nil {
			return p.stats.fail(err)
		}
		if first == nil {
			first = k
		} else if last := len(more) - 1; k != first && (last < 0 || more[last] != k) {
			more = append(more, k)
		}
	}
	err := p.await(ctx, first)
	for _, k := range more {
		if e := p.await(ctx, k); err == nil {
			err = e
		}
	}
	p.stats.observe(time.Since(start), err)
	return err
}

func (p *packer) await(ctx context.Context, k *pack) error {
	if k == nil {
		return nil
	}
	select {
	case <-k.done:
		return k.err
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "publish to queue %s", p.queue)
	}
}

// join adds a message to the open pack and returns that pack.
func (p *packer) join(trace []byte, now time.Time, write func([]byte) ([]byte, error)) (*pack, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.waiting > maxWaitingBytes {
		return nil, fault.New(fault.Unavailable, "queue %s takes no more messages now", p.queue)
	}
	k := p.open
	if k == nil {
		k = newPack(now)
	}
	before := len(*k.buf)
	if err := k.add(trace, write); err != nil {
		if k != p.open {
			packBuffers.Put(k.buf)
		}
		if errors.Is(err, errTooLarge) {
			return nil, fault.New(fault.TooLarge, "a message to queue %s is above %d bytes", p.queue, maxMessageBytes)
		}
		return nil, fault.Wrap(err, fault.Invalid, "encode a message to queue %s", p.queue)
	}
	p.waiting += len(*k.buf) - before
	p.open = k
	if k.full() {
		p.ready, p.open = append(p.ready, k), nil
	}
	p.some.Signal()
	return k, nil
}

// send takes one pack after the other until the packer is closed and empty.
func (p *packer) send() {
	for {
		k := p.take()
		if k == nil {
			return
		}
		if time.Since(k.born) > publishWait {
			// It waited behind packs that were slow: that says nothing new to the breaker.
			k.finish(fault.New(fault.Unavailable, "queue %s does not keep up", p.queue))
			continue
		}
		_, err := p.breaker.Execute(func() (struct{}, error) { return struct{}{}, p.store(k) })
		if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
			err = fault.New(fault.Unavailable, "queue %s is away", p.queue).RetryAfter(breakerPause)
		}
		k.finish(err)
	}
}

func (p *packer) take() *pack {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.ready) == 0 && p.open == nil && !p.closed {
		p.some.Wait()
	}
	k := p.open
	if len(p.ready) > 0 {
		k = p.ready[0]
		p.ready = slices.Delete(p.ready, 0, 1)
	} else {
		p.open = nil
	}
	if k != nil {
		p.waiting -= len(*k.buf) - packHead
	}
	return k
}

func (p *packer) store(k *pack) error {
	ctx, cancel := context.WithDeadline(p.c.ctx, k.born.Add(publishWait))
	defer cancel()
	msg := &nats.Msg{Subject: queueSubject(p.queue), Data: *k.buf}
	var id [2 * len(k.id)]byte
	hex.Encode(id[:], k.id[:])
	_, err := p.c.js.PublishMsg(ctx, msg, jetstream.WithMsgID(string(id[:])),
		jetstream.WithRetryWait(publishWait/6), jetstream.WithRetryAttempts(2))
	return translate(err, "publish to queue %s", p.queue)
}

func (p *packer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.some.Broadcast()
}
