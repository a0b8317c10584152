package upload

import (
	"archive/zip"
	"context"
	"encoding/hex"
	"io"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/debugfile"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// DebugFile is a debug information file that a client sends.
type DebugFile struct {
	Org, Project int64
	Sum          string // SHA-1
	Name         string // path at the client
	DebugID      string // what the client says of it
	Chunks       []string
}

// DebugFile assembles a debug information file; files of several builds make several. One that is
// there already is renewed.
func (s *Service) DebugFile(ctx context.Context, q DebugFile) (State, []postgres.DebugFile, error) {
	sum, _ := hex.DecodeString(q.Sum) // CheckSums was here
	known, err := s.store.DebugFilesBySum(ctx, q.Project, [][]byte{sum})
	if err != nil {
		return State{}, nil, err
	}
	if len(known) > 0 {
		ids := make([]int64, len(known))
		for i := range known {
			ids[i] = known[i].ID
		}
		return State{State: StateOK}, known, s.store.TouchArtifacts(ctx, q.Project, nil, ids)
	}
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return State{}, nil, fault.Wrap(err, fault.Unavailable, "the caller left before its turn came")
	}
	defer s.turns.Release(1)
	f, state, err := s.open(ctx, q.Org, q.Sum, q.Chunks)
	if f == nil {
		return state, nil, err
	}
	defer f.Close()
	kept, err := s.keepDebugFile(ctx, q.Project, f, q.Name, q.DebugID)
	if err != nil {
		state, err = failed(err)
		return state, nil, err
	}
	return State{State: StateOK}, kept, nil
}

func (s *Service) keepDebugFile(ctx context.Context, project int64, f *file, name, debugID string) ([]postgres.DebugFile, error) {
	infos, err := debugfile.Read(f, f.size, name, debugID)
	if err != nil {
		return nil, err
	}
	var kept []postgres.DebugFile
	for _, info := range infos {
		row := postgres.DebugFile{Project: project, SHA1: f.sha1, DebugID: info.DebugID, CodeID: info.CodeID, Format: string(info.Format), Kind: info.Kind, CPU: info.CPU,
			ObjectName: info.Name, Features: info.Features, Size: f.size}
		slices.Sort(row.Features)
		err := s.keep(ctx, project, f, func(key string, there func(string) bool) error {
			row.Blob = key
			return s.store.KeepDebugFile(ctx, &row, there)
		})
		if err != nil {
			return nil, err
		}
		kept = append(kept, row)
	}
	return kept, nil
}

// Bounds on an archive of debug files that is uploaded in one request.
const (
	maxArchived      = 200
	maxArchivedBytes = 512 << 20
)

// Archive keeps the debug files of a ZIP archive, or the one file that data is. Files that are none
// are left out. fault.Invalid: there is none in it.
func (s *Service) Archive(ctx context.Context, project int64, name string, data []byte) ([]postgres.DebugFile, error) {
	archive, err := zip.NewReader(memoryOf(data).joined, int64(len(data)))
	if err != nil {
		return s.keepDebugFile(ctx, project, memoryOf(data), name, "")
	}
	var kept []postgres.DebugFile
	left := int64(maxArchivedBytes)
	for _, entry := range archive.File[:min(len(archive.File), maxArchived)] {
		if entry.FileInfo().IsDir() {
			continue
		}
		in, err := entry.Open()
		if err != nil {
			return kept, fault.New(fault.Invalid, "%.200q in the archive cannot be unpacked", entry.Name)
		}
		body, err := io.ReadAll(io.LimitReader(in, left+1))
		_ = in.Close()
		if left -= int64(len(body)); left < 0 {
			return kept, fault.New(fault.TooLarge, "the archive unpacks to more than %d bytes", maxArchivedBytes)
		}
		if err != nil {
			return kept, fault.New(fault.Invalid, "%.200q in the archive is damaged", entry.Name)
		}
		list, err := s.keepDebugFile(ctx, project, memoryOf(body), entry.Name, "")
		switch fault.KindOf(err) {
		case fault.Invalid, fault.Unsupported:
			if err != nil {
				continue
			}
		}
		if err != nil {
			return kept, err
		}
		kept = append(kept, list...)
	}
	if len(kept) == 0 {
		return nil, fault.New(fault.Invalid, "there is no debug file in the archive")
	}
	return kept, nil
}
