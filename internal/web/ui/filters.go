package ui

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/filter"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/inbound"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// filterSwitches and filterLists are the fields of the form of filters.
var (
	filterSwitches = []struct {
		name, label, help string
		on                func(*filter.Settings) *bool
	}{
		{"extensions", "Browser extensions", "Errors that extensions of browsers cause.", func(s *filter.Settings) *bool { return &s.BrowserExtensions.Enabled }},
		{"legacy", "Old browsers", "Events of browsers that nobody supports any more.", func(s *filter.Settings) *bool { return &s.LegacyBrowsers.Enabled }},
		{"crawlers", "Crawlers", "Events of search engines and other robots.", func(s *filter.Settings) *bool { return &s.WebCrawlers.Enabled }},
		{"localhost", "Local machines", "Events whose address is localhost or a file.", func(s *filter.Settings) *bool { return &s.Localhost.Enabled }},
	}
	filterLists = []struct {
		name, path, label, help string
		list                    func(*filter.Settings) *[]string
	}{
		{"addresses", "clientIps.blacklistedIps", "Addresses", "One address or network on each line, such as 198.51.100.7 or 10.0.0.0/8.", func(s *filter.Settings) *[]string { return &s.ClientIPs.Blocked }},
		{"releases", "releases.releases", "Releases", "One release on each line; * stands for any text: shop@1.*", func(s *filter.Settings) *[]string { return &s.Releases.Releases }},
		{"messages", "errorMessages.patterns", "Messages", "One message on each line; * stands for any text: TypeError: *", func(s *filter.Settings) *[]string { return &s.ErrorMessages.Patterns }},
		{"sources", "csp.disallowedSources", "Sources of policy violations", "One host or scheme on each line, such as *.example.com or about.", func(s *filter.Settings) *[]string { return &s.CSP.Disallowed }},
	}
)

// inboundProject is the project of a page about filters or scrubbing; to change needs more than to
// look.
func (u *UI) inboundProject(v *visit) (project.Project, error) {
	scope := account.ProjectRead
	switch {
	case v.r.Method == http.MethodPost && v.r.PostFormValue("do") == "preview":
		v.note.Event = "-" // nothing changes
	case v.r.Method == http.MethodPost:
		scope = account.ProjectWrite
	}
	if err := v.principal.Require(scope); err != nil {
		return project.Project{}, err
	}
	return u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
}

func (u *UI) filters(v *visit) error {
	p, err := u.inboundProject(v)
	if err != nil {
		return err
	}
	s, err := filter.Read(p.Settings.Filters)
	if err != nil {
		return err
	}
	return u.drawFilters(v, p, &s, nil, nil)
}

// changeFilters stores what the form says, or shows what it would have dropped.
func (u *UI) changeFilters(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	p, err := u.inboundProject(v)
	if err != nil {
		return err
	}
	s, err := filter.Read(p.Settings.Filters)
	if err != nil {
		return err
	}
	fillFilters(v, &s)
	if v.r.PostFormValue("do") == "preview" {
		cast, err := inbound.Forecast(v.r.Context(), u.Store, p.ID, s, inbound.MaxForecast)
		if err != nil {
			return u.drawFilters(v, p, &s, nil, err)
		}
		return u.drawFilters(v, p, &s, forecast(cast), nil)
	}
	err = inbound.ChangeFilters(v.r.Context(), u.Store, p.ID, func(into *filter.Settings) error { fillFilters(v, into); return nil })
	if err != nil {
		return u.drawFilters(v, p, &s, nil, err)
	}
	v.notify(view.Notice{Text: "Saved."})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/filters"))
}

// fillFilters sets what the form has; the rest, made through the API, stays.
func fillFilters(v *visit, s *filter.Settings) {
	for _, f := range filterSwitches {
		*f.on(s) = v.r.PostFormValue(f.name) != ""
	}
	if s.LegacyBrowsers.Enabled && len(s.LegacyBrowsers.Options) == 0 {
		s.LegacyBrowsers.Options = filter.Defaults().LegacyBrowsers.Options
	}
	for _, f := range filterLists {
		*f.list(s) = lines(v.r.PostFormValue(f.name))
	}
}

// lines are the lines of a text that are not blank.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

func forecast(cast filter.Forecast) *view.InboundResult {
	r := &view.InboundResult{Columns: []string{"Reason", "Events"}}
	switch {
	case cast.Total == 0:
		r.Sentence = "There are no events yet."
	default:
		r.Sentence = fmt.Sprintf("These filters would have dropped %d of the last %d events.", cast.Dropped, cast.Total)
	}
	for reason, n := range cast.ByReason {
		r.Rows = append(r.Rows, []string{reason, view.Long(int64(n))})
	}
	slices.SortFunc(r.Rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return r
}

// drawFilters shows the form; failures of ours are no fault of the form.
func (u *UI) drawFilters(v *visit, p project.Project, s *filter.Settings, result *view.InboundResult, problem error) error {
	page := view.InboundPage{
		Project: u.projectView(v, p), Heading: "Filters", Current: "filters", Preview: "Try on the last 1,000 events", Result: result,
		About: "What matches is dropped when it arrives and counted as filtered. It is no issue and cannot be brought back.",
	}
	page.Action = page.Project.Href + "/filters"
	status, text, err := refused(problem)
	if err != nil {
		return err
	}
	for _, f := range filterSwitches {
		page.Switches = append(page.Switches, view.InboundSwitch{Name: f.name, Label: f.label, Help: f.help, On: *f.on(s)})
	}
	page.Problem = text
	for _, f := range filterLists {
		field := view.InboundText{Name: f.name, Label: f.label, Help: f.help, Value: strings.Join(*f.list(s), "\n")}
		if strings.HasPrefix(text, f.path) {
			field.Problem, page.Problem = text, ""
		}
		page.Texts = append(page.Texts, field)
	}
	return u.drawInbound(v, status, p, page)
}

// refused is the status and text of a form that cannot be used; other failures are returned.
func refused(problem error) (status int, text string, err error) {
	switch {
	case problem == nil:
		return http.StatusOK, "", nil
	case fault.KindOf(problem) == fault.Invalid:
		return http.StatusBadRequest, fault.Public(problem), nil
	}
	return 0, "", problem
}

func (u *UI) drawInbound(v *visit, status int, p project.Project, page view.InboundPage) error {
	v.base.Section = view.SectionProjects
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: p.Name, Href: page.Project.Href}, {Label: page.Heading}}
	return v.render(status, page.Heading, func(pg view.Page) component { return view.Inbound(pg, page) })
}
