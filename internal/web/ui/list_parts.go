package ui

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// listQuery reads the query of the list that an address of one of its parts repeats.
func (v *visit) listQuery() (listState, postgres.IssueQuery, error) {
	if err := v.principal.Require(account.EventRead); err != nil {
		return listState{}, postgres.IssueQuery{}, err
	}
	s := readListState(v, v.orgPath("/issues"))
	q, problem := s.search()
	if problem != nil {
		return s, postgres.IssueQuery{}, fault.New(fault.Invalid, "%s", problem.Text)
	}
	return s, s.issueQuery(q, v), nil
}

// buckets is how a time is cut up for the histogram: at most 120 steps of whole hours.
func buckets(from, to, now time.Time) (start time.Time, step time.Duration, n int) {
	if to.IsZero() || to.After(now) {
		to = now
	}
	if from.IsZero() || !from.Before(to) {
		from = to.AddDate(0, 0, -14)
	}
	step = time.Hour
	for to.Sub(from) > 96*step {
		step *= 2
		if step == 16*time.Hour {
			step = 24 * time.Hour
		}
	}
	end := to.UTC().Truncate(time.Hour).Add(time.Hour)
	n = int((end.Sub(from) + step - 1) / step)
	return end.Add(-time.Duration(n) * step), step, n
}

// histogram draws the events of the issues of a list over time.
func (u *UI) histogram(v *visit) error {
	s, iq, err := v.listQuery()
	if err != nil {
		return err
	}
	from, to := v.filters.Range()
	start, step, n := buckets(from, to, v.base.Now)
	h, err := u.Store.IssueHistogram(v.r.Context(), v.principal.Organization.ID, iq, start, step, n)
	if err != nil {
		return err
	}
	page := view.ListHistogram{Issues: h.Issues, Capped: h.Issues >= postgres.HitsMax, Back: s.href(func(*listState) {}),
		Series: view.Series{Counts: h.Counts, Unit: map[bool]string{true: "day", false: "hour"}[step%(24*time.Hour) == 0]}}
	if step != time.Hour && step%(24*time.Hour) != 0 {
		page.Series.Per = fmt.Sprintf("%d hours", step/time.Hour)
	}
	zone := v.base.Look.Zone
	if zone == nil {
		zone = time.UTC
	}
	for i := range n {
		at := start.Add(time.Duration(i) * step).In(zone)
		page.Series.Labels = append(page.Series.Labels, at.Format("2 Jan 15:04"))
		page.Starts = append(page.Starts, at.Format("2006-01-02T15:04:05Z07:00"))
	}
	page.Series.End = start.Add(time.Duration(n) * step).In(zone).Format("2 Jan 15:04")
	page.Starts = append(page.Starts, start.Add(time.Duration(n)*step).In(zone).Format("2006-01-02T15:04:05Z07:00"))
	v.base.Section = view.SectionIssues
	v.base.Crumbs = []view.Link{{Label: "Issues", Href: page.Back}, {Label: "Events over time"}}
	return v.render(http.StatusOK, "Events over time", func(p view.Page) component { return view.HistogramPage(p, page) })
}

// csvRows is how many issues an export holds, and csvPage how many are read at a time.
const (
	csvRows = 10_000
	csvPage = 100
)

// exportCSV writes the list as a file, up to csvRows issues.
func (u *UI) exportCSV(v *visit) error {
	_, iq, err := v.listQuery()
	if err != nil {
		return err
	}
	iq.Limit, iq.Cursor, iq.Uncounted = csvPage, "", true
	first, err := u.Store.ListIssues(v.r.Context(), v.principal.Organization.ID, iq)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="issues.csv"`)
	w := csv.NewWriter(v.w)
	_ = w.Write([]string{"short_id", "project", "level", "status", "substatus", "priority", "title", "culprit", "events", "users", "first_seen", "last_seen", "first_release", "last_release", "assignee"})
	for page, n := first, 0; ; {
		for i := range page.Rows {
			r := &page.Rows[i]
			_ = w.Write([]string{r.ShortID, r.ProjectSlug, r.Level.String(), r.Status.String(), r.Substatus.String(), r.Priority.String(), cell(r.Title), cell(r.Culprit),
				strconv.FormatInt(r.TimesSeen, 10), strconv.FormatInt(r.UserCount, 10), r.FirstSeen.UTC().Format(time.RFC3339), r.LastSeen.UTC().Format(time.RFC3339),
				cell(r.FirstRelease), cell(r.LastRelease), cell(r.Assignee)})
		}
		if n += len(page.Rows); !page.HasNext || n >= csvRows {
			break
		}
		iq.Cursor = page.Next
		if page, err = u.Store.ListIssues(v.r.Context(), v.principal.Organization.ID, iq); err != nil {
			_ = w.Write([]string{"The export ended early: " + fault.Public(err)})
			break
		}
	}
	w.Flush()
	return nil
}

// cell keeps a spreadsheet from running what an event brought as a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// peek draws a short account of an issue, for the side of the list.
func (u *UI) peek(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	row, err := u.findIssue(v)
	if err != nil {
		return err
	}
	page := view.PeekPage{Row: issueRow(&row, v.orgPath("/issues/"), v.base.Now)}
	found, err := u.Store.ChosenEvent(v.r.Context(), row.Project, row.ID, postgres.EventSelector{Which: postgres.EventRecommended})
	switch {
	case err == nil:
		page.Event = view.NewEvent(found.Event, view.EventOptions{ReceivedAt: found.ReceivedAt, TagHref: func(string, string) string { return "" }})
	case fault.KindOf(err) != fault.Unknown:
		return err
	}
	tags, err := u.Store.IssueTags(v.r.Context(), row.Project, row.ID, "", 3)
	if err != nil {
		return err
	}
	for _, t := range tags[:min(len(tags), 8)] {
		k := view.PeekTag{Key: t.Key}
		for _, value := range t.Top {
			k.Values = append(k.Values, value.Value)
		}
		page.Tags = append(page.Tags, k)
	}
	v.base.Section = view.SectionIssues
	return v.render(http.StatusOK, row.ShortID, func(p view.Page) component { return view.Peek(p, page) })
}
