package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// errNoEvent is the text clients know.
var errNoEvent = fault.New(fault.Unknown, "No matching event")

// eventPlace is where an event stands among those of its issue, and where its payload is.
type eventPlace struct {
	EventID     pgtype.UUID
	IssueID     int64
	ReceivedAt  time.Time
	OccurredAt  time.Time
	BlockID     int64
	BlockIndex  int16
	Level       int16
	Platform    string
	Release     *string
	Environment *string
	UserKey     *string
}

// issueEvents selects the events of one issue; environments that are null do not restrict it.
const issueEvents = `
	select event_id, issue_id, received_at, occurred_at, block_id, block_index, level, platform, release, environment, user_key
	from events where project_id = @project and issue_id = @issue
		and (@environments::text[] is null or coalesce(environment, '') = any(@environments))`

const (
	sqlOlderEvent = issueEvents + ` and (received_at, event_id) < (@at::timestamptz, @event::uuid)
		order by received_at desc, event_id desc limit 1`
	sqlNewerEvent = issueEvents + ` and (received_at, event_id) > (@at::timestamptz, @event::uuid)
		order by received_at, event_id limit 1`
	sqlLatestEvents = issueEvents + ` order by received_at desc, event_id desc limit @limit`
	sqlOldestEvent  = issueEvents + ` order by received_at, event_id limit 1`
	sqlNewestEvent  = issueEvents + ` order by received_at desc, event_id desc limit 1`
	sqlEventByID    = `
		select e.event_id, e.issue_id, e.received_at, e.occurred_at, e.block_id, e.block_index, e.level, e.platform, e.release, e.environment, e.user_key
		from event_seen s join events e on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
		where s.project_id = @project and s.event_id = @event::uuid`
)

// recommendedAmong is how many of the latest events are looked at for the one to show first.
const recommendedAmong = 16

// recommendedWithin is how far before an issue was last seen its recommended event may lie.
const recommendedWithin = 7 * 24 * time.Hour

// IssueEvent returns one event of an issue with its neighbours. fault.Unknown: the issue has no
// such event.
func (st *Store) IssueEvent(ctx context.Context, project, issueID int64, which EventSelector) (EventView, error) {
	v, err := st.ChosenEvent(ctx, project, issueID, which)
	if err != nil {
		return EventView{}, err
	}
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlNeighbours, v.neighbourArgs(which.Environments))
		n, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[neighbours])
		v.setNeighbours(n)
		return err
	})
	return v, translate(err, "find the neighbours of an event of issue %d", issueID)
}

// ChosenEvent is IssueEvent without the neighbours.
func (st *Store) ChosenEvent(ctx context.Context, project, issueID int64, which EventSelector) (EventView, error) {
	args := pgx.NamedArgs{"project": project, "issue": issueID, "environments": which.Environments}
	places, err := st.candidates(ctx, args, which)
	if err != nil {
		return EventView{}, translate(err, "find an event of issue %d", issueID)
	}
	events, err := st.decoded(ctx, project, places)
	if err != nil {
		return EventView{}, err
	}
	best := 0 // of several, the newest with fewest processing errors
	for i := range events {
		if len(events[i].Event.Errors) < len(events[best].Event.Errors) {
			best = i
		}
	}
	e := events[best]
	return EventView{Event: e.Event, Payload: e.Payload, Project: project, Issue: issueID, ReceivedAt: e.ReceivedAt}, nil
}

// candidates finds the event that is asked for; the recommended one is among several.
// Rule: getsentry/sentry src/sentry/models/group.py (get_recommended_event)
func (st *Store) candidates(ctx context.Context, args pgx.NamedArgs, which EventSelector) (places []eventPlace, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		sql := sqlLatestEvents
		args["limit"] = 1
		switch which.Which {
		case EventByID:
			sql, args["event"] = sqlEventByID, [16]byte(which.ID)
		case EventOldest:
			sql = sqlOldestEvent
		case EventRecommended:
			args["limit"] = recommendedAmong
		}
		rows, _ := tx.Query(ctx, sql, args)
		places, err = pgx.CollectRows(rows, pgx.RowToStructByName[eventPlace])
		return err
	})
	if err == nil && (len(places) == 0 || places[0].IssueID != args["issue"]) {
		err = errNoEvent
	}
	for i, p := range places {
		if places[0].ReceivedAt.Sub(p.ReceivedAt) > recommendedWithin {
			return places[:i], err
		}
	}
	return places, err
}

// decoded reads and decodes the payloads of events.
func (st *Store) decoded(ctx context.Context, project int64, places []eventPlace) ([]EventRow, error) {
	refs := make([]blockRef, len(places))
	for i, p := range places {
		refs[i] = blockRef{ReceivedAt: p.ReceivedAt, BlockID: p.BlockID, BlockIndex: p.BlockIndex}
	}
	payloads, err := st.payloads(ctx, project, refs)
	if err != nil {
		return nil, err
	}
	list := make([]EventRow, len(places))
	for i, p := range places {
		if payloads[i] == nil {
			return nil, fault.New(fault.Internal, "the payload of event %s is missing", event.ID(p.EventID.Bytes))
		}
		e, err := event.Decode(payloads[i])
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the payload of event %s cannot be read", event.ID(p.EventID.Bytes))
		}
		e.ID, e.Project, e.ReceivedAt = p.EventID.Bytes, project, p.ReceivedAt
		list[i] = EventRow{ID: e.ID, Issue: p.IssueID, ReceivedAt: p.ReceivedAt, OccurredAt: p.OccurredAt, Level: event.Level(p.Level),
			Platform: p.Platform, Release: text(p.Release), Environment: text(p.Environment), UserKey: text(p.UserKey), Event: e, Payload: payloads[i]}
	}
	return list, nil
}

// EventQuery is what a list of events shows, newest first.
type EventQuery struct {
	Project      int64
	Issue        int64    // 0: every issue of the project
	Environments []string // nil: all
	From, To     time.Time
	Cursor       string
	Limit        int
}

const sqlEventPage = `
	select event_id, issue_id, received_at, occurred_at, block_id, block_index, level, platform, release, environment, user_key
	from events where project_id = @project and (@issue::bigint = 0 or issue_id = @issue)
		and (@environments::text[] is null or coalesce(environment, '') = any(@environments))
		and received_at >= @from and received_at <= @to
	order by received_at desc, event_id desc offset @skip limit @limit`

// maxSkipped is how deep a list of events can be walked.
const maxSkipped = 100_000

// Events returns one page of a project's or an issue's events. Cursors count rows from the newest,
// so that events which arrive in between shift the pages.
func (st *Store) Events(ctx context.Context, q EventQuery) (EventPage, error) {
	from, given, err := parseCursor(q.Cursor)
	if err != nil {
		return EventPage{}, err
	}
	skip, limit := from.id, int64(clampLimit(q.Limit))
	if skip < 0 || skip > maxSkipped {
		return EventPage{}, fault.New(fault.Invalid, "Invalid cursor parameter.")
	}
	if q.To.IsZero() {
		q.To = time.Now().Add(time.Hour)
	}
	var places []eventPlace
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlEventPage, pgx.StrictNamedArgs{"project": q.Project, "issue": q.Issue, "environments": q.Environments,
			"from": q.From, "to": q.To, "skip": skip, "limit": limit + 1})
		places, err = pgx.CollectRows(rows, pgx.RowToStructByName[eventPlace])
		return err
	})
	if err != nil {
		return EventPage{}, translate(err, "list the events of project %d", q.Project)
	}
	page := EventPage{HasNext: len(places) > int(limit), HasPrev: given && skip > 0}
	if page.HasNext {
		places = places[:limit]
	}
	page.Prev = cursor{id: max(0, skip-limit), back: true}.String()
	page.Next = cursor{id: skip + limit}.String()
	page.Rows, err = st.decoded(ctx, q.Project, places)
	return page, err
}

const sqlFindEvent = `
	select s.project_id, e.issue_id from event_seen s join events e
		on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
	where s.project_id = any(@projects::bigint[]) and s.event_id = @event::uuid
	order by s.project_id limit 1`

// FindEvent returns the project and issue of an event, in any of an organization's projects.
// fault.Unknown: none of them has it.
func (st *Store) FindEvent(ctx context.Context, org int64, id event.ID) (project, issueID int64, err error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return 0, 0, err
	}
	c := conditions{projects: projects}
	err = st.db.QueryRow(ctx, sqlFindEvent, pgx.StrictNamedArgs{"projects": c.projectIDs(), "event": [16]byte(id)}).Scan(&project, &issueID)
	return project, issueID, translate(err, "The requested resource does not exist")
}
