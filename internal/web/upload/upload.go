// Package upload puts files together that clients send in chunks, and keeps what they are: bundles
// of scripts and maps, debug information.
//
//	POST chunks ── Put ──▶ store of chunks, a day or two
//	assemble ── joined chunks, sums checked ── read what it is ── store of files ──▶ Postgres
//
// Assembling is done while the client waits, so that its answer is final and nothing is left to do
// when the process ends.
package upload

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Bounds that clients are told.
const (
	ChunkBytes       = 8 << 20 // a power of two
	ChunksPerRequest = 64
	RequestBytes     = 32 << 20
	MaxFileBytes     = blob.MaxStreamBytes
	Concurrency      = 4 // requests of one client at a time
)

// maxChunks is how many chunks a file may have.
const maxChunks = MaxFileBytes / ChunkBytes * 8

// The states of a file that is to be assembled.
// Rule: getsentry/sentry src/sentry/models/files/utils.py (ChunkFileState)
const (
	StateNotFound = "not_found"
	StateOK       = "ok"
	StateError    = "error"
)

// State is what became of a file.
type State struct {
	State   string
	Missing []string // sums of the chunks that are not there
	Detail  string   // why it is StateError
}

// Service assembles files. It is safe for concurrent use.
type Service struct {
	store  *postgres.Store
	chunks blob.Store
	files  blob.Store
	turns  *semaphore.Weighted
}

// atOnce is how many files are assembled at a time.
const atOnce = 2

// New returns a service that keeps chunks and files in two stores.
func New(store *postgres.Store, chunks, files blob.Store) *Service {
	return &Service{store: store, chunks: chunks, files: files, turns: semaphore.NewWeighted(atOnce)}
}

// Put keeps one chunk of an organization under its SHA-1. fault.Invalid: it has another one.
func (s *Service) Put(ctx context.Context, org int64, name string, data []byte) error {
	sum := sha1.Sum(data)
	if hex.EncodeToString(sum[:]) != name {
		return fault.New(fault.Invalid, "The chunk's checksum does not match its name")
	}
	key, err := s.chunks.Put(ctx, org, time.Now(), data)
	if err != nil {
		return err
	}
	return s.store.PutChunk(ctx, org, postgres.Chunk{SHA1: sum[:], Size: int64(len(data)), Blob: key})
}

// CheckSums refuses what is no list of SHA-1 sums. fault.Invalid.
func CheckSums(sum string, chunks []string) error {
	if len(chunks) > maxChunks {
		return fault.New(fault.Invalid, "a file has at most %d chunks", maxChunks)
	}
	for _, c := range append([]string{sum}, chunks...) {
		if !artifact.IsSHA1(c) {
			return fault.New(fault.Invalid, "checksum and chunks are SHA-1 sums, 40 lower-case hex digits")
		}
	}
	return nil
}

// join finds the chunks of a file; missing are those that are not there.
func (s *Service) join(ctx context.Context, org int64, chunks []string) (j *joined, missing []string, err error) {
	sums := make([][]byte, len(chunks))
	for i, c := range chunks {
		sums[i], _ = hex.DecodeString(c) // CheckSums was here
	}
	found, err := s.store.Chunks(ctx, org, sums)
	if err != nil {
		return nil, nil, err
	}
	known := make(map[string]postgres.Chunk, len(found))
	for _, c := range found {
		known[hex.EncodeToString(c.SHA1)] = c
	}
	j = &joined{}
	for _, c := range chunks {
		chunk, ok := known[c]
		if !ok {
			if !slices.Contains(missing, c) {
				missing = append(missing, c)
			}
			continue
		}
		file, err := s.chunks.Open(ctx, chunk.Blob)
		if fault.KindOf(err) == fault.Unknown {
			missing = append(missing, c)
			delete(known, c)
			continue
		}
		if err != nil {
			j.Close()
			return nil, nil, err
		}
		j.add(file, chunk.Size)
	}
	if len(missing) > 0 {
		j.Close()
		return nil, missing, nil
	}
	return j, nil, nil
}

// file is one whole upload.
type file struct {
	*joined
	sha1, sha256 []byte
}

// open puts the chunks of a file together and checks its sum. The state is set when there is no
// file to go on with; else the caller closes it.
func (s *Service) open(ctx context.Context, org int64, sum string, chunks []string) (*file, State, error) {
	if len(chunks) == 0 { // a client that asks how far it is
		return nil, State{State: StateNotFound}, nil
	}
	j, missing, err := s.join(ctx, org, chunks)
	if err != nil || len(missing) > 0 {
		return nil, State{State: StateNotFound, Missing: missing}, err
	}
	if j.size > MaxFileBytes {
		j.Close()
		return nil, State{State: StateError, Detail: "the file is larger than 2 GiB"}, nil
	}
	one, two := sha1.New(), sha256.New()
	if _, err := io.Copy(io.MultiWriter(one, two), j.reader()); err != nil {
		j.Close()
		return nil, State{}, fault.Wrap(err, fault.Unavailable, "read the chunks of an upload")
	}
	f := &file{j, one.Sum(nil), two.Sum(nil)}
	if hex.EncodeToString(f.sha1) != sum {
		j.Close()
		return nil, State{State: StateError, Detail: "the chunks make a file with another checksum than was announced"}, nil
	}
	return f, State{}, nil
}

// keep stores a file for a project and notes it with note, again when its bytes were removed in
// between.
func (s *Service) keep(ctx context.Context, project int64, f *file, note func(key string, there func(string) bool) error) error {
	for try := 0; ; try++ {
		key, err := s.files.PutStream(ctx, project, time.Now(), [32]byte(f.sha256), f.size, f.reader())
		if err != nil {
			return err
		}
		err = note(key, func(key string) bool {
			in, err := s.files.Open(ctx, key)
			if err == nil {
				_ = in.Close()
			}
			return err == nil
		})
		if !errors.Is(err, postgres.ErrBlobGone) || try == 2 {
			return err
		}
	}
}

// failed turns a failure that is the file's own into a state; others stay.
func failed(err error) (State, error) {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.TooLarge, fault.Unsupported:
		return State{State: StateError, Detail: fault.Public(err)}, nil
	}
	return State{}, err
}
