package spool

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	segmentBytes   = 8 << 20
	recordHead     = 8
	maxRecordBytes = 8 << 20
	leastMaxBytes  = 1 << 20
	// spareBytes is the largest buffer of a group that is kept for the next.
	spareBytes = 4 << 20
	// drainRecords and drainBytes bound what Drain hands over at once.
	drainRecords = 128
	drainBytes   = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Options bound a spool.
type Options struct {
	// MaxBytes is what the spool may take on disk, at least 1 MiB.
	MaxBytes int64
	Log      *slog.Logger
}

// Spool is a queue in a directory that no other process uses. It is safe for concurrent use.
type Spool struct {
	dir  string
	max  int64
	log  *slog.Logger
	lock *os.File

	bytes, records atomic.Int64

	mu     sync.Mutex
	some   *sync.Cond // the open group has records, or closed
	open   *group
	spare  []byte // buffer for the next group
	closed bool

	seg      sync.Mutex // guards the fields below
	active   *writer    // nil: the next group opens one
	sealed   []*segment // oldest first
	next     uint64     // number of the next segment
	draining sync.Mutex
	writing  sync.WaitGroup
}

// group is the records that share one sync.
type group struct {
	buf   []byte
	count int64
	done  chan struct{}
	err   error // valid after done
}

// Open opens the spool in dir, creating it when absent, and cuts off what a crash tore.
// fault.Conflict: another process has it open. fault.Unavailable: the disk cannot be used.
func Open(dir string, o Options) (*Spool, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxBytes < leastMaxBytes {
		return nil, fault.New(fault.Invalid, "a spool needs at least %d bytes", leastMaxBytes)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "make the spool directory")
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, max: o.MaxBytes, log: o.Log, lock: lock}
	s.some = sync.NewCond(&s.mu)
	if err := s.recover(); err != nil {
		_ = lock.Close() // the error below says more
		return nil, err
	}
	s.writing.Go(s.write)
	return s, nil
}

// Bytes is what the spool takes on disk.
func (s *Spool) Bytes() int64 { return s.bytes.Load() }

// Len is how many records wait to be drained.
func (s *Spool) Len() int64 { return s.records.Load() }

// Append returns nil once rec is on the disk, synced. Concurrent callers share the sync.
// fault.Limited: the spool is full. fault.TooLarge, fault.Invalid: rec is above 8 MiB, or empty.
// fault.Unavailable: the disk failed or ctx ended; rec may come out of Drain all the same.
func (s *Spool) Append(ctx context.Context, rec []byte) error {
	switch {
	case len(rec) == 0:
		return fault.New(fault.Invalid, "a record must not be empty")
	case len(rec) > maxRecordBytes:
		return fault.New(fault.TooLarge, "a record of %d bytes is above %d", len(rec), maxRecordBytes)
	}
	g, err := s.join(rec)
	if err != nil {
		return err
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "append to the spool")
	}
}

func (s *Spool) join(rec []byte) (*group, error) {
	size := int64(recordHead + len(rec))
	if s.bytes.Add(size) > s.max {
		s.bytes.Add(-size)
		return nil, fault.New(fault.Limited, "the spool is full")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.bytes.Add(-size)
		return nil, fault.New(fault.Unavailable, "the spool is closed")
	}
	if s.open == nil {
		s.open = &group{buf: s.spare[:0], done: make(chan struct{})}
		s.spare = nil
	}
	g := s.open
	g.buf = appendRecord(g.buf, rec)
	g.count++
	s.some.Signal()
	return g, nil
}

func appendRecord(b, rec []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(rec)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(rec, castagnoli))
	return append(b, rec...)
}

// write stores one group after the other until the spool is closed.
func (s *Spool) write() {
	var spent []byte
	failing := false // logged once, not for each group
	for {
		s.mu.Lock()
		s.spare = spent
		for s.open == nil && !s.closed {
			s.some.Wait()
		}
		g := s.open
		s.open = nil
		s.mu.Unlock()
		if g == nil {
			return
		}
		if g.err = s.store(g); g.err != nil {
			s.bytes.Add(-int64(len(g.buf)))
			if !failing {
				s.log.Error("spool writes fail", "err", g.err)
			}
		}
		failing = g.err != nil
		if spent = g.buf; cap(spent) > spareBytes {
			spent = nil
		}
		close(g.done)
	}
}

// store writes and syncs a group. After a failure the segment ends at its last good byte and the
// next group starts another: what the failed sync left in the cache is not trusted.
func (s *Spool) store(g *group) error {
	s.seg.Lock()
	defer s.seg.Unlock()
	if s.active != nil && s.active.size+int64(len(g.buf)) > segmentBytes && s.active.records > 0 {
		s.sealActive()
	}
	if s.active == nil {
		w, err := s.create()
		if err != nil {
			return err
		}
		s.active = w
	}
	if err := s.active.append(g.buf); err != nil {
		s.active.cut()
		s.sealActive()
		return fault.Wrap(err, fault.Unavailable, "write to the spool")
	}
	s.active.records += g.count
	s.records.Add(g.count)
	return nil
}

// Close syncs what was appended and gives the directory free. It must not run beside Drain.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.closed = true
	s.some.Broadcast()
	s.mu.Unlock()
	s.writing.Wait()
	s.draining.Lock()
	defer s.draining.Unlock()
	s.seg.Lock()
	defer s.seg.Unlock()
	if s.active != nil {
		s.sealActive()
	}
	return s.lock.Close()
}
