package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Record is one event, ready to be stored. Texts are cleaned and cut by Sanitize.
type Record struct {
	Project     int64
	KeyID       int64 // client key, for the outcome
	ID          event.ID
	ReceivedAt  time.Time // decides the day it is stored under
	OccurredAt  time.Time
	Category    outcome.Category
	Type        event.Type
	Level       event.Level
	Platform    string
	Logger      string
	Release     string
	Environment string
	Title       string
	Culprit     string
	Metadata    event.Metadata
	Unhandled   bool
	UserKey     string       // event.User.Key
	Tags        []event.Pair // counted
	Properties  []event.Pair // what searches can name beside tags; a key may have several values
	Hashes      [][16]byte   // of grouping, primary first; at least one
	// FormerHashes are those under the version of grouping before: they find an issue that none of
	// Hashes does, and join an issue that is made.
	FormerHashes [][16]byte
	Thinning     Thinning // by which the project keeps fewer than it counts
	Payload      []byte   // canonical JSON
}

// Recorded is what became of a batch.
type Recorded struct {
	Stored     int // events that are new
	Duplicates int // events whose id was seen before, as another delivery by the client
	Redelivery int // events that this queue delivered before; they count nowhere
	Dropped    int // events of projects that do not exist
	Thinned    int // of Stored: events that were counted and not kept
	Discarded  int // events of issues that somebody wants no more of
	Changes    int // rows written to the alert outbox
}

// RecordEvents stores a batch in one transaction: events, issues, activities, facts, outcomes and
// the alert outbox. An event seen before, in the batch or ever, counts nowhere but in the
// outcomes. After an error nothing is stored. Any number of processes may record at once.
func (st *Store) RecordEvents(ctx context.Context, records []Record) (Recorded, error) {
	if len(records) == 0 {
		return Recorded{}, nil
	}
	r := newRecording(records)
	r.memory, r.trace = &st.properties, traceOf(ctx)
	for _, day := range r.days {
		if err := st.ensureDay(ctx, day); err != nil {
			return Recorded{}, err
		}
	}
	st.habits.predict(r)
	encoders := st.blockEncoders(ctx, r.unique)
	r.compress(encoders)
	err := retry(ctx, func() error {
		err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error { return r.run(ctx, tx, st) })
		if errors.Is(err, errLostDictionary) { // the database is an older one than it was
			st.dictionaries.forget()
			r.compress(nil)
			return errRace
		}
		if errors.Is(err, errMispredicted) {
			r.compress(encoders)
			return errRace
		}
		if codeOf(err) == codeNoPartition { // dropped by another process since we looked
			for _, day := range r.days {
				st.partitions.set(day, false)
				if err := st.ensureDay(ctx, day); err != nil {
					return err
				}
			}
		}
		return err
	})
	if err != nil {
		return Recorded{}, translate(err, "record %d events", len(records))
	}
	r.memory.stored(r.properties)
	st.habits.learn(r)
	return r.done, nil
}

// recording is the work on one batch. compress fills the first part once; run fills the second,
// anew at each attempt.
type recording struct {
	unique  []*Record // one for each id, ordered by project and id
	twice   []*Record // further ones of the same ids
	days    []time.Time
	blocks  []*block
	places  map[*Record]place
	without map[*Record]bool // records that are not expected to be kept: no block has them
	memory  *propertyMemory

	now     time.Time
	fresh   []*Record // stored now, in order of receipt
	issues  map[issueRef]*sighted
	byHash  map[hashRef]*sighted
	discard map[hashRef]bool      // hashes whose events are dropped
	stale   bool                  // without is wrong
	claims  []claim               // hashes that were unknown
	order   map[int64]issue.Order // by project
	owners  map[int64]*owners     // by project of new issues
	facts   map[int64]*facts
	tally   map[outcome.Key]int64
	changes []issue.Change
	trace   string // of the changes
	acts    []activityRow

	properties []property // that may be new
	done       Recorded
}

type identity struct {
	project int64
	id      event.ID
}

type issueRef struct{ project, id int64 }

type hashRef struct {
	project int64
	hash    [16]byte
}

// block is payloads of one project and day.
type block struct {
	project int64
	day     time.Time
	id      int64
	records []*Record
	used    bool // holds a payload that is stored

	dictionary int64 // that data needs; 0: none
	data       []byte
}

type place struct {
	block *block
	index int
}

func newRecording(records []Record) *recording {
	r := &recording{unique: make([]*Record, 0, len(records)), places: make(map[*Record]place, len(records))}
	all := make([]*Record, len(records))
	for i := range records {
		all[i] = &records[i]
	}
	slices.SortStableFunc(all, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), bytes.Compare(a.ID[:], b.ID[:]))
	})
	for i, rec := range all {
		if i > 0 && all[i-1].Project == rec.Project && all[i-1].ID == rec.ID {
			r.twice = append(r.twice, rec)
			continue
		}
		r.unique = append(r.unique, rec)
		if day := dayOf(rec.ReceivedAt); !slices.Contains(r.days, day) {
			r.days = append(r.days, day)
		}
	}
	slices.SortFunc(r.days, time.Time.Compare)
	return r
}

// compress makes the blocks, before any row is locked, with the encoders of their projects.
func (r *recording) compress(encoders map[int64]*blockEncoder) {
	r.blocks = nil
	clear(r.places)
	open := make(map[issueRef]*block) // by project and day
	sizes := make(map[*block]int)
	for _, rec := range alike(r.unique) {
		if r.without[rec] {
			continue
		}
		day := dayOf(rec.ReceivedAt)
		key := issueRef{rec.Project, day.Unix()}
		b := open[key]
		if b == nil || len(b.records) == blockEvents || sizes[b]+len(rec.Payload) > blockRawBytes {
			b = &block{project: rec.Project, day: day, id: NewID()}
			open[key] = b
			r.blocks = append(r.blocks, b)
		}
		r.places[rec] = place{b, len(b.records)}
		b.records = append(b.records, rec)
		sizes[b] += len(rec.Payload)
	}
	room := blockRooms.Get().(*blockRoom)
	defer blockRooms.Put(room)
	var payloads [][]byte
	for _, b := range r.blocks {
		payloads = payloads[:0]
		for _, rec := range b.records {
			payloads = append(payloads, rec.Payload)
		}
		e := encoders[b.project]
		if e != nil {
			b.dictionary = e.id
		}
		room.out, room.raw = appendBlock(room.out[:0], room.raw, payloads, e)
		b.data = slices.Clone(room.out)
	}
	if cap(room.raw) > maxRoomBytes {
		*room = blockRoom{}
	}
}

// blockRooms is reused space for making blocks.
var blockRooms = sync.Pool{New: func() any { return new(blockRoom) }}

type blockRoom struct{ raw, out []byte }

// maxRoomBytes is the most that is kept for reuse.
const maxRoomBytes = 4 << 20

// alike is a copy of records with those of one group next to each other: what they have in common is
// then near enough for the compressor to see, which makes blocks smaller, and sooner.
func alike(records []*Record) []*Record {
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b *Record) int {
		return cmp.Or(bytes.Compare(a.Hashes[0][:], b.Hashes[0][:]), a.ReceivedAt.Compare(b.ReceivedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return sorted
}

// byReceipt is a copy of records in order of receipt.
func byReceipt(records []*Record) []*Record {
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, func(a, b *Record) int {
		return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return sorted
}

// run is one attempt: look, decide, write.
func (r *recording) run(ctx context.Context, tx pgx.Tx, st *Store) error {
	r.now = time.Now().UTC().Truncate(time.Microsecond)
	r.fresh, r.claims, r.changes, r.acts, r.done = nil, nil, nil, nil, Recorded{}
	r.issues, r.byHash, r.discard, r.stale = map[issueRef]*sighted{}, map[hashRef]*sighted{}, map[hashRef]bool{}, false
	r.facts, r.tally, r.order, r.owners = map[int64]*facts{}, map[outcome.Key]int64{}, nil, nil
	for _, b := range r.blocks {
		b.used = false
	}
	if err := r.look(ctx, tx); err != nil {
		return err
	}
	if err := r.countDuplicates(ctx, tx); err != nil {
		return err
	}
	r.assign()
	if err := r.prepare(ctx, tx, st); err != nil {
		return err
	}
	if r.decide(); r.stale {
		return errMispredicted
	}
	return r.write(ctx, tx)
}

const (
	sqlInsertSeen = `
		insert into event_seen (project_id, event_id, received_at)
		select * from unnest(@projects::bigint[], @ids::uuid[], @times::timestamptz[])
		on conflict do nothing returning project_id, event_id`

	// Locked in order of their keys, which keeps concurrent batches from waiting for each other in a circle.
	sqlLockIssues = `
		select h.hash, i.project_id, i.id, i.number, i.type, i.level, i.platform, i.logger, i.title, i.culprit, i.metadata,
			i.status, i.substatus, i.priority, i.is_unhandled, i.first_seen, i.last_seen, i.times_seen, i.user_count,
			coalesce(i.last_release, '') as last_release, coalesce(i.assignee, '') as assignee, i.resolution, i.snooze, i.status_at, i.version,
			i.priority_locked_at is not null as locked, i.initial_priority
		from unnest(@projects::bigint[], @hashes::bytea[]) as w(project_id, hash)
		join issue_hashes h on h.project_id = w.project_id and h.hash = w.hash
		join issues i on i.project_id = h.project_id and i.id = h.issue_id
		order by i.project_id, i.id for update of i`

	sqlDiscardedHashes = `
		select h.project_id, h.hash from unnest(@projects::bigint[], @hashes::bytea[]) as w(project_id, hash)
		join issue_hashes h on h.project_id = w.project_id and h.hash = w.hash where h.issue_id < 0`
)

// look stores the identities, which tells the new events from those seen before, and locks the
// issues that the batch's hashes belong to.
func (r *recording) look(ctx context.Context, tx pgx.Tx) error {
	b := &pgx.Batch{}
	projects, ids, times := make([]int64, len(r.unique)), make([]pgtype.UUID, len(r.unique)), make([]time.Time, len(r.unique))
	for i, rec := range r.unique {
		projects[i], ids[i], times[i] = rec.Project, pgtype.UUID{Bytes: rec.ID, Valid: true}, rec.ReceivedAt
	}
	b.Queue(sqlInsertSeen, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "times": times}).
		Query(func(rows pgx.Rows) error { return r.collectFresh(rows) })
	hashProjects, hashes := r.distinctHashes()
	b.Queue(sqlLockIssues, pgx.StrictNamedArgs{"projects": hashProjects, "hashes": hashes}).
		Query(func(rows pgx.Rows) error { return r.collectIssues(rows) })
	b.Queue(sqlDiscardedHashes, pgx.StrictNamedArgs{"projects": hashProjects, "hashes": hashes}).
		Query(func(rows pgx.Rows) error { return r.collectDiscards(rows) })
	return tx.SendBatch(ctx, b).Close()
}

func (r *recording) collectFresh(rows pgx.Rows) error {
	stored := make(map[identity]bool, len(r.unique))
	var id identity
	var uuid pgtype.UUID
	_, err := pgx.ForEachRow(rows, []any{&id.project, &uuid}, func() error {
		id.id = uuid.Bytes
		stored[id] = true
		return nil
	})
	for _, rec := range r.unique {
		if stored[identity{rec.Project, rec.ID}] {
			r.fresh = append(r.fresh, rec)
		}
	}
	r.fresh = byReceipt(r.fresh)
	return err
}

func (r *recording) distinctHashes() (projects []int64, hashes [][]byte) {
	seen := make(map[hashRef]bool, len(r.unique))
	for _, rec := range r.unique {
		for _, list := range [...][][16]byte{rec.Hashes, rec.FormerHashes} {
			for i := range list {
				if ref := (hashRef{rec.Project, list[i]}); !seen[ref] {
					seen[ref] = true
					projects, hashes = append(projects, rec.Project), append(hashes, list[i][:])
				}
			}
		}
	}
	return projects, hashes
}

// count adds one event to the outcomes of the batch.
func (r *recording) count(rec *Record, kind outcome.Kind, reason string) {
	r.tally[outcome.Key{Project: rec.Project, KeyID: rec.KeyID, Category: rec.Category, Kind: kind, Reason: reason,
		Minute: rec.ReceivedAt.UTC().Truncate(time.Minute)}]++
}

// userHash is what stands for a user where users are only counted.
func userHash(key string) int64 {
	sum := sha256.Sum256([]byte(key))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// errRace makes retry run the batch again: another process made an issue for one of our hashes,
// and now we can see it, or took away what a block needs.
var errRace = errors.New("another process was first")
