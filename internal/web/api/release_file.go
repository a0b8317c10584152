package api

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/web/upload"
)

// releaseFileShape is one file of a release.
// Rule: getsentry/sentry src/sentry/api/serializers/models/release_file.py
type releaseFileShape struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Dist        *string           `json:"dist"`
	Headers     map[string]string `json:"headers"`
	Size        int64             `json:"size"`
	SHA1        string            `json:"sha1"`
	DateCreated time.Time         `json:"dateCreated"`
}

func shapeReleaseFile(b *artifact.Bundle) releaseFileShape {
	shape := releaseFileShape{ID: id(b.ID), Headers: b.Headers, Size: b.Size, SHA1: hex.EncodeToString(b.SHA1), DateCreated: utc(b.CreatedAt)}
	if shape.Headers == nil {
		shape.Headers = map[string]string{}
	}
	if len(b.Files) > 0 {
		shape.Name = b.Files[0].URL
	}
	if len(b.Releases) > 0 {
		shape.Dist = maybe(b.Releases[0].Dist)
	}
	return shape
}

// readableProjects are the projects that a release is looked for in: the path's, else all.
func (s *Service) readableProjects(r *request) ([]int64, error) {
	if name := r.PathValue("project"); name != "" {
		p, err := s.Store.Project(r.Context(), r.org(), name)
		return []int64{p.ID}, err
	}
	all, err := s.Store.Projects(r.Context(), r.org())
	ids := make([]int64, len(all))
	for i, p := range all {
		ids[i] = p.ID
	}
	return ids, err
}

// maxReleaseFiles is how many single files of a release are looked through.
const maxReleaseFiles = 20_000

// releaseFiles answers GET …/releases/{release}/files/.
func (s *Service) releaseFiles(w http.ResponseWriter, r *request) error {
	list, err := s.allReleaseFiles(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	kept := list[:0]
	for i := range list {
		name, sum := list[i].Files[0].URL, hex.EncodeToString(list[i].SHA1)
		if words := q["query"]; len(words) > 0 && !contains(name, words) {
			continue
		}
		if sums := q["checksum"]; len(sums) > 0 && !equal(sum, sums) {
			continue
		}
		kept = append(kept, list[i])
	}
	return pageOf(s, w, r, kept, shapeReleaseFile)
}

func contains(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func equal(text string, any []string) bool {
	for _, a := range any {
		if a == text {
			return true
		}
	}
	return false
}

func (s *Service) allReleaseFiles(r *request) ([]artifact.Bundle, error) {
	projects, err := s.readableProjects(r)
	if err != nil {
		return nil, err
	}
	return s.Store.ReleaseFiles(r.Context(), projects, r.PathValue("release"), 0, maxReleaseFiles)
}

// readReleaseFile reads the form of an upload.
func readReleaseFile(w http.ResponseWriter, r *request) (*upload.ReleaseFile, error) {
	r.Body = http.MaxBytesReader(w, r.Body, blob.MaxBytes)
	form, err := r.MultipartReader()
	if err != nil {
		return nil, fault.New(fault.Invalid, "Missing uploaded file")
	}
	f := &upload.ReleaseFile{Release: artifact.Release{Version: r.PathValue("release")}, Headers: map[string]string{}}
	given := false
	for n := 0; n < 64; n++ {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(part)
		}
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, fault.New(fault.TooLarge, "a file of a release has at most %d bytes", blob.MaxBytes)
		}
		if err != nil {
			return nil, formError(err)
		}
		switch part.FormName() {
		case "file":
			if given = true; f.Name == "" {
				f.Name = part.FileName()
			}
			f.Data = body
		case "name":
			f.Name = string(body)
		case "dist":
			f.Release.Dist = strings.TrimSpace(string(body))
		case "header":
			name, value, ok := strings.Cut(string(body), ":")
			if !ok || strings.ContainsAny(string(body), "\r\n\x00") {
				return nil, fault.New(fault.Invalid, "header value was not formatted correctly")
			}
			f.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	if !given {
		return nil, fault.New(fault.Invalid, "Missing uploaded file")
	}
	return f, checkReleaseFile(f.Name, f.Release.Dist)
}

func checkReleaseFile(name, dist string) error {
	switch {
	case name == "" || len(name) > 2048 || strings.ContainsAny(name, "\r\n\x00"):
		return fault.New(fault.Invalid, "File name must not be empty, longer than 2048 bytes or contain special whitespace characters")
	case len(dist) > maxDist || strings.ContainsRune(dist, 0):
		return fault.New(fault.Invalid, "dist has at most %d characters", maxDist)
	}
	return nil
}

// addReleaseFile answers POST …/releases/{release}/files/.
func (s *Service) addReleaseFile(w http.ResponseWriter, r *request) error {
	projects, err := s.releaseProjects(r, r.PathValue("release"))
	if err != nil {
		return err
	}
	f, err := readReleaseFile(w, r)
	if err != nil {
		return err
	}
	kept, err := s.uploads.File(r.Context(), projects, f)
	if err != nil {
		return err
	}
	kept[0].CreatedAt = time.Now()
	return httpx.JSON(w, http.StatusCreated, shapeReleaseFile(&kept[0]))
}

// namedReleaseFile is the file that the path names. fault.Unknown.
func (s *Service) namedReleaseFile(r *request) (*artifact.Bundle, error) {
	list, err := s.allReleaseFiles(r)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if id(list[i].ID) == r.PathValue("id") {
			return &list[i], nil
		}
	}
	return nil, errNotFound()
}

// releaseFile answers GET …/releases/{release}/files/{id}/: what is known of a file, or with
// ?download=1 the file.
func (s *Service) releaseFile(w http.ResponseWriter, r *request) error {
	b, err := s.namedReleaseFile(r)
	if err != nil {
		return err
	}
	if !r.URL.Query().Has("download") {
		return ok(w, shapeReleaseFile(b))
	}
	return s.sendFile(w, r, b.Blob, b.Size, strings.TrimPrefix(b.Files[0].URL[strings.LastIndexByte(b.Files[0].URL, '/')+1:], "~"))
}

// sendFile sends the bytes of an uploaded file as a download.
func (s *Service) sendFile(w http.ResponseWriter, r *request, key string, size int64, name string) error {
	body, err := s.Files.Open(r.Context(), key)
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", octets)
	h.Set("Content-Disposition", disposition(name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(w, body) // the client sees by the length that something is missing
	return nil
}

// renameBody is what may change about a file of a release.
type renameBody struct {
	Name *string `json:"name"`
	Dist *string `json:"dist"`
}

// renameReleaseFile answers PUT …/releases/{release}/files/{id}/.
func (s *Service) renameReleaseFile(w http.ResponseWriter, r *request) error {
	b, err := s.namedReleaseFile(r)
	if err != nil {
		return err
	}
	var body renameBody
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	name, dist := b.Files[0].URL, b.Releases[0].Dist
	if body.Name != nil {
		name = *body.Name
	}
	if body.Dist != nil {
		dist = *body.Dist
	}
	if err := checkReleaseFile(name, dist); err != nil {
		return err
	}
	release := artifact.Release{Version: r.PathValue("release"), Dist: dist}
	if err := s.Store.RenameReleaseFile(r.Context(), b.Project, b.ID, name, release, upload.Identity(name, release)); err != nil {
		return err
	}
	b.Files[0].URL, b.Releases = name, []artifact.Release{release}
	return ok(w, shapeReleaseFile(b))
}

// deleteReleaseFile answers DELETE …/releases/{release}/files/{id}/.
func (s *Service) deleteReleaseFile(w http.ResponseWriter, r *request) error {
	b, err := s.namedReleaseFile(r)
	if err != nil {
		return err
	}
	return s.removeBundles(w, r, b.Project, []int64{b.ID})
}
