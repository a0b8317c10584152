package postgres

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// errNoResource is what everything answers that does not exist, or not for the caller.
func errNoResource() error { return fault.New(fault.Unknown, "The requested resource does not exist") }

// One issue of any of an organization's projects, by id.
const sqlIssueByID = `
	select i.id, i.project_id, i.number, i.type, i.title, i.culprit, i.platform, i.logger, i.level, i.metadata,
		i.status, i.substatus, i.priority, i.is_unhandled, i.first_seen, i.last_seen, i.times_seen, i.user_count,
		i.first_release, i.last_release, i.assignee, i.version, i.resolution, i.snooze, i.status_at, i.priority_locked_at, i.initial_priority, i.share_id
	from issues i where i.project_id = any(@projects::bigint[]) and i.id = any(@ids::bigint[])`

const sqlRedirects = `
	select distinct target_id from issue_redirects where project_id = any(@projects::bigint[]) and issue_id = any(@ids::bigint[])`

// IssuesByID returns those of an organization's issues that have one of the ids, in no order. The
// id of an issue that was merged means the one that it is part of now.
func (st *Store) IssuesByID(ctx context.Context, org int64, ids []int64) ([]IssueRow, error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	c := conditions{projects: projects}
	find := func(ids []int64) ([]IssueRow, error) {
		rows, _ := st.db.Query(ctx, sqlIssueByID, pgx.StrictNamedArgs{"projects": c.projectIDs(), "ids": ids})
		list, _, err := collectIssueRows(rows, projects)
		return list, err
	}
	list, err := find(ids)
	if err != nil || len(list) >= len(ids) {
		return list, translate(err, "find issues of organization %d", org)
	}
	rows, _ := st.db.Query(ctx, sqlRedirects, pgx.StrictNamedArgs{"projects": c.projectIDs(), "ids": ids}) // Collect reports a failed Query
	targets, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	targets = slices.DeleteFunc(targets, func(id int64) bool {
		return slices.ContainsFunc(list, func(row IssueRow) bool { return row.ID == id })
	})
	if err != nil || len(targets) == 0 {
		return list, translate(err, "find merged issues of organization %d", org)
	}
	more, err := find(targets)
	return append(list, more...), translate(err, "find issues of organization %d", org)
}

// IssueByID returns one issue of an organization. fault.Unknown: it has none of that id.
func (st *Store) IssueByID(ctx context.Context, org, id int64) (IssueRow, error) {
	h, err := st.IssueNamed(ctx, org, strconv.FormatInt(id, 10))
	return h.Issue, err
}

const sqlIssueByNumber = `
	select id from issues where project_id = @project and number = @number
	union all select target_id from issue_redirects where project_id = @project and number = @number limit 1`

// IssueByShortID returns the issue of an organization that people call "CHECKOUT-1F2", in any
// case. fault.Unknown: it has none of that name.
func (st *Store) IssueByShortID(ctx context.Context, org int64, shortID string) (IssueRow, error) {
	if _, _, ok := project.ParseShortID(shortID); !ok {
		return IssueRow{}, errNoResource()
	}
	h, err := st.IssueNamed(ctx, org, shortID)
	return h.Issue, err
}

const sqlIssueTags = `
	with k as materialized (
		select key, count(*) as unique_values, sum(times_seen)::bigint as total
		from issue_tags where project_id = @project and issue_id = @issue and (@key::text = '' or key = @key)
		group by key order by total desc, key limit 200)
	select k.key, k.unique_values, k.total, t.value, coalesce(t.times_seen, 0) as times_seen, coalesce(t.first_seen, 'epoch') as first_seen, coalesce(t.last_seen, 'epoch') as last_seen
	from k left join lateral (
		select value, times_seen, first_seen, last_seen from issue_tags
		where project_id = @project and issue_id = @issue and key = k.key
		order by times_seen desc, value limit @top) as t on true
	order by k.total desc, k.key, t.times_seen desc, t.value`

// IssueTags lists the tags of an issue, most frequent first, each with its top most frequent
// values. With a key, only that one.
func (st *Store) IssueTags(ctx context.Context, project, issue int64, key string, top int) ([]TagKey, error) {
	var list []tagDocument
	err := st.read(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, sqlIssueTags, pgx.StrictNamedArgs{"project": project, "issue": issue, "key": key, "top": min(max(top, 0), maxTagValues)})
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[tagDocument])
		return err
	})
	return tagKeys(list), translate(err, "list the tags of issue %d", issue)
}

// maxTagValues is how many values of one tag are listed.
const maxTagValues = 1000

// TagSort is an order of tag values.
type TagSort string

// The orders: most frequent, latest seen, first seen latest.
const (
	TagsByCount TagSort = "-count"
	TagsByDate  TagSort = "-date"
	TagsByAge   TagSort = "-age"
)

// IssueTagValues lists the values of one tag of an issue, at most 1,000.
func (st *Store) IssueTagValues(ctx context.Context, project, issue int64, key string, sort TagSort) ([]TagValue, error) {
	list, err := st.IssueTags(ctx, project, issue, key, maxTagValues)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	values := list[0].Top
	switch sort {
	case TagsByDate:
		sortByTime(values, func(v TagValue) time.Time { return v.LastSeen })
	case TagsByAge:
		sortByTime(values, func(v TagValue) time.Time { return v.FirstSeen })
	}
	return values, nil
}

const sqlIssueEnvironments = `
	select environment as name, times_seen, first_seen, last_seen from issue_environments
	where project_id = @project and issue_id = @issue order by times_seen desc, environment limit 100`

// IssueEnvironments lists the environments an issue was seen in, most frequent first; events
// without one count under "".
func (st *Store) IssueEnvironments(ctx context.Context, project, issue int64) ([]Seen, error) {
	rows, _ := st.db.Query(ctx, sqlIssueEnvironments, pgx.StrictNamedArgs{"project": project, "issue": issue})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Seen])
	return list, translate(err, "list the environments of issue %d", issue)
}

const sqlIssueReleases = `
	select release as name, times_seen, first_seen, last_seen from issue_releases
	where project_id = @project and issue_id = @issue order by last_seen desc, release limit 100`

// IssueReleases lists the releases an issue was seen in, latest first.
func (st *Store) IssueReleases(ctx context.Context, project, issue int64) ([]Seen, error) {
	rows, _ := st.db.Query(ctx, sqlIssueReleases, pgx.StrictNamedArgs{"project": project, "issue": issue})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Seen])
	return list, translate(err, "list the releases of issue %d", issue)
}

const sqlIssueHashes = `
	select hash from issue_hashes where project_id = @project and issue_id = @issue order by created_at, hash limit 1000`

// IssueHashes lists what grouping made of an issue's events, as hexadecimal digits, oldest first.
func (st *Store) IssueHashes(ctx context.Context, project, issue int64) ([]string, error) {
	rows, _ := st.db.Query(ctx, sqlIssueHashes, pgx.StrictNamedArgs{"project": project, "issue": issue})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var hash []byte
		err := row.Scan(&hash)
		return hex.EncodeToString(hash), err
	})
	return list, translate(err, "list the hashes of issue %d", issue)
}

const sqlActivities = `
	select a.id, a.type, a.data, a.created_at, coalesce(u.id, 0) as user_id, coalesce(u.name, '') as user_name, coalesce(u.email, '') as user_email
	from activities a left join users u on u.id = a.user_id
	where a.project_id = @project and a.issue_id = @issue order by a.id desc limit @limit`

// Activities lists what happened to an issue, newest first, at most 100.
func (st *Store) Activities(ctx context.Context, project, issue int64, limit int) ([]Activity, error) {
	rows, _ := st.db.Query(ctx, sqlActivities, pgx.StrictNamedArgs{"project": project, "issue": issue, "limit": min(limit, 100)})
	list, err := pgx.CollectRows(rows, scanActivity)
	return list, translate(err, "list the activities of issue %d", issue)
}
