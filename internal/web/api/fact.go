package api

import (
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

func seenShapes(list []postgres.Seen) []object {
	out := []object{}
	for _, v := range list {
		out = append(out, object{"name": v.Name, "count": v.TimesSeen, "firstSeen": utc(v.FirstSeen), "lastSeen": utc(v.LastSeen)})
	}
	return out
}

// facts answers GET …/issues/{issue}/facts/: how often and when an issue was seen in each release
// and environment, by the hour of the last day, and the commits that may have caused it.
func (s *Service) facts(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	environments, err := s.Store.IssueEnvironments(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	releases, err := s.Store.IssueReleases(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	from := time.Now().UTC().Truncate(time.Hour).Add(-23 * time.Hour)
	series, err := s.Store.IssueSeries(r.Context(), map[int64][]int64{row.Project: {row.ID}}, from, time.Hour, 24)
	if err != nil {
		return err
	}
	hours := make([][2]int64, 24)
	for i, n := range series[row.ID] {
		hours[i] = [2]int64{from.Add(time.Duration(i) * time.Hour).Unix(), n}
	}
	suspects, err := s.Store.IssueSuspects(r.Context(), r.org(), row.Project, row.ID, row.FirstRelease)
	if err != nil && fault.KindOf(err) != fault.Unknown { // its events may be past the retention
		return err
	}
	return ok(w, object{"environments": seenShapes(environments), "releases": seenShapes(releases), "hourly": hours, "firstRelease": maybe(row.FirstRelease),
		"lastRelease": maybe(row.LastRelease), "suspectCommits": committerShapes(suspects)})
}

// shapeOf is a release by its version; nil when it is empty or the project has it no more.
func (s *Service) shapeOf(r *request, row postgres.IssueRow, version string) (any, error) {
	if version == "" {
		return nil, nil
	}
	p, err := s.Store.Project(r.Context(), r.org(), row.ProjectSlug)
	if err != nil {
		return nil, err
	}
	rel, err := s.Store.ReleaseByVersion(r.Context(), r.org(), []int64{row.Project}, version)
	if fault.KindOf(err) == fault.Unknown && err != nil { // not counted yet
		return object{"version": version, "shortVersion": release.Short(version)}, nil
	}
	return releaseShaper{r.org(), []project.Project{p}}.release(&rel), err
}

// firstLastRelease answers GET …/issues/{issue}/first-last-release/.
func (s *Service) firstLastRelease(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	first, err := s.shapeOf(r, row, row.FirstRelease)
	if err != nil {
		return err
	}
	last, err := s.shapeOf(r, row, row.LastRelease)
	if err != nil {
		return err
	}
	return ok(w, object{"id": id(row.ID), "firstRelease": first, "lastRelease": last})
}

// currentRelease answers GET …/issues/{issue}/current-release/: the release the project is at, and
// how often the issue was seen in it.
func (s *Service) currentRelease(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	version, err := s.Store.LatestRelease(r.Context(), row.Project)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueReleases(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.Name != version || version == "" {
			continue
		}
		rel, err := s.shapeOf(r, row, version)
		if err != nil {
			return err
		}
		return ok(w, object{"currentRelease": object{"firstSeen": utc(v.FirstSeen), "lastSeen": utc(v.LastSeen), "count": v.TimesSeen, "release": rel}})
	}
	return ok(w, object{"currentRelease": nil})
}
