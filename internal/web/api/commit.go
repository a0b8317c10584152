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
	"github.com/tocsin-dev/tocsin/internal/release"
)

type commitBody struct {
	ID          string      `json:"id"`
	Repository  *string     `json:"repository"`
	Message     *string     `json:"message"`
	AuthorName  *string     `json:"author_name"`
	AuthorEmail *string     `json:"author_email"`
	Timestamp   *string     `json:"timestamp"`
	PatchSet    []patchBody `json:"patch_set"`
}

type patchBody struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

type refBody struct {
	Repository     string  `json:"repository"`
	Commit         string  `json:"commit"` // or a range, from..to
	PreviousCommit *string `json:"previousCommit"`
}

// headBody is the older form of a ref.
type headBody struct {
	Repository string `json:"repository"`
	CurrentID  string `json:"currentId"`
	PreviousID string `json:"previousId"`
}

const maxSHA = 64

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return strings.ToValidUTF8(strings.ReplaceAll(*s, "\x00", ""), "")
}

// commitsOf reads the commits of a release.
// Rule: getsentry/sentry src/sentry/api/serializers/rest_framework/release.py (CommitSerializer)
func commitsOf(list []commitBody) ([]release.Commit, error) {
	if len(list) > release.MaxCommits {
		return nil, fieldError{"commits", "There can be at most 5000 commits."}
	}
	out := make([]release.Commit, 0, len(list))
	for _, b := range list {
		id := orEmpty(&b.ID)
		if id == "" || len(id) > maxSHA || strings.ContainsAny(id, " \t\r\n") {
			return nil, fieldError{"commits", "A commit's id is its hash, of at most 64 characters."}
		}
		c := release.Commit{ID: id, Repository: cutName(orEmpty(b.Repository)), Message: orEmpty(b.Message), AuthorName: orEmpty(b.AuthorName), AuthorEmail: orEmpty(b.AuthorEmail),
			At: time.Now().UTC(), Files: []release.File{}}
		if b.Timestamp != nil {
			if at, known := moment(*b.Timestamp); known {
				c.At = at
			} else {
				return nil, fieldError{"commits", "A commit's timestamp is a date such as 2026-05-01T12:00:00Z."}
			}
		}
		for _, p := range b.PatchSet[:min(len(b.PatchSet), release.MaxFiles)] {
			if path := orEmpty(&p.Path); path != "" && len(path) <= 1000 && slices.Contains([]string{"A", "M", "D"}, p.Type) {
				c.Files = append(c.Files, release.File{Path: path, Type: p.Type})
			} else if path != "" && p.Type != "" {
				return nil, fieldError{"commits", "A patch has a path and a type, which is A, M or D."}
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func cutName(name string) string { return name[:min(len(name), 200)] }

// headsOf reads from which commits a release was built; of a range the last one counts.
func headsOf(refs []refBody, heads []headBody) (out []postgres.Head, err error) {
	for _, h := range heads {
		refs = append(refs, refBody{Repository: h.Repository, Commit: h.CurrentID, PreviousCommit: &h.PreviousID})
	}
	if len(refs) > 100 {
		return nil, fieldError{"refs", "There can be at most 100 refs."}
	}
	for _, b := range refs {
		h := postgres.Head{Repository: cutName(orEmpty(&b.Repository)), Commit: orEmpty(&b.Commit), Previous: orEmpty(b.PreviousCommit)}
		if from, to, isRange := strings.Cut(h.Commit, ".."); isRange {
			h.Previous, h.Commit = from, strings.TrimPrefix(to, ".")
		}
		if h.Repository == "" || h.Commit == "" || len(h.Commit) > maxSHA || strings.ContainsAny(h.Commit, " \t\r\n") {
			return nil, fieldError{"refs", "A ref names a repository and a commit of at most 64 characters."}
		}
		out = append(out, h)
	}
	return out, nil
}

// commitPage reads a page of a release's commits and sets the Link header.
func (s *Service) commitPage(w http.ResponseWriter, r *request) ([]release.Commit, error) {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return nil, err
	}
	list, err := s.Store.CommitsOfReleases(r.Context(), r.org(), []string{rel.Version}, 0, release.MaxCommits)
	if err != nil {
		return nil, err
	}
	return window(s, w, r, list)
}

// releaseCommits answers GET …/releases/{version}/commits/, the newest first.
func (s *Service) releaseCommits(w http.ResponseWriter, r *request) error {
	list, err := s.commitPage(w, r)
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, c := range list {
		out[i] = commitShape(c)
	}
	return ok(w, out)
}

// releaseCommitFiles answers GET …/releases/{version}/commitfiles/.
func (s *Service) releaseCommitFiles(w http.ResponseWriter, r *request) error {
	list, err := s.commitPage(w, r)
	if err != nil {
		return err
	}
	out := []object{}
	for _, c := range list {
		for _, f := range c.Files {
			out = append(out, object{"filename": f.Path, "type": f.Type, "orgId": r.org(), "author": object{"name": c.AuthorName, "email": c.AuthorEmail},
				"commitMessage": maybe(c.Message), "repoName": c.Repository})
		}
	}
	return ok(w, out)
}

// releaseRepositories answers GET …/releases/{version}/repositories/.
func (s *Service) releaseRepositories(w http.ResponseWriter, r *request) error {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	commits, err := s.Store.CommitsOfReleases(r.Context(), r.org(), []string{rel.Version}, 0, release.MaxCommits)
	if err != nil {
		return err
	}
	list, err := s.Store.Repositories(r.Context(), r.org())
	if err != nil {
		return err
	}
	out := []object{}
	for _, repo := range list {
		if slices.ContainsFunc(commits, func(c release.Commit) bool { return c.Repository == repo.Name }) {
			out = append(out, repositoryShape(repo))
		}
	}
	return ok(w, out)
}

func repositoryShape(r postgres.Repository) object {
	provider := object{"id": "unknown", "name": "Unknown Provider"}
	if r.Provider != "" {
		provider = object{"id": r.Provider, "name": r.Provider}
	}
	return object{"id": id(r.ID), "name": r.Name, "url": maybe(r.URL), "provider": provider, "status": "active", "dateCreated": utc(r.CreatedAt),
		"integrationId": nil, "externalSlug": nil, "externalId": nil}
}

// repositories answers GET /api/0/organizations/{org}/repos/.
func (s *Service) repositories(w http.ResponseWriter, r *request) error {
	list, err := s.Store.Repositories(r.Context(), r.org())
	if err != nil {
		return err
	}
	out := []object{}
	for _, repo := range list {
		if part := r.URL.Query().Get("query"); strings.Contains(strings.ToLower(repo.Name), strings.ToLower(part)) {
			out = append(out, repositoryShape(repo))
		}
	}
	if out, err = window(s, w, r, out); err != nil {
		return err
	}
	return ok(w, out)
}

// createRepository answers POST /api/0/organizations/{org}/repos/.
func (s *Service) createRepository(w http.ResponseWriter, r *request) error {
	var b struct {
		Name     string `json:"name"`
		Provider string `json:"provider"`
		URL      string `json:"url"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	repo := postgres.Repository{Name: strings.TrimSpace(orEmpty(&b.Name)), Provider: orEmpty(&b.Provider), URL: orEmpty(&b.URL)}
	switch {
	case repo.Name == "":
		return fieldError{"name", "This field is required."}
	case len(repo.Name) > 200 || len(repo.Provider) > 64 || len(repo.URL) > 2000:
		return fault.New(fault.Invalid, "A repository's name has at most 200 bytes, its provider 64, its address 2000.")
	case repo.URL != "" && !strings.HasPrefix(repo.URL, "https://") && !strings.HasPrefix(repo.URL, "http://"):
		return fieldError{"url", "Enter a valid URL."}
	}
	if err := s.Store.CreateRepository(r.Context(), r.org(), &repo); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, repositoryShape(repo))
}

func deployShape(d postgres.Deploy) object {
	return object{"id": id(d.ID), "environment": d.Environment, "name": maybe(d.Name), "url": maybe(d.URL), "dateStarted": maybeTime(d.StartedAt),
		"dateFinished": utc(d.FinishedAt)}
}

// deploys answers GET …/releases/{version}/deploys/, newest first.
func (s *Service) deploys(w http.ResponseWriter, r *request) error {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	list, err := s.Store.Deploys(r.Context(), r.org(), rel.Version)
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, d := range list {
		out[i] = deployShape(d)
	}
	if out, err = window(s, w, r, out); err != nil {
		return err
	}
	return ok(w, out)
}

// createDeploy answers POST …/releases/{version}/deploys/.
func (s *Service) createDeploy(w http.ResponseWriter, r *request) error {
	rel, _, err := s.findRelease(r, r.PathValue("version"))
	if err != nil {
		return err
	}
	var b struct {
		Environment  string            `json:"environment"`
		Projects     []json.RawMessage `json:"projects"`
		DateStarted  *string           `json:"dateStarted"`
		Name         *string           `json:"name"`
		URL          *string           `json:"url"`
		DateFinished *string           `json:"dateFinished"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	d := postgres.Deploy{Version: rel.Version, Environment: strings.TrimSpace(orEmpty(&b.Environment)), Name: orEmpty(b.Name), URL: orEmpty(b.URL),
		ProjectIDs: rel.Projects, FinishedAt: time.Now().UTC()}
	switch {
	case d.Environment == "":
		return fieldError{"environment", "This field is required."}
	case len(d.Environment) > 64 || d.Environment == "none" || strings.ContainsAny(d.Environment, "/\r\n"):
		return fieldError{"environment", "An environment has at most 64 bytes, no slash and no line break, and is not \"none\"."}
	case len(d.Name) > 64:
		return fieldError{"name", "Ensure this field has no more than 64 bytes."}
	case len(d.URL) > 2000:
		return fieldError{"url", "Ensure this field has no more than 2000 bytes."}
	}
	if d.StartedAt, err = dateField("dateStarted", b.DateStarted); err != nil {
		return err
	}
	finished, err := dateField("dateFinished", b.DateFinished)
	if err != nil {
		return err
	}
	if finished != nil {
		d.FinishedAt = *finished
	}
	if len(b.Projects) > 0 {
		chosen, err := s.projectsOf(r, b.Projects)
		if err != nil {
			return err
		}
		d.ProjectIDs = projectIDs(chosen)
	}
	if err := s.Store.CreateDeploy(r.Context(), r.org(), &d); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, deployShape(d))
}
