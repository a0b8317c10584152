package processor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// decodeFunc makes the record of a queued event, in the memory of a worker.
type decodeFunc func(ctx context.Context, raw *event.Raw, w *worker) (postgres.Record, error)

// verdict is what decoding made of one message: an event, or what is kept beside one.
type verdict struct {
	record    postgres.Record
	companion *postgres.Companion // nil for an event
	err       error
}

// filtered is the verdict on an event that is read but not kept: the reason for the ledger.
type filtered string

func (f filtered) Error() string { return "filtered: " + string(f) }

func isFiltered(err error) bool {
	_, is := err.(filtered)
	return is
}

// Process records a batch in one transaction, alerts in its outbox included. An event seen twice
// counts once. Rejects can never succeed; after an error nothing is stored and all return.
func (s *Service) Process(ctx context.Context, batch []event.Raw) ([]bus.Reject, error) {
	began := time.Now()
	verdicts, release := s.decodeAll(ctx, batch)
	defer release()
	s.metrics.decode.Observe(time.Since(began).Seconds())

	var rejects []bus.Reject
	var refused []postgres.Refusal
	var companions []postgres.Companion
	records := make([]postgres.Record, 0, len(batch))
	for i := range verdicts {
		switch err := verdicts[i].err; {
		case err == nil && verdicts[i].companion != nil:
			companions = append(companions, *verdicts[i].companion)
		case err == nil:
			records = append(records, verdicts[i].record)
		case fault.KindOf(err) == fault.Unavailable: // what its project wants is not known
			return nil, err
		case isFiltered(err):
			refused = append(refused, refusal(&batch[i], outcome.Filtered, string(err.(filtered))))
			s.metrics.events.WithLabelValues("filtered").Inc()
		case err == errSilent:
			refused = append(refused, refusal(&batch[i], outcome.Invalid, outcome.ReasonNoData))
			s.metrics.events.WithLabelValues("filtered").Inc()
		default:
			refused = append(refused, postgres.DeadRefusal(&batch[i], fault.KindOf(err)))
			rejects = append(rejects, bus.Reject{Index: i, Err: err})
			s.metrics.events.WithLabelValues("rejected").Inc()
		}
	}
	if len(refused) > 0 {
		if err := s.store.RefuseEvents(ctx, refused); err != nil {
			return nil, err
		}
	}
	if err := s.store.RecordCompanions(ctx, companions); err != nil {
		return nil, err
	}
	return rejects, s.recordAll(ctx, records)
}

func (s *Service) recordAll(ctx context.Context, records []postgres.Record) error {
	if len(records) == 0 {
		return nil
	}
	began := time.Now()
	done, err := s.store.RecordEvents(ctx, records)
	if err != nil {
		return err
	}
	s.metrics.record.Observe(time.Since(began).Seconds())
	s.metrics.batch.Observe(float64(len(records)))
	oldest := records[0].ReceivedAt
	for i := range records {
		if records[i].ReceivedAt.Before(oldest) {
			oldest = records[i].ReceivedAt
		}
	}
	s.metrics.age.Observe(time.Since(oldest).Seconds())
	for result, n := range map[string]int{"stored": done.Stored, "thinned": done.Thinned, "discarded": done.Discarded, "duplicate": done.Duplicates, "redelivered": done.Redelivery, "dropped": done.Dropped} {
		s.metrics.events.WithLabelValues(result).Add(float64(n))
	}
	if done.Changes > 0 {
		select {
		case s.changed <- struct{}{}:
		default: // the relay is awake already
		}
	}
	return nil
}

// decodeAll decodes a batch on all processors. The records of the verdicts are valid until release
// is called.
func (s *Service) decodeAll(ctx context.Context, batch []event.Raw) (verdicts []verdict, release func()) {
	verdicts = make([]verdict, len(batch))
	workers := make([]*worker, min(runtime.GOMAXPROCS(0), (len(batch)+3)/4))
	received := 0
	for i := range batch {
		received += len(batch[i].Payload)
	}
	var next atomic.Int64
	work := func(n int) {
		w := newWorker(received/len(workers) + received/8) // stored payloads are about as long
		workers[n] = w
		for i := next.Add(1) - 1; i < int64(len(batch)); i = next.Add(1) - 1 {
			verdicts[i] = s.decodeOne(ctx, &batch[i], w)
		}
	}
	var group sync.WaitGroup
	for n := 1; n < len(workers); n++ {
		group.Go(func() { work(n) })
	}
	if len(workers) > 0 {
		work(0)
	}
	group.Wait()
	return verdicts, func() {
		for _, w := range workers {
			w.release()
		}
	}
}

// decodeOne keeps a panic, which is a defect of ours, from taking the other events with it.
// What fails on an own report is logged and makes no further report.
func (s *Service) decodeOne(ctx context.Context, raw *event.Raw, w *worker) (v verdict) {
	ctx = telemetry.QuietFor(ctx, raw.Project)
	defer func() {
		if p := recover(); p != nil {
			v.err = fault.New(fault.Internal, "the event could not be processed")
			slog.ErrorContext(ctx, "processing an event panicked", "err", fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
				"project", raw.Project, "event_id", raw.ID.String())
		}
	}()
	if event.IsCompanion(raw.ItemType) {
		v.companion, v.err = s.companion(ctx, raw, w)
	} else {
		v.record, v.err = s.decode(ctx, raw, w)
	}
	return v
}

// read decodes and normalizes one event, drops it when a filter of its project says so, and removes
// what must not be stored. Everything later steps see went through here. The policy is its project's.
// The event is valid until the worker reads the next.
func (s *Service) read(ctx context.Context, raw *event.Raw, w *worker) (*event.Event, *policy, error) {
	rules, err := s.policies.of(ctx, raw.Project)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Unavailable, "learn what project %d wants", raw.Project)
	}
	ev, err := w.decoder.Decode(raw.Payload)
	if err != nil {
		return nil, nil, err
	}
	ev.ID, ev.Project = raw.ID, raw.Project
	delivery := raw.Delivery(s.retention)
	delivery.Geo = s.geo
	ev.Normalize(delivery)
	if reason, drop := rules.filter.Check(ev, raw.ClientIP); drop {
		return nil, nil, filtered(reason)
	}
	if ev.Type == event.TypeTransaction {
		return nil, nil, filtered(outcome.ReasonNotStored)
	}
	rules.scrubber.Apply(ev)
	return ev, rules, nil
}

// record makes the record of one event, of what read left of it alone.
func (s *Service) record(ctx context.Context, raw *event.Raw, w *worker) (postgres.Record, error) {
	ev, rules, err := s.read(ctx, raw, w)
	if err != nil {
		return postgres.Record{}, err
	}
	if ev.Type == event.TypeFeedback { // feedback has its own type of item
		return postgres.Record{}, filtered(outcome.ReasonNotStored)
	}
	s.symbols.Apply(ctx, ev, s.policies.artifactRevision(raw.Project))
	groups := rules.groups.Assign(ev, raw.ReceivedAt)
	rec := postgres.Record{
		Project: raw.Project, KeyID: raw.KeyID, ID: raw.ID, ReceivedAt: raw.ReceivedAt.Truncate(time.Microsecond), OccurredAt: ev.Timestamp,
		Category: category(raw), Type: ev.Type, Level: ev.Level, Platform: ev.Platform, Logger: ev.Logger, Release: ev.Release,
		Environment: ev.Environment, Metadata: ev.Metadata(), Unhandled: ev.Unhandled(), UserKey: ev.User.Key(), Tags: w.tags(ev),
		Properties: w.properties(ev),
		Hashes:     make([][16]byte, len(groups.Hashes)), Thinning: rules.thinning, Payload: w.payload(ev),
	}
	if rec.OccurredAt.IsZero() {
		rec.OccurredAt = rec.ReceivedAt
	}
	if groups.Title != "" {
		rec.Metadata.Title = groups.Title
	}
	rec.Title, rec.Culprit = rec.Metadata.Title, rec.Metadata.Culprit
	for i, h := range groups.Hashes {
		rec.Hashes[i] = h
	}
	for _, h := range groups.Secondary {
		rec.FormerHashes = append(rec.FormerHashes, h)
	}
	rec.Sanitize()
	return rec, nil
}

// category is what the event is counted as.
func category(raw *event.Raw) outcome.Category {
	return outcome.OfItem(raw.ItemType)
}

// refusal is one event or companion that is not recorded.
func refusal(raw *event.Raw, kind outcome.Kind, reason string) postgres.Refusal {
	r := postgres.Refusal{Project: raw.Project, KeyID: raw.KeyID, ID: raw.ID, ReceivedAt: raw.ReceivedAt.Truncate(time.Microsecond),
		Category: category(raw), Kind: kind, Reason: reason}
	if event.IsCompanion(raw.ItemType) { // it shares the rest with its event
		r.Item = raw.ItemType
	}
	return r
}

// accountForBuried puts an event that is given up into the ledger.
func (s *Service) accountForBuried(ctx context.Context, raw event.Raw, cause error) error {
	s.metrics.events.WithLabelValues("rejected").Inc()
	return s.store.RefuseEvents(ctx, []postgres.Refusal{postgres.DeadRefusal(&raw, fault.KindOf(cause))})
}

// applyOutcomes adds what ingest counted to the ledger.
func (s *Service) applyOutcomes(ctx context.Context, batch []outcome.Batch) ([]bus.Reject, error) {
	return nil, s.store.ApplyOutcomes(ctx, batch)
}
