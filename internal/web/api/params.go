package api

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

var periodForm = regexp.MustCompile(`^([0-9]{1,6})([smhdw])$`)

var periodUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// maxPeriod is the longest span of time a query may ask for.
const maxPeriod = 10 * 365 * 24 * time.Hour

// period reads "24h", "14d".
func period(text string) (time.Duration, bool) {
	m := periodForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	d := periodUnits[m[2]]
	if err != nil || n == 0 || n > int64(maxPeriod/d) {
		return 0, false
	}
	return time.Duration(n) * d, true
}

// span is a stretch of time; zero ends are open.
type span struct{ from, to time.Time }

// timeSpan reads statsPeriod, or start and end.
// Rule: getsentry/sentry src/sentry/api/utils.py (get_date_range_from_params)
func timeSpan(r *request, now time.Time) (span, error) {
	q := r.URL.Query()
	if text := q.Get("statsPeriod"); text != "" {
		d, known := period(text)
		if !known {
			return span{}, fault.New(fault.Invalid, "Invalid statsPeriod: %.40q", text)
		}
		return span{now.Add(-d), now}, nil
	}
	start, end := q.Get("start"), q.Get("end")
	if start == "" && end == "" {
		return span{}, nil
	}
	from, ok1 := moment(start)
	to, ok2 := moment(end)
	switch {
	case !ok1 || !ok2:
		return span{}, fault.New(fault.Invalid, "start and end are both required, as dates such as 2026-05-01T12:00:00")
	case !from.Before(to):
		return span{}, fault.New(fault.Invalid, "start must be before end")
	}
	return span{from, to}, nil
}

func moment(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1970 && t.Year() < 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// allProjects as a project parameter means all that the caller may see.
const allProjects = "-1"

// selectedProjects returns those of the organization's projects that the path or the parameters
// name; all without any. fault.Unknown: one that is named does not exist.
func (s *Service) selectedProjects(r *request) ([]project.Project, error) {
	if name := r.PathValue("project"); name != "" {
		p, err := s.Store.Project(r.Context(), r.org(), name)
		return []project.Project{p}, err
	}
	list, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	names := slices.Concat(q["project"], q["projectSlug"], q["project_id_or_slug"])
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	if len(names) == 0 || slices.Contains(names, allProjects) || slices.Contains(names, "$all") {
		return list, nil
	}
	var chosen []project.Project
	for _, name := range names {
		i := slices.IndexFunc(list, func(p project.Project) bool { return named(p.ID, p.Slug, name) })
		if i < 0 {
			return nil, errNotFound()
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}

func projectIDs(list []project.Project) []int64 {
	ids := make([]int64, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return ids
}

// environments reads the environment parameter; nil: all of them.
func environments(r *request) []string {
	q := r.URL.Query()
	if !q.Has("environment") {
		return nil
	}
	return q["environment"]
}

// numbers reads a repeated parameter of ids, each of which may be a list with commas.
func numbers(values []string) ([]int64, error) {
	var list []int64
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
			if err != nil {
				return nil, fault.New(fault.Invalid, "an id is a decimal number")
			}
			list = append(list, n)
		}
	}
	return list, nil
}
