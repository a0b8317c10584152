package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// IssueHint is what pages that show an issue must know when it was seen again.
type IssueHint struct {
	ID        int64
	Project   int64
	TimesSeen int64
	UserCount int64
	FirstSeen time.Time
	LastSeen  time.Time
}

// MaxHints is how many hints are told at once.
const MaxHints = 200

const sqlIssueHints = `
	select i.id, i.project_id as project, i.times_seen, i.user_count, i.first_seen, i.last_seen
	from projects p cross join (values (0::smallint), (1::smallint), (2::smallint)) as s(status) cross join lateral (
		select i.id, i.project_id, i.times_seen, i.user_count, i.first_seen, i.last_seen from issues i
		where i.project_id = p.id and i.status = s.status and i.last_seen > @after order by i.last_seen desc, i.id desc limit 200) as i
	where p.organization_id = @org and p.deleted_at is null order by i.last_seen desc limit 200`

// IssueHints tells which of an organization's issues were seen since a moment, the latest first.
func (st *Store) IssueHints(ctx context.Context, org int64, after time.Time) ([]IssueHint, error) {
	rows, _ := st.db.Query(ctx, sqlIssueHints, pgx.StrictNamedArgs{"org": org, "after": after})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[IssueHint])
	return list, translate(err, "look for issues seen lately")
}
