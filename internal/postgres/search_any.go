package postgres

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// alternatives adds a term of which one alternative must hold; add adds one condition. The statuses and
// projects that no alternative is about are not looked at.
func (c *conditions) alternatives(t search.Term, add func(*conditions, search.Term) error) error {
	var parts []string
	statuses, projects := make(map[issue.Status]bool), make(map[int64]bool)
	for _, terms := range t.Any {
		one := *c
		one.where, one.statuses = nil, maps.Clone(c.statuses)
		for _, inner := range terms {
			if err := add(&one, inner); err != nil {
				return err
			}
		}
		if !maps.Equal(one.statuses, c.statuses) {
			one.and("i.status = any(" + one.arg(one.statusList()) + "::smallint[])")
		}
		if len(one.projects) != len(c.projects) {
			one.and("i.project_id = any(" + one.arg(one.projectIDs()) + "::bigint[])")
		}
		if len(one.where) == 0 {
			one.and("true")
		}
		parts = append(parts, "("+strings.Join(one.where, " and ")+")")
		for s, kept := range one.statuses {
			statuses[s] = statuses[s] || kept
		}
		for _, p := range one.projects {
			projects[p.ID] = true
		}
	}
	c.andMaybe(strings.Join(parts, " or "), t.Negated)
	if !t.Negated {
		c.statuses = statuses
		c.keepProjects(func(p project.Project) bool { return projects[p.ID] })
	}
	return nil
}

// ownFields are what is asked of an event's own columns, where a list of issues asks all of its events.
var ownFields = []search.Field{search.FieldRelease, search.FieldEnvironment, search.FieldLevel, search.FieldPlatform, search.FieldTimestamp, search.FieldEventID,
	search.FieldVersion, search.FieldBuild, search.FieldPackage, search.FieldStage}

// payloadFields are what is asked of an event's payload.
var payloadFields = []search.Field{search.FieldTag, search.FieldProperty, search.FieldContext, search.FieldUser, search.FieldHas}

// toldFields are what is known of an event whose payload was read, by the column it is in.
var toldFields = map[search.Field]string{
	search.FieldTitle: "title", search.FieldCulprit: "culprit", search.FieldText: "title", search.FieldType: "type", search.FieldPlatform: "platform", search.FieldLogger: "logger",
	search.FieldErrorType: "error.type", search.FieldErrorValue: "error.value", search.FieldRelease: "release", search.FieldEnvironment: "environment", search.FieldLevel: "level",
	search.FieldUnhandled: "error.unhandled", search.FieldEventID: "id",
}

// eventAlternatives adds alternatives over events. asked is true when they must be asked of the payload,
// and then all of each other as well.
func (c *conditions) eventAlternatives(t search.Term) (asked bool, err error) {
	whole := search.Query{Terms: []search.Term{t}}
	if !slices.ContainsFunc(payloadFields, whole.Asks) {
		return false, c.alternatives(t, (*conditions).eventOrIssue)
	}
	for leaf := range whole.Leaves() {
		latest := leaf.Field == search.FieldRelease && len(withoutLatest(leaf.Values)) < len(leaf.Values)
		if _, told := toldFields[leaf.Field]; latest || !told && !slices.Contains(payloadFields, leaf.Field) {
			return false, fault.New(fault.Invalid, "%s: cannot be an alternative to tags, properties and users in a search of events: write it outside of the parentheses.", leaf.Field.Name())
		}
	}
	return true, nil
}

// eventOrIssue adds a term over an event's columns, or over its issue.
func (c *conditions) eventOrIssue(t search.Term) error {
	switch {
	case t.Field == search.FieldAny:
		return c.alternatives(t, (*conditions).eventOrIssue)
	case slices.Contains(ownFields, t.Field):
		_, err := c.eventTerm(t)
		return err
	}
	return c.term(t)
}

// told reports whether a term over what is told of an event holds, before it is negated.
func (e *FoundEvent) told(t *search.Term) bool {
	text := e.columns[columnPlaces[toldFields[t.Field]]]
	return slices.ContainsFunc(t.Values, func(v search.Value) bool {
		switch t.Field {
		case search.FieldText:
			whole := strings.ToLower(text + " " + e.columns[columnPlaces["culprit"]])
			return matchesWild(string(search.Wildcard)+strings.ToLower(v.Text)+string(search.Wildcard), whole)
		case search.FieldTitle, search.FieldCulprit:
			return matchesWild(strings.ToLower(v.Text), strings.ToLower(text))
		case search.FieldLevel:
			return text == strconv.Itoa(int(event.ParseLevel(v.Text)))
		}
		return matches(t, v, text)
	})
}
