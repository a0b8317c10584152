package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

func sortByTime[T any](list []T, at func(T) time.Time) {
	slices.SortStableFunc(list, func(a, b T) int { return at(b).Compare(at(a)) })
}

// MaxChanged is how many issues one change may name.
const MaxChanged = 1000

const sqlIssuesForChange = `
	select i.id, i.project_id, i.number, i.type, i.title, i.culprit, i.platform, i.logger, i.level, i.metadata,
		i.status, i.substatus, i.priority, i.is_unhandled, i.first_seen, i.last_seen, i.times_seen, i.user_count,
		i.first_release, i.last_release, i.assignee, i.version, i.resolution, i.snooze, i.status_at, i.priority_locked_at, i.initial_priority, i.share_id
	from issues i where i.project_id = any(@projects::bigint[]) and i.id = any(@ids::bigint[])
	order by i.project_id, i.id for update`

const sqlInsertActivity = `
	insert into activities (project_id, id, issue_id, type, user_id, data, created_at)
	values (@project, @id, @issue, @type, nullif(@user::bigint, 0), @data::text::jsonb, @at)`

// ChangeIssues does the action to those of an organization's issues that have one of the ids, and
// writes to their histories what changed; user is who asked, 0 a program. It returns the issues as
// they are now. Doing it twice changes nothing. fault.Invalid: the action contradicts itself, or
// names a release, user or state that does not fit.
func (st *Store) ChangeIssues(ctx context.Context, org int64, ids []int64, a issue.Action, user int64) ([]IssueRow, error) {
	if len(ids) > MaxChanged {
		return nil, fault.New(fault.TooLarge, "at most %d issues are changed at once", MaxChanged)
	}
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	if err := st.checkAction(ctx, org, &a); err != nil {
		return nil, err
	}
	var changed []IssueRow
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			changed, err = changeIssues(ctx, tx, projects, ids, a, user, time.Now().UTC())
			return err
		})
	})
	return changed, translate(err, "change issues of organization %d", org)
}

// checkAction refuses an action that names a member or a commit which the organization does not have.
func (st *Store) checkAction(ctx context.Context, org int64, a *issue.Action) error {
	if err := st.checkAssignee(ctx, org, a.Assignee); err != nil || a.Resolution == nil || a.Resolution.InCommit == "" {
		return err
	}
	return st.checkCommit(ctx, org, a.Resolution)
}

// changeIssues is ChangeIssues in a transaction, for what has been checked.
func changeIssues(ctx context.Context, tx pgx.Tx, projects []project.Project, ids []int64, a issue.Action, user int64, now time.Time) ([]IssueRow, error) {
	c := conditions{projects: projects}
	rows, _ := tx.Query(ctx, sqlIssuesForChange, pgx.StrictNamedArgs{"projects": c.projectIDs(), "ids": ids})
	list, _, err := collectIssueRows(rows, projects)
	if err != nil {
		return nil, err
	}
	if err := oneProject(list, a); err != nil {
		return nil, err
	}
	for i := range list {
		if a.Unless != 0 && list[i].Version != a.Unless {
			return nil, fault.New(fault.Conflict, "Issue %s was changed meanwhile: look at it again.", list[i].ShortID)
		}
	}
	if len(list) > 0 && a.Resolution != nil {
		if a.Resolution, err = knownRelease(ctx, tx, list[0].OrganizationID(projects), list[0].Project, *a.Resolution); err != nil {
			return nil, err
		}
	}
	w := issueWrites{user: user, now: now}
	w.undo.id = NewID()
	for i := range list {
		if err := w.apply(&list[i], a, c.organization(list[i].Project)); err != nil {
			return nil, err
		}
	}
	return list, w.write(ctx, tx)
}

// oneProject refuses what names a release and issues of several projects.
func oneProject(list []IssueRow, a issue.Action) error {
	if a.Resolution == nil {
		return nil
	}
	for i := range list {
		if list[i].Project != list[0].Project {
			return fault.New(fault.Invalid, "Cannot set resolved in release for multiple projects.")
		}
	}
	return nil
}

const sqlHasRelease = `select exists (select from releases where project_id = @project and version = @version)`

const sqlNewestReleases = `
	select version, coalesce(released_at, created_at) as first_seen from releases
	where project_id = @project order by coalesce(released_at, created_at) desc, version desc limit 10`

const sqlGreatestRelease = `
	select version from releases where project_id = @project and sort_key is not null order by sort_key desc limit 1`

// newestRelease is the newest release of a project: the greatest version where it names its
// releases so, else that of the latest date. found is false when it has none.
func newestRelease(ctx context.Context, tx pgx.Tx, project int64) (version string, found bool, err error) {
	args := pgx.StrictNamedArgs{"project": project}
	rows, _ := tx.Query(ctx, sqlNewestReleases, args)
	newest, err := pgx.CollectRows(rows, pgx.RowToStructByName[release.Seen])
	if err != nil || len(newest) == 0 {
		return "", false, err
	}
	if !release.FollowsSemver(newest) {
		return newest[0].Version, true, nil
	}
	err = tx.QueryRow(ctx, sqlGreatestRelease, args).Scan(&version)
	return version, true, err
}

// LatestRelease is the newest release of a project; empty: it has none.
func (st *Store) LatestRelease(ctx context.Context, project int64) (version string, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		version, _, err = newestRelease(ctx, tx, project)
		return err
	})
	return version, translate(err, "find the latest release of project %d", project)
}

// knownRelease fills in the newest release, or the one that has the commit, and refuses a release
// the project does not have.
func knownRelease(ctx context.Context, tx pgx.Tx, org, project int64, r issue.Resolution) (*issue.Resolution, error) {
	if r.InCommit != "" && r.InRelease == "" {
		err := tx.QueryRow(ctx, sqlReleaseOfCommit, pgx.StrictNamedArgs{"org": org, "project": project, "sha": r.InCommit, "repository": r.Repository}).Scan(&r.InRelease)
		if err != nil && fault.KindOf(translate(err, "")) != fault.Unknown {
			return nil, err
		}
		return &r, nil // without a release until one has the commit
	}
	if r.InNextRelease || r.InRelease == "latest" {
		latest, found, err := newestRelease(ctx, tx, project)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fault.New(fault.Invalid, "No release data present in the system.")
		}
		if r.InNextRelease {
			r.AfterRelease = latest
		} else {
			r.InRelease = latest
		}
		return &r, nil
	}
	var known bool
	if err := tx.QueryRow(ctx, sqlHasRelease, pgx.StrictNamedArgs{"project": project, "version": r.InRelease}).Scan(&known); err != nil {
		return nil, err
	}
	if !known && r.InRelease != "" {
		return nil, fault.New(fault.Invalid, "Unable to find a release with the given version.")
	}
	return &r, nil
}

// checkCommit refuses a commit that no release of the organization told of, and completes its hash.
func (st *Store) checkCommit(ctx context.Context, org int64, r *issue.Resolution) error {
	err := st.db.QueryRow(ctx, sqlHasCommit, pgx.StrictNamedArgs{"org": org, "sha": r.InCommit, "repository": r.Repository}).Scan(&r.InCommit)
	if err = translate(err, "find a commit"); fault.KindOf(err) == fault.Unknown {
		return fault.New(fault.Invalid, "Unable to find the given commit.")
	}
	return err
}

// OrganizationID is that of the row's project, which is one of the list.
func (r *IssueRow) OrganizationID(projects []project.Project) int64 {
	for i := range projects {
		if projects[i].ID == r.Project {
			return projects[i].OrganizationID
		}
	}
	return 0
}

// state is what decides the issue's next step.
func (r *IssueRow) state() issue.State {
	s := issue.State{Status: r.Status, Substatus: r.Substatus, Resolution: r.Resolution, Snooze: r.Snooze, Priority: r.Priority, Initial: r.InitialPriority,
		Locked: r.PriorityLockedAt != nil, Assignee: r.Assignee, FirstSeen: r.FirstSeen, TimesSeen: r.TimesSeen, UserCount: r.UserCount}
	if r.StatusAt != nil {
		s.StatusAt = *r.StatusAt
	}
	return s
}

// queueActivity adds an entry to an issue's history.
func queueActivity(b *pgx.Batch, project, id int64, act issue.Activity, user int64, now time.Time) error {
	data, err := json.Marshal(act.Data)
	if err != nil {
		return err
	}
	if act.Data == nil {
		data = []byte("{}")
	}
	b.Queue(sqlInsertActivity, pgx.StrictNamedArgs{"project": project, "id": NewID(), "issue": id, "type": act.Type, "user": user, "data": string(data), "at": now})
	return nil
}

// change is what rules are asked about, of a change that no event made.
func (r *IssueRow) change(kind issue.ChangeKind, org string, user int64, now time.Time) issue.Change {
	return issue.Change{
		ID: NewID(), Kind: kind, Project: r.Project, ProjectSlug: r.ProjectSlug, ProjectName: r.ProjectName, Org: org, Issue: r.ID, ShortID: r.ShortID,
		Title: r.Title, Culprit: r.Culprit, Type: r.Type, Level: r.Level.String(), Platform: r.Platform, Logger: r.Logger,
		Status: r.Status.String(), Substatus: r.Substatus.String(), Priority: r.Priority.String(), Assignee: r.Assignee, Release: r.LastRelease,
		FirstSeen: r.FirstSeen, LastSeen: r.LastSeen, TimesSeen: r.TimesSeen, UserCount: r.UserCount, Actor: user, At: now,
	}
}

const sqlInsertChange = `insert into alert_outbox (project_id, id, change) values (@project, @id, @change::text::jsonb)`

// queueChanged tells rules of a change.
func queueChanged(b *pgx.Batch, c issue.Change) error {
	text, err := json.Marshal(&c)
	if err == nil {
		b.Queue(sqlInsertChange, pgx.StrictNamedArgs{"project": c.Project, "id": c.ID, "change": string(text)})
	}
	return err
}

const sqlIsMember = `
	select exists (select from memberships m join users u on u.id = m.user_id
		where m.organization_id = @org and m.user_id = @user and u.is_active)`

// checkAssignee refuses who is no member of the organization.
func (st *Store) checkAssignee(ctx context.Context, org int64, assignee *string) error {
	if assignee == nil || *assignee == "" {
		return nil
	}
	kind, number, _ := strings.Cut(*assignee, ":")
	if kind == "team" {
		if t, err := st.Team(ctx, org, number, 0); err != nil || strconv.FormatInt(t.ID, 10) != number {
			return fault.New(fault.Invalid, "Cannot assign to a team without access to the project")
		}
		return nil
	}
	user, err := strconv.ParseInt(number, 10, 64)
	if kind != "user" || err != nil {
		return fault.New(fault.Invalid, "Cannot assign to non-team member")
	}
	var member bool
	if err := st.db.QueryRow(ctx, sqlIsMember, pgx.StrictNamedArgs{"org": org, "user": user}).Scan(&member); err != nil {
		return translate(err, "look up user %d", user)
	}
	if !member {
		return fault.New(fault.Invalid, "Cannot assign to non-team member")
	}
	return nil
}
