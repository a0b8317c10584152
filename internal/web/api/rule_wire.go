package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/alertset"
)

// wireRule is an alert rule in Sentry's shape.
// Rule: getsentry/sentry src/sentry/api/serializers/models/rule.py
type wireRule struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Conditions        []json.RawMessage `json:"conditions"`
	Filters           []json.RawMessage `json:"filters"`
	Actions           []json.RawMessage `json:"actions"`
	ActionMatch       alert.Match       `json:"actionMatch"`
	FilterMatch       alert.Match       `json:"filterMatch"`
	Frequency         int64             `json:"frequency"`
	Environment       *string           `json:"environment"`
	Owner             *string           `json:"owner"`
	Projects          []string          `json:"projects"`
	DateCreated       time.Time         `json:"dateCreated"`
	CreatedBy         *wirePerson       `json:"createdBy"`
	Status            string            `json:"status"`
	Snooze            bool              `json:"snooze"`
	SnoozeForEveryone *bool             `json:"snoozeForEveryone,omitempty"`
	SnoozeCreatedBy   *string           `json:"snoozeCreatedBy,omitempty"`
	LastTriggered     *time.Time        `json:"lastTriggered"`
}

type wirePerson struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// defaultFrequency is what Sentry's clients mean when they say nothing.
const defaultFrequency = 30 * time.Minute

func (s *Service) wireRule(r *request, rule *alert.Rule, slug string) wireRule {
	out := wireRule{ID: id(rule.ID), Name: rule.Name, Conditions: []json.RawMessage{}, Filters: []json.RawMessage{}, Actions: []json.RawMessage{},
		ActionMatch: rule.Match, FilterMatch: rule.FilterMatch, Frequency: int64(rule.Frequency / time.Minute), Environment: maybe(rule.Environment),
		Owner: maybe(rule.Owner), Projects: []string{slug}, DateCreated: utc(rule.CreatedAt), Status: "active", LastTriggered: maybeTime(rule.LastFiredAt)}
	if out.FilterMatch == "" {
		out.FilterMatch = alert.MatchAll
	}
	if !rule.Enabled {
		out.Status = "disabled"
	}
	mine := slices.Contains(rule.SnoozedFor, r.who.UserID()) && r.who.UserID() != 0
	if everyone := rule.IsSnoozed(time.Now()); everyone || mine {
		out.Snooze, out.SnoozeForEveryone = true, &everyone
		out.SnoozeCreatedBy = new("You")
		if everyone && rule.SnoozedBy != r.who.UserID() {
			out.SnoozeCreatedBy = new(id(rule.SnoozedBy))
		}
	}
	if rule.CreatedBy != 0 {
		if u, err := s.Store.User(r.Context(), rule.CreatedBy); err == nil {
			out.CreatedBy = &wirePerson{u.ID, u.DisplayName(), u.Email}
		}
	}
	for i := range rule.Conditions {
		out.Conditions = append(out.Conditions, rule.Conditions[i].Wire(false))
	}
	for i := range rule.Filters {
		out.Filters = append(out.Filters, rule.Filters[i].Wire(true))
	}
	for i := range rule.Actions {
		raw := rule.Actions[i].Wire()
		if !slices.ContainsFunc(out.Actions, func(b json.RawMessage) bool { return string(b) == string(raw) }) {
			out.Actions = append(out.Actions, raw)
		}
	}
	return out
}

// wireRules answers GET …/rules/.
func (s *Service) wireRules(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	list, err := s.Store.Rules(r.Context(), p.ID)
	if err != nil {
		return err
	}
	out := make([]wireRule, len(list))
	for i := range list {
		out[i] = s.wireRule(r, &list[i], p.Slug)
	}
	s.setLink(w, r, links{prev: "0", next: "0", hasPrev: false, hasNext: false})
	return ok(w, out)
}

// wireRuleOne answers GET …/rules/{id}/.
func (s *Service) wireRuleOne(w http.ResponseWriter, r *request) error {
	rule, slug, err := s.ruleOfPath(r)
	if err != nil {
		return err
	}
	return ok(w, s.wireRule(r, &rule, slug))
}

func (s *Service) ruleOfPath(r *request) (alert.Rule, string, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return alert.Rule{}, "", err
	}
	n, err := pathID(r)
	if err != nil {
		return alert.Rule{}, "", err
	}
	rule, err := s.Store.Rule(r.Context(), p.ID, n)
	return rule, p.Slug, orNotFound(err)
}

// createWireRule answers POST …/rules/.
func (s *Service) createWireRule(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	rule := alert.Rule{Project: p.ID, Enabled: true, CreatedBy: r.who.UserID()}
	if err := s.readWireRule(w, r, &rule, true); err != nil {
		return err
	}
	return s.storeWireRule(w, r, &rule, p.Slug, http.StatusCreated)
}

// updateWireRule answers PUT …/rules/{id}/: everything is replaced.
func (s *Service) updateWireRule(w http.ResponseWriter, r *request) error {
	rule, slug, err := s.ruleOfPath(r)
	if err != nil {
		return err
	}
	if err := s.readWireRule(w, r, &rule, true); err != nil {
		return err
	}
	return s.storeWireRule(w, r, &rule, slug, http.StatusOK)
}

func (s *Service) storeWireRule(w http.ResponseWriter, r *request, rule *alert.Rule, slug string, status int) error {
	if err := alertset.Check(r.Context(), s.Store, rule); err != nil {
		return err
	}
	if err := s.Store.PutRule(r.Context(), rule); err != nil {
		return orNotFound(err)
	}
	saved, err := s.Store.Rule(r.Context(), rule.Project, rule.ID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, s.wireRule(r, &saved, slug))
}

// wireInput is what clients send; members that we do not know are left aside.
type wireInput struct {
	Name        *string           `json:"name"`
	Conditions  []json.RawMessage `json:"conditions"`
	Filters     []json.RawMessage `json:"filters"`
	Actions     []json.RawMessage `json:"actions"`
	ActionMatch string            `json:"actionMatch"`
	FilterMatch string            `json:"filterMatch"`
	Frequency   any               `json:"frequency"`
	Environment *string           `json:"environment"`
	Owner       *string           `json:"owner"`
	Status      string            `json:"status"`

	ID                idle `json:"id"`
	Projects          idle `json:"projects"`
	DateCreated       idle `json:"dateCreated"`
	CreatedBy         idle `json:"createdBy"`
	Snooze            idle `json:"snooze"`
	SnoozeForEveryone idle `json:"snoozeForEveryone"`
	SnoozeCreatedBy   idle `json:"snoozeCreatedBy"`
	LastTriggered     idle `json:"lastTriggered"`
	Endpoint          idle `json:"endpoint"` // of a preview
}

// readWireRule reads a rule in Sentry's shape into rule. complete: it is to be stored, so it needs a
// name and actions.
func (s *Service) readWireRule(w http.ResponseWriter, r *request, rule *alert.Rule, complete bool) error {
	var in wireInput
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	switch {
	case in.Name != nil:
		rule.Name = *in.Name
	case complete:
		return fieldError{"name", "This field is required."}
	}
	if rule.Name == "" && complete || len(rule.Name) > 256 {
		return fieldError{"name", "Ensure this field has 1 to 256 characters."}
	}
	var err error
	if rule.Frequency, err = wireFrequency(in.Frequency); err != nil {
		return err
	}
	rule.Match, rule.FilterMatch = alert.Match(in.ActionMatch), alert.Match(in.FilterMatch)
	for _, m := range []struct {
		name string
		at   *alert.Match
	}{{"actionMatch", &rule.Match}, {"filterMatch", &rule.FilterMatch}} {
		if *m.at == "" {
			*m.at = alert.MatchAll
		}
		if *m.at != alert.MatchAll && *m.at != alert.MatchAny && *m.at != alert.MatchNone {
			return fieldError{m.name, fmt.Sprintf("%.40q is not a valid choice.", string(*m.at))}
		}
	}
	if rule.Conditions, err = wireClauses("conditions", in.Conditions, false); err != nil {
		return err
	}
	if rule.Filters, err = wireClauses("filters", in.Filters, true); err != nil {
		return err
	}
	rule.Environment, rule.Owner = "", ""
	if in.Environment != nil {
		rule.Environment = *in.Environment
	}
	if in.Owner != nil {
		rule.Owner = *in.Owner
	}
	if in.Status != "" {
		rule.Enabled = in.Status != "disabled"
	}
	if !complete {
		return nil
	}
	if len(in.Actions) == 0 {
		return fieldError{"actions", "You must add an action for this alert to fire."}
	}
	rule.Actions, err = s.wireActions(r, in.Actions)
	return err
}

func wireFrequency(v any) (time.Duration, error) {
	minutes := defaultFrequency.Minutes()
	switch v := v.(type) {
	case nil:
	case float64:
		minutes = v
	case string:
		var err error
		if minutes, err = strconv.ParseFloat(v, 64); err != nil {
			return 0, fieldError{"frequency", "A valid integer is required."}
		}
	default:
		return 0, fieldError{"frequency", "A valid integer is required."}
	}
	if minutes < 5 || minutes > 43200 || minutes != float64(int64(minutes)) {
		return 0, fieldError{"frequency", "Ensure this value is a whole number from 5 to 43200."}
	}
	return time.Duration(minutes) * time.Minute, nil
}

func wireClauses(field string, list []json.RawMessage, filters bool) ([]alert.Clause, error) {
	if len(list) > maxActions {
		return nil, fieldError{field, "Too many."}
	}
	out := []alert.Clause{}
	for _, raw := range list {
		c, err := alert.ParseWire(raw, filters)
		if err == nil {
			err = (&alert.Rule{Project: 1, Name: "x", Match: alert.MatchAll, Conditions: onlyIf(!filters, c), Filters: onlyIf(filters, c),
				Actions: []alert.Action{{Kind: alert.ActionOwners}}}).Validate()
		}
		if err != nil {
			return nil, fieldError{field, fault.Public(err)}
		}
		out = append(out, c)
	}
	return out, nil
}

func onlyIf(yes bool, c alert.Clause) []alert.Clause {
	if yes {
		return []alert.Clause{c}
	}
	return nil
}

// wireActions reads actions, and finds the destinations they mean.
func (s *Service) wireActions(r *request, list []json.RawMessage) ([]alert.Action, error) {
	if len(list) > maxActions {
		return nil, fieldError{"actions", "Too many."}
	}
	destinations, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return nil, err
	}
	var out []alert.Action
	for _, raw := range list {
		actions, err := alert.ParseWireAction(raw, destinations)
		if err != nil {
			return nil, fieldError{"actions", fault.Public(err)}
		}
		out = append(out, actions...)
	}
	return out, nil
}

// previewWireRule answers POST …/rules/preview/.
func (s *Service) previewWireRule(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	rule := alert.Rule{Project: project, Enabled: true}
	if err := s.readWireRule(w, r, &rule, false); err != nil {
		return err
	}
	return s.preview(w, r, &rule)
}

// snoozeBody says for whom a rule is silent, and how long.
type snoozeBody struct {
	Target string     `json:"target"`
	Until  *time.Time `json:"until"`
}

// snoozeRule answers POST …/rules/{id}/snooze/.
func (s *Service) snoozeRule(w http.ResponseWriter, r *request) error {
	rule, _, err := s.ruleOfPath(r)
	if err != nil {
		return err
	}
	var in snoozeBody
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	switch in.Target {
	case "everyone":
		rule.Snoozed, rule.SnoozedUntil, rule.SnoozedBy = true, in.Until, r.who.UserID()
	case "me":
		if r.who.UserID() == 0 {
			return fieldError{"target", "A token of the organization is nobody to be spared."}
		}
		rule.SnoozedFor = append(slices.DeleteFunc(rule.SnoozedFor, func(u int64) bool { return u == r.who.UserID() }), r.who.UserID())
	default:
		return fieldError{"target", fmt.Sprintf("%.40q is not a valid choice.", in.Target)}
	}
	if err := s.Store.PutRule(r.Context(), &rule); err != nil {
		return orNotFound(err)
	}
	return httpx.JSON(w, http.StatusCreated, object{"ownerId": id(r.who.UserID()), "userId": in.Target, "ruleId": id(rule.ID), "until": maybeTime(in.Until)})
}

// unsnoozeRule answers DELETE …/rules/{id}/snooze/.
func (s *Service) unsnoozeRule(w http.ResponseWriter, r *request) error {
	rule, _, err := s.ruleOfPath(r)
	if err != nil {
		return err
	}
	rule.Snoozed, rule.SnoozedUntil, rule.SnoozedBy = false, nil, 0
	rule.SnoozedFor = slices.DeleteFunc(rule.SnoozedFor, func(u int64) bool { return u == r.who.UserID() })
	if err := s.Store.PutRule(r.Context(), &rule); err != nil {
		return orNotFound(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ruleStats answers GET …/rules/{id}/stats/: firings by hour.
func (s *Service) ruleStats(w http.ResponseWriter, r *request) error {
	rule, _, err := s.ruleOfPath(r)
	if err != nil {
		return err
	}
	span, err := timeSpan(r, time.Now())
	if err != nil {
		return err
	}
	if span.from.IsZero() {
		span.to = time.Now()
		span.from = span.to.Add(-14 * 24 * time.Hour)
	}
	list, err := s.Store.RuleFirings(r.Context(), rule.Project, rule.ID, span.from, span.to)
	if err != nil {
		return err
	}
	out := []object{}
	for _, f := range list {
		out = append(out, object{"date": utc(f.Hour), "count": f.Count})
	}
	return ok(w, out)
}

// ruleHistory answers GET …/rules/{id}/group-history/: which issues it fired about.
func (s *Service) ruleHistory(w http.ResponseWriter, r *request) error {
	rule, _, err := s.ruleOfPath(r)
	if err != nil {
		return err
	}
	list, err := s.Store.RuleHistory(r.Context(), rule.Project, rule.ID, time.Now().Add(-90*24*time.Hour))
	if err != nil {
		return err
	}
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].IssueID
	}
	rows, err := s.Store.IssuesByID(r.Context(), r.org(), ids)
	if err != nil {
		return err
	}
	byID := map[int64]*postgres.IssueRow{}
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	out := []object{}
	for _, h := range list {
		if row := byID[h.IssueID]; row != nil {
			out = append(out, object{"group": object{"id": id(row.ID), "shortId": row.ShortID, "title": row.Title, "permalink": s.BaseURL + "/o/" + r.who.Organization.Slug + "/issues/" + row.ShortID},
				"count": h.Count, "lastTriggered": utc(h.LastAt), "eventId": h.EventID})
		}
	}
	return ok(w, out)
}

// ruleConfiguration answers GET …/rules/configuration/.
func (s *Service) ruleConfiguration(w http.ResponseWriter, r *request) error {
	if _, err := s.projectID(r); err != nil {
		return err
	}
	destinations, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return err
	}
	return ok(w, object{"conditions": alert.Catalogue(false), "filters": alert.Catalogue(true), "actions": alert.ActionCatalogue(destinations)})
}
