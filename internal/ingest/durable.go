package ingest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// publisher makes events durable in the queue. fault.Unavailable when the queue is away.
type publisher interface {
	Publish(ctx context.Context, raw event.Raw) error
}

// store returns nil once the event is durable. A client that leaves does not stop it: the event is
// worth having. fault.Limited: the queue is away and the spool is full.
func (s *Service) store(ctx context.Context, raw *event.Raw) error {
	ctx = context.WithoutCancel(ctx)
	started := time.Now()
	err := s.events.Publish(ctx, *raw)
	s.metrics.packWait.Observe(time.Since(started).Seconds())
	if err == nil || fault.KindOf(err) != fault.Unavailable {
		return err
	}
	rec := recordBuffers.Get().(*[]byte)
	defer recordBuffers.Put(rec)
	*rec, err = raw.AppendBinary((*rec)[:0])
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode an event for the spool")
	}
	if err := s.spool.Append(ctx, *rec); err != nil {
		if fault.KindOf(err) == fault.Limited {
			return fault.Wrap(err, fault.Limited, "there is no room left to keep events").RetryAfter(fullWait)
		}
		return err
	}
	s.metrics.spooled.Inc()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// recordBuffers holds the buffers that events are encoded in for the spool, which copies them.
var recordBuffers = sync.Pool{New: func() any { return new([]byte) }}

const (
	forwardPause   = 500 * time.Millisecond // between looks at a queue that is away
	forwardWorkers = 64                     // events on their way from the spool at once
)

// forward moves the spool's records into the queue whenever the queue is there, until ctx ends.
func (s *Service) forward(ctx context.Context) error {
	for ctx.Err() == nil {
		if s.spool.Len() == 0 {
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
			continue
		}
		if err := s.spool.Drain(ctx, func(recs [][]byte) error { return s.republish(ctx, recs) }); err != nil && ctx.Err() == nil {
			if fault.KindOf(err) != fault.Unavailable {
				return err
			}
			app.Sleep(ctx, forwardPause)
		}
	}
	return nil
}

// republish puts records of the spool into the queue. After an error all of them come again.
func (s *Service) republish(ctx context.Context, recs [][]byte) error {
	var g errgroup.Group
	g.SetLimit(forwardWorkers)
	for _, rec := range recs {
		var raw event.Raw
		if err := raw.UnmarshalBinary(rec); err != nil {
			slog.ErrorContext(ctx, "spooled event is unreadable", "err", err)
			continue
		}
		g.Go(func() error { return s.events.Publish(ctx, raw) })
	}
	return g.Wait()
}
