package api

import (
	"encoding/json"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// eventShape is one event in full.
// Rule: getsentry/sentry src/sentry/api/serializers/models/event.py
type eventShape struct {
	ID              string            `json:"id"`
	GroupID         string            `json:"groupID"`
	EventID         string            `json:"eventID"`
	ProjectID       string            `json:"projectID"`
	Size            int               `json:"size"`
	Entries         []entry           `json:"entries"`
	Dist            *string           `json:"dist"`
	Message         string            `json:"message"`
	Title           string            `json:"title"`
	Location        *string           `json:"location"`
	User            *userShape        `json:"user"`
	Contexts        object            `json:"contexts"`
	SDK             *object           `json:"sdk"`
	Context         raw               `json:"context"`
	Packages        map[string]string `json:"packages"`
	Type            string            `json:"type"`
	Metadata        event.Metadata    `json:"metadata"`
	Tags            []eventTag        `json:"tags"`
	Platform        string            `json:"platform"`
	DateReceived    *time.Time        `json:"dateReceived"`
	DateCreated     time.Time         `json:"dateCreated"`
	Errors          []object          `json:"errors"`
	Occurrence      *object           `json:"occurrence"`
	Meta            object            `json:"_meta"`
	CrashFile       *object           `json:"crashFile"`
	Culprit         *string           `json:"culprit"`
	Fingerprints    []string          `json:"fingerprints"`
	GroupingConfig  object            `json:"groupingConfig"`
	Release         *object           `json:"release"`
	UserReport      *object           `json:"userReport"`
	SDKUpdates      []any             `json:"sdkUpdates"`
	ResolvedWith    []string          `json:"resolvedWith"`
	NextEventID     *string           `json:"nextEventID"`
	PreviousEventID *string           `json:"previousEventID"`
}

type eventTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type userShape struct {
	ID        *string `json:"id"`
	Email     *string `json:"email"`
	Username  *string `json:"username"`
	IPAddress *string `json:"ip_address"`
	Name      *string `json:"name"`
	Geo       raw     `json:"geo"`
	Data      raw     `json:"data"`
}

// summaryShape is one event in a list.
type summaryShape struct {
	ID          string         `json:"id"`
	Type        string         `json:"event.type"`
	GroupID     string         `json:"groupID"`
	EventID     string         `json:"eventID"`
	ProjectID   string         `json:"projectID"`
	Message     string         `json:"message"`
	Title       string         `json:"title"`
	Location    *string        `json:"location"`
	Culprit     *string        `json:"culprit"`
	User        *userShape     `json:"user"`
	Tags        []eventTag     `json:"tags"`
	Platform    *string        `json:"platform"`
	DateCreated time.Time      `json:"dateCreated"`
	CrashFile   *string        `json:"crashFile"`
	Metadata    event.Metadata `json:"metadata"`
}

func summary(row *postgres.EventRow) summaryShape {
	e := row.Event
	m := e.Metadata()
	return summaryShape{ID: e.ID.String(), Type: kindOf(e), GroupID: id(row.Issue), EventID: e.ID.String(), ProjectID: id(e.Project),
		Message: message(e), Title: m.Title, Location: maybe(m.Location), Culprit: maybe(m.Culprit), User: shapeUser(e.User), Tags: shapeTags(e),
		Platform: maybe(e.Platform), DateCreated: occurred(e), Metadata: m}
}

// fullEvent shapes one event; its neighbours are set by the caller that knows them.
func fullEvent(e *event.Event, issueID int64, size int) eventShape {
	m := e.Metadata()
	shape := eventShape{
		ID: e.ID.String(), GroupID: id(issueID), EventID: e.ID.String(), ProjectID: id(e.Project), Size: size, Entries: entries(e),
		Dist: maybe(e.Dist), Message: message(e), Title: m.Title, Location: maybe(m.Location), User: shapeUser(e.User), Contexts: contexts(e),
		Context: rawObject(e.Extra), Packages: map[string]string{}, Type: kindOf(e), Metadata: m, Tags: shapeTags(e), Platform: e.Platform,
		DateReceived: new(utc(e.ReceivedAt)), DateCreated: occurred(e), Errors: []object{}, Meta: object{}, Culprit: maybe(m.Culprit),
		Fingerprints: append([]string{}, e.Fingerprint...), GroupingConfig: object{"id": groupingVersion(e), "enhancements": ""}, Release: releaseRef(e.Release),
		SDKUpdates: []any{}, ResolvedWith: []string{},
	}
	for _, p := range e.Modules {
		shape.Packages[p.Key] = p.Value
	}
	if e.SDK != nil {
		shape.SDK = &object{"name": e.SDK.Name, "version": e.SDK.Version}
	}
	for _, problem := range e.Errors {
		data := object{"name": problem.Name}
		if len(problem.Value) > 0 {
			data["value"] = raw(problem.Value)
		}
		shape.Errors = append(shape.Errors, object{"type": problem.Type, "message": problem.Type, "data": data})
	}
	return shape
}

// viewShape is one event with its neighbours.
func viewShape(v *postgres.EventView) eventShape {
	shape := fullEvent(v.Event, v.Issue, len(v.Payload))
	if !v.Next.IsZero() {
		shape.NextEventID = new(v.Next.String())
	}
	if !v.Prev.IsZero() {
		shape.PreviousEventID = new(v.Prev.String())
	}
	return shape
}

func groupingVersion(e *event.Event) string {
	version, _ := grouping.ReadGroupedBy(e.GroupedBy)
	return version
}

func kindOf(e *event.Event) string {
	if e.Type == "" {
		return string(event.TypeDefault)
	}
	return string(e.Type)
}

// occurred is the client's time of the event, else when it came.
func occurred(e *event.Event) time.Time {
	if e.Timestamp.IsZero() {
		return utc(e.ReceivedAt)
	}
	return utc(e.Timestamp)
}

func message(e *event.Event) string {
	switch {
	case e.LogEntry == nil:
		return ""
	case e.LogEntry.Formatted != "":
		return e.LogEntry.Formatted
	}
	return e.LogEntry.Message
}

func shapeUser(u *event.User) *userShape {
	if u == nil {
		return nil
	}
	return &userShape{ID: maybe(u.ID), Email: maybe(u.Email), Username: maybe(u.Username), IPAddress: maybe(u.IPAddress), Name: maybe(u.Name),
		Geo: rawObject(u.Geo), Data: rawObject(u.Data)}
}

func shapeTags(e *event.Event) []eventTag {
	out := make([]eventTag, len(e.Tags))
	for i, t := range e.Tags {
		out[i] = eventTag{t.Key, t.Value}
	}
	return out
}

// contexts are the blocks of facts by name, each with its type.
func contexts(e *event.Event) object {
	out := object{}
	for _, c := range e.Contexts {
		data := c.Data
		if len(data.Get("type")) == 0 {
			name, err := json.Marshal(c.Name)
			if err != nil {
				continue // not possible for a string
			}
			data = append(append(event.Object{}, data...), event.Member{Name: "type", Value: name})
		}
		out[c.Name] = rawObject(data)
	}
	return out
}

// raw is JSON that is written as it is; empty is null.
type raw []byte

// MarshalJSON implements json.Marshaler.
func (v raw) MarshalJSON() ([]byte, error) {
	if len(v) == 0 {
		return []byte("null"), nil
	}
	return v, nil
}

// rawObject writes the members in their order; the first of equal names wins.
func rawObject(o event.Object) raw {
	out, seen := []byte{'{'}, make(map[string]bool, len(o))
	for _, m := range o {
		if seen[m.Name] {
			continue
		}
		seen[m.Name] = true
		name, err := json.Marshal(m.Name)
		if err != nil {
			continue // not possible for a string
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, name...), ':')
		if len(m.Value) == 0 {
			out = append(out, "null"...)
			continue
		}
		out = append(out, m.Value...)
	}
	return append(out, '}')
}

// maybeObject is null for an object without members.
func maybeObject(o event.Object) raw {
	if len(o) == 0 {
		return nil
	}
	return rawObject(o)
}
