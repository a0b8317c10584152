package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Histogram is the events of an issue list over time.
type Histogram struct {
	Counts []int64 // oldest first
	Issues int     // that were counted: those seen last, up to HitsMax
}

// IssueHistogram counts the events of the issues that a query finds, in n steps from a moment on.
// Counts are kept by the hour: step is whole hours, and from the start of one. The query's order,
// cursor and limit do not matter.
func (st *Store) IssueHistogram(ctx context.Context, org int64, q IssueQuery, from time.Time, step time.Duration, n int) (Histogram, error) {
	h := Histogram{Counts: make([]int64, n)}
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return h, err
	}
	c, err := st.conditions(ctx, org, q, projects)
	if err != nil || len(c.projects) == 0 {
		return h, err
	}
	c.args["walk"] = HitsMax
	start, until := c.arg(from), c.arg(from.Add(time.Duration(n)*step))
	err = st.read(ctx, func(tx pgx.Tx) error {
		if err := c.narrow(ctx, tx); err != nil {
			return err
		}
		sql := "with w as materialized (" + fmt.Sprintf(selection, "i.last_seen", c.conditionText(), "order by place desc limit @walk") + " order by place desc limit @walk)" +
			" select h.hour, sum(h.times_seen)::bigint, (select count(*) from w)::int from w join issue_hours h on h.project_id = w.project_id and h.issue_id = w.id" +
			" where h.hour >= " + start + "::timestamptz and h.hour < " + until + "::timestamptz group by h.hour"
		rows, err := c.run(ctx, tx, sql)
		if err != nil {
			return err
		}
		var hour time.Time
		var count int64
		_, err = pgx.ForEachRow(rows, []any{&hour, &count, &h.Issues}, func() error {
			h.Counts[min(max(int(hour.Sub(from)/step), 0), n-1)] += count
			return nil
		})
		return err
	})
	return h, translate(err, "count the events of a list of organization %d", org)
}

// IssueIDs returns the ids of the issues that a query finds, those seen last first, up to
// MaxChanged, and whether there are more. The query's order, cursor and limit do not matter.
func (st *Store) IssueIDs(ctx context.Context, org int64, q IssueQuery) (ids []int64, more bool, err error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, false, err
	}
	c, err := st.conditions(ctx, org, q, projects)
	if err != nil || len(c.projects) == 0 {
		return nil, false, err
	}
	c.args["walk"] = MaxChanged + 1
	ids, err = c.ids(ctx, st, func() string {
		return "select id from (" + fmt.Sprintf(selection, "i.last_seen", c.conditionText(), "order by place desc limit @walk") + ") as w order by place desc, id desc limit @walk"
	})
	if more = len(ids) > MaxChanged; more {
		ids = ids[:MaxChanged]
	}
	return ids, more, translate(err, "find the issues of a list of organization %d", org)
}
