package ingest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// publisher makes events durable in the queue. fault.Unavailable when the queue is away.
type publisher interface {
	Publish(ctx context.Context, raw event.Raw) error
	PublishAll(ctx context.Context, raws []event.Raw) error
}

// store returns nil once the event is durable, and has counted it as received; what becomes of it is
// the processor's to say. A client that leaves does not stop it: the event is worth having.
// fault.Limited: the queue is away and the spool is full.
func (s *Service) store(ctx context.Context, raw *event.Raw) error {
	err := s.makeDurable(ctx, raw)
	if err == nil {
		s.received.Add(outcome.Key{Project: raw.Project, KeyID: raw.KeyID, Category: outcome.OfItem(raw.ItemType),
			Kind: outcome.Received, Minute: raw.ReceivedAt}, 1)
	}
	return err
}

func (s *Service) makeDurable(ctx context.Context, raw *event.Raw) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return fault.New(fault.Unavailable, "failed to queue envelope").RetryAfter(time.Second)
	}
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

// close waits for the events that are being made durable and refuses the ones after them.
func (s *Service) close() {
	s.gate.Lock()
	s.closed = true
	s.gate.Unlock()
}

// recordBuffers holds the buffers that events are encoded in for the spool, which copies them.
var recordBuffers = sync.Pool{New: func() any { return new([]byte) }}

// forwardPause is how long to wait between looks at a queue that is away.
const forwardPause = 500 * time.Millisecond

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
	raws := make([]event.Raw, 0, len(recs))
	for _, rec := range recs {
		var raw event.Raw
		if err := raw.UnmarshalBinary(rec); err != nil {
			slog.ErrorContext(ctx, "spooled event is unreadable", "err", err)
			continue
		}
		raws = append(raws, raw)
	}
	return s.events.PublishAll(ctx, raws)
}
