package api

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/filter"
	"github.com/tocsin-dev/tocsin/internal/scrub"
	"github.com/tocsin-dev/tocsin/internal/web/inbound"
)

// switchable are the filters that clients know by an id.
// Rule: getsentry/sentry src/sentry/ingest/inbound_filters.py
var switchable = []struct {
	id, name, about string
	active          func(*filter.Settings) *bool
}{
	{"browser-extensions", "Browser extensions", "Errors that extensions of browsers cause.", func(s *filter.Settings) *bool { return &s.BrowserExtensions.Enabled }},
	{"localhost", "Local machines", "Events of programs under development.", func(s *filter.Settings) *bool { return &s.Localhost.Enabled }},
	{"filtered-transaction", "Health checks", "Transactions of health checks.", func(s *filter.Settings) *bool { return &s.IgnoreTransactions.Enabled }},
	{"web-crawlers", "Crawlers", "Events of search engines and other robots.", func(s *filter.Settings) *bool { return &s.WebCrawlers.Enabled }},
	{"legacy-browsers", "Old browsers", "Events of browsers that nobody supports any more.", func(s *filter.Settings) *bool { return &s.LegacyBrowsers.Enabled }},
}

const legacyBrowsers = "legacy-browsers"

// filters answers GET /api/0/projects/{org}/{project}/filters/.
func (s *Service) filters(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	settings, err := filter.Read(p.Settings.Filters)
	if err != nil {
		return err
	}
	out := make([]object, len(switchable))
	for i, f := range switchable {
		var active any = *f.active(&settings)
		if f.id == legacyBrowsers && settings.LegacyBrowsers.Enabled && len(settings.LegacyBrowsers.Options) > 0 {
			active = settings.LegacyBrowsers.Options
		}
		out[i] = object{"id": f.id, "active": active, "name": f.name, "description": f.about, "hello": f.id + " - " + f.name}
	}
	return ok(w, out)
}

// filterBody switches one filter; Subfilters are kinds of browsers.
type filterBody struct {
	Active     *bool     `json:"active"`
	Subfilters *[]string `json:"subfilters"`
}

// putFilter answers PUT …/filters/{filter}/.
func (s *Service) putFilter(w http.ResponseWriter, r *request) error {
	id, err := s.projectID(r)
	if err != nil {
		return err
	}
	var body filterBody
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	for _, f := range switchable {
		if f.id != r.PathValue("filter") {
			continue
		}
		err := inbound.ChangeFilters(r.Context(), s.Store, id, func(settings *filter.Settings) error {
			switch {
			case f.id == legacyBrowsers && body.Subfilters != nil:
				settings.LegacyBrowsers = filter.LegacyBrowsers{Enabled: len(*body.Subfilters) > 0, Options: *body.Subfilters}
			case body.Active != nil:
				*f.active(settings) = *body.Active
			default:
				return fieldError{"active", "This field is required."}
			}
			return nil
		})
		if err != nil {
			return asField("subfilters", err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errNotFound()
}

// asField answers settings that cannot be used as an error of their field.
func asField(field string, err error) error {
	if fault.KindOf(err) == fault.Invalid {
		return fieldError{field, fault.Public(err)}
	}
	return err
}

// filterSettings answers GET /api/v1/projects/{org}/{project}/filters/.
func (s *Service) filterSettings(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	settings, err := filter.Read(p.Settings.Filters)
	if err != nil {
		return err
	}
	return ok(w, settings)
}

// putFilterSettings answers PUT …/filters/, which sets all filters.
func (s *Service) putFilterSettings(w http.ResponseWriter, r *request) error {
	id, err := s.projectID(r)
	if err != nil {
		return err
	}
	var wanted filter.Settings
	if err := readBody(w, r, &wanted); err != nil {
		return err
	}
	if err := inbound.ChangeFilters(r.Context(), s.Store, id, func(s *filter.Settings) error { *s = wanted; return nil }); err != nil {
		return settingsField(err)
	}
	return ok(w, wanted)
}

// settingsField answers settings that cannot be used as an error of the field that the text begins
// with: "releases.releases[3]: …".
func settingsField(err error) error {
	if fault.KindOf(err) != fault.Invalid {
		return err
	}
	text := fault.Public(err)
	if field, rest, found := strings.Cut(text, ": "); found && !strings.Contains(field, " ") {
		return fieldError{field, rest}
	}
	return fieldError{"non_field_errors", text}
}

// forecastBody asks what filters would have dropped; those in force when none are given.
type forecastBody struct {
	Settings *filter.Settings `json:"settings"`
	Events   *int             `json:"events"` // how many of the newest to look at
}

// filterPreview answers POST …/filters/preview/.
func (s *Service) filterPreview(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var body forecastBody
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	newest := inbound.MaxForecast
	if body.Events != nil {
		if newest = *body.Events; newest < 1 || newest > inbound.MaxForecast {
			return fieldError{"events", "Must be between 1 and 1000."}
		}
	}
	settings, err := filter.Read(p.Settings.Filters)
	if err != nil {
		return err
	}
	if body.Settings != nil {
		settings = *body.Settings
	}
	cast, err := inbound.Forecast(r.Context(), s.Store, p.ID, settings, newest)
	if err != nil {
		return settingsField(err)
	}
	return ok(w, object{"events": cast.Total, "dropped": cast.Dropped, "byReason": cast.ByReason})
}

// privacy answers GET /api/v1/projects/{org}/{project}/privacy/.
func (s *Service) privacy(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	settings, err := scrub.Read(p.Settings.Scrubbing)
	if err != nil {
		return err
	}
	return ok(w, settings)
}

// putPrivacy answers PUT …/privacy/, which sets all of scrubbing.
func (s *Service) putPrivacy(w http.ResponseWriter, r *request) error {
	id, err := s.projectID(r)
	if err != nil {
		return err
	}
	var wanted scrub.Settings
	if err := readBody(w, r, &wanted); err != nil {
		return err
	}
	if err := inbound.ChangeScrubbing(r.Context(), s.Store, id, func(s *scrub.Settings) error { *s = wanted; return nil }); err != nil {
		return settingsField(err)
	}
	return ok(w, wanted)
}

// trialBody asks what scrubbing would remove from an event: that in force, from the newest event,
// when none are given.
type trialBody struct {
	Settings *scrub.Settings `json:"settings"`
	Event    string          `json:"event"`
}

// changeShape is one value that would change. What it was is not told.
type changeShape struct {
	Path  string   `json:"path"`
	After any      `json:"after"`
	Rules []string `json:"rules"`
}

// privacyPreview answers POST …/privacy/preview/.
func (s *Service) privacyPreview(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var body trialBody
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	var which event.ID
	if body.Event != "" {
		if which, err = event.ParseID(body.Event); err != nil {
			return fieldError{"event", "Not an event id."}
		}
	}
	settings, err := scrub.Read(p.Settings.Scrubbing)
	if err != nil {
		return err
	}
	if body.Settings != nil {
		settings = *body.Settings
	}
	trial, err := inbound.Try(r.Context(), s.Store, p.ID, settings, which)
	if err != nil {
		return settingsField(err)
	}
	changes := make([]changeShape, len(trial.Changes))
	for i, c := range trial.Changes {
		changes[i] = changeShape(c)
	}
	return ok(w, object{"eventId": trial.Event.String(), "changes": changes, "more": trial.More})
}
