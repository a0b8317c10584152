package api

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/upload"
)

// accepted are the kinds of uploads that older command lines ask for before they choose a way.
var accepted = []string{"debug_files", "release_files", "pdbs", "sources", "portablepdbs", "bcsymbolmaps", "il2cpp", "proguard", "artifact_bundles", "artifact_bundles_v2"}

// chunkOptions answers GET …/chunk-upload/: how files are to be sent.
// Rule: getsentry/sentry src/sentry/api/endpoints/chunk.py
func (s *Service) chunkOptions(w http.ResponseWriter, r *request) error {
	return ok(w, object{"url": s.BaseURL + "/api/0/organizations/" + r.who.Organization.Slug + "/chunk-upload/", "chunkSize": upload.ChunkBytes,
		"chunksPerRequest": upload.ChunksPerRequest, "maxFileSize": upload.MaxFileBytes, "maxRequestSize": upload.RequestBytes,
		"concurrency": upload.Concurrency, "hashAlgorithm": "sha1", "compression": []string{"gzip", "zstd"}, "accept": accepted})
}

// formOverhead is what a form of chunks may have beside them.
const formOverhead = 1 << 20

// putChunks answers POST …/chunk-upload/: a form whose files are named by the SHA-1 of what they
// are unpacked.
func (s *Service) putChunks(w http.ResponseWriter, r *request) error {
	encoding := r.Header.Get("Content-Encoding")
	if encoding != "" && encoding != "gzip" && encoding != "zstd" {
		return fault.New(fault.Invalid, "Unsupported Content-Encoding")
	}
	r.Body = http.MaxBytesReader(w, r.Body, upload.RequestBytes+formOverhead)
	form, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) || errors.Is(err, http.ErrMissingBoundary) {
		return fault.New(fault.Invalid, "Chunks are sent as multipart/form-data")
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "The form cannot be read")
	}
	for n := 0; ; n++ {
		part, err := form.NextPart()
		if err == io.EOF {
			return ok(w, object{})
		}
		if err != nil {
			return formError(err)
		}
		if n == upload.ChunksPerRequest {
			return fault.New(fault.Invalid, "Too many chunks")
		}
		if err := s.putChunk(r, part, encoding); err != nil {
			return err
		}
	}
}

// formError is why a form broke off.
func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.Invalid, "Request too large")
	}
	return fault.Wrap(err, fault.Invalid, "The form cannot be read")
}

func (s *Service) putChunk(r *request, part *multipart.Part, encoding string) error {
	switch part.FormName() {
	case "file":
	case "file_gzip":
		if encoding != "" {
			return fault.New(fault.Invalid, "file_gzip is not sent with a Content-Encoding")
		}
		encoding = "gzip"
	default:
		return nil
	}
	data, err := unpack(part, encoding)
	if err != nil {
		return err
	}
	return s.uploads.Put(r.Context(), r.org(), strings.ToLower(part.FileName()), data)
}

// unpack reads a chunk, which may be compressed.
func unpack(in io.Reader, encoding string) ([]byte, error) {
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fault.New(fault.Invalid, "Invalid gzip payload")
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4*upload.ChunkBytes))
		if err != nil {
			return nil, fault.New(fault.Invalid, "Invalid zstd payload")
		}
		defer z.Close()
		in = z
	}
	data, err := io.ReadAll(io.LimitReader(in, upload.ChunkBytes+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.New(fault.Invalid, "Request too large")
	case err != nil && encoding != "":
		return nil, fault.New(fault.Invalid, "Invalid %s payload", encoding)
	case err != nil:
		return nil, formError(err)
	case len(data) > upload.ChunkBytes:
		return nil, fault.New(fault.Invalid, "Chunk size too large")
	}
	return data, nil
}

// assembleBody is what clients say of a bundle. Members that are not known here are left alone:
// newer clients add some.
type assembleBody struct {
	Checksum string   `json:"checksum"`
	Chunks   []string `json:"chunks"`
	Projects []any    `json:"projects"` // slugs, or ids as texts or numbers
	Version  string   `json:"version"`
	Dist     string   `json:"dist"`
}

const (
	maxVersion = 250
	maxDist    = 64
)

func (b *assembleBody) validate() error {
	if err := upload.CheckSums(b.Checksum, b.Chunks); err != nil {
		return err
	}
	b.Version, b.Dist = strings.TrimSpace(b.Version), strings.TrimSpace(b.Dist)
	switch {
	case b.Dist != "" && b.Version == "":
		return fault.New(fault.Invalid, "You need to specify a release together with a dist")
	case len(b.Version) > maxVersion || strings.ContainsAny(b.Version, "\x00\r\n\t\f"):
		return fault.New(fault.Invalid, "version has at most %d characters and no line breaks or tabs", maxVersion)
	case len(b.Dist) > maxDist || strings.ContainsRune(b.Dist, 0):
		return fault.New(fault.Invalid, "dist has at most %d characters", maxDist)
	}
	return nil
}

// stateShape is how far a file is.
type stateShape struct {
	State   string   `json:"state"`
	Missing []string `json:"missingChunks"`
	Detail  *string  `json:"detail"`
}

func shapeState(s upload.State) stateShape {
	return stateShape{s.State, append([]string{}, s.Missing...), maybe(s.Detail)}
}

// assembleBundle answers POST …/artifactbundle/assemble/: chunks become a bundle of projects.
// Rule: getsentry/sentry src/sentry/api/endpoints/organization_artifactbundle_assemble.py
func (s *Service) assembleBundle(w http.ResponseWriter, r *request) error {
	var b assembleBody
	if err := readLoose(w, r, &b); err != nil {
		return err
	}
	if err := b.validate(); err != nil {
		return err
	}
	if len(b.Projects) == 0 {
		return fault.New(fault.Invalid, "You need to specify at least one project")
	}
	projects, err := s.namedProjects(r, b.Projects)
	if err != nil {
		return err
	}
	state, err := s.uploads.Bundle(r.Context(), upload.BundleRequest{Org: r.org(), Projects: projects, Sum: b.Checksum, Chunks: b.Chunks,
		Release: artifact.Release{Version: b.Version, Dist: b.Dist}})
	if err != nil {
		return err
	}
	return ok(w, shapeState(state))
}

// namedProjects returns the projects with these slugs or ids. fault.Invalid: one does not exist.
func (s *Service) namedProjects(r *request, names []any) ([]int64, error) {
	all, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return nil, err
	}
	var found []int64
	for _, name := range names {
		text, number := "", int64(0)
		switch v := name.(type) {
		case string:
			text = v
		case float64:
			number = int64(v)
		}
		i := slices.IndexFunc(all, func(p project.Project) bool { return p.Slug == text || id(p.ID) == text || p.ID == number })
		if i < 0 {
			return nil, fault.New(fault.Invalid, "One or more projects are invalid")
		}
		if !slices.Contains(found, all[i].ID) {
			found = append(found, all[i].ID)
		}
	}
	return found, nil
}

// assembleRelease answers POST …/releases/{release}/assemble/, with which older clients upload the
// files of a release in one archive. The archive names its project; else it is for all that know
// the release.
func (s *Service) assembleRelease(w http.ResponseWriter, r *request) error {
	var b assembleBody
	if err := readLoose(w, r, &b); err != nil {
		return err
	}
	b.Version = r.PathValue("release")
	if err := b.validate(); err != nil {
		return err
	}
	q := upload.BundleRequest{Org: r.org(), Sum: b.Checksum, Chunks: b.Chunks, Release: artifact.Release{Version: b.Version, Dist: b.Dist}}
	var err error
	if len(b.Projects) > 0 {
		if q.Projects, err = s.namedProjects(r, b.Projects); err != nil {
			return err
		}
	}
	q.ForRelease = func(_ context.Context, project, release string) ([]int64, error) {
		if project != "" {
			return s.namedProjects(r, []any{project})
		}
		return s.releaseProjects(r, release)
	}
	state, err := s.uploads.Bundle(r.Context(), q)
	if err != nil {
		return err
	}
	return ok(w, shapeState(state))
}

// releaseProjects are the projects that a release's files are for: the one of the path, else all
// that know the release.
func (s *Service) releaseProjects(r *request, release string) ([]int64, error) {
	if name := r.PathValue("project"); name != "" {
		p, err := s.Store.Project(r.Context(), r.org(), name)
		return []int64{p.ID}, err
	}
	ids, err := s.Store.ReleaseProjects(r.Context(), r.org(), release)
	if err == nil && len(ids) == 0 {
		err = errNotFound()
	}
	return ids, err
}
