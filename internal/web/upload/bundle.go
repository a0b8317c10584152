package upload

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// BundleRequest names a bundle that a client sends.
type BundleRequest struct {
	Org      int64
	Projects []int64 // none: those that ForRelease finds for the bundle's own project and release
	Sum      string  // SHA-1
	Chunks   []string
	Release  artifact.Release // empty: what the bundle says of itself
	// ForRelease finds the projects of a bundle that came without any.
	ForRelease func(ctx context.Context, project, release string) ([]int64, error)
}

// Bundle assembles a bundle of scripts and maps and makes it belong to its projects and release.
// One that is there already is renewed.
func (s *Service) Bundle(ctx context.Context, q BundleRequest) (State, error) {
	identity, _ := hex.DecodeString(q.Sum) // CheckSums was here
	if done, err := s.renew(ctx, q, identity); done || err != nil {
		return State{State: StateOK}, err
	}
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return State{}, fault.Wrap(err, fault.Unavailable, "the caller left before its turn came")
	}
	defer s.turns.Release(1)
	f, state, err := s.open(ctx, q.Org, q.Sum, q.Chunks)
	if f == nil {
		return state, err
	}
	defer f.Close()
	m, err := artifact.ReadBundle(f, f.size)
	if err != nil {
		return failed(err)
	}
	if q.Release.Version == "" {
		q.Release = artifact.Release{Version: m.Release, Dist: m.Dist}
	}
	if len(q.Projects) == 0 {
		if q.Projects, err = q.ForRelease(ctx, m.Project, q.Release.Version); err != nil {
			return failed(err)
		}
	}
	for _, p := range q.Projects {
		b := &artifact.Bundle{Project: p, Kind: artifact.KindBundle, Identity: identity, SHA1: f.sha1, DebugID: m.DebugID, Size: f.size, Files: m.Files, Releases: releases(q.Release)}
		if err := s.keepBundle(ctx, f, b); err != nil {
			return State{}, err
		}
	}
	return State{State: StateOK}, nil
}

func (s *Service) keepBundle(ctx context.Context, f *file, b *artifact.Bundle) error {
	return s.keep(ctx, b.Project, f, func(key string, there func(string) bool) error {
		b.Blob = key
		return s.store.KeepBundle(ctx, b, there)
	})
}

func releases(r artifact.Release) []artifact.Release {
	if r.Version == "" {
		return nil
	}
	return []artifact.Release{r}
}

// renew makes a bundle that all projects have belong to the release; done is false when one lacks
// it.
func (s *Service) renew(ctx context.Context, q BundleRequest, identity []byte) (done bool, err error) {
	for _, p := range q.Projects {
		if has, err := s.store.HasBundle(ctx, p, identity); !has || err != nil {
			return false, err
		}
	}
	for _, p := range q.Projects {
		b := &artifact.Bundle{Project: p, Kind: artifact.KindBundle, Identity: identity, Releases: releases(q.Release)}
		if err := s.store.KeepBundle(ctx, b, func(string) bool { return false }); err != nil {
			return false, err
		}
	}
	return len(q.Projects) > 0, nil
}

// errTaken answers for a name that a release has a file under.
var errTaken = fault.New(fault.Conflict, "A file matching this name already exists for the given release")

// ReleaseFile is one file that is uploaded for a release by itself.
type ReleaseFile struct {
	Name    string
	Release artifact.Release
	Headers map[string]string
	Data    []byte
}

// Identity is what makes a single file of a release the same: where it is found.
func Identity(name string, r artifact.Release) []byte {
	sum := sha1.Sum(fmt.Appendf(nil, "%s\x00%s\x00%s", r.Version, r.Dist, name))
	return sum[:]
}

// File keeps one file of a release for projects. fault.Conflict: the release has one of that name.
func (s *Service) File(ctx context.Context, projects []int64, r *ReleaseFile) ([]artifact.Bundle, error) {
	for _, p := range projects {
		if has, err := s.store.HasBundle(ctx, p, Identity(r.Name, r.Release)); has || err != nil {
			if err == nil {
				err = errTaken
			}
			return nil, err
		}
	}
	f := memoryOf(r.Data)
	var kept []artifact.Bundle
	for _, p := range projects {
		b := artifact.SingleFile(r.Name, r.Headers, r.Data)
		b.Project, b.Identity, b.SHA1, b.Releases = p, Identity(r.Name, r.Release), f.sha1, releases(r.Release)
		if err := s.keepBundle(ctx, f, b); err != nil {
			return nil, err
		}
		kept = append(kept, *b)
	}
	return kept, nil
}

// memoryOf is a file that was sent in one piece.
func memoryOf(data []byte) *file {
	one, two := sha1.Sum(data), sha256.Sum256(data)
	j := &joined{}
	j.add(memory{bytes.NewReader(data)}, int64(len(data)))
	return &file{j, one[:], two[:]}
}

// memory is a file that is held.
type memory struct{ *bytes.Reader }

// Close implements blob.File.
func (memory) Close() error { return nil }

var _ blob.File = memory{}
