package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Thinning is by which rule a project keeps fewer events than it counts. Of each issue it keeps
// the first First, each that opens or regresses it, the first of every hour and the first of a
// release; of the rest one in OneIn, chosen by the id of the event. The zero value keeps all.
type Thinning struct{ First, OneIn int64 }

// chosen reports whether the rest that is kept includes the event.
func (t Thinning) chosen(rec *Record) bool {
	return t.OneIn <= 1 || binary.BigEndian.Uint64(rec.ID[8:])%uint64(t.OneIn) == 0
}

// thins reports whether an event that changed nothing is counted only: s is its issue after it,
// lastSeen and lastRelease are from before.
func (t Thinning) thins(s *sighted, rec *Record, lastSeen time.Time, lastRelease string) bool {
	return !s.isNew && s.TimesSeen > t.First && !t.chosen(rec) && s.LastRelease == lastRelease &&
		rec.OccurredAt.UTC().Truncate(time.Hour).Equal(lastSeen.UTC().Truncate(time.Hour))
}

// discarded stands for the issue of events that nobody wants.
var discarded = new(sighted)

// errMispredicted ends an attempt whose blocks hold what is not to be kept, or lack what is.
var errMispredicted = errors.New("an event is kept against expectation, or not kept")

// keep settles whether an event is kept, and remembers to make the blocks anew if they disagree.
func (r *recording) keep(rec *Record, kept bool) {
	if r.without[rec] == kept {
		r.stale = true
		if r.without == nil {
			r.without = make(map[*Record]bool)
		}
		r.without[rec] = !kept
	}
	if kept && !r.stale {
		r.places[rec].block.used = true
	}
}

// drop refuses an event of a discarded issue.
func (r *recording) drop(rec *Record) {
	r.keep(rec, false)
	r.count(rec, outcome.Filtered, outcome.ReasonDiscardedHash)
	r.done.Discarded++
}

func (r *recording) collectDiscards(rows pgx.Rows) error {
	var project int64
	var hash []byte
	_, err := pgx.ForEachRow(rows, []any{&project, &hash}, func() error {
		r.discard[hashRef{project, [16]byte(hash)}] = true
		return nil
	})
	return err
}

// maxHabits is how many hashes are remembered.
const maxHabits = 1 << 16

// habits remember of hashes that come often whether their events are kept, so that blocks are made
// right the first time. They decide nothing: recording checks each. Safe for concurrent use.
type habits struct {
	mu   sync.Mutex
	seen map[hashRef]int64 // how often the issue was seen, -1 when it was discarded
}

// predict names the records that will not be kept, as far as is known.
func (h *habits) predict(r *recording) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) == 0 {
		return
	}
	for _, rec := range r.unique {
		seen := h.seen[hashRef{rec.Project, rec.Hashes[0]}]
		if seen < 0 || rec.Thinning.OneIn > 1 && seen > rec.Thinning.First && !rec.Thinning.chosen(rec) {
			if r.without == nil {
				r.without = make(map[*Record]bool)
			}
			r.without[rec] = true
		}
	}
}

// learn notes what a batch that is stored told.
func (h *habits) learn(r *recording) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) >= maxHabits {
		clear(h.seen)
	}
	note := func(ref hashRef, seen int64) {
		if h.seen == nil {
			h.seen = make(map[hashRef]int64)
		}
		h.seen[ref] = seen
	}
	for ref := range r.discard {
		note(ref, -1)
	}
	for _, s := range r.issues {
		for _, rec := range s.records {
			if ref := (hashRef{rec.Project, rec.Hashes[0]}); rec.Thinning.OneIn > 1 && s.TimesSeen > rec.Thinning.First {
				note(ref, s.TimesSeen)
			} else if h.seen[ref] < 0 && !r.discard[ref] {
				delete(h.seen, ref)
			}
		}
	}
}

const sqlThinned = `
	select h.issue_id, sum(c.thinned_count)::bigint from issue_hashes h join hash_counts c on c.project_id = h.project_id and c.hash = h.hash
	where h.project_id = @project and h.issue_id = any(@issues::bigint[]) and c.thinned_count > 0 group by 1`

// Thinned returns of issues how many of the events that they count were not kept; those without
// any are left out.
func (st *Store) Thinned(ctx context.Context, project int64, issues []int64) (map[int64]int64, error) {
	rows, _ := st.db.Query(ctx, sqlThinned, pgx.StrictNamedArgs{"project": project, "issues": issues}) // ForEachRow reports a failed Query
	thinned := make(map[int64]int64)
	var id, n int64
	_, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		thinned[id] = n
		return nil
	})
	return thinned, translate(err, "count what was not kept of issues")
}
