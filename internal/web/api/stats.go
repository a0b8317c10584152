package api

import (
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// What one answer of stats_v2 may hold.
const (
	defaultStatsPeriod = 24 * time.Hour
	maxStatsPeriod     = 90 * 24 * time.Hour
	maxIntervals       = 10_000
)

// summedBy is by what quantities are summed: a function for each word of groupBy.
var summedBy = map[string]func(postgres.OutcomeCount) any{
	"project":  func(c postgres.OutcomeCount) any { return c.Project },
	"category": func(c postgres.OutcomeCount) any { return c.Category.String() },
	"outcome":  func(c postgres.OutcomeCount) any { return c.Outcome.String() },
	"reason":   func(c postgres.OutcomeCount) any { return c.Reason },
	"key":      func(c postgres.OutcomeCount) any { return id(c.KeyID) },
}

type statsGroup struct {
	By     object             `json:"by"`
	Totals map[string]int64   `json:"totals"`
	Series map[string][]int64 `json:"series"`
}

// stats answers GET …/stats_v2/: what became of the items that clients sent.
// Rule: getsentry/sentry src/sentry/api/endpoints/organization_stats_v2.py
func (s *Service) stats(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	for _, f := range q["field"] {
		if f != "sum(quantity)" && f != "sum(times_seen)" {
			return fault.New(fault.Invalid, "Invalid field: %.40q", f)
		}
	}
	if !q.Has("field") {
		return fault.New(fault.Invalid, `At least one "field" is required.`)
	}
	for _, g := range q["groupBy"] {
		if summedBy[g] == nil {
			return fault.New(fault.Invalid, "Invalid groupBy: %.40q", g)
		}
	}
	oq, err := statsSpan(r, time.Now())
	if err != nil {
		return err
	}
	projects, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	oq.Projects = projectIDs(projects)
	if text := q.Get("key_id"); text != "" {
		if oq.KeyID, err = strconv.ParseInt(text, 10, 64); err != nil || oq.KeyID < 1 {
			return fault.New(fault.Invalid, "Invalid key_id: %.40q", text)
		}
	}
	counts, err := s.Store.OutcomeCounts(r.Context(), oq)
	if err != nil {
		return err
	}
	counts = slices.DeleteFunc(counts, func(c postgres.OutcomeCount) bool {
		return q.Has("category") && !slices.Contains(q["category"], c.Category.String()) ||
			q.Has("outcome") && !slices.Contains(q["outcome"], c.Outcome.String()) ||
			q.Has("reason") && !slices.Contains(q["reason"], c.Reason)
	})
	intervals := make([]time.Time, oq.Steps)
	for i := range intervals {
		intervals[i] = oq.From.Add(time.Duration(i) * oq.Step)
	}
	return ok(w, object{"start": oq.From, "end": oq.From.Add(time.Duration(oq.Steps) * oq.Step), "intervals": intervals,
		"groups": groupStatsBy(counts, q["groupBy"], q["field"], oq.Steps)})
}

// statsSpan reads the period and the interval: whole minutes that divide a day, an hour by default.
func statsSpan(r *request, now time.Time) (postgres.OutcomeQuery, error) {
	at, err := timeSpan(r, now)
	if err != nil {
		return postgres.OutcomeQuery{}, err
	}
	if at.from.IsZero() {
		at = span{now.Add(-defaultStatsPeriod), now}
	}
	step := time.Hour
	if text := r.URL.Query().Get("interval"); text != "" {
		var known bool
		if step, known = period(text); !known || step < time.Minute || step > 24*time.Hour || 24*time.Hour%step != 0 || step%time.Minute != 0 {
			return postgres.OutcomeQuery{}, fault.New(fault.Invalid, "Invalid interval: it is whole minutes and divides a day")
		}
	}
	from := at.from.UTC().Truncate(step)
	steps := int((at.to.Sub(from) + step - 1) / step)
	if at.to.Sub(from) > maxStatsPeriod+step || steps > maxIntervals {
		return postgres.OutcomeQuery{}, fault.New(fault.Invalid, "The period is longer than 90 days or has more than %d intervals", maxIntervals)
	}
	return postgres.OutcomeQuery{From: from, Step: step, Steps: steps}, nil
}

func groupStatsBy(counts []postgres.OutcomeCount, by, fields []string, steps int) []*statsGroup {
	groups, keys := make(map[string]*statsGroup), []string{}
	for _, c := range counts {
		values, key := object{}, make([]string, 0, len(by))
		for _, g := range by {
			v := summedBy[g](c)
			values[g] = v
			if n, isNumber := v.(int64); isNumber {
				v = id(n)
			}
			key = append(key, v.(string))
		}
		name := strings.Join(key, "\x00")
		g := groups[name]
		if g == nil {
			g = &statsGroup{By: values, Totals: map[string]int64{}, Series: map[string][]int64{}}
			for _, f := range fields {
				g.Series[f] = make([]int64, steps)
			}
			groups[name], keys = g, append(keys, name)
		}
		for f, series := range g.Series {
			g.Totals[f] += c.Quantity
			if c.Step >= 0 && c.Step < steps {
				series[c.Step] += c.Quantity
			}
		}
	}
	sort.Strings(keys)
	out := make([]*statsGroup, len(keys))
	for i, k := range keys {
		out[i] = groups[k]
	}
	return out
}
