package api

import (
	"net/http"
	"regexp"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// providerKeys are channels by the names that clients have for them, where those differ.
var providerKeys = map[string]string{alert.ChannelTeams: "msteams"}

// shapeIntegration is a destination as clients know integrations: its id is what an alert's action
// names.
func shapeIntegration(org int64, d *alert.Destination) object {
	key, label := d.Channel, d.Channel
	if other, ok := providerKeys[key]; ok {
		key = other
	}
	if sp, known := channels.Spec(d.Channel); known {
		label = sp.Label
	}
	status := "active"
	if d.Paused || d.Health.DisabledAt != nil {
		status = "disabled"
	}
	return object{"id": id(d.ID), "name": d.Name, "icon": nil, "domainName": maybe(d.Target), "accountType": nil, "scopes": nil, "status": status, "externalId": id(d.ID),
		"organizationId": org, "organizationIntegrationStatus": status, "gracePeriodEnd": nil, "configOrganization": []object{}, "configData": object{},
		"provider": object{"key": key, "slug": key, "name": label, "canAdd": true, "canDisable": true, "features": []string{"alert-rule", "incident-management"}, "aspects": object{}}}
}

// integrations answers GET /api/0/organizations/{org}/integrations/: the destinations of alerts.
func (s *Service) integrations(w http.ResponseWriter, r *request) error {
	list, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	key := q.Get("provider_key")
	if key == "" {
		key = q.Get("providerKey")
	}
	out := []object{}
	for i := range list {
		shape := shapeIntegration(r.org(), &list[i])
		if key == "" || shape["provider"].(object)["key"] == key {
			out = append(out, shape)
		}
	}
	if out, err = window(s, w, r, out); err != nil {
		return err
	}
	return ok(w, out)
}

// integration answers GET /api/0/organizations/{org}/integrations/{id}/.
func (s *Service) integration(w http.ResponseWriter, r *request) error {
	d, err := s.destinationOf(r)
	if err != nil {
		return err
	}
	return ok(w, shapeIntegration(r.org(), &d))
}

// absentFeatures are parts of the API elsewhere that this server does not have, by the paths that
// clients ask for, with what there is instead.
var absentFeatures = []struct {
	path *regexp.Regexp
	says string
}{
	{regexp.MustCompile(`^/api/0/organizations/[^/]+/dashboards/`), "Dashboards are not a feature of this server. The events-stats and stats_v2 endpoints have the numbers."},
	{regexp.MustCompile(`^/api/0/(organizations/[^/]+|projects/[^/]+/[^/]+)/(alert-rules|alert-rule-task|combined-rules|incidents)/`), "Metric alerts are not a feature of this server. Use issue alerts, which can count events and users: …/rules/ or …/workflows/."},
	{regexp.MustCompile(`^/api/0/organizations/[^/]+/code-mappings/|^/api/0/projects/[^/]+/[^/]+/(stacktrace-link|repo-path-parsing)/`), "Code mappings are not a feature of this server. Frames link to their source where the SDK or a source bundle says source_link."},
	{regexp.MustCompile(`^/api/0/organizations/[^/]+/notifications/`), "Notification actions are not a feature of this server. What spike protection drops is told on the project's page and in stats_v2."},
	{regexp.MustCompile(`^/api/0/projects/[^/]+/[^/]+/(plugins|hooks)/`), "Plugins and service hooks are not a feature of this server. Make a destination of the channel webhook: /api/v1/organizations/{org}/destinations/."},
	{regexp.MustCompile(`^/api/0/projects/[^/]+/[^/]+/symbol-sources/`), "Symbol sources are not a feature of this server. Upload debug files."},
	{regexp.MustCompile(`^/api/0/(organizations/[^/]+/)?(sentry-apps|sentry-app-installations)/`), "Applications are not a feature of this server. Make a destination of the channel webhook: /api/v1/organizations/{org}/destinations/."},
}

// errAbsent is the answer to a path that has no route: for what clients ask of other servers it names
// the feature that is missing, whoever asks.
func errAbsent(path string) error {
	for _, f := range absentFeatures {
		if f.path.MatchString(path) {
			return fault.New(fault.Unknown, "%s", f.says)
		}
	}
	return errNotFound()
}
