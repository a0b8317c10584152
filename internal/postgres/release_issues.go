package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// ReleaseIssues are the issues of a project that one of its releases matters to, the busiest first.
type ReleaseIssues struct {
	New       []IssueRow // first seen in it
	Regressed []IssueRow // came back in it
	Resolved  []IssueRow // resolved in it
}

// ReleaseIssuesSeen is how many issues of a release are looked at, the newest first: an issue that
// is new in a release is among those that were made last.
const ReleaseIssuesSeen = 2000

const sqlReleaseIssues = `
	with new as (
		select i.id from (select issue_id from issue_releases where project_id = @project and release = @version order by issue_id desc limit @seen) s
			join issues i on i.project_id = @project and i.id = s.issue_id and i.first_release = @version
		order by i.times_seen desc, i.id desc limit @limit),
	regressed as (
		select issue_id as id from activities where project_id = @project and type = 'set_regression' and data->>'version' = @version
		group by issue_id order by max(id) desc limit @limit),
	resolved as (
		select id from issues where project_id = @project and resolution is not null and status = 1 and resolution->>'in_release' = @version
		order by last_seen desc limit @limit)
	select k.kind, ` + issueFields + `
	from (select 'new' as kind, id from new union all select 'regressed', id from regressed union all select 'resolved', id from resolved) k
		join issues i on i.project_id = @project and i.id = k.id
	order by i.times_seen desc, i.id desc`

// kindedIssue is an issue under a heading.
type kindedIssue struct {
	listedIssue
	Kind               string
	Here, There, Whole int64 // only of comparisons
}

// ReleaseIssues returns what is new, came back and was resolved in a release, at most limit of each.
func (st *Store) ReleaseIssues(ctx context.Context, p project.Project, version string, limit int) (list ReleaseIssues, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlReleaseIssues, pgx.StrictNamedArgs{"project": p.ID, "version": version, "seen": ReleaseIssuesSeen, "limit": limit})
		found, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[kindedIssue])
		if err != nil {
			return err
		}
		under := map[string]*[]IssueRow{"new": &list.New, "regressed": &list.Regressed, "resolved": &list.Resolved}
		for i := range found {
			row, err := found[i].row(p)
			if err != nil {
				return err
			}
			*under[found[i].Kind] = append(*under[found[i].Kind], row)
		}
		return nil
	})
	return list, translate(err, "list the issues of release %.60s", version)
}

// ComparedIssue is an issue with how often each of two releases saw it.
type ComparedIssue struct {
	IssueRow
	Here, There int64
}

// ReleaseComparison is the issues of two releases, the busiest first.
type ReleaseComparison struct {
	Only, Gone, Both                []ComparedIssue // in the first alone, in the other alone, in both
	OnlyCount, GoneCount, BothCount int64
}

const sqlCompareReleases = `
	with a as (select issue_id, times_seen from issue_releases where project_id = @project and release = @version order by issue_id desc limit @seen),
	b as (select issue_id, times_seen from issue_releases where project_id = @project and release = @other order by issue_id desc limit @seen),
	told as (
		select issue_id, coalesce(a.times_seen, 0) as here, coalesce(b.times_seen, 0) as there,
			case when b.issue_id is null then 'only' when a.issue_id is null then 'gone' else 'both' end as kind
		from a full join b using (issue_id)),
	ranked as (
		select *, count(*) over (partition by kind) as whole, row_number() over (partition by kind order by greatest(here, there) desc, issue_id desc) as place from told)
	select r.kind, r.here, r.there, r.whole, ` + issueFields + `
	from ranked r join issues i on i.project_id = @project and i.id = r.issue_id
	where r.place <= @limit order by r.kind, r.place`

// CompareReleases tells the issues of two releases of a project apart, at most limit of each kind.
func (st *Store) CompareReleases(ctx context.Context, p project.Project, version, other string, limit int) (c ReleaseComparison, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlCompareReleases, pgx.StrictNamedArgs{"project": p.ID, "version": version, "other": other, "seen": ReleaseIssuesSeen, "limit": limit})
		found, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[kindedIssue])
		if err != nil {
			return err
		}
		for i := range found {
			row, err := found[i].row(p)
			if err != nil {
				return err
			}
			list, n := &c.Both, &c.BothCount
			switch found[i].Kind {
			case "only":
				list, n = &c.Only, &c.OnlyCount
			case "gone":
				list, n = &c.Gone, &c.GoneCount
			}
			*list, *n = append(*list, ComparedIssue{row, found[i].Here, found[i].There}), found[i].Whole
		}
		return nil
	})
	return c, translate(err, "compare release %.60s", version)
}

const sqlReleaseArtifacts = sqlArtifactPart + `, r.release, r.dist
	from artifact_releases r join artifact_bundles b on b.project_id = r.project_id and b.id = r.bundle_id
		join artifact_files f on f.project_id = r.project_id and f.bundle_id = r.bundle_id
	where r.project_id = @project and r.release = @release and (@query::text = '' or f.debug_id = lower(@query) or f.url ilike @pattern)
	order by b.kind, b.created_at desc, b.id desc, f.position limit @limit offset @skip`

// ReleaseArtifacts lists the files that were uploaded for a release of a project, those of newer
// uploads first; query is a debug id or a part of an address, empty for all.
func (st *Store) ReleaseArtifacts(ctx context.Context, project int64, version, query string, skip, limit int) ([]artifact.File, error) {
	return st.artifacts(ctx, sqlReleaseArtifacts, pgx.StrictNamedArgs{"project": project, "release": version, "query": query, "pattern": contains(query),
		"skip": skip, "limit": limit})
}
