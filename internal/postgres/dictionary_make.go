package postgres

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// When a project gets a dictionary, and from what.
const (
	dictionaryProjects = 4                  // with a dictionary at a time, about 10 MB each
	dictionaryIdle     = time.Minute        // after which a project gives way to another
	dictionaryRetry    = time.Minute        // after a failure
	dictionaryGather   = time.Minute        // for how long payloads are gathered, unless there is no more room
	dictionaryEvents   = 64                 // fewest events to choose from
	dictionarySeen     = 256 << 10          // and their fewest bytes
	dictionaryPerIssue = 4                  // payloads of one issue
	dictionaryPayload  = 128 << 10          // largest payload that is taken
	dictionaryRest     = 6 * time.Hour      // between two dictionaries of a project
	dictionaryRenew    = 6 * 24 * time.Hour // age at which a dictionary gets a successor in any case
	dictionaryWorse    = 1.25               // growth of blocks at which it gets one earlier
	ratioBlocks        = 64                 // blocks that are compared
)

// dictionaries makes dictionaries for a few projects and keeps the encoders that use them. The
// projects are those that are recorded without long pauses. It is safe for concurrent use.
type dictionaries struct {
	mu       sync.Mutex
	projects map[int64]*projectDictionary
}

// projectDictionary is what is known of one project, under the lock of dictionaries.
type projectDictionary struct {
	used    time.Time
	busy    bool      // a caller is at work on the next dictionary
	loaded  bool      // the one stored last was looked for
	notYet  time.Time // before which nothing is tried
	current *blockEncoder
	sample  *sample
}

// dictionaryJob is work to be done without the lock: make a dictionary of content, or without
// content look for the one stored last.
type dictionaryJob struct {
	*projectDictionary
	content []byte
}

// blockEncoder makes blocks with a dictionary.
type blockEncoder struct {
	*dictionary
	enc *zstd.Encoder

	mu            sync.Mutex
	first, recent ratio
}

// ratio is the size of some blocks.
type ratio struct{ blocks, raw, stored int }

// measure counts a block; worse then tells how it goes.
func (e *blockEncoder) measure(raw, stored int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := &e.first
	if r.blocks == ratioBlocks {
		if r = &e.recent; r.blocks == ratioBlocks { // half of the past makes room
			r.blocks, r.raw, r.stored = r.blocks/2, r.raw/2, r.stored/2
		}
	}
	r.blocks, r.raw, r.stored = r.blocks+1, r.raw+raw, r.stored+stored
}

// worse reports whether blocks have become clearly larger than the first ones were.
func (e *blockEncoder) worse() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.recent.blocks >= ratioBlocks/2 &&
		float64(e.recent.stored)*float64(e.first.raw) > dictionaryWorse*float64(e.first.stored)*float64(e.recent.raw)
}

// sample gathers payloads for a dictionary.
type sample struct {
	since         time.Time
	events, bytes int // seen
	taken         []samplePayload
	size          int              // of what is taken
	issues        map[[16]byte]int // events by hash
}

type samplePayload struct {
	hash    [16]byte
	payload []byte
}

// add looks at one event and keeps a copy of its payload if it helps.
func (s *sample) add(rec *Record) {
	s.events, s.bytes = s.events+1, s.bytes+len(rec.Payload)
	if len(rec.Hashes) == 0 || len(rec.Payload) > dictionaryPayload || s.full() {
		return
	}
	s.issues[rec.Hashes[0]]++
	if s.issues[rec.Hashes[0]] <= dictionaryPerIssue && s.size+len(rec.Payload) <= dictionaryBytes {
		s.taken, s.size = append(s.taken, samplePayload{rec.Hashes[0], slices.Clone(rec.Payload)}), s.size+len(rec.Payload)
	}
}

func (s *sample) full() bool { return s.size > dictionaryBytes*15/16 || len(s.issues) >= 4096 }

// ready reports whether a dictionary is worth making.
func (s *sample) ready(now time.Time) bool {
	return s.size > 0 && s.events >= dictionaryEvents && s.bytes >= dictionarySeen && (s.full() || now.Sub(s.since) >= dictionaryGather)
}

// content puts the payloads of frequent issues last, where they are nearest to the blocks and
// win over others that share their beginnings.
func (s *sample) content() []byte {
	slices.SortStableFunc(s.taken, func(a, b samplePayload) int { return cmp.Compare(s.issues[a.hash], s.issues[b.hash]) })
	content := make([]byte, 0, s.size)
	for _, t := range s.taken {
		content = append(content, t.payload...)
	}
	return content
}

// blockEncoders returns what blocks of each project are made with, and learns from the records,
// which are ordered by project. Projects without a dictionary are left out.
func (st *Store) blockEncoders(ctx context.Context, records []*Record) map[int64]*blockEncoder {
	encoders := make(map[int64]*blockEncoder)
	for start, end := 0, 0; start < len(records); start = end {
		project := records[start].Project
		for end = start; end < len(records) && records[end].Project == project; end++ {
		}
		now := time.Now()
		e, job := st.dictionaries.see(project, records[start:end], now)
		for job != nil { // first to look for a dictionary, then to make one
			next, err := st.nextEncoder(ctx, project, job.content, now)
			if err != nil && fault.KindOf(err) != fault.Unknown {
				slog.WarnContext(ctx, "a project goes without a new dictionary", "err", err, "project", project)
			}
			st.dictionaries.finish(job, next, err, now)
			e, job = st.dictionaries.see(project, records[start:end], now)
		}
		if e != nil {
			encoders[project] = e
		}
	}
	return encoders
}

// see notes that events of a project are recorded. It returns the project's encoder, nil if there
// is none, and work that the caller must do and finish, which is rare.
func (d *dictionaries) see(project int64, records []*Record, now time.Time) (*blockEncoder, *dictionaryJob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.admit(project, now)
	if p == nil {
		return nil, nil
	}
	p.used = now
	if p.current != nil && now.Sub(p.current.created) > dictionaryUse {
		p.current = nil
	}
	switch {
	case p.busy || now.Before(p.notYet):
	case !p.loaded:
		p.busy = true
		return p.current, &dictionaryJob{projectDictionary: p}
	case !p.due(now):
		p.sample = nil
	default:
		if p.sample == nil {
			p.sample = &sample{since: now, issues: make(map[[16]byte]int)}
		}
		for _, rec := range records {
			p.sample.add(rec)
		}
		if p.sample.ready(now) {
			job := &dictionaryJob{p, p.sample.content()}
			p.busy, p.sample = true, nil
			return p.current, job
		}
	}
	return p.current, nil
}

// admit returns the state of a project, in place of that of an idle one if need be; nil if there
// is no room.
func (d *dictionaries) admit(project int64, now time.Time) *projectDictionary {
	if p := d.projects[project]; p != nil {
		return p
	}
	if len(d.projects) >= dictionaryProjects {
		oldest := int64(-1)
		for id, p := range d.projects {
			if !p.busy && now.Sub(p.used) >= dictionaryIdle && (oldest < 0 || p.used.Before(d.projects[oldest].used)) {
				oldest = id
			}
		}
		if oldest < 0 {
			return nil
		}
		delete(d.projects, oldest)
	}
	if d.projects == nil {
		d.projects = make(map[int64]*projectDictionary)
	}
	p := new(projectDictionary)
	d.projects[project] = p
	return p
}

// errLostDictionary ends an attempt to store a block.
var errLostDictionary = errors.New("the block's dictionary is not in the database")

// forget drops every encoder: their dictionaries may be lost, as after a database was restored or
// replaced by its standby.
func (d *dictionaries) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.projects)
}

// due reports whether the project should get another dictionary.
func (p *projectDictionary) due(now time.Time) bool {
	if p.current == nil {
		return true
	}
	age := now.Sub(p.current.created)
	return age >= dictionaryRenew || age >= dictionaryRest && p.current.worse()
}

// finish ends a job: next is the encoder it found or made, if any.
func (d *dictionaries) finish(job *dictionaryJob, next *blockEncoder, err error, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	job.busy = false
	switch {
	case err != nil:
		job.notYet = now.Add(dictionaryRetry)
	case next != nil:
		job.loaded, job.current = true, next
	default:
		job.loaded = true
	}
}

// nextEncoder makes a dictionary of content and stores it, unless another process has just made
// one, which then serves here too. Without content it returns what a process made in the last
// days, nil if there is nothing. fault.Unknown: the project does not exist.
func (st *Store) nextEncoder(ctx context.Context, project int64, content []byte, now time.Time) (*blockEncoder, error) {
	within := dictionaryUse
	if content != nil {
		within = dictionaryRest
	}
	d, err := st.newestDictionary(ctx, project, now.Add(-within))
	if err != nil {
		return nil, err
	}
	if d == nil {
		if content == nil {
			return nil, nil
		}
		d = &dictionary{id: NewID(), created: now.UTC().Truncate(time.Microsecond), content: content}
		if err := st.storeDictionary(ctx, project, d); err != nil {
			return nil, err
		}
	}
	enc, err := d.encoder()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "use dictionary %d of project %d", d.id, project)
	}
	return &blockEncoder{dictionary: d, enc: enc}, nil
}
