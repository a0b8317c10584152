package postgres

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// EventSearch finds single events, where IssueQuery finds issues: a term about what an event has is
// asked of each event, any other of its issue.
type EventSearch struct {
	Query        search.Query
	Projects     []int64  // nil: all that the caller sees
	Environments []string // nil: all
	From, To     time.Time
	Me           int64 // the user that the search calls me
	Issue        int64 // 0: any
}

// FoundEvent is an event of a search with what is told of its issue.
type FoundEvent struct {
	Event   event.ID
	Project int64
	at      blockRef
	columns []string     // the values of eventColumns, by columnPlaces
	decoded *event.Event // nil unless its payload was asked for
	pairs   []event.Pair // properties of decoded
}

// eventColumns are the fields of events e, and of their issues i, that are told without a payload, as
// text: a moment is RFC 3339, a truth true or false.
var eventColumns = map[string]string{
	"id": "replace(e.event_id::text, '-', '')", "title": "i.title", "message": "i.title", "culprit": "i.culprit", "issue.id": "e.issue_id::text",
	"issue": "e.project_id::text || ':' || i.number::text", "project.id": "e.project_id::text", "project": "e.project_id::text", "project.name": "e.project_id::text",
	"level": "e.level::text", "platform": "e.platform", "platform.name": "e.platform", "release": "coalesce(e.release, '')", "environment": "coalesce(e.environment, '')",
	"event.type": "i.type", "type": "i.type", "logger": "i.logger", "error.type": "coalesce(i.metadata->>'type', '')", "error.value": "coalesce(i.metadata->>'value', '')",
	"location": "coalesce(i.metadata->>'filename', '')", "error.unhandled": "i.is_unhandled::text", "error.handled": "(not i.is_unhandled)::text",
	"user": "coalesce(e.user_key, '')", "user.display": "coalesce(substr(e.user_key, strpos(e.user_key, ':') + 1), '')",
	"timestamp": moment("e.occurred_at"), "timestamp.to_hour": moment("date_trunc('hour', e.occurred_at, 'UTC')"), "timestamp.to_day": moment("date_trunc('day', e.occurred_at, 'UTC')"),
}

func moment(sql string) string {
	return "to_char(" + sql + ` at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}

// columnSQL selects eventColumns in the order of their names, columnPlaces says where each is among them.
var columnPlaces, columnSQL = func() (places map[string]int, sql string) {
	places = make(map[string]int)
	var parts []string
	for i, name := range slices.Sorted(maps.Keys(eventColumns)) {
		places[name], parts = i, append(parts, eventColumns[name])
	}
	return places, "array[" + strings.Join(parts, ", ") + "] as columns"
}()

// IsEventColumn reports whether events are ordered, grouped and counted by the field wherever they
// are many; other fields are read from the payload of each.
func IsEventColumn(field string) bool { return eventColumns[field] != "" }

// What one search looks at.
const (
	maxPayloadsRead = 5_000 // events whose payloads are read, newest first
	eventBatch      = 500
	defaultEvents   = 90 * 24 * time.Hour
)

// eventConditions is a search as conditions over events e and issues i. Terms in checks are to be
// asked of the payload besides.
func (st *Store) eventConditions(ctx context.Context, org int64, q EventSearch) (c *conditions, checks []search.Term, err error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, nil, err
	}
	var own, rest []search.Term
	for _, t := range q.Query.Terms {
		switch t.Field {
		case search.FieldRelease, search.FieldEnvironment, search.FieldLevel, search.FieldPlatform, search.FieldTimestamp, search.FieldEventID, search.FieldHas, search.FieldAny:
			own = append(own, t)
		case search.FieldVersion, search.FieldBuild, search.FieldPackage, search.FieldStage:
			own, rest = append(own, t), append(rest, t)
		case search.FieldTag, search.FieldProperty, search.FieldContext, search.FieldUser:
			checks = append(checks, t)
			// An issue none of whose events has the value is not looked into.
			if !t.Negated && !slices.ContainsFunc(t.Values, func(v search.Value) bool { return v.Text == "" && !t.Numeric }) {
				rest = append(rest, t)
			}
		default:
			rest = append(rest, t)
		}
	}
	c, err = st.conditionsOf(ctx, org, IssueQuery{Query: search.Query{Terms: rest}, Projects: q.Projects, Me: q.Me}, projects, versionFields(q.Query), time.Now())
	if err != nil {
		return nil, nil, err
	}
	if q.To.IsZero() {
		q.To = time.Now().Add(time.Hour)
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-defaultEvents)
	}
	c.and("e.received_at >= " + c.arg(q.From) + "::timestamptz and e.received_at <= " + c.arg(q.To) + "::timestamptz")
	if q.Issue != 0 {
		c.and("e.issue_id = " + c.arg(q.Issue))
	}
	if q.Environments != nil {
		c.and("coalesce(e.environment, '') = any(" + c.arg(q.Environments) + "::text[])")
	}
	for _, t := range own {
		asked, err := c.eventTerm(t)
		if err != nil {
			return nil, nil, err
		}
		if asked {
			checks = append(checks, t)
		}
	}
	return c, checks, nil
}

// eventTerm adds a term about the event itself; asked is true when its payload must be asked.
func (c *conditions) eventTerm(t search.Term) (asked bool, err error) {
	switch t.Field {
	case search.FieldRelease:
		rest, parts := withoutLatest(t.Values), []string(nil)
		if len(rest) < len(t.Values) {
			parts = append(parts, "e.release = "+latestRelease)
		}
		if len(rest) > 0 {
			parts = append(parts, c.matches("coalesce(e.release, '')", rest))
		}
		c.andMaybe(strings.Join(parts, " or "), t.Negated)
	case search.FieldEnvironment:
		c.andMaybe(c.matches("coalesce(e.environment, '')", t.Values), t.Negated)
	case search.FieldPlatform:
		c.andMaybe(c.matches("e.platform", t.Values), t.Negated)
	case search.FieldLevel:
		c.numbers("e.level", t, func(v search.Value) int64 { return int64(event.ParseLevel(v.Text)) })
	case search.FieldTimestamp:
		c.moment("e.occurred_at", t)
	case search.FieldEventID:
		ids := make([]pgtype.UUID, len(t.Values))
		for i, v := range t.Values {
			id, err := event.ParseID(v.Text)
			if err != nil {
				return false, fault.New(fault.Invalid, "Invalid format for event id search: %.100s", v.Text)
			}
			ids[i] = pgtype.UUID{Bytes: id, Valid: true}
		}
		c.andMaybe("e.event_id = any("+c.arg(ids)+"::uuid[])", t.Negated)
	case search.FieldHas:
		return c.eventHas(t), nil
	case search.FieldAny:
		return c.eventAlternatives(t)
	default: // what releases are called
		var names []string
		for i := range c.versions {
			if c.means(t, &c.versions[i]) {
				names = append(names, c.versions[i].Version)
			}
		}
		c.andMaybe("e.release = any("+c.arg(names)+"::text[])", t.Negated)
	}
	return false, nil
}

func (c *conditions) eventHas(t search.Term) (asked bool) {
	switch key := t.Values[0].Text; key {
	case "release", "environment", "user":
		c.andMaybe(eventColumns[key]+" <> ''", t.Negated)
	case "assigned", "assigned_to", "culprit", "logger", "platform", "title", "level", "firstRelease", "first_release", "first-release", "error.type", "error.value", "bookmarks":
		c.has(t)
	default:
		if !t.Negated {
			c.has(t)
		}
		return true
	}
	return false
}

// Row is the event as lists show it; ok is false when its payload was not asked for, or is gone.
func (e *FoundEvent) Row() (row EventRow, ok bool) {
	if e.decoded == nil {
		return row, false
	}
	ev := e.decoded
	ev.ID, ev.Project, ev.ReceivedAt = e.Event, e.Project, e.at.ReceivedAt
	issue, err := strconv.ParseInt(e.columns[columnPlaces["issue.id"]], 10, 64)
	return EventRow{ID: e.Event, Issue: issue, ReceivedAt: e.at.ReceivedAt, OccurredAt: ev.Timestamp, Level: ev.Level, Platform: ev.Platform, Release: ev.Release,
		Environment: ev.Environment, UserKey: ev.User.Key(), Event: ev}, err == nil
}

// EventFind is which part of the events that a search finds is wanted, and in what order.
type EventFind struct {
	EventSearch
	Sort    string // a field that IsEventColumn knows
	Up      bool   // the least first
	Skip    int
	Limit   int
	Decoded bool // fields are asked for that only the payload has
}

// SearchEvents lists events, and whether there are more. cut is true where the search must read
// payloads and gave up before the end: it looks at the newest 5,000 events that the rest of it finds.
// fault.Invalid: a value of the search, or an order that is none. fault.Unavailable: it took too long.
func (st *Store) SearchEvents(ctx context.Context, org int64, f EventFind) (list []FoundEvent, more, cut bool, err error) {
	if f.Skip < 0 || f.Skip > maxSkipped {
		return nil, false, false, fault.New(fault.Invalid, "Invalid cursor parameter.")
	}
	c, checks, err := st.eventConditions(ctx, org, f.EventSearch)
	if err != nil || len(c.projects) == 0 {
		return nil, false, false, err
	}
	if len(checks) > 0 {
		if f.Sort != "timestamp" {
			return nil, false, false, fault.New(fault.Invalid, "A search by what only payloads hold (tags, properties, users) is ordered by timestamp alone.")
		}
		n := 0
		cut, err = st.checkedEvents(ctx, c, checks, f.Up, func(e *FoundEvent) bool {
			if n++; n > f.Skip {
				list = append(list, *e)
			}
			return len(list) <= f.Limit
		})
	} else {
		list, err = st.eventsBy(ctx, c, f)
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	if err == nil && f.Decoded && len(checks) == 0 {
		err = st.decodeFound(ctx, list)
	}
	return list, more, cut, translate(err, "search the events of organization %d", org)
}

// fromEvents is where events are found; %s are their conditions.
const fromEvents = " from events e join issues i on i.project_id = e.project_id and i.id = e.issue_id where i.status = any(@statuses::smallint[])"

// foundSQL selects a FoundEvent.
var foundSQL = "select e.project_id, e.event_id, e.received_at, e.block_id, e.block_index, " + columnSQL

func scanFound(row pgx.CollectableRow) (e FoundEvent, err error) {
	var id pgtype.UUID
	err = row.Scan(&e.Project, &id, &e.at.ReceivedAt, &e.at.BlockID, &e.at.BlockIndex, &e.columns)
	e.Event = id.Bytes
	return e, err
}

// eventsBy lists events in the order of a column, one more than the limit.
func (st *Store) eventsBy(ctx context.Context, c *conditions, f EventFind) (list []FoundEvent, err error) {
	column := eventColumns[f.Sort]
	switch f.Sort {
	case "timestamp":
		column = "e.received_at"
	case "level", "issue.id", "project.id", "project", "project.name":
		column = "(" + column + ")::bigint"
	case "":
		return nil, fault.New(fault.Invalid, "Events have no order by what only payloads hold.")
	}
	if column == "" {
		return nil, fault.New(fault.Invalid, "Events have no order by %.40q.", f.Sort)
	}
	order := " desc"
	if f.Up {
		order = ""
	}
	c.args["limit"], c.args["skip"], c.args["walk"] = f.Limit+1, f.Skip, f.Skip+f.Limit+1
	by := " order by place" + order + ", received_at" + order + ", event_id" + order
	// Each project's events are one walk along their key.
	sql := "select w.project_id, w.event_id, w.received_at, w.block_id, w.block_index, w.columns from unnest(@projects::bigint[]) as p(id) cross join lateral (" +
		foundSQL + ", " + column + " as place" + fromEvents + " and e.project_id = p.id" + c.conditionText() + by + " limit @walk) as w" + by + " limit @limit offset @skip"
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, err := c.run(ctx, tx, sql)
		if err == nil {
			list, err = pgx.CollectRows(rows, scanFound)
		}
		return err
	})
	return list, err
}

// checkedEvents walks events by time and shows those that the checks hold for until it has seen enough,
// which the function says by false; cut is true when it gave up before.
func (st *Store) checkedEvents(ctx context.Context, c *conditions, checks []search.Term, up bool, show func(*FoundEvent) bool) (cut bool, err error) {
	order, compare := " desc", " < "
	if up {
		order, compare = "", " > "
	}
	by := " order by received_at" + order + ", event_id" + order
	c.args["limit"] = eventBatch
	walk := func(from string) string {
		return "select w.* from unnest(@projects::bigint[]) as p(id) cross join lateral (" + foundSQL + fromEvents + " and e.project_id = p.id" + c.conditionText() + from +
			by + " limit @limit) as w" + by + " limit @limit"
	}
	sql := walk("")
	for looked := 0; looked < maxPayloadsRead; looked += eventBatch {
		var list []FoundEvent
		err := st.read(ctx, func(tx pgx.Tx) error {
			rows, err := c.run(ctx, tx, sql)
			if err == nil {
				list, err = pgx.CollectRows(rows, scanFound)
			}
			return err
		})
		if err == nil {
			err = st.decodeFound(ctx, list)
		}
		if err != nil {
			return false, err
		}
		for i := range list {
			if list[i].holds(checks) && !show(&list[i]) {
				return false, nil
			}
		}
		if len(list) < eventBatch {
			return false, nil
		}
		last := &list[len(list)-1]
		c.args["at"], c.args["event"] = last.at.ReceivedAt, pgtype.UUID{Bytes: last.Event, Valid: true}
		sql = walk(" and (e.received_at, e.event_id)" + compare + "(@at::timestamptz, @event::uuid)")
	}
	return true, nil
}

// decodeFound reads the payloads of events. One that is gone, since it was erased or thinned meanwhile,
// has no fields.
func (st *Store) decodeFound(ctx context.Context, list []FoundEvent) error {
	byProject := make(map[int64][]int)
	for i := range list {
		byProject[list[i].Project] = append(byProject[list[i].Project], i)
	}
	for p, places := range byProject {
		refs := make([]blockRef, len(places))
		for i, at := range places {
			refs[i] = list[at].at
		}
		payloads, err := st.payloads(ctx, p, refs)
		if err != nil {
			return err
		}
		for i, at := range places {
			if payloads[i] == nil {
				continue
			}
			if ev, err := event.Decode(payloads[i]); err == nil {
				list[at].decoded, list[at].pairs = ev, namedPairs(ev)
			}
		}
	}
	return nil
}
