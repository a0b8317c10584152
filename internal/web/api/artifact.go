package api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// bundleShape is an uploaded bundle.
// Rule: getsentry/sentry src/sentry/api/serializers/models/artifactbundle.py
type bundleShape struct {
	BundleID     string             `json:"bundleId"`
	Associations []associationShape `json:"associations"`
	Date         time.Time          `json:"date"`
	DateModified time.Time          `json:"dateModified"`
	FileCount    int                `json:"fileCount"`
}

type associationShape struct {
	Release *string `json:"release"`
	Dist    *string `json:"dist"`
}

func shapeBundle(b *artifact.Bundle) bundleShape {
	shape := bundleShape{BundleID: b.DebugID, Associations: []associationShape{}, Date: utc(b.CreatedAt), DateModified: utc(b.SeenAt), FileCount: b.FileCount}
	if shape.BundleID == "" {
		shape.BundleID = id(b.ID)
	}
	for _, r := range b.Releases {
		shape.Associations = append(shape.Associations, associationShape{maybe(r.Version), maybe(r.Dist)})
	}
	return shape
}

// page reads where a list that is read page by page goes on: how many rows to skip and to read.
func page(r *request) (skip, limit int, err error) {
	if limit, err = perPage(r); err != nil {
		return 0, 0, err
	}
	skip, err = offset(r.URL.Query().Get("cursor"))
	return skip, limit, err
}

// pageRead answers with the page of a list that was read with one row more than a page has.
func pageRead[T, S any](s *Service, w http.ResponseWriter, r *request, list []T, skip, limit int, shape func(*T) S) error {
	more := len(list) > limit
	if more {
		list = list[:limit]
	}
	s.setLink(w, r, links{prev: "0:" + strconv.Itoa(max(0, skip-limit)) + ":1", next: "0:" + strconv.Itoa(skip+limit) + ":0", hasPrev: skip > 0, hasNext: more})
	out := make([]S, len(list))
	for i := range list {
		out[i] = shape(&list[i])
	}
	return ok(w, out)
}

// bundles answers GET …/files/artifact-bundles/, newest first.
func (s *Service) bundles(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	skip, limit, err := page(r)
	if err != nil {
		return err
	}
	query := r.URL.Query().Get("query")
	if debugID, isID := artifact.ParseDebugID(query); isID {
		query = debugID
	}
	list, err := s.Store.Bundles(r.Context(), p.ID, query, skip, limit+1)
	if err != nil {
		return err
	}
	return pageRead(s, w, r, list, skip, limit, shapeBundle)
}

// namedBundle is the bundle that a path or parameter names. fault.Unknown.
func (s *Service) namedBundle(r *request, name string) (*artifact.Bundle, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return nil, err
	}
	if debugID, isID := artifact.ParseDebugID(name); isID {
		name = debugID
	}
	list, err := s.Store.Bundle(r.Context(), p.ID, name)
	if err == nil && len(list) == 0 {
		err = fault.New(fault.Unknown, "Couldn't find a bundle with that id")
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// deleteBundle answers DELETE …/files/artifact-bundles/?bundleId=.
func (s *Service) deleteBundle(w http.ResponseWriter, r *request) error {
	name := r.URL.Query().Get("bundleId")
	if name == "" {
		if _, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project")); err != nil {
			return err
		}
		return fault.New(fault.Invalid, "Supply a valid bundle_id query parameter")
	}
	b, err := s.namedBundle(r, name)
	if err != nil {
		return err
	}
	return s.removeBundles(w, r, b.Project, []int64{b.ID})
}

// removeBundles removes bundles and their bytes and answers with nothing.
func (s *Service) removeBundles(w http.ResponseWriter, r *request, project int64, ids []int64) error {
	if _, err := s.Store.DeleteBundles(r.Context(), project, ids, func(key string) error { return s.Files.Delete(r.Context(), key) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// bundleFiles answers GET …/files/artifact-bundles/{bundle}/files/: a bundle with its files.
func (s *Service) bundleFiles(w http.ResponseWriter, r *request) error {
	b, err := s.namedBundle(r, r.PathValue("bundle"))
	if err != nil {
		return err
	}
	skip, limit, err := page(r)
	if err != nil {
		return err
	}
	list, err := s.Store.BundleFiles(r.Context(), b.Project, b.ID, skip, limit+1)
	if err != nil {
		return err
	}
	more := len(list) > limit
	if more {
		list = list[:limit]
	}
	s.setLink(w, r, links{prev: "0:" + strconv.Itoa(max(0, skip-limit)) + ":1", next: "0:" + strconv.Itoa(skip+limit) + ":0", hasPrev: skip > 0, hasNext: more})
	files := make([]object, len(list))
	for i := range list {
		f := &list[i]
		files[i] = object{"id": base64.URLEncoding.EncodeToString([]byte(f.Path)), "filePath": f.URL, "fileType": int(f.Type), "fileSize": f.Size,
			"debugId": maybe(f.DebugID), "sourcemap": maybe(f.Sourcemap)}
	}
	shape := shapeBundle(b)
	return ok(w, object{"bundleId": shape.BundleID, "date": shape.Date, "dateModified": shape.DateModified, "fileCount": shape.FileCount,
		"associations": shape.Associations, "files": files})
}

// sourceMaps answers GET …/files/source-maps/: the releases that files were uploaded for.
// Rule: getsentry/sentry src/sentry/api/endpoints/source_map_debug.py, debug_files.py (SourceMapsEndpoint)
func (s *Service) sourceMaps(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	skip, limit, err := page(r)
	if err != nil {
		return err
	}
	list, err := s.Store.ReleasesWithUploads(r.Context(), p.ID, r.URL.Query().Get("query"), "", skip, limit+1)
	if err != nil {
		return err
	}
	return pageRead(s, w, r, list, skip, limit, func(u *postgres.ReleaseUploads) object {
		return object{"type": "release", "id": u.Release, "name": u.Release, "date": utc(u.CreatedAt), "fileCount": u.FileCount}
	})
}

// deleteSourceMaps answers DELETE …/files/source-maps/?name=: all that was uploaded for a release.
func (s *Service) deleteSourceMaps(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	name := r.URL.Query().Get("name")
	if name == "" {
		return fault.New(fault.Invalid, "Supply the release as the query parameter name")
	}
	list, err := s.Store.ReleasesWithUploads(r.Context(), p.ID, "", name, 0, 1)
	if err != nil {
		return err
	}
	var ids []int64
	if len(list) > 0 {
		ids = list[0].Bundles
	}
	return s.removeBundles(w, r, p.ID, ids)
}
