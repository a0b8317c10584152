package ui

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// place is an entry of the rail. It shows when its page is among the routes and its reader may see
// it, so that a page joins the rail by being there.
type place struct {
	section view.Section
	label   string
	paths   []string // the first that is a route; below /o/{org} unless it begins with /admin
	cmd     string
	scopes  []account.Scope
	scoped  bool // the page reads the frame's filters
}

var places = []place{
	{view.SectionIssues, "Issues", []string{"/issues"}, "go.issues", []account.Scope{account.EventRead}, true},
	{view.SectionProjects, "Projects", []string{"/projects"}, "go.projects", []account.Scope{account.ProjectRead}, false},
	{view.SectionReleases, "Releases", []string{"/releases"}, "go.releases", []account.Scope{account.ProjectRead}, true},
	{view.SectionAlerts, "Alerts", []string{"/alerts"}, "go.alerts", []account.Scope{account.AlertsRead}, false},
	{view.SectionCrons, "Crons", []string{"/crons"}, "go.crons", []account.Scope{account.ProjectRead}, true},
	{view.SectionStats, "Stats", []string{"/stats"}, "go.stats", []account.Scope{account.OrgRead}, true},
	{view.SectionSettings, "Settings", []string{"/settings", "/settings/general", "/settings/projects", "/settings/members"}, "", []account.Scope{account.OrgRead}, false},
	{view.SectionAdmin, "Admin", []string{"/admin", "/admin/health"}, "", []account.Scope{account.OrgAdmin}, false},
}

// findPlaces keeps the places whose pages exist, each with the path that does.
func findPlaces(r chi.Routes) (found []place) {
	for _, p := range places {
		for _, path := range p.paths {
			probe := "/o/any" + path
			if p.section == view.SectionAdmin {
				probe = path
			}
			if r.Match(chi.NewRouteContext(), http.MethodGet, probe) {
				p.paths = []string{path}
				found = append(found, p)
				break
			}
		}
	}
	return found
}

// nav is the rail as the reader sees it.
func (v *visit) nav() (list []view.NavItem) {
	if v.principal == nil || v.principal.Organization.Slug == "" {
		return nil
	}
	tail := v.keptFilters()
	for _, p := range v.ui.places {
		if !v.principal.Scopes.Has(p.scopes...) {
			continue
		}
		href := p.paths[0]
		if p.section != view.SectionAdmin {
			href = v.orgPath(href)
		}
		if p.scoped {
			href += tail
		}
		list = append(list, view.NavItem{Section: p.section, Label: p.label, Href: href, Cmd: p.cmd})
	}
	return list
}
