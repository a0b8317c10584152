package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// OutcomeCount is a quantity of one step of time.
type OutcomeCount struct {
	Project  int64
	KeyID    int64 // client key; 0 when the request named none we know
	Category outcome.Category
	Outcome  outcome.Kind
	Reason   string
	Step     int // from the beginning of the query
	Quantity int64
}

// OutcomeQuery asks for what became of the items of projects, in steps of whole minutes.
type OutcomeQuery struct {
	Projects []int64
	From     time.Time
	Step     time.Duration
	Steps    int
	KeyID    int64 // 0: every client key
}

const sqlOutcomeCounts = `
	select project_id as project, key_id, category, outcome, reason,
		(extract(epoch from minute - @from::timestamptz)::bigint / @step::bigint)::int as step, sum(quantity)::bigint as quantity
	from outcomes
	where project_id = any(@projects::bigint[]) and minute >= @from and minute < @until and outcome >= 0 and (@key::bigint = 0 or key_id = @key)
	group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6`

// OutcomeCounts sums what became of items; steps without any are absent.
func (st *Store) OutcomeCounts(ctx context.Context, q OutcomeQuery) ([]OutcomeCount, error) {
	var list []OutcomeCount
	err := st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlOutcomeCounts, pgx.StrictNamedArgs{"projects": q.Projects, "from": q.From,
			"until": q.From.Add(time.Duration(q.Steps) * q.Step), "step": int64(q.Step / time.Second), "key": q.KeyID})
		var err error
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[OutcomeCount])
		return err
	})
	return list, translate(err, "sum the outcomes of %d projects", len(q.Projects))
}

const sqlProjectsSeen = `
	select q.*, array(select e.name from environments e where e.project_id = q.id order by e.name limit 1000) as environments
	from (` + sqlProjects + `) as q order by q.slug`

// ProjectsSeen is Projects with the names of the environments that they were seen in, in order.
func (st *Store) ProjectsSeen(ctx context.Context, org int64) (projects []project.Project, environments []string, err error) {
	type row struct {
		projectRow
		Environments []string
	}
	rows, _ := st.db.Query(ctx, sqlProjectsSeen, pgx.StrictNamedArgs{"org": org})
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	who := account.PrincipalFrom(ctx)
	for _, r := range found {
		if who != nil && !who.Sees(r.ID) {
			continue
		}
		p, err := r.project()
		if err != nil {
			return nil, nil, err
		}
		projects, environments = append(projects, p), append(environments, r.Environments...)
	}
	slices.Sort(environments)
	return projects, slices.Compact(environments), translate(err, "list the projects of organization %d", org)
}

const sqlEnvironments = `
	select distinct name from environments where project_id = any(@projects::bigint[]) order by name limit 1000`

// EnvironmentNames lists the environments that projects were seen in, by name.
func (st *Store) EnvironmentNames(ctx context.Context, projects []int64) ([]string, error) {
	rows, _ := st.db.Query(ctx, sqlEnvironments, pgx.StrictNamedArgs{"projects": projects})
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, translate(err, "list the environments of %d projects", len(projects))
}
