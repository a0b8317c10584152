package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sqlExpireEvents = `
		with old as (select received_at, event_id from events where project_id = @project and received_at < @before order by received_at limit 2000)
		delete from events e using old where e.project_id = @project and e.received_at = old.received_at and e.event_id = old.event_id`

	sqlExpireBlocks = `
		with old as (select day, id from event_blocks where project_id = @project and day < @before::date order by day limit 200)
		delete from event_blocks b using old where b.project_id = @project and b.day = old.day and b.id = old.id`

	sqlExpireAttachments = `
		with old as (select received_at, event_id, id from attachments where project_id = @project and received_at < @before order by received_at limit 1000)
		delete from attachments a using old
		where a.project_id = @project and a.received_at = old.received_at and a.event_id = old.event_id and a.id = old.id`

	sqlExpireFeedback = `
		with old as (select kind, id from feedback where project_id = @project and received_at < @before order by received_at limit 1000)
		delete from feedback f using old where f.project_id = @project and f.kind = old.kind and f.id = old.id`
)

// ExpireEvents removes the events of one project received on days before the given one, a few
// thousand in a transaction: for projects that keep them for shorter than the partitions stay.
// What was counted of them stays counted.
func (st *Store) ExpireEvents(ctx context.Context, project int64, before time.Time) error {
	for _, sql := range [...]string{sqlExpireEvents, sqlExpireBlocks, sqlExpireAttachments, sqlExpireFeedback} {
		for {
			tag, err := st.db.Exec(ctx, sql, pgx.StrictNamedArgs{"project": project, "before": dayOf(before)})
			if err != nil {
				return translate(err, "remove old events of project %d", project)
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}
