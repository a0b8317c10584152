package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

const sqlRulesOfProjects = ruleColumns + `
	where project_id = any(@projects::bigint[])
	order by project_id, id
	limit 10000`

// RulesOfProjects lists the alert rules of several projects at once, by project, oldest first.
func (st *Store) RulesOfProjects(ctx context.Context, projects []int64) (map[int64][]alert.Rule, error) {
	rows, _ := st.db.Query(ctx, sqlRulesOfProjects, pgx.StrictNamedArgs{"projects": projects}) // Collect reports a failed Query
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[ruleRow])
	if err != nil {
		return nil, translate(err, "list the alert rules of %d projects", len(projects))
	}
	rules := make(map[int64][]alert.Rule)
	for _, row := range found {
		r, err := row.rule()
		if err != nil {
			return nil, err
		}
		rules[r.Project] = append(rules[r.Project], r)
	}
	return rules, nil
}

const sqlDeletedProjects = `
	select id from projects where deleted_at is not null order by deleted_at desc limit 1000`

// DeletedProjects lists the ids of projects that were deleted, latest first: what ingest must not
// know any more.
func (st *Store) DeletedProjects(ctx context.Context) ([]int64, error) {
	rows, _ := st.db.Query(ctx, sqlDeletedProjects) // Collect reports a failed Query
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, translate(err, "list deleted projects")
}
