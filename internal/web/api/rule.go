package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/alerting"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/alertset"
)

// ruleShape is an alert rule, in both directions; ids and dates are ours to say.
type ruleShape struct {
	ID               *string          `json:"id"`
	Name             string           `json:"name"`
	Enabled          bool             `json:"enabled"`
	Conditions       []alert.Clause   `json:"conditions"`
	Match            alert.Match      `json:"match"`
	Filters          []alert.Clause   `json:"filters"`
	FilterMatch      alert.Match      `json:"filterMatch"`
	FrequencyMinutes int64            `json:"frequencyMinutes"`
	Environment      string           `json:"environment"`
	Owner            string           `json:"owner"`
	Snoozed          bool             `json:"snoozed"`
	SnoozedUntil     *time.Time       `json:"snoozedUntil"`
	Quiet            *alert.Quiet     `json:"quiet"`
	Escalation       *escalationShape `json:"escalation"`
	Actions          []actionShape    `json:"actions"`
	Sentence         string           `json:"sentence"`
	DateCreated      *time.Time       `json:"dateCreated,omitempty"`
	DateUpdated      *time.Time       `json:"dateUpdated,omitempty"`
	DateFired        *time.Time       `json:"dateFired,omitempty"`
}

type escalationShape struct {
	AfterMinutes int64  `json:"afterMinutes"`
	Destination  string `json:"destination"`
}

// actionShape is one kind of message a rule sends. A webhook may be given by its address: it becomes
// a destination of its own, whose secret, when it is made here, is answered once.
type actionShape struct {
	Kind        alert.ActionKind  `json:"kind"`
	Destination *string           `json:"destination,omitempty"`
	TargetID    *string           `json:"targetId,omitempty"`
	Fallthrough alert.Fallthrough `json:"fallthrough,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Notes       string            `json:"notes,omitempty"`
	Severity    string            `json:"severity,omitempty"`

	Channel string  `json:"channel,omitempty"`
	Target  string  `json:"target,omitempty"`
	URL     *string `json:"url,omitempty"`
	Secret  *string `json:"secret,omitempty"`
}

func shapeRule(r *alert.Rule, destinations map[int64]alert.Destination) ruleShape {
	shape := ruleShape{ID: new(id(r.ID)), Name: r.Name, Enabled: r.Enabled, Conditions: append([]alert.Clause{}, r.Conditions...), Match: r.Match,
		Filters: append([]alert.Clause{}, r.Filters...), FilterMatch: r.FilterMatch, FrequencyMinutes: int64(r.Frequency / time.Minute),
		Environment: r.Environment, Owner: r.Owner, Snoozed: r.Snoozed, SnoozedUntil: maybeTime(r.SnoozedUntil), Quiet: r.Quiet, Sentence: r.Sentence(),
		Actions: []actionShape{}, DateCreated: new(utc(r.CreatedAt)), DateUpdated: new(utc(r.UpdatedAt)), DateFired: maybeTime(r.LastFiredAt)}
	if shape.FilterMatch == "" {
		shape.FilterMatch = alert.MatchAll
	}
	if r.Escalation != nil {
		shape.Escalation = &escalationShape{int64(r.Escalation.After / time.Minute), id(r.Escalation.Destination)}
	}
	for _, a := range r.Actions {
		out := actionShape{Kind: a.Kind, Destination: maybeID(a.Destination), TargetID: maybeID(a.Target), Fallthrough: a.Fallthrough, Tags: a.Tags,
			Notes: a.Notes, Severity: a.Severity}
		if d, ok := destinations[a.Destination]; ok {
			out.Channel, out.Target = d.Channel, d.Target
		}
		shape.Actions = append(shape.Actions, out)
	}
	return shape
}

// named returns the destinations that rules name.
func (s *Service) named(ctx context.Context, project int64, rules ...alert.Rule) (map[int64]alert.Destination, error) {
	var ids []int64
	for i := range rules {
		for _, a := range rules[i].Actions {
			ids = append(ids, a.Destination)
		}
	}
	return s.Store.ProjectDestinations(ctx, project, ids)
}

// rules answers GET …/alert-rules/.
func (s *Service) rules(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	list, err := s.Store.Rules(r.Context(), project)
	if err != nil {
		return err
	}
	destinations, err := s.named(r.Context(), project, list...)
	if err != nil {
		return err
	}
	out := make([]ruleShape, len(list))
	for i := range list {
		out[i] = shapeRule(&list[i], destinations)
	}
	return ok(w, out)
}

// maxMinutes keeps what callers send from overflowing; Validate has the real limits.
const maxMinutes = 1 << 30

// readRule reads a rule in our shape. in.ID names the stored one it replaces.
func (s *Service) readRule(w http.ResponseWriter, r *request, project int64) (alert.Rule, ruleShape, error) {
	var in ruleShape
	rule := alert.Rule{Project: project, CreatedBy: r.who.UserID()}
	if err := readBody(w, r, &in); err != nil {
		return rule, in, err
	}
	if in.FrequencyMinutes < 0 || in.FrequencyMinutes > maxMinutes {
		return rule, in, fieldError{"frequencyMinutes", "Not a valid number of minutes."}
	}
	if in.ID != nil {
		n, err := strconv.ParseInt(*in.ID, 10, 64)
		if err != nil {
			return rule, in, errNotFound()
		}
		if rule, err = s.Store.Rule(r.Context(), project, n); err != nil {
			return rule, in, orNotFound(err)
		}
	}
	rule.Name, rule.Enabled, rule.Conditions, rule.Match, rule.Filters = in.Name, in.Enabled, in.Conditions, in.Match, in.Filters
	rule.FilterMatch, rule.Frequency = in.FilterMatch, time.Duration(in.FrequencyMinutes)*time.Minute
	rule.Environment, rule.Owner, rule.Quiet = in.Environment, in.Owner, in.Quiet
	if rule.Snoozed != in.Snoozed {
		rule.SnoozedBy = r.who.UserID()
	}
	if rule.Snoozed = in.Snoozed; in.Snoozed {
		rule.SnoozedUntil = in.SnoozedUntil
	} else {
		rule.SnoozedUntil = nil
	}
	rule.Escalation = nil
	if e := in.Escalation; e != nil {
		n, err := strconv.ParseInt(e.Destination, 10, 64)
		if err != nil || e.AfterMinutes < 0 || e.AfterMinutes > maxMinutes {
			return rule, in, fieldError{"escalation", "It names a destination by its id, and minutes."}
		}
		rule.Escalation = &alert.Escalation{After: time.Duration(e.AfterMinutes) * time.Minute, Destination: n}
	}
	return rule, in, nil
}

// putRule answers PUT …/alert-rules/: it stores one rule, a new one when it has no id. An action
// without a destination keeps the one that the stored rule has at its place.
func (s *Service) putRule(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	rule, in, err := s.readRule(w, r, project)
	if err != nil {
		return err
	}
	secrets, err := s.readActions(r, &rule, in.Actions)
	if err != nil {
		return err
	}
	if err := alertset.Check(r.Context(), s.Store, &rule); err != nil {
		return err
	}
	if err := s.Store.PutRule(r.Context(), &rule); err != nil {
		return orNotFound(err)
	}
	saved, err := s.Store.Rule(r.Context(), project, rule.ID)
	if err != nil {
		return err
	}
	destinations, err := s.named(r.Context(), project, saved)
	if err != nil {
		return err
	}
	out := shapeRule(&saved, destinations)
	for i, secret := range secrets {
		out.Actions[i].Secret = secret
	}
	return ok(w, out)
}

// maxActions bounds what is sealed before the rule is validated.
const maxActions = 32

// readActions sets the rule's actions and returns the secrets made for them, by position. A rule
// that would not be stored for another reason makes no destination.
func (s *Service) readActions(r *request, rule *alert.Rule, in []actionShape) ([]*string, error) {
	if len(in) > maxActions {
		return nil, fieldError{"actions", "Too many."}
	}
	stored := rule.Actions
	rule.Actions = nil
	probe := *rule
	probe.Actions = []alert.Action{{Kind: alert.ActionOwners}}
	if err := probe.Validate(); err != nil {
		return nil, err
	}
	secrets := make([]*string, len(in))
	for i := range in {
		var before *alert.Action
		if i < len(stored) {
			before = &stored[i]
		}
		a, err := s.readAction(r, &in[i], before, &secrets[i])
		if err != nil {
			return nil, err
		}
		rule.Actions = append(rule.Actions, a)
	}
	return secrets, nil
}

func (s *Service) readAction(r *request, in *actionShape, stored *alert.Action, secret **string) (alert.Action, error) {
	a := alert.Action{Kind: in.Kind, Fallthrough: in.Fallthrough, Tags: in.Tags, Notes: in.Notes, Severity: in.Severity}
	for name, p := range map[*string]*int64{in.Destination: &a.Destination, in.TargetID: &a.Target} {
		if name != nil {
			var err error
			if *p, err = strconv.ParseInt(*name, 10, 64); err != nil {
				return a, fieldError{"actions", "An id is a decimal number."}
			}
		}
	}
	if a.Kind == "" {
		a.Kind = alert.ActionDestination
	}
	if a.Kind != alert.ActionDestination || a.Destination != 0 {
		return a, nil
	}
	switch {
	case in.Channel != "" && in.Channel != alert.ChannelWebhook:
		return a, fieldError{"actions", "Name a destination by its id; only a webhook may be given by its url."}
	case in.URL == nil && stored != nil:
		return *stored, nil
	case in.URL == nil:
		return a, fieldError{"actions", "A new action needs a destination, or the url of a webhook."}
	}
	d := alert.Destination{Organization: r.org(), CreatedBy: r.who.UserID()}
	settings := delivery.Settings{"url": *in.URL}
	if in.Secret != nil {
		settings["secret"] = *in.Secret
	}
	made, err := alertset.Apply(&d, alertset.Typed{Channel: alert.ChannelWebhook, Settings: settings, Noise: alert.DefaultNoise}, s.Key)
	if err != nil {
		return a, err
	}
	if err := s.Store.PutDestination(r.Context(), &d); err != nil {
		return a, err
	}
	if made != "" {
		*secret = &made
	}
	a.Destination = d.ID
	return a, nil
}

// deleteRule answers DELETE …/alert-rules/{id}/ and …/rules/{id}/.
func (s *Service) deleteRule(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	n, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteRule(r.Context(), project, n); err != nil {
		return orNotFound(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// previewRule answers POST …/alert-rules/preview/: when the rule would have fired in the last
// fourteen days.
func (s *Service) previewRule(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	rule, _, err := s.readRule(w, r, project)
	if err != nil {
		return err
	}
	return s.preview(w, r, &rule)
}

// previewShape is what a rule would have done.
func (s *Service) preview(w http.ResponseWriter, r *request, rule *alert.Rule) error {
	probe := *rule
	probe.Actions = []alert.Action{{Kind: alert.ActionOwners}}
	if probe.Name == "" {
		probe.Name = "Preview"
	}
	if err := probe.Validate(); err != nil {
		return err
	}
	p, err := alerting.Run(r.Context(), s.Store, &probe, time.Now())
	if err != nil {
		return err
	}
	firings := []object{}
	for _, f := range p.Firings[:min(len(p.Firings), 100)] {
		firings = append(firings, object{"at": utc(f.At), "issueId": id(f.Issue), "issueShortId": f.ShortID, "title": f.Title, "change": f.Change,
			"url": s.BaseURL + "/o/" + r.who.Organization.Slug + "/issues/" + f.ShortID})
	}
	return ok(w, object{"count": len(p.Firings), "from": utc(p.From), "partial": p.Partial, "firings": firings, "sentence": probe.Sentence()})
}

// testBody chooses the action to test.
type testBody struct {
	Action int16 `json:"action"`
}

// testRule answers POST …/alert-rules/{id}/test/: a sample alert goes out now, and what came of it
// is the answer.
func (s *Service) testRule(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	n, err := pathID(r)
	if err != nil {
		return err
	}
	rule, err := s.Store.Rule(r.Context(), project, n)
	if err != nil {
		return orNotFound(err)
	}
	var body testBody
	if r.ContentLength != 0 {
		if err := readBody(w, r, &body); err != nil {
			return err
		}
	}
	if body.Action < 0 || int(body.Action) >= len(rule.Actions) {
		return fieldError{"action", "The rule has no such action."}
	}
	return s.sample(w, r, alert.TestRequest{Project: project, Organization: r.org(), Rule: n, Action: body.Action, User: r.who.UserID()})
}

// sample sends a sample alert and answers what came of it.
func (s *Service) sample(w http.ResponseWriter, r *request, q alert.TestRequest) error {
	result, err := s.TestRule(r.Context(), q)
	if err != nil {
		if fault.KindOf(err) == fault.Unknown {
			return errNotFound()
		}
		return err
	}
	return ok(w, object{"deliveryId": id(result.Delivery), "state": result.State.String(), "attempt": shapeAttempt(&result.Attempt)})
}
