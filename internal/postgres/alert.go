package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// maxRules is how many rules one project may have: each change of its issues is held against all.
const maxRules = 1000

const ruleColumns = `
	select project_id, id, name, rule, is_enabled, coalesce(created_by, 0) as created_by, created_at, updated_at, last_fired_at
	from alert_rules `

const sqlRules = ruleColumns + `
	where project_id = @project
	order by id
	limit @limit`

const sqlRule = ruleColumns + `
	where project_id = @project and id = @id`

// The count is not exact under concurrency, which a limit of this kind does not need.
const sqlInsertRule = `
	insert into alert_rules (project_id, id, name, rule, is_enabled, asks_events, asked_tags, created_by)
	select @project, @id, @name, @rule, @enabled, @asks, @tags::text[], nullif(@user::bigint, 0)
	where (select count(*) from alert_rules where project_id = @project) < @limit
	returning created_at, updated_at`

const sqlUpdateRule = `
	update alert_rules set name = @name, rule = @rule, is_enabled = @enabled, asks_events = @asks, asked_tags = @tags, updated_at = now()
	where project_id = @project and id = @id
	returning created_at, updated_at`

const sqlDeleteRule = `
	delete from alert_rules
	where project_id = @project and id = @id`

const sqlSampleChange = `
	select o.slug, p.slug, p.name
	from projects p join organizations o on o.id = p.organization_id
	where p.id = @project and p.deleted_at is null`

type ruleRow struct {
	ProjectID   int64
	ID          int64
	Name        string
	Rule        []byte
	IsEnabled   bool
	CreatedBy   int64
	CreatedAt   time.Time
	UpdatedAt   time.Time
	LastFiredAt *time.Time
}

func (row ruleRow) rule() (alert.Rule, error) {
	var r alert.Rule
	if err := json.Unmarshal(row.Rule, &r); err != nil {
		return r, fault.Wrap(err, fault.Internal, "read alert rule %d of project %d", row.ID, row.ProjectID)
	}
	r.ID, r.Project, r.Name, r.Enabled = row.ID, row.ProjectID, row.Name, row.IsEnabled
	r.CreatedBy, r.CreatedAt, r.UpdatedAt, r.LastFiredAt = row.CreatedBy, row.CreatedAt, row.UpdatedAt, row.LastFiredAt
	return r, nil
}

// Rules lists a project's alert rules, oldest first.
func (st *Store) Rules(ctx context.Context, project int64) ([]alert.Rule, error) {
	rows, _ := st.db.Query(ctx, sqlRules, pgx.StrictNamedArgs{"project": project, "limit": maxRules}) // Collect reports a failed Query
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[ruleRow])
	if err != nil {
		return nil, translate(err, "list alert rules of project %d", project)
	}
	rules := make([]alert.Rule, len(found))
	for i, row := range found {
		if rules[i], err = row.rule(); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// Rule returns one alert rule. fault.Unknown: the project has no such rule.
func (st *Store) Rule(ctx context.Context, project, id int64) (alert.Rule, error) {
	rows, _ := st.db.Query(ctx, sqlRule, pgx.StrictNamedArgs{"project": project, "id": id}) // Collect reports a failed Query
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[ruleRow])
	if err != nil {
		return alert.Rule{}, translate(err, "read alert rule %d of project %d", id, project)
	}
	return row.rule()
}

const sqlRulesRevision = `
	select project_id, count(*) as rules, max(updated_at) as updated_at
	from alert_rules where project_id = any(@projects::bigint[]) group by project_id`

// RulesRevision changes whenever a rule of the project does.
type RulesRevision struct {
	ProjectID int64
	Rules     int64
	UpdatedAt time.Time
}

// RulesRevisions returns the revisions of the rules of projects; those without rules are absent.
func (st *Store) RulesRevisions(ctx context.Context, projects []int64) (map[int64]RulesRevision, error) {
	rows, _ := st.db.Query(ctx, sqlRulesRevision, pgx.StrictNamedArgs{"projects": projects}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[RulesRevision])
	found := make(map[int64]RulesRevision, len(list))
	for _, r := range list {
		found[r.ProjectID] = r
	}
	return found, translate(err, "read the revisions of alert rules")
}

// PutRule stores a rule: a new one, which it gives an id, when r.ID is zero, else in place of the
// one with that id. It fills in the times. fault.Invalid: the rule is not valid, or the project has
// too many. fault.Unknown: the project has no rule with that id.
func (st *Store) PutRule(ctx context.Context, r *alert.Rule) error {
	if err := r.Validate(); err != nil {
		return err
	}
	document, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode an alert rule of project %d", r.Project)
	}
	args := pgx.StrictNamedArgs{"project": r.Project, "id": r.ID, "name": r.Name, "rule": document, "enabled": r.Enabled, "asks": r.AsksEvents(), "tags": r.AskedTags()}
	query, made := sqlUpdateRule, r.ID
	if r.ID == 0 {
		query, made = sqlInsertRule, NewID()
		args["id"], args["user"], args["limit"] = made, r.CreatedBy, maxRules
	}
	err = st.db.QueryRow(ctx, query, args).Scan(&r.CreatedAt, &r.UpdatedAt)
	if r.ID == 0 && fault.KindOf(translate(err, "")) == fault.Unknown {
		return fault.New(fault.Invalid, "a project has at most %d alert rules", maxRules)
	}
	if err != nil {
		return translate(err, "store an alert rule of project %d", r.Project)
	}
	r.ID = made
	return nil
}

// DeleteRule removes a rule; deliveries that it caused stay in the log and are still sent.
// fault.Unknown: the project has no such rule.
func (st *Store) DeleteRule(ctx context.Context, project, id int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteRule, pgx.StrictNamedArgs{"project": project, "id": id})
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return translate(err, "delete alert rule %d of project %d", id, project)
}

// SampleChange returns a change that never happened in a project, for tests sent by hand.
// fault.Unknown: there is no such project.
func (st *Store) SampleChange(ctx context.Context, project int64) (issue.Change, error) {
	var org, slug, name string
	err := st.db.QueryRow(ctx, sqlSampleChange, pgx.StrictNamedArgs{"project": project}).Scan(&org, &slug, &name)
	return alert.Sample(project, org, slug, name, time.Now().UTC()), translate(err, "read project %d", project)
}
