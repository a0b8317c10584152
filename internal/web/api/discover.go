package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// Data sets that clients name. Errors are what is stored; the others are answered as holding nothing.
// Rule: getsentry/sentry src/sentry/snuba/utils.py (DATASET_OPTIONS)
var dataSets = map[string]bool{"": true, "errors": true, "discover": true, "logs": false, "ourlogs": false, "spans": false, "spansIndexed": false, "spansMetrics": false,
	"transactions": false, "metrics": false, "metricsEnhanced": false, "tracemetrics": false, "profiles": false, "profile_functions": false, "profileFunctions": false,
	"uptime_results": false, "uptimeResults": false, "issuePlatform": false, "replays": false, "preprodSize": false, "processing_errors": false}

// What one search of events may ask for.
const (
	maxFields    = 20
	defaultRange = 90 * 24 * time.Hour
	maxTop       = 10
	maxSteps     = 1_000
)

// discovery is a search of events that was read from a request.
type discovery struct {
	postgres.EventSearch
	fields  []field
	dataset string
	empty   bool // the data set holds nothing
}

// discover reads what GET …/events/ and those beside it share.
func (s *Service) discover(r *request, names []string, now time.Time) (d discovery, err error) {
	q := r.URL.Query()
	stored, known := dataSets[q.Get("dataset")]
	if !known {
		return d, fault.New(fault.Invalid, "dataset must be one of: errors, discover, logs, spans, transactions, tracemetrics, profile_functions, uptime_results; errors are what this server stores")
	}
	d.dataset, d.empty = q.Get("dataset"), !stored
	if d.dataset == "" {
		d.dataset = "discover"
	}
	if len(names) > maxFields {
		return d, fault.New(fault.Invalid, "You can view up to %d fields at a time. Please delete some and try again.", maxFields)
	}
	projects, err := s.selectedProjects(r)
	if err != nil {
		return d, err
	}
	at, err := timeSpan(r, now)
	if err != nil {
		return d, err
	}
	if at.from.IsZero() {
		at = span{now.Add(-defaultRange), now}
	}
	d.Projects, d.From, d.To, d.Environments, d.Me = projectIDs(projects), at.from.UTC(), at.to.UTC(), environments(r), r.who.UserID()
	for _, name := range names {
		f, err := parseField(name)
		if err != nil && !d.empty {
			return d, err
		}
		d.fields = append(d.fields, f)
	}
	if !d.empty {
		d.Query, err = search.Parse(q.Get("query"))
	}
	return d, err
}

// grouped reports whether events are counted rather than listed.
func (d *discovery) grouped() bool {
	return slices.ContainsFunc(d.fields, func(f field) bool { return f.counts })
}

// events answers GET …/organizations/{org}/events/: events with the fields that are asked for, or, where
// one of them is a function, groups of events.
// Rule: getsentry/sentry src/sentry/api/endpoints/organization_events.py
func (s *Service) events(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	names := slices.DeleteFunc(slices.Clone(q["field"]), func(n string) bool { return strings.TrimSpace(n) == "" })
	d, err := s.discover(r, names, time.Now())
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fault.New(fault.Invalid, "No columns selected")
	}
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	skip, err := offset(q.Get("cursor"))
	if err != nil {
		return err
	}
	rows, more, cut := []object{}, false, false
	switch {
	case d.empty:
	case d.grouped():
		rows, more, cut, err = s.eventGroups(r, &d, skip, limit)
	default:
		rows, more, cut, err = s.eventRows(r, &d, skip, limit)
	}
	if err != nil {
		return err
	}
	s.setOffsets(w, r, skip, limit, more)
	return ok(w, object{"data": rows, "meta": d.meta(cut)})
}

// cutTip is told where a search did not look at everything.
const cutTip = "The search asks for what only payloads hold: the newest 5,000 events that the rest of it finds were looked at."

func (d *discovery) meta(cut bool) object {
	kinds, units := object{}, object{}
	for _, f := range d.fields {
		kinds[f.name], units[f.name] = f.kind, nil
	}
	tips := object{"query": nil, "columns": nil}
	if cut {
		tips["query"] = cutTip
	}
	return object{"fields": kinds, "units": units, "isMetricsData": false, "isMetricsExtractedData": false, "tips": tips, "datasetReason": "unchanged", "dataset": d.dataset,
		"dataScanned": map[bool]string{true: "partial", false: "full"}[cut]}
}

// eventRows lists events. Each tells its id and project beside what is asked for.
func (s *Service) eventRows(r *request, d *discovery, skip, limit int) (rows []object, more, cut bool, err error) {
	find := postgres.EventFind{EventSearch: d.EventSearch, Sort: "timestamp", Skip: skip, Limit: limit}
	if by := sortOf(r); by != "" {
		name, up := strings.CutPrefix(by, "-")
		i := d.find(name)
		switch {
		case i >= 0:
			name = d.fields[i].plain
		case !postgres.IsEventColumn(name):
			return nil, false, false, fault.New(fault.Invalid, "orderby must also be in the selected columns or groupby")
		}
		find.Sort, find.Up = name, !up
	}
	find.Decoded = slices.ContainsFunc(d.fields, func(f field) bool { return !postgres.IsEventColumn(f.plain) })
	list, more, cut, err := s.Store.SearchEvents(r.Context(), r.org(), find)
	if err != nil {
		return nil, false, false, err
	}
	slugs, err := s.slugs(r)
	if err != nil {
		return nil, false, false, err
	}
	for _, name := range []string{"id", "project.name"} {
		if d.find(name) < 0 {
			f, _ := parseField(name) // both are fields
			d.fields = append(d.fields, f)
		}
	}
	rows = make([]object, len(list))
	for i := range list {
		rows[i] = object{}
		for _, f := range d.fields {
			rows[i][f.name] = f.value(list[i].Values(f.plain), slugs)
		}
	}
	return rows, more, cut, nil
}

// eventGroups counts events by the fields that are no functions.
func (s *Service) eventGroups(r *request, d *discovery, skip, limit int) (rows []object, more, cut bool, err error) {
	q := postgres.EventCount{EventSearch: d.EventSearch, Skip: skip, Limit: limit, Sort: -1}
	var order []int // places of fields in measures, and after them in groups
	for _, f := range d.fields {
		if f.counts {
			q.Measures = append(q.Measures, f.measure)
		} else {
			q.By = append(q.By, f.plain)
		}
	}
	measures, groups := 0, len(q.Measures)
	for _, f := range d.fields {
		if f.counts {
			order, measures = append(order, measures), measures+1
		} else {
			order, groups = append(order, groups), groups+1
		}
	}
	if by := sortOf(r); by != "" {
		name, down := strings.CutPrefix(by, "-")
		i := d.find(name)
		if i < 0 {
			return nil, false, false, fault.New(fault.Invalid, "orderby must also be in the selected columns or groupby")
		}
		q.Sort, q.Up = order[i], !down
	}
	list, more, cut, err := s.Store.CountEvents(r.Context(), r.org(), q)
	if err != nil {
		return nil, false, false, err
	}
	if len(list) == 0 && len(q.By) == 0 && skip == 0 {
		list = []postgres.EventGroup{{Count: make([]int64, len(q.Measures))}}
	}
	slugs, err := s.slugs(r)
	if err != nil {
		return nil, false, false, err
	}
	rows = make([]object, len(list))
	for i, g := range list {
		rows[i] = object{}
		for at, f := range d.fields {
			if place := order[at]; f.counts {
				rows[i][f.name] = f.measured(g.Count[place], d.To.Sub(d.From))
			} else {
				rows[i][f.name] = f.value(texted(g.By[place-len(q.Measures)]), slugs)
			}
		}
	}
	return rows, more, cut, nil
}

func texted(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// sortOf is the first order that is asked for; a leading - is the greatest first.
func sortOf(r *request) string {
	q := r.URL.Query()
	for _, list := range [][]string{q["sort"], q["orderby"]} {
		for _, text := range list {
			if text = strings.TrimSpace(text); text != "" {
				return text
			}
		}
	}
	return ""
}

// slugs are the projects that the caller sees, by id.
func (s *Service) slugs(r *request) (map[string]string, error) {
	projects, err := s.Store.Projects(r.Context(), r.org())
	slugs := make(map[string]string, len(projects))
	for _, p := range projects {
		slugs[id(p.ID)] = p.Slug
	}
	return slugs, err
}

// eventsMeta answers GET …/events-meta/ with how many events a search finds.
func (s *Service) eventsMeta(w http.ResponseWriter, r *request) error {
	d, err := s.discover(r, nil, time.Now())
	if err != nil {
		return err
	}
	n := int64(0)
	if !d.empty {
		groups, _, _, err := s.Store.CountEvents(r.Context(), r.org(), postgres.EventCount{EventSearch: d.EventSearch, Limit: 1, Sort: -1,
			Measures: []postgres.Measure{{Kind: postgres.CountEvents}}})
		if err != nil {
			return err
		}
		for _, g := range groups {
			n += g.Count[0]
		}
	}
	return ok(w, object{"count": n})
}
