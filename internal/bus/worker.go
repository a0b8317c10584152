package bus

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// worker runs one handler over what a source fetches.
type worker[T any] struct {
	*source
	handle Handler[T]
	decode func([]byte, *T) error
	buried func(ctx context.Context, msg T, cause error) error // nil: nobody asked
}

// entry is a decoded message and where it came from.
type entry[T any] struct {
	value T
	from  *delivery
	at    int // index in from.messages
}

// work takes batches until ctx ends. An error is a failure of the infrastructure.
func (w *worker[T]) work(ctx context.Context, arrivals <-chan *delivery) error {
	var ended time.Time // the last batch
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-arrivals:
			busy := time.Since(ended) < w.policy.MaxBatchTimeout
			if err := w.batch(ctx, w.gather(ctx, d, arrivals, busy)); err != nil {
				return err
			}
			if w.storm.take() {
				return w.pauseForStorm(ctx)
			}
			ended = time.Now()
		}
	}
}

// batch settles every pack of ds: acknowledged, asked for again, or its guilty messages buried.
// An error is a failure of the infrastructure.
func (w *worker[T]) batch(ctx context.Context, ds []*delivery) error {
	defer keepAlive(ds, heartbeat)()
	// What is in hand is finished even when the consumer is told to stop, within drainWait.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(drainWait, func() { cancel(context.Cause(ctx)) })
	})()
	var suspects, others []*delivery // ds itself is being kept alive
	for _, d := range ds {
		if w.inHand.suspect(d.id) {
			suspects = append(suspects, d)
		} else {
			others = append(others, d)
		}
	}
	if err := w.together(work, others); err != nil {
		return w.releaseAll(suspects, err)
	}
	for i, d := range suspects {
		if err := w.isolate(work, d); err != nil {
			return w.releaseAll(suspects[i+1:], err)
		}
	}
	return nil
}

// together works on packs that nothing is held against, beside other workers.
func (w *worker[T]) together(ctx context.Context, ds []*delivery) error {
	if len(ds) == 0 {
		return nil
	}
	w.inHand.alone.RLock()
	defer w.inHand.alone.RUnlock()
	w.inHand.begin(wholePack, ds...)
	defer w.inHand.end(wholePack, ds...)
	return w.settle(ctx, ds)
}

// isolate works on a pack that was in hand when the process died: its messages one after the
// other, with nothing else in hand. An error is a failure of the infrastructure.
func (w *worker[T]) isolate(ctx context.Context, d *delivery) error {
	w.inHand.alone.Lock()
	defer w.inHand.alone.Unlock()
	entries, err := w.read(ctx, []*delivery{d})
	if err != nil {
		return w.releaseAll([]*delivery{d}, err)
	}
	w.log.WarnContext(ctx, "the process died with this pack in hand; its messages are tried alone", "pack", hex.EncodeToString(d.id[:]), "messages", len(entries))
	var again error
	for _, e := range entries {
		err := w.tryAlone(ctx, e)
		switch {
		case err == nil:
		case infrastructure(err):
			return w.releaseAll([]*delivery{d}, err)
		case fault.KindOf(err).Retryable() && d.attempt <= w.policy.MaxRetries:
			again = err
		default:
			if err := w.give(ctx, e, err); err != nil {
				return w.releaseAll([]*delivery{d}, err)
			}
		}
	}
	if again != nil {
		w.log.WarnContext(ctx, "queue batch failed", "err", again, "attempt", d.attempt)
		_ = d.retry(step(w.policy.Backoff, d.attempt)) // the broker gives it again after ackWait if this is lost
		return nil
	}
	w.ackAll(ctx, []*delivery{d})
	w.inHand.forget(d)
	return nil
}

// errKiller is the error of a message that ends the process instead of failing.
var errKiller = errors.New("the process died each time it worked on this message alone")

// tryAlone works on one message, unless the process died of it before.
func (w *worker[T]) tryAlone(ctx context.Context, e entry[T]) error {
	if w.inHand.deaths(e.from.id, e.at) >= killerDeaths {
		return w.give(ctx, e, errKiller)
	}
	w.inHand.begin(e.at, e.from)
	defer w.inHand.end(e.at, e.from)
	return w.call(ctx, []entry[T]{e})
}

// give tells the service that a message is given up, and buries it.
func (w *worker[T]) give(ctx context.Context, e entry[T], cause error) error {
	if w.buried != nil {
		if err := w.buried(ctx, e.value, cause); err != nil {
			return fault.Wrap(err, fault.Unavailable, "account for a dead letter of queue %s", w.queue)
		}
	}
	return w.bury(ctx, e.from, e.at, cause)
}

func (w *worker[T]) settle(ctx context.Context, ds []*delivery) error {
	entries, err := w.read(ctx, ds)
	if err == nil {
		err = w.call(ctx, entries)
	}
	switch {
	case err == nil:
		w.ackAll(ctx, ds)
		return nil
	case infrastructure(err):
		return w.releaseAll(ds, err)
	case len(ds) > 1:
		// One bad message must not hold up its neighbours: halves are tried, down to each pack by itself.
		first, second := ds[:len(ds)/2], ds[len(ds)/2:]
		if failed := w.settle(ctx, first); failed != nil {
			return w.releaseAll(second, failed)
		}
		return w.settle(ctx, second)
	}
	d := ds[0]
	if fault.KindOf(err).Retryable() && d.attempt <= w.policy.MaxRetries {
		w.log.WarnContext(ctx, "queue batch failed", "err", err, "attempt", d.attempt)
		calls := 4 * bits.Len(uint(len(entries)))
		if err := w.spare(ctx, entries, &calls); err != nil {
			return w.releaseAll(ds, err)
		}
		_ = d.retry(step(w.policy.Backoff, d.attempt)) // the broker gives it again after ackWait if this is lost
		return nil
	}
	if err := w.bisect(ctx, entries, err); err != nil {
		return w.releaseAll(ds, err)
	}
	w.ackAll(ctx, ds)
	return nil
}

// read decodes all messages of ds. What cannot be decoded is buried.
func (w *worker[T]) read(ctx context.Context, ds []*delivery) ([]entry[T], error) {
	n := 0
	for _, d := range ds {
		n += len(d.messages)
	}
	entries := make([]entry[T], 0, n)
	for _, d := range ds {
		for i, m := range d.messages {
			e := entry[T]{from: d, at: i}
			err := m.err
			if err == nil {
				err = w.decodeSafely(m.body, &e.value)
			}
			if err != nil {
				if err := w.bury(ctx, d, i, err); err != nil {
					return nil, err
				}
				continue
			}
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func (w *worker[T]) decodeSafely(b []byte, v *T) (err error) {
	defer recoverTo(&err)
	return w.decode(b, v)
}

// call gives entries to the handler and buries what it rejects.
func (w *worker[T]) call(ctx context.Context, entries []entry[T]) error {
	if len(entries) == 0 {
		return nil
	}
	values := make([]T, len(entries))
	for i := range entries {
		values[i] = entries[i].value
	}
	start := time.Now()
	rejects, err := w.traced(ctx, entries, values)
	w.stats.count.Add(int64(len(entries)))
	w.storm.worked(len(entries))
	w.stats.ended.Add(1)
	w.stats.spent.Add(int64(time.Since(start)))
	if err != nil {
		w.stats.errors.Add(int64(len(entries)))
		return err
	}
	for _, r := range rejects {
		if r.Index < 0 || r.Index >= len(entries) {
			return fmt.Errorf("handler of queue %s rejected message %d of %d", w.queue, r.Index, len(entries))
		}
		if err := w.bury(ctx, entries[r.Index].from, entries[r.Index].at, r.Err); err != nil {
			return err
		}
	}
	return nil
}

// maxLinks bounds the links of a batch's span.
const maxLinks = 32

// traced runs the handler in a span: a child of the only message's span, or linked to those of
// the first messages that have one.
func (w *worker[T]) traced(ctx context.Context, entries []entry[T], values []T) (rejects []Reject, err error) {
	opts := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("messaging.system", "nats"),
			attribute.String("messaging.destination.name", w.queue), attribute.Int("messaging.batch.message_count", len(values)))}
	var links []trace.Link
	for _, e := range entries {
		if text := e.from.messages[e.at].trace; len(text) > 0 && len(links) < maxLinks {
			links = append(links, trace.LinkFromContext(withTrace(context.Background(), text)))
		}
	}
	if len(entries) == 1 {
		ctx = withTrace(ctx, entries[0].from.messages[entries[0].at].trace)
	} else {
		opts = append(opts, trace.WithLinks(links...))
	}
	ctx, span := tracer().Start(ctx, w.queue+" process", opts...)
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, fault.KindOf(err).String())
		}
		span.End()
	}()
	defer recoverTo(&err)
	return w.handle(ctx, values)
}

// spare works on the neighbours of the message that a pack fails for, so that they need not wait for
// its retries; they count once when the pack comes again. calls bounds what it tries: where most of a
// pack fails, it waits as a whole. An error is a failure of the infrastructure.
func (w *worker[T]) spare(ctx context.Context, entries []entry[T], calls *int) error {
	for len(entries) > 1 && *calls > 0 {
		first, second := entries[:len(entries)/2], entries[len(entries)/2:]
		*calls--
		err := w.call(ctx, first)
		if infrastructure(err) {
			return err
		}
		if err == nil {
			entries = second // fails, since all of it failed
			continue
		}
		if *calls--; *calls < 0 {
			return nil
		}
		if err = w.call(ctx, second); infrastructure(err) {
			return err
		}
		if err != nil {
			if err := w.spare(ctx, second, calls); err != nil {
				return err
			}
		}
		entries = first
	}
	return nil
}

// bisect finds the messages that fail by themselves and buries them; all others are recorded.
// cause is what entries failed with together. An error is a failure of the infrastructure.
func (w *worker[T]) bisect(ctx context.Context, entries []entry[T], cause error) error {
	if len(entries) == 1 {
		return w.give(ctx, entries[0], cause)
	}
	for _, half := range [2][]entry[T]{entries[:len(entries)/2], entries[len(entries)/2:]} {
		err := w.call(ctx, half)
		if infrastructure(err) {
			return err
		}
		if err != nil {
			if err := w.bisect(ctx, half, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *worker[T]) ackAll(ctx context.Context, ds []*delivery) {
	for _, d := range ds {
		if err := d.ack(); err != nil {
			w.log.WarnContext(ctx, "queue acknowledgement lost", "err", err)
		}
	}
}

// releaseAll hands packs back after a failure of the infrastructure, and passes that on.
func (w *worker[T]) releaseAll(ds []*delivery, cause error) error {
	for _, d := range ds {
		_ = d.release(firstPause) // the broker gives it again after ackWait if this is lost
	}
	return cause
}

// infrastructure reports whether err says nothing about the messages.
func infrastructure(err error) bool {
	return err != nil && (fault.KindOf(err) == fault.Unavailable || errors.Is(err, context.Canceled))
}

// panicked is a recovered panic with its stack.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

func recoverTo(err *error) {
	if v := recover(); v != nil {
		*err = &panicked{value: v, stack: debug.Stack()}
	}
}
