package ingest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const (
	reportEvery = time.Second     // how often counts are handed over
	reportWait  = 2 * time.Second // how long the last hand-over may take at shutdown
)

// batchPublisher hands counts over. fault.Unavailable when the queue is away.
type batchPublisher interface {
	Publish(ctx context.Context, b outcome.Batch) error
}

// maxBatch is how many counts travel in one batch, well below the size of a message.
const maxBatch = 5000

// reporter hands the tallies over. A batch whose hand-over failed keeps its id, because it may have
// arrived all the same; meanwhile the tallies go on summing. What is left at shutdown is kept on
// disk.
type reporter struct {
	tallies []*outcome.Tally
	batches batchPublisher
	path    string // of what an earlier process left

	mu      sync.Mutex
	pending []outcome.Batch
}

// recover takes up what an earlier process could not hand over.
func (p *reporter) recover(ctx context.Context) {
	raw, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(raw, &p.pending)
	}
	if err != nil {
		slog.WarnContext(ctx, "saved outcomes are unreadable", "err", err)
	}
}

// report hands over what was counted. An absent queue is no error: it is reported elsewhere.
func (p *reporter) report(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		p.take()
	}
	for len(p.pending) > 0 {
		if err := p.batches.Publish(ctx, p.pending[0]); err != nil {
			if fault.KindOf(err) == fault.Unavailable {
				return nil
			}
			return err
		}
		if p.pending = p.pending[1:]; len(p.pending) == 0 {
			p.take()
		}
	}
	return nil
}

// take turns the tallies into batches; the caller holds the lock.
func (p *reporter) take() {
	var counts []outcome.Count
	for _, t := range p.tallies {
		counts = append(counts, t.Take()...)
	}
	for part := range slices.Chunk(counts, maxBatch) {
		b := outcome.Batch{Counts: part}
		_, _ = rand.Read(b.ID[:]) // never fails
		p.pending = append(p.pending, b)
	}
}

// close hands over the last counts, or keeps them on disk for the next start.
func (p *reporter) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportWait)
	defer cancel()
	err := p.report(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take()
	if len(p.pending) > 0 {
		return errors.Join(err, writeJSON(p.path, p.pending))
	}
	if gone := os.Remove(p.path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return errors.Join(err, gone)
	}
	return err
}
