package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	// ackWait is how long the broker waits for a pack before it gives it to somebody else.
	ackWait   = 30 * time.Second
	heartbeat = ackWait / 3
	// batchBytes bounds a batch, fetchBytes what is fetched ahead of the workers.
	batchBytes = 4 << 20
	fetchBytes = 4 << 20
	// pullHeartbeat is how often the broker shows that a pull waits with it. A server that dies takes its
	// pulls along, and nobody says so: after two beats without a sign they are sent to its successor. With
	// fewer seconds a machine that is only busy is taken for dead, and what comes for both pulls is too much.
	pullHeartbeat = 5 * time.Second
	// drainWait is what a batch in hand gets to finish once the consumer is told to stop. It leaves
	// time to stop what the services stand on within app.StopTimeout.
	drainWait = 5 * time.Second
	// pauses are what follows failures of the infrastructure, one after the other.
	firstPause, longestPause = 250 * time.Millisecond, 15 * time.Second
)

// Reject names a message of a batch, by its index, that can never succeed. It is dead-lettered.
type Reject struct {
	Index int
	Err   error
}

// Handler works on a batch. After nil every message but the rejects is done. After an error
// nothing of the batch counts as done and rejects are ignored: fault.Unavailable means that the
// infrastructure failed and nothing is held against the messages; a kind that is not Retryable
// dead-letters the guilty messages at once; any other counts, and dead-letters them after the
// retries of the binding. A batch may come again, in part or whole, after it was recorded.
type Handler[T any] func(ctx context.Context, batch []T) ([]Reject, error)

// Consume hands batches of the queue to h until ctx ends, then finishes the batch in hand. Batches
// hold what has arrived; they never wait for more unless more is known to be on its way.
// buried, when given, is told of each message that is given up without the handler having rejected
// it, before its dead letter is stored; it may be told again. fault.Denied: the bindings do not name
// the service as the queue's consumer.
func (q Queue[T]) Consume(ctx context.Context, c *Conn, h func(ctx context.Context, batch []T) ([]Reject, error),
	buried ...func(ctx context.Context, msg T, cause error) error,
) error {
	policy, ok := c.graph.Queues[q.Name]
	if !ok || policy.Consumer != c.service {
		return fault.New(fault.Denied, "%s is not bound as the consumer of queue %s", c.service, q.Name)
	}
	held, err := openInHand(c.dir, q.Name)
	if err != nil {
		return err
	}
	defer held.close()
	w := &worker[T]{
		source: &source{c: c, queue: q.Name, policy: policy, forgiven: &forgiven{n: map[uint64]int{}}, inHand: held, storm: &storm{},
			stats: c.stats.edge("consume", q.Name), log: c.log.With("queue", q.Name)},
		handle: h, decode: decoder[T](),
	}
	if len(buried) > 0 {
		w.buried = buried[0]
	}
	return w.run(ctx)
}

// source fetches packs of one queue for the workers of this program.
type source struct {
	c        *Conn
	queue    string
	policy   QueuePolicy
	forgiven *forgiven
	inHand   *inHand
	storm    *storm
	stats    *edge
	log      *slog.Logger
}

// run takes up what an earlier process left, then holds sessions one after the other: a session ends
// with ctx, with a lost consumer, or with a failure of the infrastructure, after which everybody pauses.
func (w *worker[T]) run(ctx context.Context) error {
	pause := firstPause
	for reclaimed := false; ctx.Err() == nil; {
		var err error
		if !reclaimed {
			err = w.reclaim(ctx)
			reclaimed = err == nil
		}
		if err == nil {
			err = w.session(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errWorked):
			pause = firstPause
		}
		w.log.WarnContext(ctx, "queue paused", "err", err, "pause", pause)
		select {
		case <-ctx.Done():
		case <-time.After(jitter(pause)):
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

// handled counts the messages that the handler returned nil for.
func (s *source) handled() int64 { return s.stats.count.Load() - s.stats.errors.Load() }

// errWorked marks a session that recorded something before it ended.
var errWorked = errors.New("the session worked before")

// session fetches and works until something ends it. Packs that were fetched and not begun go back.
func (w *worker[T]) session(ctx context.Context) error {
	find, cancel := context.WithTimeout(ctx, 5*time.Second)
	consumer, err := w.c.js.Consumer(find, queueStream(w.queue), queueConsumer(w.queue, w.c.service))
	cancel()
	if err != nil {
		return translate(err, "find the consumer of queue %s", w.queue)
	}
	packs, err := consumer.Messages(
		jetstream.PullMaxMessagesWithBytesLimit(max(w.policy.MaxBatchSize, 2), fetchBytes),
		jetstream.PullExpiry(20*time.Second), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return translate(err, "fetch from queue %s", w.queue)
	}
	done := w.handled()
	group, live := errgroup.WithContext(ctx)
	arrivals := make(chan *delivery)
	group.Go(func() error { return w.pump(live, packs, arrivals) })
	for range w.policy.MaxConcurrency {
		group.Go(func() error { return w.work(live, arrivals) })
	}
	err = group.Wait()
	if w.handled() > done {
		err = errors.Join(err, errWorked)
	}
	return err
}

// pump moves packs from the broker to whichever worker is free.
func (s *source) pump(ctx context.Context, packs jetstream.MessagesContext, arrivals chan<- *delivery) error {
	defer s.giveBack(packs)
	for {
		msg, err := packs.Next(jetstream.NextContext(ctx))
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, jetstream.ErrNoHeartbeat) && s.c.Healthy() == nil {
				continue
			}
			return translate(err, "fetch from queue %s", s.queue)
		}
		d, err := newDelivery(msg, s.forgiven)
		if err != nil {
			s.buryPack(ctx, d, err)
			continue
		}
		select {
		case arrivals <- d:
		case <-ctx.Done():
			_ = d.release(0) // the broker gives it again after ackWait if this is lost
			return ctx.Err()
		}
	}
}

// giveBack returns what was fetched ahead, so that nobody has to wait for it.
func (s *source) giveBack(packs jetstream.MessagesContext) {
	packs.Drain()
	for {
		msg, err := packs.Next(jetstream.NextMaxWait(2 * time.Second))
		if err != nil {
			packs.Stop()
			return
		}
		if meta, err := msg.Metadata(); err == nil {
			s.forgiven.add(meta.Sequence.Stream)
		}
		_ = msg.Nak() // the broker gives it again after ackWait if this is lost
	}
}

// gather completes a batch that starts with d: everything that is at hand, and for as long as the
// policy allows what is on its way, because the broker said so or because the worker is busy: its
// last batch ended within that time. A batch costs its transaction however small it is, so under
// load fewer and larger ones leave more of the machine to those who wait for an answer.
func (s *source) gather(ctx context.Context, d *delivery, arrivals <-chan *delivery, busy bool) []*delivery {
	batch, count, bytes := []*delivery{d}, len(d.messages), d.bytes
	var linger <-chan time.Time
	for count < s.policy.MaxBatchSize && bytes < batchBytes {
		var next *delivery
		select {
		case next = <-arrivals:
		default:
			if s.policy.MaxBatchTimeout == 0 || (batch[len(batch)-1].pending == 0 && !busy) {
				return batch
			}
			if linger == nil {
				linger = time.After(s.policy.MaxBatchTimeout)
			}
			select {
			case next = <-arrivals:
			case <-linger:
				return batch
			case <-ctx.Done():
				return batch
			}
		}
		batch, count, bytes = append(batch, next), count+len(next.messages), bytes+next.bytes
	}
	return batch
}
