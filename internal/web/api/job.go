package api

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// jobShape is a job of a project of the caller's organization.
func (s *Service) jobShape(r *request, slug string, j job.Job) object {
	o := object{
		"id": id(j.ID), "project": slug, "url": s.BaseURL + "/api/v1/projects/" + r.who.Organization.Slug + "/" + slug + "/jobs/" + id(j.ID) + "/", "query": nil, "kind": j.Kind, "status": j.Status.String(), "done": j.Done, "total": j.Total, "result": j.Result, "problem": maybe(j.Problem),
		"cancelRequested": j.Cancel, "cancellable": !j.Status.Over() && j.Kind.Cancellable(), "issues": texts(j.Args.Issues), "target": nil,
		"hashes": append([]string{}, j.Args.Hashes...), "user": maybe(j.Args.User), "discard": j.Args.Discard, "regroup": j.Args.Regroup, "createdBy": nil,
		"dateCreated": utc(j.CreatedAt), "dateStarted": maybeTime(j.StartedAt), "dateFinished": maybeTime(j.FinishedAt),
	}
	if j.Args.Update != nil {
		o["query"] = j.Args.Update.Query
	}
	if j.Args.Target != 0 {
		o["target"] = id(j.Args.Target)
	}
	if j.CreatedBy != 0 {
		o["createdBy"] = id(j.CreatedBy)
	}
	return o
}

// jobShapes are jobs of any of the organization's projects that the caller sees.
func (s *Service) jobShapes(r *request, list []job.Job) ([]object, error) {
	projects, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return nil, err
	}
	slugs := make(map[int64]string, len(projects))
	for _, p := range projects {
		slugs[p.ID] = p.Slug
	}
	out := make([]object, 0, len(list))
	for _, j := range list {
		if slug, seen := slugs[j.Project]; seen {
			out = append(out, s.jobShape(r, slug, j))
		}
	}
	return out, nil
}

func (s *Service) answerJob(w http.ResponseWriter, r *request, status int, j job.Job) error {
	shapes, err := s.jobShapes(r, []job.Job{j})
	if err != nil {
		return err
	}
	if len(shapes) == 0 {
		return errNotFound()
	}
	return httpx.JSON(w, status, shapes[0])
}

func jobIDs(list []job.Job) []string {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return texts(ids)
}

func texts(ids []int64) []string {
	out := make([]string, len(ids))
	for i, n := range ids {
		out[i] = id(n)
	}
	return out
}

// jobs answers GET /api/v1/projects/{org}/{project}/jobs/, newest first; before names a job that
// the page begins after.
func (s *Service) jobs(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	before, limit, err := jobPage(r)
	if err != nil {
		return err
	}
	list, err := s.Store.Jobs(r.Context(), []int64{p.ID}, before, limit)
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, j := range list {
		out[i] = s.jobShape(r, p.Slug, j)
	}
	return ok(w, out)
}

// organizationJobs answers GET /api/v1/organizations/{org}/jobs/: the same of all projects that the
// caller sees, or of those that the parameter project names.
func (s *Service) organizationJobs(w http.ResponseWriter, r *request) error {
	projects, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	before, limit, err := jobPage(r)
	if err != nil {
		return err
	}
	list, err := s.Store.Jobs(r.Context(), projectIDs(projects), before, limit)
	if err != nil {
		return err
	}
	out, err := s.jobShapes(r, list)
	if err != nil {
		return err
	}
	return ok(w, out)
}

// jobPage reads which part of a list of jobs is asked for.
func jobPage(r *request) (before int64, limit int, err error) {
	if limit, err = perPage(r); err != nil {
		return 0, 0, err
	}
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil {
			err = fieldError{"before", "Not the id of a job."}
		}
	}
	return before, limit, err
}

// jobBody starts a job.
type jobBody struct {
	Kind    job.Kind `json:"kind"`
	Issues  []string `json:"issues"` // ids; all of the project without any
	User    string   `json:"user"`
	Regroup bool     `json:"regroup"` // after symbolicate
}

// startJob answers POST …/jobs/ with the job.
func (s *Service) startJob(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	var b jobBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if !b.Kind.Startable() {
		return fieldError{"kind", "Must be one of regroup, export, erase and symbolicate."}
	}
	if b.Regroup && b.Kind != job.Symbolicate {
		return fieldError{"regroup", "Only for symbolicate; start a job of kind regroup."}
	}
	args := job.Args{User: b.User, Regroup: b.Regroup}
	if args.Issues, err = s.issuesOfProject(r, p, b.Issues); err != nil {
		return err
	}
	if b.User != "" || b.Kind == job.Erase {
		if _, _, err := job.ParseUser(b.User); err != nil {
			return asField("user", err)
		}
	}
	j, err := s.Store.StartJob(r.Context(), p, b.Kind, args, r.who.UserID())
	if err != nil {
		return err
	}
	return s.answerJob(w, r, http.StatusCreated, j)
}

// issuesOfProject reads ids of issues, which must be the project's.
func (s *Service) issuesOfProject(r *request, p int64, names []string) ([]int64, error) {
	ids, err := numbers(names)
	if err != nil {
		return nil, asField("issues", err)
	}
	if len(ids) > postgres.MaxChanged {
		return nil, fieldError{"issues", "Too many."}
	}
	rows, err := s.Store.IssuesByID(r.Context(), r.org(), ids)
	if err != nil {
		return nil, err
	}
	found := make([]int64, 0, len(rows))
	for _, row := range rows {
		if row.Project == p {
			found = append(found, row.ID)
		}
	}
	if len(found) < len(ids) {
		return nil, fieldError{"issues", "The project has no issue of one of these ids."}
	}
	slices.Sort(found)
	return found, nil
}

func (s *Service) namedJob(r *request) (p, n int64, err error) {
	if p, err = s.projectID(r); err != nil {
		return 0, 0, err
	}
	if n, err = strconv.ParseInt(r.PathValue("id"), 10, 64); err != nil {
		return 0, 0, errNotFound()
	}
	return p, n, nil
}

// job answers GET …/jobs/{id}/.
func (s *Service) job(w http.ResponseWriter, r *request) error {
	p, n, err := s.namedJob(r)
	if err != nil {
		return err
	}
	j, err := s.Store.Job(r.Context(), p, n)
	if err != nil {
		return err
	}
	return s.answerJob(w, r, http.StatusOK, j)
}

// cancelJob answers POST …/jobs/{id}/cancel/.
func (s *Service) cancelJob(w http.ResponseWriter, r *request) error {
	p, n, err := s.namedJob(r)
	if err != nil {
		return err
	}
	j, err := s.Store.CancelJob(r.Context(), p, n)
	if err != nil {
		return err
	}
	return s.answerJob(w, r, http.StatusOK, j)
}

// downloadExport answers GET …/jobs/{id}/download/ with lines of JSON, compressed by gzip.
func (s *Service) downloadExport(w http.ResponseWriter, r *request) error {
	p, n, err := s.namedJob(r)
	if err != nil {
		return err
	}
	parts, err := s.Store.ExportParts(r.Context(), p, n)
	if err != nil {
		return err
	}
	for i, key := range parts {
		part, err := s.Blobs.Open(r.Context(), key)
		if err != nil && i == 0 {
			return err
		}
		if err != nil {
			panic(http.ErrAbortHandler) // half a file is told from a whole one by its end
		}
		if i == 0 {
			exportHead(w, n)
		}
		_, err = io.Copy(w, part)
		_ = part.Close()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if len(parts) == 0 {
		exportHead(w, n)
	}
	return nil
}

func exportHead(w http.ResponseWriter, n int64) {
	w.Header().Set("Content-Type", octets)
	w.Header().Set("Content-Disposition", disposition("events-"+id(n)+".ndjson.gz"))
	w.WriteHeader(http.StatusOK)
}

// asked reports whether a member was sent that is true, or 1 as older clients say it.
func asked(v json.RawMessage) bool {
	text := strings.Trim(strings.TrimSpace(string(v)), `"`)
	return text == "true" || text == "1"
}
