package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/regroup"
)

// groupingBody is what may be changed of how a project groups, under the names clients know.
// Rule: getsentry/sentry src/sentry/core/endpoints/project_details.py
type groupingBody struct {
	Config       *string `json:"groupingConfig"`
	Secondary    *string `json:"secondaryGroupingConfig"`
	Expiry       *int64  `json:"secondaryGroupingExpiry"` // Unix seconds
	Enhancements *string `json:"groupingEnhancements"`
	Fingerprints *string `json:"fingerprintingRules"`
}

// maxTransition is the longest time for which the version before stays known.
const maxTransition = 365 * 24 * time.Hour

// apply sets what the body says. A version that is named and is not the one in force is the
// member's choice, and stays.
func (b groupingBody) apply(s *project.Settings, now time.Time) error {
	if b == (groupingBody{}) {
		return nil
	}
	return regroup.Apply(s, func(g *grouping.Settings) error {
		if b.Config != nil && *b.Config != g.Version() {
			if _, known := grouping.ByID(*b.Config); !known {
				return fieldError{"groupingConfig", "Not a version of grouping; " + grouping.Newstyle2026 + " and " + grouping.Newstyle2023 + " are."}
			}
			g.Move(*b.Config, now)
			g.Pinned = *b.Config != grouping.Newest().ID
		}
		if err := b.transition(g, now); err != nil {
			return err
		}
		if b.Fingerprints != nil {
			if _, err := grouping.ParseFingerprintRules(*b.Fingerprints); err != nil {
				return ruleField("fingerprintingRules", err)
			}
			g.Fingerprints = *b.Fingerprints
		}
		if b.Enhancements != nil {
			if _, err := grouping.ParseEnhancements(*b.Enhancements); err != nil {
				return ruleField("groupingEnhancements", err)
			}
			g.Enhancements = *b.Enhancements
		}
		return nil
	})
}

// transition sets which version before is still known, and until when.
func (b groupingBody) transition(g *grouping.Settings, now time.Time) error {
	if b.Secondary != nil && *b.Secondary != g.Secondary {
		if _, known := grouping.ByID(*b.Secondary); !known && *b.Secondary != "" {
			return fieldError{"secondaryGroupingConfig", "Not a version of grouping."}
		}
		g.Secondary, g.SecondaryUntil = *b.Secondary, now.Add(grouping.TransitionPeriod).UTC().Truncate(time.Second)
	}
	if g.Secondary == "" || g.Secondary == g.Version() {
		g.Secondary, g.SecondaryUntil = "", time.Time{}
		return nil
	}
	if b.Expiry != nil && *b.Expiry != 0 {
		until := time.Unix(*b.Expiry, 0).UTC()
		if until.After(now.Add(maxTransition)) || until.Before(now.Add(-maxTransition)) {
			return fieldError{"secondaryGroupingExpiry", "Must be within a year from now, in Unix seconds."}
		}
		g.SecondaryUntil = until
	}
	return nil
}

// ruleField answers a rule text that cannot be used as an error of its field.
func ruleField(field string, err error) error {
	if kind := fault.KindOf(err); kind == fault.Invalid || kind == fault.TooLarge {
		return fieldError{field, fault.Public(err)}
	}
	return err
}

// expiry is when a transition is over, in Unix seconds; 0 when there is none.
func expiry(g grouping.Settings) int64 {
	if g.SecondaryUntil.IsZero() {
		return 0
	}
	return g.SecondaryUntil.Unix()
}

func groupingShape(g grouping.Settings) object {
	return object{
		"groupingConfig": g.Version(), "pinned": g.Pinned, "secondaryGroupingConfig": maybe(g.Secondary), "secondaryGroupingExpiry": expiry(g),
		"fingerprintingRules": g.Fingerprints, "groupingEnhancements": g.Enhancements,
		"groupingConfigs": []string{grouping.Newstyle2026, grouping.Newstyle2023}, // newest first
	}
}

// grouping answers GET /api/v1/projects/{org}/{project}/grouping/.
func (s *Service) grouping(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	g, err := grouping.ReadSettings(p.Settings.Grouping)
	if err != nil {
		return err
	}
	return ok(w, groupingShape(g))
}

// putGrouping answers PUT …/grouping/, which changes what the body names. Events that come from
// now on meet the new rules.
func (s *Service) putGrouping(w http.ResponseWriter, r *request) error {
	id, err := s.projectID(r)
	if err != nil {
		return err
	}
	var b groupingBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	_, err = s.Store.ChangeSettings(r.Context(), id, func(settings *project.Settings) error { return b.apply(settings, time.Now()) })
	if err != nil {
		return err
	}
	return s.grouping(w, r)
}

// groupingTrial asks what other rules or another version would have made of the newest events.
type groupingTrial struct {
	groupingBody
	Events *int `json:"events"` // how many of the newest to look at
}

// groupingPreview answers POST …/grouping/preview/. What the body leaves out is as it is in force.
func (s *Service) groupingPreview(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var b groupingTrial
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	newest := regroup.MaxForecast
	if b.Events != nil {
		if newest = *b.Events; newest < 1 || newest > regroup.MaxForecast {
			return fieldError{"events", "Must be between 1 and 1000."}
		}
	}
	wanted := p.Settings
	if err := b.apply(&wanted, time.Now()); err != nil {
		return err
	}
	g, err := grouping.ReadSettings(wanted.Grouping)
	if err != nil {
		return err
	}
	f, err := regroup.Foresee(r.Context(), s.Store, p, g, newest)
	if err != nil {
		return err
	}
	shape, err := s.forecastShape(r, &f)
	if err != nil {
		return err
	}
	return ok(w, shape)
}

func (s *Service) forecastShape(r *request, f *regroup.Forecast) (object, error) {
	wanted := make(map[int64]bool)
	for _, split := range f.Splits {
		wanted[split.Issue] = true
	}
	for _, j := range f.Joins {
		for _, i := range j.Issues {
			wanted[i] = true
		}
	}
	rows, err := s.issuesByID(r, wanted)
	if err != nil {
		return nil, err
	}
	ref := func(n int64) object {
		row := rows[n]
		return object{"id": id(n), "shortId": row.ShortID, "title": row.Title}
	}
	part := func(p regroup.Part) object {
		return object{"issue": maybe(strings.TrimPrefix(id(p.Issue), "0")), "hash": p.Hash.String(), "events": p.Events, "title": p.Title, "eventId": p.Sample.String()}
	}
	splits, joins := []object{}, []object{}
	for _, split := range f.Splits {
		o, parts := ref(split.Issue), []object{}
		for _, p := range split.Parts {
			parts = append(parts, part(p))
		}
		o["parts"] = parts
		splits = append(splits, o)
	}
	for _, j := range f.Joins {
		o, issues := part(j.Part), []object{}
		for _, n := range j.Issues {
			issues = append(issues, ref(n))
		}
		o["issues"] = issues
		joins = append(joins, o)
	}
	return object{"events": f.Events, "moved": f.Moved, "issuesSplit": len(splits), "issuesJoined": f.Joined(), "splits": splits, "joins": joins}, nil
}

func (s *Service) issuesByID(r *request, wanted map[int64]bool) (map[int64]postgres.IssueRow, error) {
	ids := make([]int64, 0, len(wanted))
	for n := range wanted {
		ids = append(ids, n)
	}
	rows, err := s.Store.IssuesByID(r.Context(), r.org(), ids)
	byID := make(map[int64]postgres.IssueRow, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}
	return byID, err
}

// variantShape is one view of an event.
// Rule: getsentry/sentry src/sentry/grouping/variants.py (BaseVariant.as_dict)
type variantShape struct {
	Key         string          `json:"key"`
	Type        string          `json:"type"`
	Description string          `json:"description"`
	Hash        *string         `json:"hash"`
	Mismatch    bool            `json:"hashMismatch"` // the issue does not own the hash
	Contributes bool            `json:"contributes"`
	Hint        *string         `json:"hint"`
	Values      []string        `json:"values"` // the contributing leaves in order
	Component   *componentShape `json:"component,omitempty"`
	Config      *object         `json:"config,omitempty"`
	ClientPrint []string        `json:"client_values,omitempty"` // the client's fingerprint where a rule replaced it
	MatchedRule *string         `json:"matched_rule,omitempty"`
}

type componentShape struct {
	ID          string  `json:"id"`
	Name        *string `json:"name"`
	Contributes bool    `json:"contributes"`
	Hint        *string `json:"hint"`
	Values      []any   `json:"values"` // components, and texts
}

func shapeComponent(c *grouping.Component) *componentShape {
	shape := &componentShape{ID: c.ID, Name: maybe(c.Name), Contributes: c.Contributes, Hint: maybe(c.Hint), Values: []any{}}
	for i := range c.Values {
		if v := &c.Values[i]; v.ID == "" {
			shape.Values = append(shape.Values, v.Text)
		} else {
			shape.Values = append(shape.Values, shapeComponent(v))
		}
	}
	return shape
}

// groupingInfo answers GET /api/0/projects/{org}/{project}/events/{event}/grouping-info/: the
// variants by name.
func (s *Service) groupingInfo(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	which, err := event.ParseID(r.PathValue("event"))
	if err != nil {
		return errNotFound()
	}
	x, err := regroup.Explain(r.Context(), s.Store, p, which)
	if err != nil {
		return err
	}
	out := make(map[string]variantShape, len(x.Variants))
	for i := range x.Variants {
		v := &x.Variants[i]
		shape := variantShape{Key: v.Name, Type: v.Type, Description: describe(v), Contributes: v.Contributes, Hint: maybe(v.Hint),
			Values: append([]string{}, v.Values...), Mismatch: v.Contributes && !x.Reproduced}
		if v.Contributes {
			shape.Hash = new(v.Hash.String())
		}
		if v.Component != nil {
			shape.Component, shape.Config = shapeComponent(v.Component), &object{"id": x.Config}
		}
		if x.MatchedRule != "" {
			shape.MatchedRule, shape.ClientPrint = &x.MatchedRule, x.ClientFingerprint
		}
		out[v.Name] = shape
	}
	return ok(w, out)
}

// describe names a variant for people.
func describe(v *grouping.Variant) string {
	text := strings.ReplaceAll(v.Name, "_", " ")
	if by := v.ContributingComponent(); by != "" {
		return strings.ReplaceAll(by, "_", " ") + " (" + text + ")"
	}
	return text
}
