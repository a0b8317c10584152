package spool

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	segmentMagic  = "TOCSPL1\n"
	segmentSuffix = ".spool"
	lockName      = "lock"
)

// segment is a file that is no longer written.
type segment struct {
	path    string
	size    int64
	records int64 // not yet drained
	offset  int64 // where draining goes on
}

// writer is the file that groups are appended to.
type writer struct {
	file    *os.File
	path    string
	size    int64 // synced bytes
	records int64
}

func (w *writer) append(b []byte) error {
	if _, err := w.file.WriteAt(b, w.size); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.size += int64(len(b))
	return nil
}

// cut removes what a failed append may have left. When that fails too, recovery cuts it.
func (w *writer) cut() { _ = w.file.Truncate(w.size) }

// create starts the next segment; its name is on the disk when it returns.
func (s *Spool) create() (*writer, error) {
	path := filepath.Join(s.dir, fmt.Sprintf("%020d%s", s.next, segmentSuffix))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "create a spool segment")
	}
	s.next++
	w := &writer{file: file, path: path}
	if err = w.append([]byte(segmentMagic)); err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		_, _ = file.Close(), os.Remove(path) // the error below says more
		return nil, fault.Wrap(err, fault.Unavailable, "create a spool segment")
	}
	s.bytes.Add(w.size)
	return w, nil
}

// sealActive hands the written segment over to Drain.
func (s *Spool) sealActive() {
	w := s.active
	s.active = nil
	_ = w.file.Close() // everything in it that counts is synced
	s.sealed = append(s.sealed, &segment{path: w.path, size: w.size, records: w.records, offset: int64(len(segmentMagic))})
}

// recover finds the segments of an earlier run, oldest first.
func (s *Spool) recover() error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*"+segmentSuffix))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "list the spool")
	}
	for _, path := range paths { // Glob sorts, and names have a fixed width
		var n uint64
		if _, err := fmt.Sscanf(strings.TrimSuffix(filepath.Base(path), segmentSuffix), "%d", &n); err != nil {
			continue
		}
		s.next = max(s.next, n+1)
		seg, err := s.check(path)
		if err != nil {
			return err
		}
		if seg != nil {
			s.sealed = append(s.sealed, seg)
			s.bytes.Add(seg.size)
			s.records.Add(seg.records)
		}
	}
	return nil
}

// check reads a segment through and cuts it after its last good record; without one it is
// removed.
func (s *Spool) check(path string) (*segment, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open a spool segment")
	}
	defer file.Close() //nolint:errcheck // nothing was written, or Sync said so
	info, err := file.Stat()
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open a spool segment")
	}
	r := newReader(file, 0)
	seg := &segment{path: path, offset: int64(len(segmentMagic))}
	if r.magic() == nil {
		for {
			if _, err = r.next(); err != nil {
				break
			}
			seg.records++
		}
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errTorn) {
		return nil, fault.Wrap(err, fault.Unavailable, "read a spool segment")
	}
	if seg.records == 0 {
		s.log.Warn("spool segment holds no record", "path", path, "cut_bytes", info.Size())
		if err := os.Remove(path); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "remove an empty spool segment")
		}
		return nil, nil
	}
	if seg.size = r.offset; seg.size < info.Size() {
		s.log.Warn("spool segment was torn", "path", path, "cut_bytes", info.Size()-seg.size)
		if err := errors.Join(file.Truncate(seg.size), file.Sync()); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "cut a torn spool segment")
		}
	}
	return seg, nil
}

var errTorn = errors.New("torn record")

// reader reads records of a segment; offset is behind the last good one.
type reader struct {
	r      *bufio.Reader
	offset int64
}

func newReader(r io.ReaderAt, offset int64) *reader {
	return &reader{r: bufio.NewReaderSize(io.NewSectionReader(r, offset, 1<<62), 64<<10), offset: offset}
}

func (r *reader) magic() error {
	var head [len(segmentMagic)]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil || string(head[:]) != segmentMagic {
		return errTorn
	}
	r.offset += int64(len(head))
	return nil
}

// next returns a record of its own memory. io.EOF: the segment ends here. errTorn: what follows is
// damaged.
func (r *reader) next() ([]byte, error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, tornOrEOF(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxRecordBytes {
		return nil, errTorn
	}
	rec := make([]byte, n)
	if _, err := io.ReadFull(r.r, rec); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errTorn
		}
		return nil, tornOrEOF(err)
	}
	if crc32.Checksum(rec, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, errTorn
	}
	r.offset += int64(recordHead) + int64(n)
	return rec, nil
}

func tornOrEOF(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// Drain hands the records on, oldest first and some at a time, until none is left, f fails or ctx
// ends. Records f returned nil for come again only after a crash. One Drain runs at a time.
// fault.Unavailable: the disk failed; other errors are f's.
func (s *Spool) Drain(ctx context.Context, f func(recs [][]byte) error) error {
	s.draining.Lock()
	defer s.draining.Unlock()
	for {
		seg := s.oldest()
		if seg == nil {
			return nil
		}
		if err := s.drain(ctx, seg, f); err != nil {
			return err
		}
	}
}

// oldest is the segment to drain next, nil when there is none. A segment being written is ended.
func (s *Spool) oldest() *segment {
	s.seg.Lock()
	defer s.seg.Unlock()
	if len(s.sealed) == 0 && s.active != nil && s.active.records > 0 {
		s.sealActive()
	}
	if len(s.sealed) == 0 {
		return nil
	}
	return s.sealed[0]
}

func (s *Spool) drain(ctx context.Context, seg *segment, f func([][]byte) error) error {
	file, err := os.Open(seg.path)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "open a spool segment")
	}
	defer file.Close() //nolint:errcheck // it was only read
	r := newReader(file, seg.offset)
	for seg.offset < seg.size {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(err, fault.Unavailable, "drain the spool")
		}
		recs, err := r.some(seg.size)
		if err != nil {
			s.log.ErrorContext(ctx, "spool segment is damaged", "err", err, "path", seg.path, "lost_bytes", seg.size-r.offset)
		}
		if len(recs) > 0 {
			if err := f(recs); err != nil {
				return err
			}
		}
		seg.offset = r.offset
		seg.records -= int64(len(recs))
		s.records.Add(-int64(len(recs)))
		if err != nil {
			break
		}
	}
	return s.drop(seg)
}

// some reads the records of one hand-over.
func (r *reader) some(end int64) (recs [][]byte, err error) {
	for bytes := 0; len(recs) < drainRecords && bytes < drainBytes && r.offset < end; {
		rec, err := r.next()
		if err != nil {
			return recs, err
		}
		recs, bytes = append(recs, rec), bytes+len(rec)
	}
	return recs, nil
}

// drop removes a drained segment.
func (s *Spool) drop(seg *segment) error {
	if err := os.Remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Unavailable, "remove a drained spool segment")
	}
	s.seg.Lock()
	defer s.seg.Unlock()
	s.sealed = s.sealed[1:]
	s.bytes.Add(-seg.size)
	s.records.Add(-seg.records)
	return nil
}

// lockDir makes this process the only one in dir, until the file is closed or the process dies.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "open the spool's lock")
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // the error below says more
		return nil, fault.Wrap(err, fault.Conflict, "the spool is in use by another process")
	}
	return file, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
