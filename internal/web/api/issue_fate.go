package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
)

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

// deleteIssues answers DELETE of a list: the issues that are named, else those that the query finds. Of
// more than a request changes it answers 202 with the jobs that delete them.
func (s *Service) deleteIssues(w http.ResponseWriter, r *request) error {
	if _, err := s.selectedProjects(r); err != nil {
		return err
	}
	if q := r.URL.Query(); len(q["id"]) == 0 {
		if !q.Has("query") { // not everything by accident
			return fault.New(fault.Invalid, "Name the issues to delete by id, or by a query.")
		}
		return s.deleteFound(w, r)
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

// maxDeleteRounds bounds how many times MaxChanged issues one request deletes.
const maxDeleteRounds = 100

// deleteFound deletes the issues that the query finds. They leave the lists at once, the jobs take away
// what belongs to them.
func (s *Service) deleteFound(w http.ResponseWriter, r *request) error {
	q, err := s.issueQuery(r, time.Now())
	if err != nil {
		return err
	}
	var jobs []job.Job
	more, rounds := true, 0
	for ; more && rounds < maxDeleteRounds; rounds++ {
		var ids []int64
		if ids, more, err = s.Store.IssueIDs(r.Context(), r.org(), q); err != nil {
			return err
		}
		rows, err := s.Store.IssuesByID(r.Context(), r.org(), ids)
		if err != nil {
			return err
		}
		found := make(map[int64][]int64)
		for _, row := range rows {
			found[row.Project] = append(found[row.Project], row.ID)
		}
		for p, list := range found {
			j, err := s.Store.DeleteIssues(r.Context(), p, list, false, r.who.UserID())
			if err != nil {
				return err
			}
			if j.ID != 0 {
				jobs = append(jobs, j)
			}
		}
	}
	if rounds < 2 || len(jobs) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	shapes, err := s.jobShapes(r, jobs)
	if err != nil {
		return err
	}
	r.audit.Text = "All issues that the search " + strconv.Quote(q.Query.String()) + " finds."
	w.Header().Set("Location", shapes[0]["url"].(string))
	return httpx.JSON(w, http.StatusAccepted, object{"jobs": shapes})
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
