package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/project"
)

func (s *Service) projectSummary(p project.Project, who *account.Principal) object {
	platforms := []string{}
	if p.Platform != "" {
		platforms = append(platforms, p.Platform)
	}
	o := object{
		"id": id(p.ID), "slug": p.Slug, "name": p.Name, "platform": maybe(p.Platform), "platforms": platforms,
		"dateCreated": utc(p.CreatedAt), "firstEvent": maybeTime(p.FirstEventAt), "isBookmarked": false, "isMember": true, "hasAccess": true,
		"access": who.Scopes.Strings(), "features": []string{}, "environments": []string{}, "team": nil, "teams": []any{},
		"latestRelease": nil, "latestDeploys": nil, "eventProcessing": object{"symbolicationDegraded": false},
	}
	for _, k := range []string{"firstTransactionEvent", "hasSessions", "hasReplays", "hasProfiles", "hasFeedbacks", "hasNewFeedbacks",
		"hasMonitors", "hasMinifiedStackTrace", "hasUserReports", "hasFlags", "hasLogs", "hasTraceMetrics", "hasInsightsHttp", "hasInsightsDb",
		"hasInsightsAssets", "hasInsightsAppStart", "hasInsightsScreenLoad", "hasInsightsVitals", "hasInsightsCaches", "hasInsightsQueues",
		"hasInsightsAgentMonitoring", "hasInsightsMCP"} {
		o[k] = false // none of these is stored
	}
	return o
}

func (s *Service) projectSummaries(list []project.Project, who *account.Principal) []object {
	out := make([]object, len(list))
	for i, p := range list {
		out[i] = s.projectSummary(p, who)
	}
	return out
}

// organizationProjects answers GET /api/0/organizations/{org}/projects/.
func (s *Service) organizationProjects(w http.ResponseWriter, r *request) error {
	return s.listProjects(w, r, false)
}

// projects answers GET /api/0/projects/, each with its organization. query=dsn:KEY finds the
// project of a client key.
func (s *Service) projects(w http.ResponseWriter, r *request) error {
	return s.listProjects(w, r, true)
}

func (s *Service) listProjects(w http.ResponseWriter, r *request, withOrganization bool) error {
	list, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(r.URL.Query().Get("query")) {
		if list, err = s.matchProjects(r, list, word); err != nil {
			return err
		}
	}
	if r.URL.Query().Get("all_projects") != "1" {
		if list, err = window(s, w, r, list); err != nil {
			return err
		}
	}
	teams, err := s.Store.Teams(r.Context(), r.org(), 0)
	if err != nil {
		return err
	}
	out := s.projectSummaries(list, r.who)
	for i, o := range out {
		setTeams(o, teams, list[i].ID)
		if withOrganization {
			o["organization"] = s.orgSummary(r.who.Organization)
		}
	}
	return ok(w, out)
}

// matchProjects keeps the projects that one word of a query finds.
func (s *Service) matchProjects(r *request, list []project.Project, word string) ([]project.Project, error) {
	key, value, isFilter := strings.Cut(word, ":")
	var keep func(project.Project) bool
	switch {
	case !isFilter:
		text := strings.ToLower(word)
		keep = func(p project.Project) bool {
			return strings.Contains(p.Slug, text) || strings.Contains(strings.ToLower(p.Name), text)
		}
	case key == "dsn":
		k, err := s.Store.KeyByPublic(r.Context(), r.org(), value)
		if err != nil {
			return nil, err
		}
		keep = func(p project.Project) bool { return k == p.ID }
	case key == "slug":
		keep = func(p project.Project) bool { return p.Slug == value }
	case key == "id":
		keep = func(p project.Project) bool { return id(p.ID) == value }
	case key == "platform":
		keep = func(p project.Project) bool { return p.Platform == value }
	case key == "is_member":
		keep = func(project.Project) bool { return value != "0" }
	default:
		keep = func(project.Project) bool { return false }
	}
	return slices.DeleteFunc(slices.Clone(list), func(p project.Project) bool { return !keep(p) }), nil
}

// project answers GET /api/0/projects/{org}/{project}/.
func (s *Service) project(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	if name := r.PathValue("project"); !named(p.ID, p.Slug, name) {
		return s.moved(w, r, p)
	}
	o, err := s.projectDetail(r, p)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("collapse") == "organization" {
		o["organization"] = object{"id": id(r.org()), "slug": r.who.Organization.Slug}
	}
	return ok(w, o)
}

// moved leads from a slug that a project had to the one it has. Other routes answer for both.
// Rule: getsentry/sentry src/sentry/api/exceptions.py (ProjectMoved)
func (s *Service) moved(w http.ResponseWriter, r *request, p project.Project) error {
	to := "/api/0/projects/" + r.who.Organization.Slug + "/" + p.Slug + "/"
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", s.BaseURL+to)
	return httpx.JSON(w, http.StatusFound, object{"slug": p.Slug, "detail": object{"code": "resource-moved", "message": "Resource has been moved", "extra": object{"url": to, "slug": p.Slug}}})
}

// projectDetail is a project with its settings.
func (s *Service) projectDetail(r *request, p project.Project) (object, error) {
	names, err := s.Store.EnvironmentNames(r.Context(), []int64{p.ID})
	if err != nil {
		return nil, err
	}
	o := s.projectSummary(p, r.who)
	origins := p.Settings.AllowedOrigins
	if origins == nil {
		origins = []string{"*"}
	}
	settings, err := settingsShape(p)
	if err != nil {
		return nil, err
	}
	for k, v := range settings {
		o[k] = v
	}
	teams, err := s.Store.Teams(r.Context(), r.org(), 0)
	if err != nil {
		return nil, err
	}
	setTeams(o, teams, p.ID)
	for k, v := range (object{
		"environments": namedOnly(names), "organization": s.orgSummary(r.who.Organization), "isInternal": false, "isPublic": false,
		"color": "#3f51b5", "status": "active", "avatar": avatar(), "allowedDomains": origins, "resolveAge": p.Settings.ResolveAge,
		"defaultEnvironment": nil, "storeCrashReports": nil, "scrapeJavaScript": false, "highlightTags": []string{}, "highlightContext": object{},
		"builtinSymbolSources": []string{}, "isDynamicallySampled": false, "processingIssues": 0, "plugins": []any{},
		// What clients of other servers read and compare; mail is digested and entitled alike for all projects here, and no source is fetched.
		"digestsMinDelay": int64(alert.PersonalNoise.DigestMin / time.Second), "digestsMaxDelay": int64(alert.PersonalNoise.DigestMax / time.Second), "subjectPrefix": "", "subjectTemplate": "$shortID - $title", "securityToken": "", "securityTokenHeader": nil, "verifySSL": false,
	}) {
		o[k] = v
	}
	return o, nil
}

// setTeams tells which of the organization's teams have a project.
func setTeams(o object, teams []account.Team, project int64) {
	refs := teamRefs(teams, project)
	if o["teams"], o["team"] = refs, nil; len(refs) > 0 {
		o["team"] = refs[0]
	}
}

// namedOnly leaves out the empty name, under which events without an environment count.
func namedOnly(names []string) []string {
	return slices.DeleteFunc(append([]string{}, names...), func(n string) bool { return n == "" })
}
