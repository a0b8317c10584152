package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// HashCount is what was counted under one hash of an issue.
type HashCount struct {
	Hash                string // hexadecimal digits
	TimesSeen           int64
	FirstSeen, LastSeen time.Time
}

const sqlIssueHashCounts = `
	select encode(h.hash, 'hex'), coalesce(c.times_seen, 0), coalesce(c.first_seen, h.created_at), coalesce(c.last_seen, h.created_at)
	from issue_hashes h left join hash_counts c on c.project_id = h.project_id and c.hash = h.hash
	where h.project_id = @project and h.issue_id = @issue order by coalesce(c.times_seen, 0) desc, h.hash limit 1000`

// IssueHashCounts lists what grouping made of an issue's events and how often each was seen, the
// most frequent first, at most 1,000.
func (st *Store) IssueHashCounts(ctx context.Context, project, issue int64) ([]HashCount, error) {
	rows, _ := st.db.Query(ctx, sqlIssueHashCounts, pgx.StrictNamedArgs{"project": project, "issue": issue})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[HashCount])
	return list, translate(err, "list the hashes of issue %d", issue)
}

// Similar is an issue whose events have something in common with those of another.
type Similar struct {
	Issue     int64
	Functions []string // of its stacks that the other's have too
	SameError bool     // an exception of the same type
	Of        int      // functions that were compared
}

// What is in more issues than maxShared tells nothing.
const sqlSimilarIssues = `
	with mine as (select key, value from issue_properties where project_id = @project and issue_id = @issue and key in ('stack.function', 'error.type') limit 60),
	shared as (
		select o.issue_id, m.key, m.value from mine m cross join lateral (
			select p.issue_id from issue_properties p where p.project_id = @project and p.key = m.key and p.value = m.value and p.issue_id <> @issue
			order by p.issue_id desc limit @shared) o)
	select issue_id, coalesce(array_agg(value order by value) filter (where key = 'stack.function'), '{}'), bool_or(key = 'error.type'),
		(select count(*) from mine where key = 'stack.function')::int
	from shared group by issue_id
	order by count(*) filter (where key = 'stack.function') + 2 * count(*) filter (where key = 'error.type') desc, issue_id desc limit @limit`

// maxShared is how many issues with one function or type of error are compared, the newest first.
const maxShared = 200

// SimilarIssues lists issues of a project whose stacks name the same functions, or whose errors have
// the same type, those with the most in common first.
func (st *Store) SimilarIssues(ctx context.Context, project, issue int64, limit int) ([]Similar, error) {
	rows, _ := st.db.Query(ctx, sqlSimilarIssues, pgx.StrictNamedArgs{"project": project, "issue": issue, "shared": maxShared, "limit": limit})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Similar])
	return list, translate(err, "find issues like %d", issue)
}
