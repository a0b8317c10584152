package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

const sqlAlertIssues = `
	select i.project_id, i.id, i.number, i.type, i.level, i.platform, i.logger, i.title, i.culprit, i.status, i.substatus, i.priority,
		coalesce(i.assignee, '') as assignee, i.first_seen, i.last_seen, i.times_seen, i.user_count, coalesce(i.first_release, '') as first_release,
		coalesce(i.last_release, '') as last_release, p.slug as project_slug, p.name as project_name, o.slug as org, o.id as organization_id
	from unnest(@projects::bigint[], @ids::bigint[]) as w(project_id, id)
	join issues i on i.project_id = w.project_id and i.id = w.id
	join projects p on p.id = i.project_id and p.deleted_at is null
	join organizations o on o.id = p.organization_id`

// AlertIssue is an issue as rules and messages see it.
type AlertIssue struct {
	ProjectID      int64
	ID             int64
	Number         int64
	Type           string
	Level          event.Level
	Platform       string
	Logger         string
	Title          string
	Culprit        string
	Status         issue.Status
	Substatus      issue.Substatus
	Priority       issue.Priority
	Assignee       string
	FirstSeen      time.Time
	LastSeen       time.Time
	TimesSeen      int64
	UserCount      int64
	FirstRelease   string
	LastRelease    string
	ProjectSlug    string
	ProjectName    string
	Org            string
	OrganizationID int64
}

// Facts is what clauses compare.
func (i *AlertIssue) Facts() *alert.IssueFacts {
	return &alert.IssueFacts{Status: i.Status, Priority: i.Priority, Assignee: i.Assignee, Category: "1", FirstSeen: i.FirstSeen,
		TimesSeen: i.TimesSeen, UserCount: i.UserCount, FirstRelease: i.FirstRelease, LastRelease: i.LastRelease}
}

// Fill completes a change with what the issue is like now.
func (i *AlertIssue) Fill(c *issue.Change) {
	c.Project, c.ProjectSlug, c.ProjectName, c.Org, c.Issue = i.ProjectID, i.ProjectSlug, i.ProjectName, i.Org, i.ID
	c.ShortID = project.ShortID(i.ProjectSlug, i.Number)
	c.Status, c.Substatus, c.Priority, c.Assignee = i.Status.String(), i.Substatus.String(), i.Priority.String(), i.Assignee
	c.FirstSeen, c.LastSeen, c.UserCount = i.FirstSeen, i.LastSeen, i.UserCount
	if c.TimesSeen = max(c.TimesSeen, i.TimesSeen); c.EventID != "" {
		return
	}
	c.Title, c.Culprit, c.Type, c.Level, c.Platform, c.Logger = i.Title, i.Culprit, i.Type, i.Level.String(), i.Platform, i.Logger
	if c.Release == "" {
		c.Release = i.LastRelease
	}
}

// IssueKey names an issue.
type IssueKey struct{ Project, Issue int64 }

// AlertIssues reads issues of any projects; those that do not exist are absent.
func (st *Store) AlertIssues(ctx context.Context, keys []IssueKey) (map[IssueKey]*AlertIssue, error) {
	projects, ids := make([]int64, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		projects[i], ids[i] = k.Project, k.Issue
	}
	rows, _ := st.db.Query(ctx, sqlAlertIssues, pgx.StrictNamedArgs{"projects": projects, "ids": ids}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[AlertIssue])
	found := make(map[IssueKey]*AlertIssue, len(list))
	for _, i := range list {
		found[IssueKey{i.ProjectID, i.ID}] = i
	}
	return found, translate(err, "read %d issues for alerts", len(keys))
}

// EventOf reads one event of a project. fault.Unknown: it has none with this id.
func (st *Store) EventOf(ctx context.Context, projectID int64, id event.ID) (EventRow, error) {
	var places []eventPlace
	err := st.read(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, sqlEventByID, pgx.StrictNamedArgs{"project": projectID, "event": pgtype.UUID{Bytes: id, Valid: true}})
		places, err = pgx.CollectRows(rows, pgx.RowToStructByName[eventPlace])
		return err
	})
	if err == nil && len(places) == 0 {
		err = errNoEvent
	}
	if err != nil {
		return EventRow{}, translate(err, "read event %s", id)
	}
	list, err := st.decoded(ctx, projectID, places)
	if err != nil {
		return EventRow{}, err
	}
	return list[0], nil
}

// Of an environment, the newest release among the latest events of the project.
const sqlLatestReleaseIn = `
	select r.version from (
		select distinct release from (
			select release, environment from events where project_id = @project order by received_at desc limit 20000) as latest
		where environment = @environment and release is not null) as seen
	join releases r on r.project_id = @project and r.version = seen.release
	order by r.first_seen desc, r.version desc limit 1`

const sqlLatestRelease = `
	select version from releases where project_id = @project order by coalesce(released_at, created_at) desc, version desc limit 1`

// LatestReleases returns a project's newest release in each of the environments, "" meaning any.
func (st *Store) LatestReleases(ctx context.Context, projectID int64, environments []string) (map[string]string, error) {
	found := map[string]string{}
	err := st.read(ctx, func(tx pgx.Tx) error {
		for _, env := range environments {
			query, args := sqlLatestReleaseIn, pgx.StrictNamedArgs{"project": projectID, "environment": env}
			if env == "" {
				query = sqlLatestRelease
				delete(args, "environment")
			}
			rows, _ := tx.Query(ctx, query, args)
			list, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			if found[env] = ""; len(list) > 0 {
				found[env] = list[0]
			}
		}
		return nil
	})
	return found, translate(err, "read the latest releases of project %d", projectID)
}

// ReleaseOrder says how some releases of a project follow each other.
func (st *Store) ReleaseOrder(ctx context.Context, projectID int64, versions []string) (issue.Order, error) {
	var newest, all []release.Seen
	err := st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlReleaseOrder, pgx.StrictNamedArgs{"projects": []int64{projectID}, "versions": versions})
		var id int64
		var seen release.Seen
		var isNewest bool
		_, err := pgx.ForEachRow(rows, []any{&id, &seen.Version, &seen.FirstSeen, &isNewest}, func() error {
			if all = append(all, seen); isNewest {
				newest = append(newest, seen)
			}
			return nil
		})
		return err
	})
	return issue.Order(release.Order(all, newest)), translate(err, "order the releases of project %d", projectID)
}

const sqlUnseenRelease = `
	select version from releases r where r.project_id = @project and r.first_seen < (
			select first_seen from releases where project_id = @project and version = @version)
		and not exists (select from issue_releases i where i.project_id = @project and i.issue_id = @issue and i.release = r.version)
	order by r.first_seen desc limit 1`

// PreviousRelease is the newest release before one in which an issue was not seen; empty: none.
func (st *Store) PreviousRelease(ctx context.Context, projectID, issueID int64, version string) (string, error) {
	rows, _ := st.db.Query(ctx, sqlUnseenRelease, pgx.StrictNamedArgs{"project": projectID, "issue": issueID, "version": version})
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) == 0 {
		return "", translate(err, "find the release before %q", version)
	}
	return list[0], nil
}
