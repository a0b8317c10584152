package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery/webhook"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/seal"
)

// ruleShape is an alert rule, in both directions; ids, targets and dates are ours to say.
type ruleShape struct {
	ID               *string           `json:"id"`
	Name             string            `json:"name"`
	Enabled          bool              `json:"enabled"`
	Conditions       []alert.Condition `json:"conditions"`
	Match            alert.Match       `json:"match"`
	Filters          []alert.Filter    `json:"filters"`
	FilterMatch      alert.Match       `json:"filterMatch"`
	FrequencyMinutes int64             `json:"frequencyMinutes"`
	Actions          []actionShape     `json:"actions"`
	DateCreated      *time.Time        `json:"dateCreated,omitempty"`
	DateUpdated      *time.Time        `json:"dateUpdated,omitempty"`
	DateFired        *time.Time        `json:"dateFired,omitempty"`
}

// actionShape is one message a rule sends. Target is what may be shown of an address; the address
// itself and its secret are only ever written. A secret made here is answered once.
type actionShape struct {
	Channel string  `json:"channel"`
	Target  string  `json:"target,omitempty"`
	URL     *string `json:"url,omitempty"`
	Secret  *string `json:"secret,omitempty"`
}

func shapeRule(r *alert.Rule) ruleShape {
	shape := ruleShape{ID: new(id(r.ID)), Name: r.Name, Enabled: r.Enabled, Conditions: append([]alert.Condition{}, r.Conditions...), Match: r.Match,
		Filters: append([]alert.Filter{}, r.Filters...), FilterMatch: r.FilterMatch, FrequencyMinutes: int64(r.Frequency / time.Minute),
		Actions: []actionShape{}, DateCreated: new(utc(r.CreatedAt)), DateUpdated: new(utc(r.UpdatedAt)), DateFired: maybeTime(r.LastFiredAt)}
	if shape.FilterMatch == "" {
		shape.FilterMatch = alert.MatchAll
	}
	for _, a := range r.Actions {
		shape.Actions = append(shape.Actions, actionShape{Channel: a.Channel, Target: a.Target})
	}
	return shape
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
	out := make([]ruleShape, len(list))
	for i := range list {
		out[i] = shapeRule(&list[i])
	}
	return ok(w, out)
}

// maxFrequencyMinutes keeps what callers send from overflowing; Validate has the real limit.
const maxFrequencyMinutes = 1 << 30

// putRule answers PUT …/alert-rules/: it stores one rule, a new one when it has no id. An action
// without an address keeps the one that the stored rule has at its place.
func (s *Service) putRule(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	if s.Key == nil {
		return fault.New(fault.Unavailable, "alert rules cannot be written: this server has no key to seal their settings with")
	}
	var in ruleShape
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	if in.FrequencyMinutes < 0 || in.FrequencyMinutes > maxFrequencyMinutes {
		return fieldError{"frequencyMinutes", "Not a valid number of minutes."}
	}
	rule := alert.Rule{Project: project, CreatedBy: r.who.UserID()}
	if in.ID != nil {
		n, err := strconv.ParseInt(*in.ID, 10, 64)
		if err != nil {
			return errNotFound()
		}
		if rule, err = s.Store.Rule(r.Context(), project, n); err != nil {
			return orNotFound(err)
		}
	}
	stored := rule.Actions
	rule.Name, rule.Enabled, rule.Conditions, rule.Match, rule.Filters = in.Name, in.Enabled, in.Conditions, in.Match, in.Filters
	rule.FilterMatch, rule.Frequency = in.FilterMatch, time.Duration(in.FrequencyMinutes)*time.Minute
	secrets, err := s.sealActions(&rule, in.Actions, stored)
	if err != nil {
		return err
	}
	if err := s.Store.PutRule(r.Context(), &rule); err != nil {
		return orNotFound(err)
	}
	saved, err := s.Store.Rule(r.Context(), project, rule.ID)
	if err != nil {
		return err
	}
	out := shapeRule(&saved)
	for i, secret := range secrets {
		out.Actions[i].Secret = secret
	}
	return ok(w, out)
}

// maxActions bounds what is sealed before the rule is validated.
const maxActions = 32

// sealActions sets the rule's actions and returns the secrets made for them, by position.
func (s *Service) sealActions(rule *alert.Rule, in []actionShape, stored []alert.Action) ([]*string, error) {
	if len(in) > maxActions {
		return nil, fieldError{"actions", "Too many."}
	}
	secrets := make([]*string, len(in))
	rule.Actions = nil
	for i, a := range in {
		switch {
		case a.Channel != alert.ChannelWebhook:
			return nil, fieldError{"actions", "The only channel is " + strconv.Quote(alert.ChannelWebhook) + "."}
		case a.URL == nil && i < len(stored):
			rule.Actions = append(rule.Actions, stored[i])
			continue
		case a.URL == nil:
			return nil, fieldError{"actions", "A new action needs a url."}
		}
		settings := webhook.Settings{URL: *a.URL}
		if a.Secret != nil {
			settings.Secret = seal.Secret(*a.Secret)
		} else {
			settings.Secret = webhook.NewSecret()
			secrets[i] = new(settings.Secret.Reveal())
		}
		sealed, err := webhook.NewAction(rule.Project, settings, s.Key)
		if err != nil {
			return nil, err
		}
		rule.Actions = append(rule.Actions, sealed)
	}
	return secrets, nil
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
	if !slices.Contains(actionNumbers(rule), body.Action) {
		return fieldError{"action", "The rule has no such action."}
	}
	result, err := s.TestRule(r.Context(), alert.TestRequest{Project: project, Rule: n, Action: body.Action})
	if err != nil {
		return err
	}
	return ok(w, object{"deliveryId": id(result.Delivery), "state": result.State.String(), "attempt": shapeAttempt(&result.Attempt)})
}

func actionNumbers(rule alert.Rule) []int16 {
	list := make([]int16, len(rule.Actions))
	for i := range list {
		list[i] = int16(i)
	}
	return list
}
