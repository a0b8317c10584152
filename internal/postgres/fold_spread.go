package postgres

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// spread is what a fold made of the releases, or environments, of a project's issues: those that an
// issue had never been seen in.
type spread struct {
	kind  issue.ChangeKind
	count string             // statement that counts the rows of issues
	event string             // statement that finds an event of each new row
	made  map[int64][]string // by issue
}

func newSpreads() []*spread {
	return []*spread{
		{kind: issue.ChangeInEnvironment, count: sqlCountEnvironments, event: sqlEnvironmentEvents, made: map[int64][]string{}},
		{kind: issue.ChangeInRelease, count: sqlCountReleases, event: sqlReleaseEvents, made: map[int64][]string{}},
	}
}

// collect notes the rows that were inserted.
func (s *spread) collect(rows pgx.Rows) error {
	var id int64
	var name string
	_, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		s.made[id] = append(s.made[id], name)
		return nil
	})
	return err
}

const (
	sqlAsksSpreads = `
		select p.id, p.organization_id, o.slug, p.slug, p.name from projects p join organizations o on o.id = p.organization_id
		where p.id = @project and exists (select from alert_rules r where r.project_id = p.id and r.is_enabled)`

	sqlCountEnvironments = `
		select issue_id, count(*) from issue_environments where project_id = @project and issue_id = any(@issues::bigint[]) group by issue_id`

	sqlCountReleases = `
		select issue_id, count(*) from issue_releases where project_id = @project and issue_id = any(@issues::bigint[]) group by issue_id`

	// The newest of a new name is among the newest of its issue. It may have been thinned away.
	sqlEnvironmentEvents = `
		select w.issue_id, w.name, e.event_id, coalesce(e.release, '') as release, coalesce(e.environment, '') as environment, coalesce(e.received_at, now()) as at
		from unnest(@issues::bigint[], @names::text[]) as w(issue_id, name) left join lateral (
			select * from events where project_id = @project and issue_id = w.issue_id and environment = w.name order by received_at desc limit 1) as e on true`

	sqlReleaseEvents = `
		select w.issue_id, w.name, e.event_id, coalesce(e.release, '') as release, coalesce(e.environment, '') as environment, coalesce(e.received_at, now()) as at
		from unnest(@issues::bigint[], @names::text[]) as w(issue_id, name) left join lateral (
			select * from events where project_id = @project and issue_id = w.issue_id and release = w.name order by received_at desc limit 1) as e on true`

	sqlSpreadIssues = `
		select ` + issueFields + ` from issues i where i.project_id = @project and i.id = any(@issues::bigint[]) and i.status = @status`
)

// tellSpreads tells the rules of a project that unresolved issues were seen in a further release or
// environment, in the transaction that folds the counts: once each. It locks nothing.
func tellSpreads(ctx context.Context, tx pgx.Tx, projectID int64, f *facts, spreads []*spread) error {
	if !slices.ContainsFunc(spreads, func(s *spread) bool { return len(s.made) > 0 }) {
		return nil
	}
	var p project.Project
	rows, _ := tx.Query(ctx, sqlAsksSpreads, pgx.StrictNamedArgs{"project": projectID})
	if tag, err := pgx.ForEachRow(rows, []any{&p.ID, &p.OrganizationID, &p.Organization, &p.Slug, &p.Name}, func() error { return nil }); err != nil || tag.RowsAffected() == 0 {
		return err
	}
	b := &pgx.Batch{}
	for _, s := range spreads {
		names := f.environments
		if s.kind == issue.ChangeInRelease {
			names = f.releases
		}
		if err := s.tell(ctx, tx, b, p, names); err != nil {
			return err
		}
	}
	return tx.SendBatch(ctx, b).Close()
}

func (s *spread) tell(ctx context.Context, tx pgx.Tx, b *pgx.Batch, p project.Project, seen map[issueText]span) error {
	ids, names, err := s.further(ctx, tx, p.ID, seen)
	if err != nil || len(ids) == 0 {
		return err
	}
	rows, _ := tx.Query(ctx, sqlSpreadIssues, pgx.StrictNamedArgs{"project": p.ID, "issues": ids, "status": int16(issue.Unresolved)})
	list, _, err := collectIssueRows(rows, []project.Project{p})
	if err != nil {
		return err
	}
	byID := make(map[int64]*IssueRow, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	rows, _ = tx.Query(ctx, s.event, pgx.StrictNamedArgs{"project": p.ID, "issues": ids, "names": names})
	var id int64
	var name, release, environment string
	var uuid pgtype.UUID
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &uuid, &release, &environment, &at}, func() error {
		row := byID[id]
		if row == nil {
			return nil
		}
		c := row.change(s.kind, p.Organization, 0, at)
		c.NewRelease, c.NewEnvironment = s.kind == issue.ChangeInRelease, s.kind == issue.ChangeInEnvironment
		c.Release, c.Environment = release, environment
		switch {
		case uuid.Valid:
			c.EventID = event.ID(uuid.Bytes).String()
		case s.kind == issue.ChangeInRelease:
			c.Release = name
		default:
			c.Environment = name
		}
		return queueChanged(b, c)
	})
	return err
}

// further leaves out the name that an issue was seen under first of all.
func (s *spread) further(ctx context.Context, tx pgx.Tx, projectID int64, seen map[issueText]span) (ids []int64, names []string, err error) {
	if len(s.made) == 0 {
		return nil, nil, nil
	}
	rows, _ := tx.Query(ctx, s.count, pgx.StrictNamedArgs{"project": projectID, "issues": slices.Sorted(maps.Keys(s.made))})
	counts := make(map[int64]int, len(s.made))
	var id int64
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { counts[id] = n; return nil }); err != nil {
		return nil, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.made)) {
		made := s.made[id]
		slices.SortFunc(made, func(a, b string) int {
			return cmp.Or(cmp.Compare(seen[issueText{id, a}].first, seen[issueText{id, b}].first), cmp.Compare(a, b))
		})
		if counts[id] == len(made) {
			made = made[1:]
		}
		for _, name := range made {
			if name != "" {
				ids, names = append(ids, id), append(names, name)
			}
		}
	}
	return ids, names, nil
}
