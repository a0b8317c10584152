package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// releases answers GET …/releases/ of an organization or a project, newest first.
func (s *Service) releases(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	query := postgres.ReleaseQuery{Projects: projectIDs(list), Part: releasePart(q.Get("query")), Cursor: q.Get("cursor"), Limit: limit, Sort: postgres.ReleaseSort(q.Get("sort"))}
	if word := q.Get("status"); word != "" {
		status, known := release.ParseStatus(word)
		if !known {
			return fault.New(fault.Invalid, "Invalid status: it is open or archived.")
		}
		query.Status = &status
	}
	page, err := s.Store.Releases(r.Context(), r.org(), query)
	if err != nil {
		return err
	}
	s.setLink(w, r, links{page.Prev, page.Next, page.HasPrev, page.HasNext})
	sh := releaseShaper{org: r.org(), projects: list}
	out := make([]object, len(page.Rows))
	for i := range page.Rows {
		out[i] = sh.release(&page.Rows[i])
	}
	return ok(w, out)
}

// releasePart is the part of a version that a query asks for, plainly or as release:….
func releasePart(query string) string {
	query = strings.TrimSpace(query)
	if rest, found := strings.CutPrefix(query, "release:"); found {
		query = rest
	}
	return strings.Trim(strings.Trim(query, `"`), "*")
}

// releaseShaper turns releases into the shapes clients know.
// Rule: getsentry/sentry src/sentry/api/serializers/models/release.py
type releaseShaper struct {
	org      int64
	projects []project.Project
}

func (sh releaseShaper) release(rel *postgres.Release) object {
	projects := []object{}
	for i, id := range rel.Projects {
		if at := slices.IndexFunc(sh.projects, func(p project.Project) bool { return p.ID == id }); at >= 0 {
			p := sh.projects[at]
			platforms := []string{}
			if p.Platform != "" {
				platforms = append(platforms, p.Platform)
			}
			projects = append(projects, object{"id": p.ID, "slug": p.Slug, "name": p.Name, "platform": maybe(p.Platform), "platforms": platforms,
				"newGroups": rel.ByProject[i], "hasHealthData": false})
		}
	}
	authors := []object{}
	for _, a := range rel.Authors {
		authors = append(authors, object{"name": a.Name, "email": a.Email})
	}
	o := object{
		"id": release.ID(sh.org, rel.Version), "version": rel.Version, "shortVersion": release.Short(rel.Version), "status": rel.Status.String(),
		"ref": maybe(rel.Ref), "url": maybe(rel.URL), "dateCreated": utc(rel.CreatedAt), "dateStarted": maybeTime(rel.StartedAt),
		"dateReleased": maybeTime(rel.ReleasedAt), "firstEvent": maybeTime(rel.FirstSeen), "lastEvent": maybeTime(rel.LastSeen),
		"newGroups": rel.NewIssues, "commitCount": rel.Commits, "deployCount": rel.Deploys, "lastCommit": nil, "lastDeploy": nil, "owner": nil,
		"authors": authors, "data": object{}, "versionInfo": versionInfo(rel.Version), "projects": projects, "userAgent": nil,
	}
	if rel.Owner != 0 {
		o["owner"] = object{"id": id(rel.Owner)}
	}
	if rel.LastCommit != nil {
		o["lastCommit"] = commitShape(*rel.LastCommit)
	}
	if rel.LastDeploy != nil {
		o["lastDeploy"] = deployShape(*rel.LastDeploy)
	}
	return o
}

func versionInfo(version string) object {
	info := object{"description": release.Short(version), "package": nil, "version": object{"raw": version}, "buildHash": nil}
	if hash, is := release.Hash(version); is {
		info["buildHash"] = hash
	}
	if v, is := release.Parse(version); is {
		info["package"] = maybe(v.Package)
		raw := version[strings.LastIndexByte(version, '@')+1:]
		info["version"] = object{"raw": raw, "major": v.Numbers[0], "minor": v.Numbers[1], "patch": v.Numbers[2], "pre": maybe(v.Pre),
			"buildCode": maybe(v.Build), "components": 1 + strings.Count(strings.SplitN(strings.SplitN(raw, "+", 2)[0], "-", 2)[0], ".")}
	}
	return info
}

func commitShape(c release.Commit) object {
	return object{"id": c.ID, "message": maybe(c.Message), "dateCreated": utc(c.At), "author": object{"name": c.AuthorName, "email": c.AuthorEmail},
		"repository": object{"name": c.Repository}, "pullRequest": nil, "suspectCommitType": "", "releases": []any{}}
}

// releaseBody is what may be told of a release.
type releaseBody struct {
	Version      *string           `json:"version"`
	Projects     []json.RawMessage `json:"projects"` // slugs, or ids as numbers or texts
	Ref          *string           `json:"ref"`
	URL          *string           `json:"url"`
	Status       *string           `json:"status"`
	DateReleased *string           `json:"dateReleased"`
	DateStarted  *string           `json:"dateStarted"`
	Commits      []commitBody      `json:"commits"`
	Refs         []refBody         `json:"refs"`
	HeadCommits  []headBody        `json:"headCommits"`

	Owner idle `json:"owner"`
}

// maxReleaseBody bounds the document of a release, which may have thousands of commits.
const maxReleaseBody = 16 << 20

func readRelease(w http.ResponseWriter, r *request) (b releaseBody, err error) {
	err = readSized(w, r, &b, maxReleaseBody)
	return b, err
}

func (b *releaseBody) change() (c postgres.ReleaseChange, err error) {
	for field, v := range map[string]*string{"ref": b.Ref, "url": b.URL} {
		if v != nil && len(*v) > 2000 {
			return c, fieldError{field, "Ensure this field has no more than 2000 bytes."}
		}
	}
	c.Ref, c.URL = b.Ref, b.URL
	if b.Status != nil {
		status, known := release.ParseStatus(*b.Status)
		if !known {
			return c, fieldError{"status", "Invalid status: it is open or archived."}
		}
		c.Status = &status
	}
	if c.ReleasedAt, err = dateField("dateReleased", b.DateReleased); err != nil {
		return c, err
	}
	if c.StartedAt, err = dateField("dateStarted", b.DateStarted); err != nil {
		return c, err
	}
	if c.Commits, err = commitsOf(b.Commits); err != nil {
		return c, err
	}
	c.Heads, err = headsOf(b.Refs, b.HeadCommits)
	return c, err
}

func dateField(field string, text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	at, known := moment(*text)
	if !known {
		return nil, fieldError{field, "Datetime has wrong format. Use one such as 2026-05-01T12:00:00Z."}
	}
	return &at, nil
}

// projectsOf finds the projects that a body names; required when no project is in the path.
func (s *Service) projectsOf(r *request, names []json.RawMessage) ([]project.Project, error) {
	if r.PathValue("project") != "" {
		return s.selectedProjects(r)
	}
	all, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return nil, err
	}
	var chosen []project.Project
	for _, raw := range names {
		name := strings.Trim(string(raw), `"`)
		i := slices.IndexFunc(all, func(p project.Project) bool { return named(p.ID, p.Slug, name) })
		if i < 0 {
			return nil, fieldError{"projects", "Invalid project ids or slugs"}
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// versionError answers a version that cannot be as an error of its field.
func versionError(err error) error {
	if err != nil && fault.KindOf(err) == fault.Invalid {
		return fieldError{"version", fault.Public(err)}
	}
	return err
}

// createRelease answers POST …/releases/: 201 for a new release, 208 for one that exists.
func (s *Service) createRelease(w http.ResponseWriter, r *request) error {
	if _, err := s.selectedProjects(r); err != nil { // the one of the path, before its body is looked at
		return err
	}
	b, err := readRelease(w, r)
	if err != nil {
		return err
	}
	if b.Version == nil {
		return fieldError{"version", "This field is required."}
	}
	version := strings.TrimSpace(*b.Version)
	if err := release.ValidateVersion(version); err != nil {
		return versionError(err)
	}
	if b.Projects == nil && r.PathValue("project") == "" {
		return fieldError{"projects", "This field is required."}
	}
	chosen, err := s.projectsOf(r, b.Projects)
	if err != nil {
		return err
	}
	change, err := b.change()
	if err != nil {
		return err
	}
	created, err := s.Store.PutRelease(r.Context(), r.org(), projectIDs(chosen), version, change, r.who.UserID())
	if err != nil {
		return err
	}
	status := http.StatusAlreadyReported
	if created {
		status = http.StatusCreated
	}
	rel, sh, err := s.findRelease(r, version)
	if fault.KindOf(err) == fault.Unknown && len(chosen) == 0 { // made in no project, it is nowhere
		return fieldError{"projects", "Name the projects of a new release."}
	}
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, sh.release(&rel))
}

// findRelease returns a release of the projects that the path or the parameters name.
func (s *Service) findRelease(r *request, version string) (postgres.Release, releaseShaper, error) {
	list, err := s.selectedProjects(r)
	if err != nil {
		return postgres.Release{}, releaseShaper{}, err
	}
	rel, err := s.Store.ReleaseByVersion(r.Context(), r.org(), projectIDs(list), version)
	return rel, releaseShaper{r.org(), list}, err
}

// release answers GET …/releases/{version}/.
func (s *Service) release(w http.ResponseWriter, r *request) error {
	rel, sh, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	return ok(w, sh.release(&rel))
}

// updateRelease answers PUT …/releases/{version}/; projects that are named get the release.
func (s *Service) updateRelease(w http.ResponseWriter, r *request) error {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	b, err := readRelease(w, r)
	if err != nil {
		return err
	}
	more, err := s.projectsOf(r, b.Projects)
	if err != nil {
		return err
	}
	change, err := b.change()
	if err != nil {
		return err
	}
	if _, err := s.Store.PutRelease(r.Context(), r.org(), projectIDs(more), rel.Version, change, r.who.UserID()); err != nil {
		return err
	}
	rel, sh, err := s.findRelease(r, rel.Version)
	if err != nil {
		return err
	}
	return ok(w, sh.release(&rel))
}

// deleteRelease answers DELETE …/releases/{version}/.
func (s *Service) deleteRelease(w http.ResponseWriter, r *request) error {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	if err := s.Store.DeleteRelease(r.Context(), r.org(), rel.Version); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// releaseMeta answers GET …/releases/{version}/meta/.
func (s *Service) releaseMeta(w http.ResponseWriter, r *request) error {
	rel, sh, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	commits, err := s.Store.CommitsOfReleases(r.Context(), r.org(), []string{rel.Version}, 0, release.MaxCommits)
	if err != nil {
		return err
	}
	files := map[string]bool{}
	for _, c := range commits {
		for _, f := range c.Files {
			files[c.Repository+" "+f.Path] = true
		}
	}
	shape := sh.release(&rel)
	released := rel.CreatedAt
	if rel.ReleasedAt != nil {
		released = *rel.ReleasedAt
	}
	return ok(w, object{"version": rel.Version, "versionInfo": shape["versionInfo"], "projects": shape["projects"], "newGroups": rel.NewIssues,
		"deployCount": rel.Deploys, "commitCount": rel.Commits, "commitFilesChanged": len(files), "released": utc(released)})
}

// previousWithCommits answers GET …/previous-with-commits/ with a release, or {} when none before
// has commits.
func (s *Service) previousWithCommits(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	rel, found, err := s.Store.PreviousWithCommits(r.Context(), r.org(), projectIDs(list), r.PathValue("version"))
	if err != nil {
		return err
	}
	if !found {
		return ok(w, object{})
	}
	return ok(w, releaseShaper{r.org(), list}.release(&rel))
}

// releaseResolved answers GET …/resolved/: the issues that are resolved in a release.
func (s *Service) releaseResolved(w http.ResponseWriter, r *request) error {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	rows, err := s.Store.ResolvedIn(r.Context(), r.org(), rel.Projects, rel.Version)
	if err != nil {
		return err
	}
	sh, err := s.newShaper(r, rows...)
	if err != nil {
		return err
	}
	out := make([]issueShape, len(rows))
	for i := range rows {
		out[i] = sh.issue(&rows[i])
	}
	if out, err = window(s, w, r, out); err != nil {
		return err
	}
	return ok(w, out)
}
