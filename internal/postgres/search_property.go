package postgres

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/search"
)

func (c *conditions) propertyExists(key string) func(string) string {
	name := c.arg(key)
	return func(condition string) string {
		return related("issue_properties", "value", "r.key = "+name+" and ("+condition+")")
	}
}

// userExists is about the tag of users where it says a name of the kind.
func (c *conditions) userExists(kind string) func(string) string {
	prefix, tag := c.arg(kind+":"), c.tagExists("user")
	return func(condition string) string {
		return tag("starts_with($name, " + prefix + ") and (" + strings.ReplaceAll(condition, "$name", "substr($name, length("+prefix+") + 1)") + ")")
	}
}

// named adds a term over a tag, a property or a member of a context. The last may be stored as
// either of the former.
func (c *conditions) named(t search.Term) {
	var places []func(string) string
	switch t.Field {
	case search.FieldTag:
		places = append(places, c.tagExists(t.Tag))
	case search.FieldProperty:
		places = append(places, c.propertyExists(t.Tag))
		if kind, ok := strings.CutPrefix(t.Tag, "user."); ok { // one of them is the user's tag
			places = append(places, c.userExists(kind))
		} else if _, known := search.PropertyKind(t.Tag); known && !strings.HasPrefix(t.Tag, "stack.") {
			places = append(places, c.tagExists(t.Tag))
		}
	default:
		places = append(places, c.tagExists(t.Tag), c.propertyExists(t.Tag))
	}
	exists := func(condition string) string {
		parts := make([]string, len(places))
		for i, place := range places {
			parts[i] = place(condition)
		}
		return "(" + strings.Join(parts, " or ") + ")"
	}
	if t.Numeric {
		c.andMaybe(exists(c.compared("$name", t)), t.Negated)
		return
	}
	c.orMissing(t.Values, t.Negated, exists)
}

// compared is the condition that a text is a number which compares so with the term's.
func (c *conditions) compared(column string, t search.Term) string {
	number := "case when " + column + " ~ '^[+-]?[0-9]{1,30}(\\.[0-9]{1,30})?$' then " + column + "::float8 end"
	if t.Op != search.OpEqual {
		return number + operators[t.Op] + c.arg(t.Values[0].Real) + "::float8"
	}
	list := make([]float64, len(t.Values))
	for i, v := range t.Values {
		list[i] = v.Real
	}
	return number + " = any(" + c.arg(list) + "::float8[])"
}

// events restricts to the issues of events by their ids.
func (c *conditions) events(t search.Term) error {
	ids := make([]pgtype.UUID, len(t.Values))
	for i, v := range t.Values {
		id, err := event.ParseID(v.Text)
		if err != nil {
			return fault.New(fault.Invalid, "Invalid format for event id search: %.100s", v.Text)
		}
		ids[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	c.andMaybe(`(i.project_id, i.id) in (select e.project_id, e.issue_id from event_seen s
		join events e on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
		where s.project_id = any(`+c.arg(c.projectIDs())+`::bigint[]) and s.event_id = any(`+c.arg(ids)+"::uuid[]))", t.Negated)
	return nil
}

// seenAt finds issues that had events in a time, to the hour.
func (c *conditions) seenAt(t search.Term) {
	from, until := c.span(t)
	condition := "h.times_seen > 0"
	if !from.IsZero() {
		condition += " and h.hour >= " + c.arg(from.UTC().Truncate(time.Hour)) + "::timestamptz"
	}
	if !until.IsZero() {
		condition += " and h.hour < " + c.arg(until) + "::timestamptz"
	}
	c.andMaybe("exists (select from issue_hours h where h.project_id = i.project_id and h.issue_id = i.id and "+condition+")", t.Negated)
}

// versionFields are the terms that look at what releases are called.
func versionFields(q search.Query) bool {
	return slices.ContainsFunc([]search.Field{search.FieldVersion, search.FieldBuild, search.FieldStage, search.FieldPackage}, q.Asks)
}

// releases finds issues seen in the releases that a term over versions means.
func (c *conditions) releases(t search.Term) {
	var names []string
	for i := range c.versions {
		if c.means(t, &c.versions[i]) {
			names = append(names, c.versions[i].Version)
		}
	}
	c.andMaybe(related("issue_releases", "release", "$name = any("+c.arg(names)+"::text[])"), t.Negated)
}

func (c *conditions) means(t search.Term, r *release.Activity) bool {
	v, ok := release.Parse(r.Version)
	text := ""
	switch t.Field {
	case search.FieldStage:
		text = r.Stage(c.now)
		ok = true
	case search.FieldPackage:
		text = v.Package
	case search.FieldBuild:
		text = v.Build
	default:
		text = v.Text()
	}
	if !ok {
		return false
	}
	for _, want := range t.Values {
		switch {
		case t.Op == search.OpEqual && matchesWild(want.Text, text):
			return true
		case t.Op != search.OpEqual && t.Field == search.FieldVersion:
			if w, ok := release.Parse(want.Text); ok && holds(t.Op, v.Compare(w)) {
				return true
			}
		case t.Op != search.OpEqual:
			a, errA := strconv.ParseUint(text, 10, 63)
			b, errB := strconv.ParseUint(want.Text, 10, 63)
			if errA == nil && errB == nil && holds(t.Op, cmpUint(a, b)) {
				return true
			}
		}
	}
	return false
}

func cmpUint(a, b uint64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// holds reports whether a comparison came out as the operator asks.
func holds(op search.Op, compared int) bool {
	switch op {
	case search.OpGreater:
		return compared > 0
	case search.OpGreaterEq:
		return compared >= 0
	case search.OpLess:
		return compared < 0
	case search.OpLessEq:
		return compared <= 0
	}
	return compared == 0
}

// matchesWild reports whether text is what pattern says, where a Wildcard is any text.
func matchesWild(pattern, text string) bool {
	parts := strings.Split(pattern, string(search.Wildcard))
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		at := strings.Index(text, p)
		if at < 0 {
			return false
		}
		text = text[at+len(p):]
	}
	return strings.HasSuffix(text, parts[last])
}
