package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// defaultQuery is what a list shows when nobody says what.
const defaultQuery = "is:unresolved"

// listIssues answers GET …/issues/ of an organization or a project.
func (s *Service) listIssues(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	if row, found, err := s.directHit(r, q.Get("query")); err != nil {
		return err
	} else if found {
		w.Header().Set("X-Sentry-Direct-Hit", "1")
		return s.answerIssues(w, r, []postgres.IssueRow{row})
	}
	iq, err := s.issueQuery(r, time.Now())
	if err != nil {
		return err
	}
	page, err := s.Store.ListIssues(r.Context(), r.org(), iq)
	if err != nil {
		return err
	}
	s.setLink(w, r, links{page.Prev, page.Next, page.HasPrev, page.HasNext})
	w.Header().Set("X-Hits", strconv.Itoa(page.Hits))
	w.Header().Set("X-Max-Hits", strconv.Itoa(postgres.HitsMax))
	return s.answerIssues(w, r, page.Rows)
}

// sorts are the orders clients ask for; those that need what is not stored fall back to the date.
var sorts = map[string]postgres.IssueSort{"": postgres.SortLastSeen, "date": postgres.SortLastSeen, "new": postgres.SortFirstSeen,
	"freq": postgres.SortEvents, "user": postgres.SortUsers, "trends": postgres.SortEvents, "recommended": postgres.SortLastSeen}

// issueQuery reads what a list or a bulk change selects.
func (s *Service) issueQuery(r *request, now time.Time) (postgres.IssueQuery, error) {
	q := r.URL.Query()
	iq := postgres.IssueQuery{Environments: environments(r), Cursor: q.Get("cursor"), Me: r.who.UserID()}
	var known bool
	if iq.Sort, known = sorts[q.Get("sort")]; !known {
		return iq, fault.New(fault.Invalid, "Invalid sort: %.40q", q.Get("sort"))
	}
	if text := q.Get("limit") + q.Get("per_page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return iq, fault.New(fault.Invalid, "limit must be a number from 1")
		}
		iq.Limit = min(n, maxPerPage)
	}
	var err error
	if ids := append(q["id"], q["group"]...); len(ids) > 0 {
		if iq.IDs, err = numbers(ids); err != nil {
			return iq, err
		}
	}
	text := defaultQuery
	if q.Has("query") || iq.IDs != nil {
		text = q.Get("query")
	}
	if iq.Query, err = search.Parse(text); err != nil {
		return iq, err
	}
	projects, err := s.selectedProjects(r)
	if err != nil {
		return iq, err
	}
	iq.Projects = projectIDs(projects)
	if r.PathValue("project") == "" { // in the older list statsPeriod is the period of the stats
		at, err := timeSpan(r, now)
		iq.From, iq.To = at.from, at.to
		return iq, err
	}
	return iq, nil
}

// directHit finds the issue of a query that is nothing but an event id, or nothing but a short id.
func (s *Service) directHit(r *request, text string) (row postgres.IssueRow, found bool, err error) {
	text = strings.TrimSpace(text)
	var project int64
	if event, perr := event.ParseID(text); perr == nil {
		var issue int64
		if project, issue, err = s.Store.FindEvent(r.Context(), r.org(), event); err == nil {
			row, err = s.Store.IssueByID(r.Context(), r.org(), issue)
		}
	} else if r.URL.Query().Get("shortIdLookup") == "1" && strings.Contains(text, "-") && !strings.ContainsAny(text, ": ") {
		row, err = s.Store.IssueByShortID(r.Context(), r.org(), text)
		project = row.Project
	} else {
		return row, false, nil
	}
	if fault.KindOf(err) == fault.Unknown && err != nil {
		return row, false, nil
	}
	if err == nil && r.PathValue("project") != "" && !named(project, row.ProjectSlug, r.PathValue("project")) {
		return row, false, nil
	}
	return row, err == nil, err
}

// statsPeriods is how finely events are counted over a period.
var statsPeriods = map[string]struct {
	step  time.Duration
	steps int
}{"24h": {time.Hour, 24}, "14d": {24 * time.Hour, 14}, "30d": {24 * time.Hour, 30}}

// series counts the events of issues: pairs of the start of a step in Unix seconds, and a count.
func (s *Service) series(r *request, rows []postgres.IssueRow, p struct {
	step  time.Duration
	steps int
}) (map[int64][][2]int64, error) {
	ids := make(map[int64][]int64)
	for i := range rows {
		ids[rows[i].Project] = append(ids[rows[i].Project], rows[i].ID)
	}
	from := time.Now().UTC().Truncate(p.step).Add(-time.Duration(p.steps-1) * p.step)
	counts, err := s.Store.IssueSeries(r.Context(), ids, from, p.step, p.steps)
	if err != nil {
		return nil, err
	}
	out := make(map[int64][][2]int64, len(counts))
	for issue, list := range counts {
		pairs := make([][2]int64, len(list))
		for i, n := range list {
			pairs[i] = [2]int64{from.Add(time.Duration(i) * p.step).Unix(), n}
		}
		out[issue] = pairs
	}
	return out, nil
}

// groupStats is the period of the counts in a list; empty for none.
func groupStats(r *request) (string, error) {
	q := r.URL.Query()
	p := q.Get("groupStatsPeriod")
	if r.PathValue("project") != "" && q.Has("statsPeriod") {
		p = q.Get("statsPeriod")
	} else if !q.Has("groupStatsPeriod") {
		return "24h", nil
	}
	switch p {
	case "", "24h", "14d", "auto":
		return p, nil
	}
	return "", fault.New(fault.Invalid, "Invalid groupStatsPeriod: %.40q. Valid are \"\", 24h, 14d, auto", p)
}

// answerIssues writes a list of issues with their counts.
func (s *Service) answerIssues(w http.ResponseWriter, r *request, rows []postgres.IssueRow) error {
	period, err := groupStats(r)
	if err != nil {
		return err
	}
	sh, err := s.newShaper(r, rows...)
	if err != nil {
		return err
	}
	var series map[int64][][2]int64
	if collapsed := r.URL.Query()["collapse"]; period != "" && !slices.Contains(collapsed, "stats") && len(rows) > 0 {
		steps, known := statsPeriods[period]
		if !known { // auto: by the hour for a day, else by the day
			steps = statsPeriods["24h"]
			if d, ok := periodOf(r); ok && d > 24*time.Hour {
				steps = statsPeriods["14d"]
			}
		}
		if series, err = s.series(r, rows, steps); err != nil {
			return err
		}
	}
	out := make([]listedShape, len(rows))
	for i := range rows {
		shape := sh.issue(&rows[i])
		out[i] = listedShape{issueShape: shape, Lifetime: &lifetime{Count: shape.Count, UserCount: shape.UserCount,
			FirstSeen: shape.FirstSeen, LastSeen: shape.LastSeen}}
		if series != nil {
			out[i].Stats = map[string][][2]int64{period: series[rows[i].ID]}
		}
	}
	return ok(w, out)
}

func periodOf(r *request) (time.Duration, bool) { return period(r.URL.Query().Get("statsPeriod")) }
