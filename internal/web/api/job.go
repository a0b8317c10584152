package api

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
)

func jobShape(j job.Job) object {
	o := object{
		"id": id(j.ID), "kind": j.Kind, "status": j.Status.String(), "done": j.Done, "total": j.Total, "result": j.Result, "problem": maybe(j.Problem),
		"cancelRequested": j.Cancel, "cancellable": !j.Status.Over() && j.Kind.Cancellable(), "issues": texts(j.Args.Issues), "target": nil,
		"hashes": append([]string{}, j.Args.Hashes...), "user": maybe(j.Args.User), "discard": j.Args.Discard, "regroup": j.Args.Regroup, "createdBy": nil,
		"dateCreated": utc(j.CreatedAt), "dateStarted": maybeTime(j.StartedAt), "dateFinished": maybeTime(j.FinishedAt),
	}
	if j.Args.Target != 0 {
		o["target"] = id(j.Args.Target)
	}
	if j.CreatedBy != 0 {
		o["createdBy"] = id(j.CreatedBy)
	}
	return o
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
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	before := int64(0)
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fieldError{"before", "Not the id of a job."}
		}
	}
	list, err := s.Store.Jobs(r.Context(), p, before, limit)
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, j := range list {
		out[i] = jobShape(j)
	}
	return ok(w, out)
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
	return httpx.JSON(w, http.StatusCreated, jobShape(j))
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
	return ok(w, jobShape(j))
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
	return ok(w, jobShape(j))
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

// namedIssues finds the issues that the parameter id names, by project. The path's project, if it
// has one, must be theirs.
func (s *Service) namedIssues(r *request) (map[int64][]int64, error) {
	q := r.URL.Query()
	ids, err := numbers(q["id"])
	if err != nil {
		return nil, err
	}
	if len(ids) > postgres.MaxChanged {
		return nil, fault.New(fault.TooLarge, "at most %d issues are named at once", postgres.MaxChanged)
	}
	projects, err := s.selectedProjects(r)
	if err != nil {
		return nil, err
	}
	rows, err := s.Store.IssuesByID(r.Context(), r.org(), ids)
	if err != nil {
		return nil, err
	}
	found := make(map[int64][]int64)
	for _, row := range rows {
		if slices.ContainsFunc(projects, func(p project.Project) bool { return p.ID == row.Project }) {
			found[row.Project] = append(found[row.Project], row.ID)
		}
	}
	return found, nil
}

// mergeIssues answers PUT of a list with merge.
func (s *Service) mergeIssues(w http.ResponseWriter, r *request) error {
	found, err := s.namedIssues(r)
	if err != nil {
		return err
	}
	if len(found) > 1 {
		return fault.New(fault.Invalid, "Merging across multiple projects is not supported")
	}
	for p, ids := range found {
		target, _, err := s.Store.MergeIssues(r.Context(), p, ids, r.who.UserID())
		if err != nil {
			return err
		}
		children := []string{}
		for _, n := range ids {
			if n != target {
				children = append(children, id(n))
			}
		}
		return ok(w, object{"merge": object{"parent": id(target), "children": children}})
	}
	if len(r.URL.Query()["id"]) == 0 {
		return fault.New(fault.Invalid, "Name at least two issues by id to merge.")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// remove deletes issues by project.
func (s *Service) remove(r *request, found map[int64][]int64, discard bool) error {
	for p, ids := range found {
		if _, err := s.Store.DeleteIssues(r.Context(), p, ids, discard, r.who.UserID()); err != nil {
			return err
		}
	}
	return nil
}

// discardIssues answers PUT of a list with discard: the issues go, and events like theirs are
// dropped.
func (s *Service) discardIssues(w http.ResponseWriter, r *request) error {
	if err := r.who.Require(account.EventAdmin); err != nil {
		return err
	}
	if len(r.URL.Query()["id"]) == 0 {
		return fault.New(fault.Invalid, "Name the issues to discard by id.")
	}
	found, err := s.namedIssues(r)
	if err != nil {
		return err
	}
	if err := s.remove(r, found, true); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// discard answers PUT of one issue with discard.
func (s *Service) discard(w http.ResponseWriter, r *request, row postgres.IssueRow) error {
	if err := r.who.Require(account.EventAdmin); err != nil {
		return err
	}
	if err := s.remove(r, map[int64][]int64{row.Project: {row.ID}}, true); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteIssues answers DELETE of a list: the issues that are named, else those that the query finds.
func (s *Service) deleteIssues(w http.ResponseWriter, r *request) error {
	if _, err := s.selectedProjects(r); err != nil {
		return err
	}
	if q := r.URL.Query(); len(q["id"]) == 0 {
		if !q.Has("query") { // not everything by accident
			return fault.New(fault.Invalid, "Name the issues to delete by id, or by a query.")
		}
		ids, err := s.selectIssues(r)
		if err != nil {
			return err
		}
		q["id"] = texts(ids)
		if len(ids) == 0 {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		r.URL.RawQuery = q.Encode()
	}
	found, err := s.namedIssues(r)
	if err != nil {
		return err
	}
	if err := s.remove(r, found, false); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteIssue answers DELETE of one issue.
func (s *Service) deleteIssue(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	j, err := s.Store.DeleteIssues(r.Context(), row.Project, []int64{row.ID}, false, r.who.UserID())
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusAccepted, object{"job": id(j.ID)})
}

// unmerge answers DELETE and PUT of an issue's hashes: those that are named leave it.
func (s *Service) unmerge(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	var hashes []grouping.Hash
	for _, text := range r.URL.Query()["id"] {
		for part := range strings.SplitSeq(text, ",") {
			h, err := grouping.ParseHash(part)
			if err != nil {
				return err
			}
			if !slices.Contains(hashes, h) {
				hashes = append(hashes, h)
			}
		}
	}
	if len(hashes) == 0 {
		return fault.New(fault.Invalid, "Name the hashes that leave the issue by id.")
	}
	target, j, err := s.Store.UnmergeIssue(r.Context(), row.Project, row.ID, hashes, r.who.UserID())
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusAccepted, object{"issue": id(target), "job": id(j.ID)})
}

// discards answers GET …/discards/.
func (s *Service) discards(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	list, err := s.Store.Discards(r.Context(), p.ID)
	if err != nil {
		return err
	}
	out := make([]object, len(list))
	for i, d := range list {
		out[i] = object{"id": id(d.ID), "shortId": project.ShortID(p.Slug, d.Number), "title": d.Title, "culprit": d.Culprit, "count": id(d.TimesSeen), "dateCreated": utc(d.CreatedAt)}
	}
	return ok(w, out)
}

// undiscard answers DELETE …/discards/{id}/: events like those are let in again.
func (s *Service) undiscard(w http.ResponseWriter, r *request) error {
	p, n, err := s.namedJob(r)
	if err != nil {
		return err
	}
	if err := s.Store.Undiscard(r.Context(), p, n); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// retentionBody is which events of a project are kept.
type retentionBody struct {
	Days      int   `json:"days"`
	KeepFirst int64 `json:"keepFirst"`
	KeepOneIn int64 `json:"keepOneIn"`
}

// retention answers GET …/retention/.
func (s *Service) retention(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	return ok(w, retentionBody(p.Settings.Retention))
}

// putRetention answers PUT …/retention/.
func (s *Service) putRetention(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	var b retentionBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	wanted := project.Retention(b)
	if err := wanted.Validate(); err != nil {
		field, _, _ := strings.Cut(fault.Public(err), " ")
		return asField(field, err)
	}
	if _, err := s.Store.ChangeSettings(r.Context(), p, func(settings *project.Settings) error { settings.Retention = wanted; return nil }); err != nil {
		return err
	}
	return ok(w, b)
}
