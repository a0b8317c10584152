package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// filters are what the frame's filters say about a page.
type filters struct {
	all          []project.Project // of the organization, the reader's starred ones first
	seen         []string          // environments of theirs
	slugs        []string          // of the projects chosen; none: all
	Environments []string          // none: all
	Period       string            // a word of periods; empty: any time, or a range of one's own
	from, to     string            // of a range of one's own, as typed
	zone         *time.Location
	now          time.Time
}

// periods are the times to choose from.
var periods = []struct {
	word, label string
	length      time.Duration
}{
	{"", "Any time", 0}, {"1h", "Last hour", time.Hour}, {"24h", "Last 24 hours", 24 * time.Hour}, {"7d", "Last 7 days", 7 * 24 * time.Hour},
	{"14d", "Last 14 days", 14 * 24 * time.Hour}, {"30d", "Last 30 days", 30 * 24 * time.Hour}, {"90d", "Last 90 days", 90 * 24 * time.Hour},
}

// filterNames are the filters as addresses name them.
var filterNames = []string{"project", "environment", "period", "from", "to"}

// maxChosen is how many projects or environments an address may choose.
const maxChosen = 100

// filtered is a page that reads the frame's filters: they are in v.filters, and drawn in the frame.
// An address that names none gets those the reader chose last, so that every address says what it
// shows.
func (u *UI) filtered(h handler) handler {
	return func(v *visit) error {
		q := v.r.URL.Query()
		named := slices.ContainsFunc(filterNames, q.Has)
		if kept := v.settings.Org(v.principal.Organization.ID).Filters; !named && kept != "" && v.r.Method == http.MethodGet {
			target := *v.r.URL
			target.RawQuery = strings.TrimPrefix(target.RawQuery+"&"+kept, "&")
			return v.redirect(target.RequestURI())
		}
		f, err := u.readFilters(v, q)
		if err != nil {
			return err
		}
		v.filters = f
		v.base.Filters = drawFrameFilters(v, f)
		return h(v)
	}
}

func (u *UI) readFilters(v *visit, q url.Values) (*filters, error) {
	all, seen, err := u.Store.ProjectsSeen(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return nil, err
	}
	starred := v.settings.Org(v.principal.Organization.ID).Starred
	slices.SortStableFunc(all, func(a, b project.Project) int {
		return btoi(slices.Contains(starred, b.ID)) - btoi(slices.Contains(starred, a.ID))
	})
	f := &filters{all: all, seen: seen, slugs: chosenValues(q["project"]), Environments: chosenValues(q["environment"]), Period: periodWord(q.Get("period")),
		zone: v.base.Look.Zone, now: v.base.Now}
	if f.zone == nil {
		f.zone = time.UTC
	}
	if f.Period == "" {
		f.from, f.to = strings.TrimSpace(q.Get("from")), strings.TrimSpace(q.Get("to"))
	}
	return f, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func chosenValues(values []string) (list []string) {
	for _, v := range values[:min(len(values), maxChosen)] {
		if v != "" && len(v) <= 200 {
			list = append(list, v)
		}
	}
	return list
}

func periodWord(word string) string {
	for _, p := range periods {
		if p.word == word {
			return word
		}
	}
	return ""
}

// IDs are the projects chosen; nil is all of the organization. A project that does not exist has
// nothing.
func (f *filters) IDs() []int64 {
	if len(f.slugs) == 0 {
		return nil
	}
	ids := []int64{}
	for _, p := range f.all {
		if slices.Contains(f.slugs, p.Slug) || slices.Contains(f.slugs, strconv.FormatInt(p.ID, 10)) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Shown are the projects that the page is about.
func (f *filters) Shown() []project.Project {
	ids := f.IDs()
	if ids == nil {
		return f.all
	}
	var list []project.Project
	for _, p := range f.all {
		if slices.Contains(ids, p.ID) {
			list = append(list, p)
		}
	}
	return list
}

// Range is the time chosen; a zero end is open.
func (f *filters) Range() (from, to time.Time) {
	for _, p := range periods {
		if p.word == f.Period && p.length > 0 {
			return f.now.Add(-p.length), time.Time{}
		}
	}
	return parseMoment(f.from, f.zone), parseMoment(f.to, f.zone)
}

// momentLayouts are how moments may be typed.
var momentLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// parseMoment reads a moment in the reader's zone; the zero time when it is none.
func parseMoment(text string, zone *time.Location) time.Time {
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil && t.Year() > 1970 && t.Year() < 3000 {
			return t
		}
	}
	return time.Time{}
}

// values are the filters as an address writes them.
func (f *filters) values() url.Values {
	q := make(url.Values)
	if len(f.slugs) > 0 {
		q["project"] = f.slugs
	}
	if len(f.Environments) > 0 {
		q["environment"] = f.Environments
	}
	for name, value := range map[string]string{"period": f.Period, "from": f.from, "to": f.to} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// keptFilters is the end of addresses that keep the filters of this page, or those chosen last.
func (v *visit) keptFilters() string {
	text := v.settings.Org(v.principal.Organization.ID).Filters
	if v.filters != nil {
		text = v.filters.values().Encode()
	}
	if text == "" {
		return ""
	}
	return "?" + text
}

func drawFrameFilters(v *visit, f *filters) *view.Filters {
	d := &view.Filters{Action: v.orgPath("/filters"), From: f.from, To: f.to}
	var names []string
	for _, p := range f.all {
		c := view.Choice{Value: p.Slug, Label: p.Name, Current: slices.Contains(f.slugs, p.Slug) || slices.Contains(f.slugs, strconv.FormatInt(p.ID, 10))}
		if c.Current {
			names = append(names, p.Name)
		}
		d.Projects = append(d.Projects, c)
	}
	environments := f.seen
	for _, name := range f.Environments {
		if !slices.Contains(environments, name) {
			environments = append(environments, name)
		}
	}
	for _, name := range environments {
		if name != "" {
			d.Environments = append(d.Environments, view.Choice{Value: name, Label: name, Current: slices.Contains(f.Environments, name)})
		}
	}
	for _, p := range periods {
		c := view.Choice{Value: p.word, Label: p.label, Current: p.word == f.Period && (p.word != "" || f.from == "" && f.to == "")}
		if c.Current {
			d.PeriodWords = p.label
		}
		d.Periods = append(d.Periods, c)
	}
	if d.PeriodWords == "" {
		d.PeriodWords = rangeWords(f)
	}
	d.ProjectWords, d.EnvironWords = severalWords(names, "All projects"), severalWords(f.Environments, "All environments")
	for _, some := range []bool{len(f.slugs) > 0, len(f.Environments) > 0, d.PeriodWords != periods[0].label} {
		d.Count += btoi(some)
	}
	return d
}

func severalWords(names []string, none string) string {
	switch len(names) {
	case 0:
		return none
	case 1:
		return names[0]
	}
	return names[0] + " +" + strconv.Itoa(len(names)-1)
}

func rangeWords(f *filters) string {
	from, to := f.Range()
	const layout = "2 Jan 15:04"
	switch {
	case !from.IsZero() && !to.IsZero():
		return from.In(f.zone).Format(layout) + " – " + to.In(f.zone).Format(layout)
	case !from.IsZero():
		return "Since " + from.In(f.zone).Format(layout)
	case !to.IsZero():
		return "Until " + to.In(f.zone).Format(layout)
	}
	return "Any time"
}

// chooseFilters keeps what was chosen in the frame and leads back to the page with it.
func (u *UI) chooseFilters(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	f, err := u.readFilters(v, v.r.PostForm)
	if err != nil {
		return err
	}
	kept := f.values()
	err = u.changeSettings(v, func(s *account.Settings) {
		s.SetOrg(v.principal.Organization.ID, func(p *account.OrgPreference) { p.Filters = kept.Encode() })
	})
	if err != nil {
		return err
	}
	return v.redirect(withFilters(localOr(v.r.PostFormValue("back"), v.orgPath("/issues")), kept))
}

// withFilters is an address with other filters; a place in a list belongs to the old ones and goes.
func withFilters(back string, kept url.Values) string {
	target, err := url.Parse(back)
	if err != nil {
		return back
	}
	q := target.Query()
	for _, name := range append([]string{"cursor"}, filterNames...) {
		q.Del(name)
	}
	for name, values := range kept {
		q[name] = values
	}
	target.RawQuery = q.Encode()
	return target.String()
}

// restrict puts the filters into an issue query.
func (f *filters) restrict(q *postgres.IssueQuery) {
	q.Projects, q.Environments = f.IDs(), f.Environments
	q.From, q.To = f.Range()
}
