package symbol

import (
	"context"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// index is what is known of the artifacts of one project.
type index struct {
	revision   int64
	at         time.Time
	byID       map[string][]artifact.File // empty: there are none with this debug id
	releases   map[artifact.Release]artifact.Index
	debugFiles map[string][]postgres.DebugFile // by debug id
	entries    int
}

const (
	maxIndexes = 512     // projects
	maxEntries = 200_000 // debug ids and files that are remembered of a project
	indexAge   = 30 * time.Second
)

// indexOf returns what is remembered of a project at a revision; the caller holds the lock.
func (s *Service) indexOf(project, revision int64) *index {
	x := s.indexes[project]
	fresh := x != nil && time.Since(x.at) < indexAge && (revision == Unknown || x.revision == revision) && x.entries < maxEntries
	if fresh {
		return x
	}
	if x == nil && len(s.indexes) >= maxIndexes {
		for other := range s.indexes { // any of them
			delete(s.indexes, other)
			break
		}
	}
	x = &index{revision: revision, at: time.Now(), byID: make(map[string][]artifact.File), releases: make(map[artifact.Release]artifact.Index),
		debugFiles: make(map[string][]postgres.DebugFile)}
	s.indexes[project] = x
	return x
}

// byDebugID returns the files of a project with any of the debug ids, newer first. Those that are
// not known yet are asked for together.
func (s *Service) byDebugID(ctx context.Context, project, revision int64, ids []string) (map[string][]artifact.File, error) {
	found := make(map[string][]artifact.File, len(ids))
	var missing []string
	s.mu.Lock()
	x := s.indexOf(project, revision)
	for _, id := range ids {
		if files, known := x.byID[id]; known {
			found[id] = files
		} else {
			missing = append(missing, id)
		}
	}
	s.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	files, err := s.store.ArtifactsByDebugID(ctx, project, missing)
	if err != nil {
		return nil, err
	}
	for _, id := range missing {
		found[id] = nil
	}
	for _, f := range files {
		found[f.DebugID] = append(found[f.DebugID], f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range missing {
		x.byID[id] = found[id]
		x.entries += 1 + len(found[id])
	}
	return found, nil
}

// byRelease returns the files of a release and dist by their address.
func (s *Service) byRelease(ctx context.Context, project, revision int64, r artifact.Release) (artifact.Index, error) {
	if r.Version == "" {
		return nil, nil
	}
	s.mu.Lock()
	x := s.indexOf(project, revision)
	files, known := x.releases[r]
	s.mu.Unlock()
	if known {
		return files, nil
	}
	list, err := s.store.ArtifactsByRelease(ctx, project, r)
	if err != nil {
		return nil, err
	}
	files = artifact.NewIndex(list)
	s.mu.Lock()
	defer s.mu.Unlock()
	x.releases[r] = files
	x.entries += 1 + len(files)
	return files, nil
}
