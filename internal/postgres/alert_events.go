package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

const (
	sqlEventsWithin = `
		select event_id, issue_id, received_at, occurred_at, block_id, block_index, level, platform, release, environment, user_key
		from events where project_id = @project and issue_id = @issue and received_at > @from and received_at <= @to
		order by received_at desc, event_id desc limit @limit`

	sqlEventsOfIssues = `
		select e.* from unnest(@issues::bigint[], @limits::bigint[]) as w(issue_id, most) cross join lateral (
			select event_id, issue_id, received_at, occurred_at, block_id, block_index, level, platform, release, environment, user_key
			from events where project_id = @project and issue_id = w.issue_id and received_at > @from and received_at <= @to
			order by received_at desc, event_id desc limit w.most) as e`

	sqlEventsByID = `
		select e.event_id, e.issue_id, e.received_at, e.occurred_at, e.block_id, e.block_index, e.level, e.platform, e.release, e.environment, e.user_key
		from event_seen s join events e on e.project_id = s.project_id and e.received_at = s.received_at and e.event_id = s.event_id
		where s.project_id = @project and s.event_id = any(@events::uuid[])`
)

// places finds where events are.
func (st *Store) places(ctx context.Context, query string, args pgx.StrictNamedArgs) (list []eventPlace, err error) {
	err = st.read(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, query, args) // Collect reports a failed Query
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[eventPlace])
		return err
	})
	return list, err
}

// EventsWithin reads up to limit of an issue's events, newest first, received in a stretch of time.
// Those that known knows have no Event: their columns are enough.
func (st *Store) EventsWithin(ctx context.Context, projectID, issueID int64, from, to time.Time, limit int, known func(event.ID) bool) ([]EventRow, error) {
	places, err := st.places(ctx, sqlEventsWithin, pgx.StrictNamedArgs{"project": projectID, "issue": issueID, "from": from, "to": to, "limit": limit})
	if err != nil {
		return nil, translate(err, "read events of issue %d", issueID)
	}
	list := make([]EventRow, len(places))
	var unread []eventPlace
	var at []int
	for i, p := range places {
		list[i] = EventRow{ID: p.EventID.Bytes, Issue: p.IssueID, ReceivedAt: p.ReceivedAt, Environment: text(p.Environment), UserKey: text(p.UserKey)}
		if !known(list[i].ID) {
			unread, at = append(unread, p), append(at, i)
		}
	}
	read, err := st.decoded(ctx, projectID, unread)
	for i := range read {
		list[at[i]] = read[i]
	}
	return list, err
}

// LatestEvents reads the latest events of issues of a project that were received in a stretch of
// time, newest first, of each as many as limits say.
func (st *Store) LatestEvents(ctx context.Context, projectID int64, issues []issue.ID, limits []int64, from, to time.Time) (map[issue.ID][]EventRow, error) {
	places, err := st.places(ctx, sqlEventsOfIssues, pgx.StrictNamedArgs{"project": projectID, "issues": issues, "limits": limits, "from": from, "to": to})
	if err != nil {
		return nil, translate(err, "read events of %d issues", len(issues))
	}
	list, err := st.decoded(ctx, projectID, places)
	found := make(map[issue.ID][]EventRow, len(issues))
	for _, row := range list {
		found[row.Issue] = append(found[row.Issue], row)
	}
	return found, err
}

// EventsOf reads events of a project by their ids; those that are gone are absent.
func (st *Store) EventsOf(ctx context.Context, projectID int64, ids []event.ID) (map[event.ID]EventRow, error) {
	uuids := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		uuids[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	places, err := st.places(ctx, sqlEventsByID, pgx.StrictNamedArgs{"project": projectID, "events": uuids})
	if err != nil {
		return nil, translate(err, "read %d events", len(ids))
	}
	list, err := st.decoded(ctx, projectID, places)
	found := make(map[event.ID]EventRow, len(list))
	for _, row := range list {
		found[row.ID] = row
	}
	return found, err
}
