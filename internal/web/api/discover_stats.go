package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// steps are the intervals of a series where none is asked for: the finest that makes at most about a
// hundred points.
var steps = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour}

// stepOf reads interval. One that makes more points than an answer holds is made coarser.
func stepOf(r *request, over time.Duration) (time.Duration, error) {
	text := r.URL.Query().Get("interval")
	if text == "" {
		for _, s := range steps {
			if over/s <= 100 {
				return s, nil
			}
		}
		return 24 * time.Hour, nil
	}
	step, known := period(text)
	if n, err := strconv.Atoi(text); err == nil && n > 0 { // the newer series are asked for in seconds
		step, known = time.Duration(min(n, int(maxPeriod/time.Second)))*time.Second, true
	}
	if !known {
		return 0, fault.New(fault.Invalid, "Invalid interval: %.40q; it is a number and s, m, h, d or w, such as 5m", text)
	}
	for over/step > maxSteps {
		step *= 2
	}
	return step, nil
}

// eventSeries is one line of a chart: pairs of a moment in Unix seconds and a count.
type eventSeries struct {
	Data  [][2]any `json:"data"`
	Start int64    `json:"start"`
	End   int64    `json:"end"`
	Order *int     `json:"order,omitempty"`
	Meta  object   `json:"meta"`

	IsMetricsData bool `json:"isMetricsData"`
}

// charted reads what the charts share: what is counted over time, and for how many groups.
func (s *Service) charted(r *request) (d discovery, step time.Duration, top int, err error) {
	q := r.URL.Query()
	axes := q["yAxis"]
	if len(axes) == 0 {
		axes = []string{"count()"}
	}
	if d, err = s.discover(r, axes, time.Now()); err != nil {
		return d, 0, 0, err
	}
	if step, err = stepOf(r, d.To.Sub(d.From)); err != nil {
		return d, 0, 0, err
	}
	d.From = d.From.Truncate(step)
	for _, f := range d.fields {
		if !d.empty && (!f.counts || f.kind == "date") {
			return d, 0, 0, fault.New(fault.Invalid, "yAxis is one of count(), count_unique(field), epm() and eps(), not %.40q", f.name)
		}
	}
	if text := q.Get("topEvents"); text != "" {
		if top, err = strconv.Atoi(text); err != nil || top < 0 || top > maxTop {
			return d, 0, 0, fault.New(fault.Invalid, "topEvents must be from 1 to %d", maxTop)
		}
	}
	return d, step, top, nil
}

// groupsOf reads the fields of groups, functions aside.
func (d *discovery) groupsOf(names []string) (by []field, err error) {
	for _, name := range names {
		f, err := parseField(name)
		if err != nil && !d.empty {
			return nil, err
		}
		if !f.counts && name != "" {
			by = append(by, f)
		}
	}
	if len(by) > maxFields {
		return nil, fault.New(fault.Invalid, "You can view up to %d fields at a time. Please delete some and try again.", maxFields)
	}
	return by, nil
}

// eventsStats answers GET …/events-stats/: what a search finds over time, for each yAxis, and for each of
// the largest groups when topEvents says how many.
// Rule: getsentry/sentry src/sentry/api/endpoints/organization_events_stats.py
func (s *Service) eventsStats(w http.ResponseWriter, r *request) error {
	d, step, top, err := s.charted(r)
	if err != nil {
		return err
	}
	by, err := d.groupsOf(r.URL.Query()["field"])
	if err != nil {
		return err
	}
	if top == 0 || len(by) == 0 {
		lines, err := s.lines(r, &d, step, nil)
		if err != nil {
			return err
		}
		return ok(w, d.axes(lines[""]))
	}
	groups, err := s.largest(r, &d, step, top, by)
	if err != nil {
		return err
	}
	out := map[string]any{}
	for n, g := range groups {
		words := make([]string, len(by))
		for i := range by {
			words[i], _ = g.values[i].(string)
			if words[i] == "" {
				words[i] = g.texts[i]
			}
		}
		for _, line := range g.lines {
			line.Order = &n
		}
		out[strings.Join(words, ",")] = d.axes(g.lines)
	}
	return ok(w, out)
}

// axes is the one line of one axis, or the lines by axis.
func (d *discovery) axes(lines map[string]*eventSeries) any {
	if len(d.fields) == 1 {
		return lines[d.fields[0].name]
	}
	return lines
}

// eventsTimeseries answers GET …/events-timeseries/, the newer form of the same.
// Rule: getsentry/sentry src/sentry/api/endpoints/organization_events_timeseries.py
func (s *Service) eventsTimeseries(w http.ResponseWriter, r *request) error {
	d, step, top, err := s.charted(r)
	if err != nil {
		return err
	}
	by, err := d.groupsOf(r.URL.Query()["groupBy"])
	if err != nil {
		return err
	}
	groups := []chartGroup{{}}
	if top > 0 && len(by) > 0 {
		if groups, err = s.largest(r, &d, step, top, by); err != nil {
			return err
		}
	} else {
		by = nil
		lines, err := s.lines(r, &d, step, nil)
		if err != nil {
			return err
		}
		groups[0].lines = lines[""]
	}
	list := []object{}
	for n, g := range groups {
		for _, f := range d.fields {
			meta := object{"valueType": f.kind, "valueUnit": nil, "interval": step.Milliseconds()}
			line := object{"yAxis": f.name, "values": g.lines[f.name].points(d.To, step), "meta": meta}
			if by != nil {
				meta["order"], meta["isOther"], line["groupBy"] = n, false, g.named(by)
			}
			list = append(list, line)
		}
	}
	return ok(w, object{"meta": object{"dataset": d.dataset, "start": d.From.UnixMilli(), "end": d.To.UnixMilli()}, "timeSeries": list})
}

// points are the line's points as the newer form has them; the last is incomplete while its step lasts.
func (l *eventSeries) points(to time.Time, step time.Duration) []object {
	out := make([]object, len(l.Data))
	for i, point := range l.Data {
		at, _ := point[0].(int64)
		count, _ := point[1].([]object)
		out[i] = object{"timestamp": at * 1000, "value": count[0]["count"], "incomplete": time.Unix(at, 0).Add(step).After(to)}
	}
	return out
}

// chartGroup is one group of a chart.
type chartGroup struct {
	values []any    // of its fields
	texts  []string // the same, as they are counted
	lines  map[string]*eventSeries
}

func (g *chartGroup) named(by []field) []object {
	out := make([]object, len(by))
	for i, f := range by {
		out[i] = object{"key": f.name, "value": g.values[i]}
	}
	return out
}

// largest are the groups with the most of the first axis, with their lines.
func (s *Service) largest(r *request, d *discovery, step time.Duration, top int, by []field) ([]chartGroup, error) {
	if d.empty {
		return nil, nil
	}
	plain := make([]string, len(by))
	for i := range by {
		plain[i] = by[i].plain
	}
	largest, _, _, err := s.Store.CountEvents(r.Context(), r.org(), postgres.EventCount{EventSearch: d.EventSearch, By: plain, Measures: []postgres.Measure{d.fields[0].measure}, Limit: top})
	if err != nil {
		return nil, err
	}
	lines, err := s.lines(r, d, step, plain)
	if err != nil {
		return nil, err
	}
	slugs, err := s.slugs(r)
	if err != nil {
		return nil, err
	}
	var groups []chartGroup
	for _, g := range largest {
		line := lines[strings.Join(g.By, "\x00")]
		if line == nil { // seen no more
			continue
		}
		values := make([]any, len(by))
		for i := range by {
			values[i] = by[i].value(texted(g.By[i]), slugs)
		}
		groups = append(groups, chartGroup{values, g.By, line})
	}
	return groups, nil
}

// maxPoints bounds the points of the groups of one answer.
const maxPoints = 50_000

// lines are the series of each axis by group, whose values are joined by a NUL; a single one without any.
func (s *Service) lines(r *request, d *discovery, step time.Duration, by []string) (map[string]map[string]*eventSeries, error) {
	n := int((d.To.Sub(d.From) + step - 1) / step)
	q := postgres.EventCount{EventSearch: d.EventSearch, By: by, Step: step, Sort: -1, Limit: maxPoints}
	for _, f := range d.fields {
		q.Measures = append(q.Measures, f.measure)
	}
	fresh := func() map[string]*eventSeries {
		line := map[string]*eventSeries{}
		for _, f := range d.fields {
			data := make([][2]any, n)
			for i := range data {
				data[i] = [2]any{d.From.Add(time.Duration(i) * step).Unix(), []object{{"count": 0}}}
			}
			line[f.name] = &eventSeries{Data: data, Start: d.From.Unix(), End: d.To.Unix(), Meta: object{"fields": object{alias(f.name): f.kind}, "units": object{alias(f.name): nil}}}
		}
		return line
	}
	lines := map[string]map[string]*eventSeries{}
	if len(by) == 0 {
		lines[""] = fresh()
	}
	if d.empty {
		return lines, nil
	}
	groups, _, _, err := s.Store.CountEvents(r.Context(), r.org(), q)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		key := strings.Join(g.By, "\x00")
		if lines[key] == nil {
			lines[key] = fresh()
		}
		for i, f := range d.fields {
			line := lines[key][f.name]
			at := min(max(g.Step, 0), n-1)
			line.Data[at][1] = []object{{"count": f.measured(g.Count[i], step)}}
		}
	}
	return lines, nil
}

// tagKeys answers GET …/organizations/{org}/tags/: the keys of tags, those that most issues have first.
func (s *Service) tagKeys(w http.ResponseWriter, r *request) error {
	out := []object{}
	if stored := dataSets[r.URL.Query().Get("dataset")]; stored || r.URL.Query().Get("dataset") == "search_issues" {
		projects, err := s.selectedProjects(r)
		if err != nil {
			return err
		}
		list, err := s.Store.TagKeys(r.Context(), projectIDs(projects))
		if err != nil {
			return err
		}
		for _, t := range list {
			out = append(out, object{"key": t.Value, "name": tagName(t.Value), "totalValues": t.Count})
		}
	}
	return ok(w, out)
}

// itemAttributes answers GET …/trace-items/attributes/: what logs and spans have, none of which is kept.
func (s *Service) itemAttributes(w http.ResponseWriter, r *request) error {
	if !slices.Contains([]string{"", "string", "number", "boolean"}, r.URL.Query().Get("attributeType")) {
		return fault.New(fault.Invalid, "attributeType must be string, number or boolean")
	}
	return ok(w, []object{})
}

// monitors answers GET …/monitors/: check-ins are counted as outcomes and not kept, so there are none.
func (s *Service) monitors(w http.ResponseWriter, r *request) error {
	if _, err := s.selectedProjects(r); err != nil {
		return err
	}
	page, err := window(s, w, r, []object{})
	if err != nil {
		return err
	}
	return ok(w, page)
}
